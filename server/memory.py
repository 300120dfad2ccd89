"""The person's own code as memory: what followed the text before the cursor where it stood before.

A model of this size has seen none of a person's names, but their code repeats itself. Source of the idea: the
continuous cache of Grave et al. (2017), here over the rest of a line instead of a word.
"""

import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from server.silence import Place

MOST_CHARACTERS = 16_000_000  # of all texts together: a search takes milliseconds
MOST_OF_ITSELF = 1_000_000  # characters before and after the cursor
MOST_MATCHED = 200  # characters before the cursor that are compared
ANCHOR = 8  # characters, white space not counted, that have to be the same
MOST_PLACES = 400  # in one text

# How often the rest of the line was the very text, by the characters that matched: see training/LOG.md.
PRECISION = ((48, 0.68), (32, 0.5), (24, 0.4), (16, 0.24), (0, 0.18))
PRECISION_AGREED = ((48, 0.75), (24, 0.55), (12, 0.5), (0, 0.2))  # where the model begins in the same way


@dataclass(frozen=True)
class Recalled:
    """The rest of a line that followed the same text elsewhere."""

    text: str
    matched: int
    """Characters before the cursor that are the same there, white space not counted."""
    share: float
    """Of the places with the longest match, how many go on like this."""

    def confidence(self, agreed: bool) -> float:
        """The probability that the line goes on with this very text; `agreed` says that the model begins alike."""
        table = PRECISION_AGREED if agreed else PRECISION
        return self.share * next(precision for least, precision in table if self.matched >= least)


class CodeBase(Protocol):
    """What is known beyond the text at hand."""

    def recall(self, place: Place) -> Recalled | None:
        """The likeliest rest of a line; None where its beginning is new."""
        ...

    def knows(self, word: str) -> bool:
        """Whether a word stands in any of the texts."""
        ...


class Memory:
    """Texts by name; safe to use from several threads."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._characters = 0
        self._lock = threading.Lock()

    def remember(self, name: str, text: str) -> None:
        """Keep a text under a name, instead of the one before; the oldest ones go where there are too many."""
        text = text.replace("\r\n", "\n")
        self.forget(name)
        with self._lock:
            self._texts[name] = text
            self._characters += len(text)
            while self._characters > MOST_CHARACTERS:
                self._characters -= len(self._texts.popitem(last=False)[1])

    def forget(self, name: str) -> None:
        """Drop a text, if it is there."""
        with self._lock:
            self._characters -= len(self._texts.pop(name, ""))

    def __len__(self) -> int:
        return len(self._texts)

    def _all(self) -> list[tuple[str, str]]:
        with self._lock:
            return list(reversed(self._texts.items()))

    def knows(self, word: str) -> bool:
        """See `CodeBase.knows`."""
        whole = re.compile(rf"\b{re.escape(word)}\b")
        return any(word in text and whole.search(text) for _, text in self._all())

    def recall(self, place: Place) -> Recalled | None:
        """See `CodeBase.recall`; the text of the place itself is searched too, the one under its path is not."""
        before = place.context + place.text[: place.offset][-MOST_OF_ITSELF:].replace("\r\n", "\n")
        after = place.text[place.offset :][:MOST_OF_ITSELF].replace("\r\n", "\n")
        tail = before[-MOST_MATCHED:]
        anchor = _anchor(tail)
        if not anchor:
            return None
        longest, found = 0, Counter[str]()
        for text in (before[:-1], after, *(text for name, text in self._all() if name != place.path)):
            for start in islice(_places(text, anchor), MOST_PLACES):
                matched = _matched(tail, text, start)
                if matched > longest:
                    longest, found = matched, Counter()
                if matched == longest:
                    end = text.find("\n", start)
                    found[text[start : end if end >= 0 else len(text)].rstrip()] += 1
        if not found:
            return None
        rest, count = found.most_common(1)[0]
        return Recalled(rest, sum(map(len, tail[-longest:].split())), count / found.total())


def _anchor(tail: str) -> str:
    """The end of a text with ANCHOR characters that are no white space; "" where it has fewer."""
    seen = 0
    for start in range(len(tail) - 1, -1, -1):
        seen += not tail[start].isspace()
        if seen == ANCHOR:
            return tail[start:]
    return ""


def _places(text: str, anchor: str) -> Iterator[int]:
    """Where a text goes on after an anchor."""
    found = text.find(anchor)
    while found >= 0:
        yield found + len(anchor)
        found = text.find(anchor, found + 1)


def _matched(tail: str, text: str, place: int) -> int:
    """How many characters before a place are the end of `tail`."""
    low, high = 0, min(len(tail), place)
    while low < high:  # what ends alike in n characters does so in fewer
        middle = (low + high + 1) // 2
        if text.startswith(tail[len(tail) - middle :], place - middle):
            low = middle
        else:
            high = middle - 1
    return low
