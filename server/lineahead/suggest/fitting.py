"""The part of what a model wrote that fits at a place."""

import re
from keyword import iskeyword
from textwrap import dedent

from lineahead.grammar import parses
from lineahead.place import Place
from lineahead.suggest.silence import CLOSERS
from lineahead.syntax import MOST_OF_A_LINE, OPENING, indentation, state_at

QUOTES = "\"'"
CLOSING = " )]},:;."
QUOTE = re.compile(r"\"{3}|'{3}|[\"']")
STRING_PREFIX = re.compile(r"\b[rbfuRBFU]{1,2}\Z")
RUNAWAY = re.compile(r"([^\W\d_].{2,40}?|\W\w.{2,40}?)\1\1")  # a small model that says the same thing for ever
LONE_NAME = re.compile(r"\s*\w+\s*")
HALF = re.compile(  # what a statement goes on behind
    r"(?:\s*(?:[-+*/%@&|^~<>=!,:.]|\b(?:and|or|not|in|is|if|else|for|lambda|await|import|from|assert|as)\b))+\Z"
)
MOST_OF_REST = 120  # characters right of the cursor that are looked at


def fitting(place: Place, text: str, ended: bool) -> tuple[str, bool]:
    """The lines of a text that fit at a place, and whether its last line was left whole.

    `ended` says that the text's last line ends there, instead of where it stopped being sure.
    """
    first, *more = re.split(r"\r\n|\r|\n", text)
    line_ended = ended or bool(more)
    first = first.splitlines()[0] if first else ""
    if (sane := before_runaway(first)) != first:
        first, line_ended = sane, False
    rest = place.line_after.strip()
    part = before_closers(first, rest)
    if not CLOSERS.issuperset(rest[:MOST_OF_REST]) and rest in part:  # code follows, and was asked for all the same
        part = part[: part.index(rest)]
    if len(_open_text(place)) == 3:
        part = before_lone_quote(place.line_before, part)
    part = part.rstrip()
    if not (line_ended and not rest and may_stay_open(place, part)):
        closed = closed_part(place.line_before, part, _open_text(place)).rstrip()
        part = HALF.sub("", closed) if line_ended and closed != part else closed
    whole = first[len(part) :].strip() == rest
    kept = [part]
    if part == first.rstrip() and not rest and more:
        kept = _whole_lines(place.line_before, [part, *(more if ended else more[:-1])])
    return "\n".join(kept), whole


def _whole_lines(typed: str, lines: list[str]) -> list[str]:
    """The first of some lines, and as many more as are whole statements of the same block."""
    kept = lines[:1]
    column = indentation(typed + kept[0])
    for line in lines[1:]:
        if not line.strip() or indentation(line) < column or closed_part("", line) != line:
            break
        if line.strip() == (typed + kept[0]).strip() or line.rstrip() in kept:
            break
        if LONE_NAME.fullmatch(line) and not iskeyword(line.strip()):
            break
        kept.append(line.rstrip())
    while len(kept) > 1 and not parses(dedent(typed + "\n".join(kept))):
        kept.pop()
    return kept


def before_runaway(line: str) -> str:
    """A line without what it says again and again at once.

    >>> before_runaway("path.parent.parent.parent")
    'path.parent'
    """
    runaway = RUNAWAY.search(line)
    return line[: runaway.end(1)] if runaway else line


def before_closers(line: str, rest: str) -> str:
    """The part of a suggested line that fits before closers that stand right of the cursor already.

    >>> before_closers("item.price for item in items)", ")")
    'item.price for item in items'
    """
    if not rest:
        return line
    opened: list[str] = []
    quote = ""
    inside_string = rest[0] in QUOTES
    for index, character in enumerate(line):
        if index > 0 and line[index - 1] == "\\":
            continue
        if character == rest[0] and not quote and (inside_string or not opened):
            return line[:index]
        if quote or character in QUOTES:
            quote = "" if character == quote else quote or character
        elif character in "([{":
            opened.append(character)
        elif opened and OPENING.get(character) == opened[-1]:
            opened.pop()
    return line


def before_lone_quote(before: str, line: str) -> str:
    """The part of a suggested line of a text of several lines before a quote at its end that closes nothing there.

    `before` is the line's text left of the suggestion. Of 6,354 such lines 12 have an odd number of quotes.

    >>> before_lone_quote("key, body text n", 'ot null")')
    'ot null'
    """
    text = before + line
    last = text.rfind('"')
    if '"""' in text or text.count('"') % 2 == 0 or last < len(before) or text[last + 1 :].strip(CLOSING):
        return line
    return line[: last - len(before)]


def closed_part(before: str, line: str, quote: str = "") -> str:
    """The part of a suggested line before the first bracket or quote that it opens and does not close.

    `before` is the line's text left of the suggestion: a quote that is open there is closed by the next one, as is the
    `quote` of a text that began on a line above.

    >>> closed_part("for name in ", "sorted(sorted(")
    'sorted'
    """
    return line[: next((start for _, start in left_open(before, line, quote)), len(line))]


def left_open(before: str, line: str, quote: str = "") -> list[tuple[str, int]]:
    """The brackets and quotes that a suggested line opens and does not close, and where in it they stand."""
    before = before[-MOST_OF_A_LINE:]
    text, index = before + line, 0
    opened = [(quote, -1)] if quote else []
    while index < len(text):
        quoted = QUOTE.match(text, index)
        width = 1
        if text[index] == "\\":
            width = 2
        elif quote:
            if text.startswith(quote, index):
                width, quote = len(quote), ""
                opened.pop()
        elif text[index] == "#":
            break
        elif quoted and not _is_apostrophe(text, index):
            quote, width = quoted[0], len(quoted[0])
            prefix = STRING_PREFIX.search(text, max(0, index - 3), index)
            opened.append((quote, prefix.start() if prefix else index))
        elif text[index] in "([{":
            opened.append((text[index], index))
        elif opened and OPENING.get(text[index]) == opened[-1][0]:
            opened.pop()
        index += width
    return [(mark, start - len(before)) for mark, start in opened if start >= len(before)]


def _open_text(place: Place) -> str:
    """The quote of the text that is open where the line begins; "" for none."""
    return state_at(place.text, place.line_start).quote


def may_stay_open(place: Place, line: str) -> bool:
    """Whether a line that opens what it does not close may end there: in a bracket, as a line of its own between
    brackets, or as the first line of a text of several lines.
    """
    opened = left_open(place.line_before, line, _open_text(place))
    if any(mark in QUOTES for mark, _ in opened):
        return False
    if opened and line.endswith(tuple(OPENING.values())) and opened[-1][1] == len(line) - 1:
        return True
    if place.line_before.strip() or place.in_comment_or_string:
        return False
    if opened and len(opened[0][0]) == 3 and not line[: opened[0][1]].strip():
        return True
    return bool(state_at(place.text, place.line_start).brackets)


def _is_apostrophe(text: str, index: int) -> bool:
    """Whether a quote follows a letter, as in prose, and that is not the prefix of a string."""
    return (
        text[index] == "'"
        and index > 0
        and text[index - 1].isalnum()
        and not STRING_PREFIX.search(text, max(0, index - 3), index)
    )
