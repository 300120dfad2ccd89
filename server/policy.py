"""What is suggested at a place in a text, and when nothing is: pure functions, without LSP."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from server import prompt
from server.drafts import repeat_of_context
from server.engine import Engine
from server.prompt import HEALED_BYTES, Prompt

MAX_TOKENS = 64
MAX_BYTES = 120

REST_OF_LINE = re.compile(r"[^\r\n]*")
WORD_END = re.compile(r"\w+\Z")
QUOTES = "\"'"
QUOTE = re.compile(r"\"{3}|'{3}|[\"']")
STRING_PREFIX = re.compile(r"\b[rbfuRBFU]{1,2}\Z")
CLOSERS = frozenset(")]}:, \t" + QUOTES)
OPENING = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True)
class Suggestion:
    """Text to insert at the cursor."""

    text: str
    """The rest of the line: no line break, no white space at its end."""
    word: str
    """The letters, digits and underscores before the cursor that `text` goes on from; often none."""


def complete_line(
    text: str, offset: int, engine: Engine, stop: Callable[[], bool] = lambda: False
) -> Suggestion | None:
    """The likeliest rest of the line at an offset in a text; None for nothing, or when `stop` says so.

    Silent where anything but closing brackets, quotes, commas and colons stands right of the cursor.
    """
    rest = _rest_of_line(text, offset)
    if not CLOSERS.issuperset(rest):
        return None
    reserved = min(MAX_TOKENS + HEALED_BYTES, engine.context_window_size // 2)
    budget = max(1, engine.context_window_size - reserved)
    asked = prompt.build(text[:offset], engine.vocabulary, budget, text[offset:])
    if asked is None:
        return None
    line = before_closers(_generate(asked, engine, stop), rest.strip())
    line = closed_part(text[text.rfind("\n", 0, offset) + 1 : offset], line).rstrip()
    if not line or stop() or repeats_neighbours(text, offset, line):
        return None
    word = WORD_END.search(text, text.rfind("\n", 0, offset) + 1, offset)
    return Suggestion(line, word[0] if word else "")


def _rest_of_line(text: str, offset: int) -> str:
    found = REST_OF_LINE.match(text, offset)
    return found[0] if found else ""


def _generate(asked: Prompt, engine: Engine, stop: Callable[[], bool]) -> str:
    """What the model writes behind the bytes it was asked to write again, up to the line's end."""
    length, written, ended = len(asked.required), b"", False
    tokens = engine.stream(asked.token_ids, asked.required, stop, draft=repeat_of_context)
    for token in islice(tokens, MAX_TOKENS + HEALED_BYTES):
        token_bytes = engine.vocabulary.token_bytes[token.id]
        written += token_bytes
        ended = not token_bytes or b"\n" in written[length:] or b"\r" in written[length:]
        if ended or len(written) - length >= MAX_BYTES:
            break
    if not written.startswith(asked.required):  # the vocabulary could not spell it
        return ""
    # Bytes that are no text end the line, as do the line ends that only Unicode knows.
    new = written[length:].decode("utf-8", errors="replace").partition("\ufffd")[0]
    line = new.splitlines()[0] if new else ""
    return line if ended else re.sub(r"\w+\Z", "", line)  # cut at the limit: no half word at the end


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
    for place, character in enumerate(line):
        if place > 0 and line[place - 1] == "\\":
            continue
        if character == rest[0] and not quote and (inside_string or not opened):
            return line[:place]
        if quote or character in QUOTES:
            quote = "" if character == quote else quote or character
        elif character in "([{":
            opened.append(character)
        elif opened and OPENING.get(character) == opened[-1]:
            opened.pop()
    return line


def repeats_neighbours(text: str, offset: int, line: str) -> bool:
    """Whether a suggestion would make the line the same as the next one, or as the two before it."""
    before, after = text[:offset].splitlines() or [""], text[offset:].splitlines()
    if text[:offset].endswith(("\n", "\r")):
        before.append("")
    whole = (before[-1] + line).strip()
    following = next((each.strip() for each in after[1:] if each.strip()), "")
    return whole == following or [each.strip() for each in before[-3:-1]] == [whole, whole]


def closed_part(before: str, line: str) -> str:
    """The part of a suggested line before the first bracket or quote that it opens and does not close.

    `before` is the line's text left of the suggestion: a quote that is open there is closed by the next one.

    >>> closed_part("for name in ", "sorted(sorted(")
    'sorted'
    """
    text, place, quote = before + line, 0, ""
    opened: list[tuple[str, int]] = []  # brackets and quotes that are open, and where they stand
    while place < len(text):
        found = QUOTE.match(text, place)
        width = 1
        if text[place] == "\\":
            width = 2
        elif quote:
            if text.startswith(quote, place):
                width, quote = len(quote), ""
                opened.pop()
        elif text[place] == "#":
            break
        elif found and not _is_apostrophe(text, place):
            quote, width = found[0], len(found[0])
            prefix = STRING_PREFIX.search(text, max(0, place - 3), place)
            opened.append((quote, prefix.start() if prefix else place))
        elif text[place] in "([{":
            opened.append((text[place], place))
        elif opened and OPENING.get(text[place]) == opened[-1][0]:
            opened.pop()
        place += width
    cut = next((start for _, start in opened if start >= len(before)), len(text))
    return line[: cut - len(before)]


def _is_apostrophe(text: str, place: int) -> bool:
    """Whether a quote follows a letter, as in prose, and that is not the prefix of a string."""
    return place > 0 and text[place - 1].isalnum() and not STRING_PREFIX.search(text, max(0, place - 3), place)
