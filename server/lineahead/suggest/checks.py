"""What a suggestion must not be: pure functions over a place and the text that would be inserted there."""

import ast
import builtins
import keyword
import re
from collections.abc import Callable

from lineahead.place import Place
from lineahead.reasons import Reason
from lineahead.syntax import COMMENT_OR_STRING, indentation, parses

QUOTES = "\"'"
QUOTE = re.compile(r"\"{3}|'{3}|[\"']")
STRING_PREFIX = re.compile(r"\b[rbfuRBFU]{1,2}\Z")
OPENING = {")": "(", "]": "[", "}": "{"}
WORD = re.compile(r"(?<![\w.])[^\W\d]\w*")
LONE_CLOSER = re.compile(r"\s*[)\]}]\s*")
CONTINUES = re.compile(r"(?:elif|else|except|finally)\b")  # a statement that began above
MOST_PARSED = 50_000  # characters: a few milliseconds
KNOWN = frozenset(dir(builtins)) | frozenset(keyword.kwlist) | frozenset(keyword.softkwlist)


def objection(place: Place, inserted: str, complete: bool, knows: Callable[[str], bool]) -> Reason | None:
    """Why a suggestion is not shown; None if nothing speaks against it.

    `complete` says that its last line ends where the model ended it, instead of where it stopped being sure; `knows`
    says whether a name stands elsewhere in the project.
    """
    if not inserted.strip():
        return Reason.BLANK
    if LONE_CLOSER.fullmatch(inserted):
        return Reason.LONE_CLOSER
    if repeats_neighbours(place.text, place.offset, inserted.partition("\n")[0]):
        return Reason.REPEAT
    if place.in_comment_or_string or place.language != "python":
        return None
    if breaks_indentation(place, inserted):
        return Reason.BAD_INDENTATION
    if complete and breaks_parsing(place, inserted):
        return Reason.DOES_NOT_PARSE
    if any(not knows(name) for name in unknown_names(place, inserted)):
        return Reason.UNKNOWN_NAME
    return None


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


def closed_part(before: str, line: str) -> str:
    """The part of a suggested line before the first bracket or quote that it opens and does not close.

    `before` is the line's text left of the suggestion: a quote that is open there is closed by the next one.

    >>> closed_part("for name in ", "sorted(sorted(")
    'sorted'
    """
    text, index, quote = before + line, 0, ""
    opened: list[tuple[str, int]] = []  # brackets and quotes that are open, and where they stand
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
    cut = next((start for _, start in opened if start >= len(before)), len(text))
    return line[: cut - len(before)]


def _is_apostrophe(text: str, index: int) -> bool:
    """Whether a quote follows a letter, as in prose, and that is not the prefix of a string."""
    return index > 0 and text[index - 1].isalnum() and not STRING_PREFIX.search(text, max(0, index - 3), index)


def repeats_neighbours(text: str, offset: int, line: str) -> bool:
    """Whether a suggestion would make the line the same as the next one, or as the two before it."""
    before, after = text[:offset].splitlines() or [""], text[offset:].splitlines()
    if text[:offset].endswith(("\n", "\r")):
        before.append("")
    whole = (before[-1] + line).strip()
    following = next((text_line.strip() for text_line in after[1:] if text_line.strip()), "")
    return whole == following or [text_line.strip() for text_line in before[-3:-1]] == [whole, whole]


def breaks_indentation(place: Place, inserted: str) -> bool:
    """Whether a suggestion at the start of a line stands in no block, or leaves a header without one."""
    if place.line_before.strip():
        return False
    above = [
        line_above
        for line_above in place.before.splitlines()[-400:]
        if line_above.strip() and not line_above.lstrip().startswith("#")
    ]
    if not above:
        return False
    last = COMMENT_OR_STRING.sub("", above[-1]).rstrip()
    if last.endswith((",", "(", "[", "{", "\\")):  # inside a statement of several lines
        return False
    column, header = indentation(place.line_before + inserted), indentation(above[-1])
    if last.endswith(":"):
        return column <= header
    open_blocks, lowest = set(), header + 1
    for line_above in reversed(above):
        if indentation(line_above) < lowest:
            lowest = indentation(line_above)
            open_blocks.add(lowest)
    return column not in open_blocks and parses("\n".join([*above, " " * header + "pass"]))


def breaks_parsing(place: Place, inserted: str) -> bool:
    """Whether the statements around the cursor parse without its line, and not with the suggestion in it."""
    line = place.line_before + inserted + place.line_after
    code = COMMENT_OR_STRING.sub("", line)
    if any(code.count(opening) > code.count(closing) for closing, opening in OPENING.items()):
        return False  # the person has not closed it yet
    head, tail = _statement_around(place, line)
    if len(head) + len(line) + len(tail) > MOST_PARSED:
        return False
    indent = line[: len(line) - len(line.lstrip())]
    if not parses(f"{head}{indent}pass{tail}"):
        return False
    following = next((below for below in tail.splitlines() if below.strip()), "")
    last = line.rpartition("\n")[2]
    if code.rstrip().endswith(":") and indentation(following) <= indentation(last):
        line = line.partition("#")[0].rstrip() + " pass"
    return not parses(head + line + tail)


def _statement_around(place: Place, line: str) -> tuple[str, str]:
    """The text before and after the cursor's line that belongs to the same statement of the file."""
    starts = [match.start() for match in re.finditer(r"^[^\s#)\]}]", place.before, re.MULTILINE)]
    wanted = 1 if line[:1].isspace() else 0
    if CONTINUES.match(line):
        wanted = 1
    while wanted and len(starts) > wanted and CONTINUES.match(place.before, starts[-wanted]):
        wanted += 1
    head = place.before[starts[-wanted] :] if wanted and len(starts) >= wanted else ""
    end = re.search(r"^[^\s#)\]}]", place.after.lstrip("\r\n"), re.MULTILINE)
    tail = place.after.lstrip("\r\n")[: end.start()] if end else place.after
    return head, "\n" + tail.lstrip("\r\n")


def unknown_names(place: Place, inserted: str) -> set[str]:
    """Names that a suggestion uses and that neither the file nor Python defines.

    A word that stands anywhere else in the text passes; pyflakes, which takes milliseconds, judges only the others.
    """
    line = place.line_before + inserted
    begins = len(place.line_before) - len(re.split(r"\W", place.line_before)[-1])
    words = {match[0] for match in WORD.finditer(COMMENT_OR_STRING.sub('""', line[begins:]))} - KNOWN
    elsewhere = " ".join((place.context, place.before, place.line_before[:begins], place.line_after, place.after))
    unseen = {word for word in words if not re.search(rf"\b{word}\b", elsewhere)}
    if not unseen or len(place.text) > 4 * MOST_PARSED:
        return set()
    for end in (place.line_after + place.after, place.line_after, " pass", ""):
        code = place.before + line + end
        if parses(code):
            return unseen & _undefined(code)
    return set()


def _undefined(code: str) -> set[str]:
    from pyflakes.checker import Checker  # not before it is needed
    from pyflakes.messages import UndefinedName

    messages = Checker(ast.parse(code)).messages
    return {str(message.message_args[0]) for message in messages if isinstance(message, UndefinedName)}
