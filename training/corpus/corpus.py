"""Sources → documents: filtered, deduplicated, and split by project so that nothing leaks."""

import sys
from collections import Counter
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Literal, NamedTuple

from tqdm import tqdm

from training.corpus import licences, sources
from training.corpus.documents import Candidate, Document, Found
from training.corpus.filters import Duplicates, Limits, Verdict, clean, judge, judge_path
from training.corpus.judged import Judged
from training.corpus.tally import CorpusReport
from training.corpus.workers import Workers
from training.errors import InputError
from training.ranges import BelowOne, Count, Natural, Positive, Share


class Inspected(NamedTuple):
    """What is known of a candidate before the workers look: `reason` already puts it out."""

    candidate: Candidate
    reason: str
    text: str
    verdict: Verdict | None


@dataclass(frozen=True)
class CorpusConfig:
    """What the model learns from."""

    sources: tuple[str, ...] = ("environment",)
    """Each one of: "environment" (the Python code of the running interpreter); a folder; a .csv file or the URL
    of one (a document a row, in the first column, or in the content column where a header names it); a .parquet,
    .jsonl or .jsonl.gz file; "packages:FILE" (a list of names, one a line, whose wheels pip downloads);
    "hub:DATASET[:CONFIG]" (a data set of the Hugging Face hub, streamed; needs the extra `hub`)."""
    licences: Literal["any", "permissive"] = "any"
    """"any", or "permissive": only what is known to be under a permissive licence."""
    split: Literal["project", "file", "stream"] = "project"
    """"project": a project is either for training or for validation, by a hash of its name. "file": a file is, by its
    path in its project, for code of one project. "stream": all documents are for training here, and the end of the
    token stream is cut off for validation later on."""
    validation_share: BelowOne = 0.05
    """The share of projects (or of files, or of the stream) that is kept for validation; 0 for none."""
    max_line_length: Count = 1000
    """Characters; a file with a longer line is minified or data."""
    max_mean_line_length: Positive = 100.0
    """Characters, over the lines that are not blank; as above."""
    max_bytes: Count = 500_000
    """Longer files are data or generated, as a rule."""
    min_bytes: Natural = 128
    """Shorter files hold nothing to learn from."""
    near_duplicate_threshold: Share = 0.8
    """Files this alike (Jaccard similarity of their sets of 5-word shingles) count as one; 0 keeps them all."""
    whole_project_bytes: Natural = 0
    """Of a larger project, ever fewer files are trained on: what is kept of it grows with the logarithm of its size, so
    that a few large ones are not half of the corpus. 0: all of each."""
    content_column: str = "content"
    """The column (or key) of CSV with a header, Parquet, JSONL and hub rows that holds the text."""
    downloads: str = "runs/downloads"
    """Where the wheels of "packages:FILE" are kept."""
    limit: Count | None = None
    """Stop after so many documents."""


HINTS = {
    "licence": "code without a licence needs corpus.licences=any",
    "undecodable": "text in another encoding than UTF-8 has to be saved as UTF-8 first",
}
"""What helps where nothing is left, by the reason why something was dropped."""


def read_documents(
    config: CorpusConfig, report: CorpusReport | None = None, judged: Path | None = None
) -> Generator[Document, None, None]:
    """Yield the corpus in an order that depends on the sources alone; `report` is filled on the way.

    The file `judged` keeps what was found of each text, so that a corpus that was stopped is read on much faster.
    Raises InputError for a bad setting or source at once, and at the end for a corpus that turned out empty,
    or with nothing on one side of the split.
    """
    _check(config)
    return _documents(config, report if report is not None else CorpusReport(), judged)


def split_of(name: str, validation_share: float) -> str:
    """The split of a project or file: by a fixed hash of its name, so the same in every run and from every source."""
    return "validation" if position_of(name) < validation_share else "train"


def position_of(name: str) -> float:
    """Where a name falls between 0 and 1, by a fixed hash."""
    return int.from_bytes(blake2b(name.encode("utf-8", "replace"), digest_size=8).digest()) / 2**64


def _check(config: CorpusConfig) -> None:
    if not config.sources:
        raise InputError(f"corpus.sources: expected at least one of {sources.KINDS}; found none")
    for source in config.sources:
        sources.check(source)


def limits_of(config: CorpusConfig) -> Limits:
    """What a document may measure, by these settings."""
    return Limits(
        config.min_bytes,
        config.max_bytes,
        config.max_line_length,
        config.max_mean_line_length,
        signature=config.near_duplicate_threshold > 0,
    )


