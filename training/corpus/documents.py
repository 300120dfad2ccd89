"""What passes between the parts of the corpus stage: raw candidates in, documents out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Candidate:
    """A text as found, before any filter. `dropped` is the reason where there is no text to filter."""

    content: str | bytes
    path: str
    project: str
    licence: str
    dropped: str = ""


@dataclass(frozen=True)
class Document:
    """A text to learn from. `split` is "train" or "validation"."""

    text: str
    path: str
    project: str
    licence: str
    source: str
    split: str


class Found(NamedTuple):
    """What a source holds: how many candidates, where that is known, and they themselves, in a fixed order."""

    total: int | None
    candidates: Iterator[Candidate]
