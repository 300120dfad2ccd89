"""What a suggestion must not be: pure functions over a place and the text that would be inserted there."""

import ast
import builtins
import keyword
import re
from collections.abc import Callable

from lineahead.place import LINE, Place
from lineahead.reasons import Reason
from lineahead.syntax import (
    COMMENT_OR_STRING,
    MOST_OF_A_LINE,
    MOST_PARSED,
    Verdict,
    indentation,
    parses,
    state_at,
    statement_before,
    verdict,
)

QUOTES = "\"'"
QUOTE = re.compile(r"\"{3}|'{3}|[\"']")
STRING_PREFIX = re.compile(r"\b[rbfuRBFU]{1,2}\Z")
OPENING = {")": "(", "]": "[", "}": "{"}
WORD = re.compile(r"(?<![\w.])[^\W\d]\w*")
LONE_CLOSER = re.compile(r"\s*[)\]}]\s*")
DOCSTRING = re.compile(r"\s*[rR]?(?P<quote>\"{3}|'{3})(?:(?!(?P=quote))[^\\])*\Z")
FIRST_BLOCK = re.compile(r":[ \t]{0,9}\r?\n([ \t]{1,16})(?=[^\s#])")
MOST_SEARCHED = 1_000_000  # characters
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
    before = before[-MOST_OF_A_LINE:]
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


def may_stay_open(place: Place, line: str) -> bool:
    """Whether a line that opens what it does not close may end there: in the only bracket that it leaves open, in a
    comma on a line of its own between brackets, or in the first line of a docstring.
    """
    if line.endswith(("(", "[", "{")):
        return closed_part(place.line_before, line[:-1]) == line[:-1]
    if place.line_before.strip() or place.in_comment_or_string:
        return False
    state = state_at(place.text, place.line_start)
    if line.endswith(","):
        return bool(state.brackets) and not any(mark in line for mark in ('"""', "'''"))
    docstring = DOCSTRING.match(line)
    return bool(docstring) and (state.header or not state.blocks) and not state.inside_statement


def _is_apostrophe(text: str, index: int) -> bool:
    """Whether a quote follows a letter, as in prose, and that is not the prefix of a string."""
    return index > 0 and text[index - 1].isalnum() and not STRING_PREFIX.search(text, max(0, index - 3), index)


def repeats_neighbours(text: str, offset: int, line: str) -> bool:
    """Whether a suggestion would make the line the same as the next one, or as the two before it."""
    near = text[max(0, offset - MOST_OF_A_LINE) : offset]
    before, after = near.splitlines() or [""], text[offset : offset + MOST_OF_A_LINE].splitlines()
    if near.endswith(("\n", "\r")):
        before.append("")
    whole = (before[-1] + line).strip()
    following = next((text_line.strip() for text_line in after[1:] if text_line.strip()), "")
    return whole == following or [text_line.strip() for text_line in before[-3:-1]] == [whole, whole]


def breaks_indentation(place: Place, inserted: str) -> bool:
    """Whether a suggestion at the start of a line stands in no open block, or leaves a header without one."""
    state = state_at(place.text, place.line_start)
    if place.line_before.strip() or not state.blocks or state.inside_statement or state.lost:
        return False
    column, typed = indentation(place.line_before + inserted), indentation(place.line_before)
    columns, last = [block.column for block in state.blocks], state.blocks[-1].column
    if state.header:
        return column <= last or (column > typed >= last + step(place.text))
    if typed and typed in columns:  # where the line begins is said already
        return column != typed
    return column not in columns


def step(text: str) -> int:
    """The columns by which the first block of a text is indented."""
    found = FIRST_BLOCK.search(text, 0, MOST_PARSED)
    return indentation(found[1]) if found else 4


def breaks_parsing(place: Place, inserted: str) -> bool:
    """Whether no text behind a suggestion could make it right, or a file that is right without its line is not with it.

    Statements that begin here and need another, such as a decorator, may be followed by anything.
    """
    line = place.line_before + inserted + place.line_after
    above = statement_before(place.text, place.line_start, indentation(line))
    if above is None or len(line) > MOST_OF_A_LINE or verdict(above) is Verdict.WRONG:
        return False
    if not above:
        line = line.lstrip(" \t")  # the text may be a part of another one
    found = verdict(above + line)
    below = lines_below(place.after, indentation(line))
    if found is not Verdict.WHOLE or not below.strip():
        return found is Verdict.WRONG
    indent = line[: len(line) - len(line.lstrip())]
    return parses(f"{above}{indent}pass\n{below}") and not parses(f"{above}{line}\n{below}")


def lines_below(after: str, column: int) -> str:
    """The lines after a line that begin no further left than some column."""
    lines = LINE.findall(after[:MOST_PARSED].lstrip("\r\n"))
    ends = (
        number for number, line in enumerate(lines) if line.strip(" \t\f\r\n)]}") and indentation(line) < max(column, 1)
    )
    return "".join(lines[: next(ends, len(lines))])


def unknown_names(place: Place, inserted: str) -> set[str]:
    """Names that a suggestion uses and that neither the file nor Python defines.

    A word that stands anywhere else in the text passes; what stands nowhere else only its own statement can define,
    and pyflakes judges that.
    """
    if len(place.text) > MOST_SEARCHED:
        return set()
    typed = place.line_before[: len(place.line_before) - len(place.word_before)]
    line = place.word_before + inserted
    words = {match[0] for match in WORD.finditer(COMMENT_OR_STRING.sub('""', line))} - KNOWN
    elsewhere = " ".join((place.context, place.before, typed, place.line_after, place.after))
    unseen = {word for word in words if not re.search(rf"\b{word}\b", elsewhere)}
    if not unseen or "import *" in elsewhere:
        return set()
    line = place.line_before + inserted
    above = statement_before(place.text, place.line_start, indentation(line))
    if above is None or len(line) > MOST_OF_A_LINE:
        return set()
    for end in (f"{place.line_after}\n{lines_below(place.after, indentation(line))}", place.line_after, " pass", ""):
        code = above + line + end
        if parses(code):
            return unseen & _undefined(code)
    return set()


def _undefined(code: str) -> set[str]:
    from pyflakes.checker import Checker  # not before it is needed
    from pyflakes.messages import UndefinedName

    try:
        messages = Checker(ast.parse(code)).messages
    except (SyntaxError, ValueError, RecursionError):  # newer than the interpreter, or nested too deeply to judge
        return set()
    return {str(message.message_args[0]) for message in messages if isinstance(message, UndefinedName)}
