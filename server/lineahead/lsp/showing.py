"""When ghost text is shown: after a rest, so that nothing flashes by under somebody who types on."""

import asyncio
import time
from enum import Enum
from itertools import count

from lineahead.place import Place


class Shown(Enum):
    """What became of ghost text."""

    NEW = "new"
    SAME = "same"
    """It was on the screen already, or there is none."""
    STALE = "stale"
    """A newer request has come."""


class Showing:
    """What stands on the screen as ghost text, by document: the whole line that it makes."""

    def __init__(self) -> None:
        self._lines: dict[str, str] = {}
        self._typed: dict[str, float] = {}  # when, last
        self._asked: dict[str, int] = {}  # the newest request
        self._numbers = count()

    def forget(self, document: str) -> None:
        """Drop what is kept for a document."""
        for kept in (self._lines, self._typed, self._asked):
            kept.pop(document, None)

    def typed(self, document: str) -> None:
        """Note that a document has changed just now."""
        self._typed[document] = time.perf_counter()

    def ask(self, document: str) -> int:
        """Note a request; returns its number."""
        self._asked[document] = number = next(self._numbers)
        return number

    async def rest(self, document: str, place: Place, text: str, asked: int, milliseconds: int) -> Shown:
        """Wait until so many milliseconds after the last key; returns what became of it.

        What is asked for by name does not wait, nor what is typed into: it is on the screen already.
        """
        line = place.line_before + text
        before = self._lines.get(document)
        if not place.explicit and before != line:
            self._lines.pop(document, None)
            rested = time.perf_counter() - self._typed.get(document, float("-inf"))
            if text and milliseconds / 1000 > rested:
                await asyncio.sleep(milliseconds / 1000 - rested)
        if self._asked.get(document) != asked:
            return Shown.STALE
        if text:
            self._lines[document] = line
        return Shown.NEW if text and before != line else Shown.SAME
