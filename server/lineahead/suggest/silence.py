"""Whether the model is asked at all: pure functions over a place."""

import re
from pathlib import Path, PurePath

from lineahead.place import Place
from lineahead.reasons import Reason
from lineahead.settings import Settings
from lineahead.syntax import COMMENT_OR_STRING, MOST_OF_A_LINE, indentation, state_at
from training.format import holds_secrets
from training.ignored import excluded

MOST_CHARACTERS = 1_000_000  # of a document: all of it is looked at
CLOSERS = frozenset(")]}:, \t\"'")
COMPOUND = re.compile(r"\s*(?:async|class|def|for|if|elif|while|with|except|match|case|@)\b")


def silence(place: Place, settings: Settings) -> Reason | None:
    """Why the model is not asked here; None if it is."""
    if not settings.is_enabled(place.language):
        return Reason.OFF
    if holds_secrets(PurePath(place.path).name):
        return Reason.SECRET_FILE
    if excluded(Path(place.path), settings.exclude):
        return Reason.EXCLUDED
    if len(place.text) > MOST_CHARACTERS:
        return Reason.TOO_LONG
    if place.explicit:  # by name: always tries
        return None
    rest = place.line_after
    if re.match(r"\w", rest):
        return Reason.MID_WORD
    follows = not CLOSERS.issuperset(rest[:MOST_OF_A_LINE])
    if place.in_comment_or_string and settings.comments_and_strings != "always":
        return Reason.COMMENT_OR_STRING if follows or settings.comments_and_strings == "never" else None
    if follows and not place.in_comment_or_string:
        return Reason.CODE_FOLLOWS
    if not rest.strip() and not place.in_comment_or_string and is_finished(place.line_before):
        return Reason.FINISHED_STATEMENT
    return None


def is_finished(line: str) -> bool:
    """Whether a line ends in a bracket that closes all that it opened, and is no header of a block.

    >>> is_finished("print(x)"), is_finished("f(g(x)"), is_finished("if f(x)")
    (True, False, False)
    """
    if not line.endswith((")", "]", "}")) or COMPOUND.match(line):
        return False
    code = COMMENT_OR_STRING.sub("", line[-MOST_OF_A_LINE:])
    return sum(code.count(bracket) for bracket in "([{") <= sum(code.count(bracket) for bracket in ")]}")


def in_empty_block(place: Place) -> bool:
    """Whether the cursor stands on the empty line of a block that has no other line yet."""
    if not _on_empty_line(place):
        return False
    state = state_at(place.text, place.line_start)
    if not state.header or state.inside_statement or not state.blocks:
        return False
    return not place.line_below or indentation(place.line_below) <= state.blocks[-1].column


def at_block_end(place: Place) -> bool:
    """Whether the cursor stands on an empty line of a block that has no other line below."""
    if not _on_empty_line(place) or state_at(place.text, place.line_start).inside_statement:
        return False
    return not place.line_below or indentation(place.line_below) < indentation(place.line_before)


def _on_empty_line(place: Place) -> bool:
    return not (place.line_before.strip() or place.line_after.strip() or place.in_comment_or_string)
