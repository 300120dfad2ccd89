"""How a suggestion fits what stands below its line."""

import re
from typing import NamedTuple

from lineahead.grammar import parses
from lineahead.place import Place
from lineahead.syntax import (
    COMMENT_OR_STRING,
    MOST_OF_A_LINE,
    MOST_PARSED,
    OPENING,
    indentation,
    state_at,
    statement_before,
)

LEAVES = re.compile(r"\s*(?:return|raise|continue|break)\b")


class Fit(NamedTuple):
    """What a text does with what stands below it; nothing where nothing does, or in a language that is not known."""

    mends: bool = False
    """What is below parses with the whole line above it, and would not with `pass` in its place."""
    lacks_header: bool = False
    """What is below is indented deeper, and the whole line does not go on there."""
    cuts_off: bool = False
    """It leaves the block, and what is below would never run."""


class Statement(NamedTuple):
    """A line with what it needs to be parsed."""

    above: str
    """The statement that it goes on with, and the headers around."""
    line: str
    below: str

    @property
    def parses(self) -> bool:
        """Whether it is Python with what is below."""
        return parses(f"{self.above}{self.line}\n{self.below}")

    @property
    def parses_without(self) -> bool:
        """Whether what is below is Python with `pass` in the line's place."""
        indent = self.line[: len(self.line) - len(self.line.lstrip())]
        return parses(f"{self.above}{indent}pass\n{self.below}")


def statement(place: Place, inserted: str) -> Statement | None:
    """A place's line with a suggestion in it, what is above and what is below; None where that is too long."""
    line = place.line_before + inserted + place.line_after
    above = statement_before(place.text, place.line_start, line)
    if above is None or len(line) > MOST_OF_A_LINE:
        return None
    if not above:
        line = line.lstrip(" \t")  # the text may be a part of another one
    in_text = state_at(place.text, place.line_start).quote or _opens_text(line)  # which may be closed at any column
    return Statement(above, line, place.after[:MOST_PARSED] if in_text else place.lines_below(indentation(line)))


def fit(place: Place, inserted: str, whole: bool) -> Fit:
    """How a suggestion fits what is below; of the beginning of a line, only what no more text would change.

    A header above lines that are no deeper is nothing to mind: its block is yet to be written.
    """
    if place.language != "python" or not place.line_below:
        return Fit()
    last = f"{place.line_before}{inserted}".rpartition("\n")[2]
    deeper = 0 if place.in_comment_or_string else indentation(place.line_below) - indentation(last)
    here = whole and statement(place, inserted)
    return Fit(
        mends=bool(here and here.parses and not here.parses_without),
        lacks_header=bool(here) and deeper > 0 and not _goes_on_below(last + place.line_after),
        cuts_off=not (deeper or place.in_comment_or_string or LEAVES.match(place.line_before))
        and bool(LEAVES.match(last)),
    )


def _goes_on_below(line: str) -> bool:
    """Whether a line begins a block, a bracket or a string that ends below, or ends in a backslash."""
    code = COMMENT_OR_STRING.sub("", line)
    opened = sum((character in OPENING.values()) - (character in OPENING) for character in code)
    return opened > 0 or _opens_text(line) or code.rstrip().endswith((":", "\\"))


def _opens_text(line: str) -> bool:
    """Whether a line begins a string that ends below."""
    return any(line.count(quote) % 2 for quote in ('"""', "'''"))