def _documents(config: CorpusConfig, report: CorpusReport, kept: Path | None) -> Generator[Document, None, None]:
    limits = limits_of(config)
    duplicates, balance = Duplicates(config.near_duplicate_threshold), _Balance(config.whole_project_bytes)
    with Judged(kept) as judged, Workers[Inspected, Verdict](partial(judge, limits=limits)) as workers:
        for source in config.sources:
            contents = sources.find(source, config.content_column, Path(config.downloads), config.max_bytes + 1)
            found = _from_source(source, contents, config, report, judged, workers, duplicates, balance)
            with closing(found) as documents:
                for document in documents:
                    yield document
                    if report.documents == config.limit:
                        break
            if report.documents == config.limit:
                break
    _check_outcome(config, report)


def _from_source(
    source: str,
    contents: Found,
    config: CorpusConfig,
    report: CorpusReport,
    judged: Judged,
    workers: Workers[Inspected, Verdict],
    duplicates: Duplicates,
    balance: "_Balance",
) -> Generator[Document, None, None]:
    kept = dropped = 0
    interval = 0.2 if sys.stderr.isatty() else 20.0  # seconds; a log file wants few lines
    with tqdm(total=contents.total, desc=source, unit="doc", mininterval=interval, dynamic_ncols=True) as bar:
        inspected = (inspect(candidate, config, judged) for candidate in contents.candidates)
        for (candidate, reason, text, known), asked, answer in workers.map(inspected):
            verdict = known or answer
            if not reason and verdict is None:
                reason = "crashed_parser"
            elif not reason and verdict is not None:
                reason = verdict.reason or duplicates.reason(verdict)
            if asked and answer is not None:
                judged.add(text, answer)
            split = _split_of(candidate, config)
            if not reason and split == "train":
                reason = balance.reason(candidate)
            if reason:
                dropped += 1
                report.drop(source, reason, len(candidate.content))
            else:
                kept += 1
                document = Document(text, candidate.path, candidate.project, candidate.licence, source, split)
                report.keep(document, len(text.encode()))
            bar.set_postfix(kept=kept, dropped=dropped, refresh=False)
            bar.update()
            if not reason:
                yield document


def _split_of(candidate: Candidate, config: CorpusConfig) -> str:
    if config.split == "stream":
        return "train"
    name = candidate.project if config.split == "project" else f"{candidate.project}/{candidate.path}"
    return split_of(name, config.validation_share)


class _Balance:
    """How much there was of each project, and whether more of it is wanted."""

    def __init__(self, whole: int) -> None:
        self._whole, self._seen = whole, Counter[str]()

    def reason(self, candidate: Candidate) -> str:
        """Why a file is dropped that would be kept otherwise, by its name and what came before it; "" if it is not."""
        if not self._whole:
            return ""
        self._seen[candidate.project] += len(candidate.content)
        share = self._whole / self._seen[candidate.project]
        # By another text than the split, which takes the plain name.
        drawn = position_of(f"{candidate.project}/{candidate.path} of a large project")
        return "" if drawn < share else "large_project"


def inspect(candidate: Candidate, config: CorpusConfig, judged: Judged) -> tuple[Inspected, str]:
    """What needs no parser, and the text for the workers: "" where they need not look."""
    text = clean(candidate.content)
    reason = candidate.dropped or judge_path(candidate.path)
    if not reason and config.licences == "permissive" and not licences.is_permissive(candidate.licence):
        reason = "licence"
    if not reason and len(candidate.content) > config.max_bytes:
        reason = "too_long"  # before decoding is judged: it may have been cut inside a character
    if not reason and text is None:
        reason = "undecodable"
    if reason or text is None:
        return Inspected(candidate, reason, "", None), ""
    verdict = judged.recall(text)
    return Inspected(candidate, "", text, verdict), "" if verdict else text


def _check_outcome(config: CorpusConfig, report: CorpusReport) -> None:
    reasons = ", ".join(f"{reason} {count}" for reason, count in report.reasons().items()) or "nothing"
    if not report.documents:
        raise InputError(
            f"corpus: expected documents in {', '.join(config.sources)}; found none that is usable (dropped: {reasons})"
            + "".join(f"; {hint}" for reason, hint in HINTS.items() if reason in report.reasons())
        )
    if config.split == "stream" or not config.validation_share:
        return
    for split in ("train", "validation"):
        if not report.split_documents(split):
            raise InputError(
                f"corpus: all {report.documents} documents are on one side of the split and none is for {split}; "
                f"add sources, set corpus.validation_share (now {config.validation_share}), or split inside projects "
                'with corpus.split = "file" (for code of your own see also python -m training.adapt)'
            )
