"""Judging a corpus ahead of reading it, in tasks that share it out: `read_documents` then judges nothing again.

Only verdicts come of it. What they make of a text depends on the order (which of two duplicates came first), so the
documents are still read by one process, and are those that it would find alone.
"""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from training.corpus import sources
from training.corpus.corpus import CorpusConfig, Inspected, inspect, limits_of
from training.corpus.documents import Candidate, Found
from training.corpus.filters import Verdict, judge
from training.corpus.judged import Judged, file_of_task
from training.corpus.workers import Workers


class Share(NamedTuple):
    """Every `parts`-th candidate of a source, from number `part` on."""

    source: str
    part: int
    parts: int


def shares(names: tuple[str, ...], rank: int, tasks: int) -> list[Share]:
    """What one of the tasks judges: whole sources where there are enough, since each part reads its source to the end.

    Task `rank` of `tasks` counts from 0. All tasks together judge each candidate once.
    """
    if tasks < len(names):
        return [Share(name, 0, 1) for name in names[rank::tasks]]
    number = rank % len(names)
    return [Share(names[number], rank // len(names), len(range(number, tasks, len(names))))]


def judge_share(config: CorpusConfig, judged: Path, rank: int, tasks: int) -> Iterator[tuple[Candidate, str]]:
    """Judge what falls to one task, and keep it where a reader of the file `judged` finds it.

    Yields candidates and why each is dropped whatever came before it ("": only a duplicate would be). Those that this
    task had judged before it was stopped are not judged again. Raises InputError for a source that cannot be read.
    """
    path = file_of_task(judged, rank, tasks)
    path.parent.mkdir(parents=True, exist_ok=True)
    look = partial(judge, limits=limits_of(config))
    with Judged(path) as kept, Workers[Inspected, Verdict](look, count=1) as workers:
        for name, part, parts in shares(config.sources, rank, tasks):
            candidates = open_source(name, config).candidates
            inspected = (inspect(candidate, config, kept) for candidate in islice(candidates, part, None, parts))
            with closing(inspected):
                for (candidate, reason, text, known), asked, answer in workers.map(inspected):
                    if asked and answer is not None:
                        kept.add(text, answer)
                    verdict = known or answer
                    yield candidate, reason or ("crashed_parser" if verdict is None else verdict.reason)


def open_source(name: str, config: CorpusConfig) -> Found:
    """What a source of this corpus holds; packages that are not there yet are downloaded."""
    return sources.find(name, config.content_column, Path(config.downloads), config.max_bytes + 1)
