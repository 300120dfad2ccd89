"""What was found of each text, kept on disk until the corpus is whole: no text is judged twice after a stop."""

import base64
import json
import shutil
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Self

import rensa

from training.corpus.filters import PERMUTATIONS, SEED, Verdict


class Judged:
    """Verdicts by their texts; a context manager that appends the new ones to a file, a line each.

    What the tasks of `training.judge` found is known, too. Without a path nothing is kept. The file belongs to one
    corpus: what is dropped depends on its settings.
    """

    def __init__(self, path: Path | None) -> None:
        files = [path, *files_of_tasks(path)] if path is not None else []
        self._known = {key: line for file in files if file.exists() for key, line in _read(file)}
        self._file = path.open("a", encoding="ascii") if path is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def recall(self, text: str) -> Verdict | None:
        """The verdict on a text, once: it is forgotten then, which bounds the memory."""
        line = self._known.pop(_key(text), None) if self._known else None
        if line is None:
            return None
        _, reason, digest, signature = json.loads(line)
        return Verdict(reason, base64.b85decode(digest), _signature(signature))

    def add(self, text: str, verdict: Verdict) -> None:
        """Keep a new verdict."""
        if self._file is None:
            return
        signature = verdict.signature and base64.b85encode(verdict.signature.__getstate__()).decode()
        fields = [_key(text), verdict.reason, base64.b85encode(verdict.digest).decode(), signature]
        self._file.write(f"\n{json.dumps(fields)}")  # the line end comes first: what was cut short stays alone


def folder_of_tasks(path: Path, tasks: int) -> Path:
    """Where so many tasks keep their verdicts and marks, beside the file of the corpus: other shares, other folders."""
    return path.with_suffix("") / f"{tasks}-tasks"


def file_of_task(path: Path, rank: int, tasks: int) -> Path:
    """The verdicts of one of these tasks."""
    return folder_of_tasks(path, tasks) / "verdicts" / f"{rank:05d}.jsonl"


def files_of_tasks(path: Path) -> list[Path]:
    """What tasks have found for the corpus so far."""
    return sorted(path.with_suffix("").glob("*-tasks/verdicts/*.jsonl"))


def forget(path: Path) -> None:
    """Delete all that was kept for a corpus: it is whole."""
    path.unlink(missing_ok=True)
    shutil.rmtree(path.with_suffix(""), ignore_errors=True)


def _read(path: Path) -> Iterator[tuple[str, str]]:
    """Keys and lines, as they are; those that were cut short are left out."""
    with path.open(encoding="ascii", errors="replace") as file:
        for line in map(str.strip, file):
            if line.startswith('["') and line.endswith("]"):
                yield line[2:].partition('"')[0], line


def _key(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _signature(state: str | None) -> rensa.RMinHash | None:
    if state is None:
        return None
    signature = rensa.RMinHash(PERMUTATIONS, SEED)
    signature.__setstate__(base64.b85decode(state))
    return signature
