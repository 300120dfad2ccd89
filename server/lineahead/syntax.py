"""What is open at a place in Python text: brackets, strings, blocks, and the statement that a line goes on with.

It is read off token by token and kept, so that typing on costs a line.
"""

import re
from dataclasses import dataclass, replace
from itertools import pairwise

MOST_SCANNED = 300_000  # characters that are read again to find what is open
MOST_TOKENS = 30_000  # of them: more is no code
EVERY = 4_000  # characters between the places whose state is kept
MOST_PARSED = 20_000  # characters: a few milliseconds
MOST_OF_A_LINE = 5_000  # characters: longer lines are data

COMMENT_OR_STRING = re.compile(
    r"""\#[^\r\n]*|(\"{3}|'{3})(?:[^\\]|\\.)*?(?:\1|\Z)|(["'])(?:(?!\2)[^\\\r\n]|\\.)*(?:\2|(?=[\r\n])|\Z)""", re.DOTALL
)
TOKEN = re.compile(
    r"""(?P<line>\r\n|\n|\r)|(?P<comment>\#[^\r\n]*+)|(?P<triple>\"{3}|'{3})"""
    r"""|(?P<string>"(?:[^"\\\r\n]++|\\(?:\r\n|.))*+(?P<ended>"|(?=[\r\n]))?"""
    r"""|'(?:[^'\\\r\n]++|\\(?:\r\n|.))*+(?P<ends>'|(?=[\r\n]))?)"""
    r"""|(?P<opens>[(\[{])|(?P<closes>[)\]}])|(?P<joins>\\(?:\r\n|\n|\r))|(?P<other>\\)""",
    re.DOTALL,
)
BEGINS_TOKEN = re.compile(r"""["'\#()\[\]{}\\\r\n]""")
QUOTE_END = {
    '"': re.compile(r'(?:[^"\\\r\n]++|\\(?:\r\n|.))*+(?:"|(?=[\r\n]))', re.DOTALL),
    "'": re.compile(r"(?:[^'\\\r\n]++|\\(?:\r\n|.))*+(?:'|(?=[\r\n]))", re.DOTALL),
    '"""': re.compile(r'(?:[^"\\]++|\\.|"(?!""))*+"""', re.DOTALL),
    "'''": re.compile(r"(?:[^'\\]++|\\.|'(?!''))*+'''", re.DOTALL),
}
OPENING = {")": "(", "]": "[", "}": "{"}
INDENTATION = re.compile(r"[ \t\f]*+")
BEGINS_BLOCK = re.compile(
    r"^[ \t]*(?:async[ \t]+)?"
    r"(?:(?P<def>def)|(?P<class>class)|for|while|if|elif|else|with|try|except|finally|match|case)\b",
    re.MULTILINE,
)
CONTINUES = re.compile(r"(?:elif|else|except|finally)\b")  # a statement that began above
NO_EXPRESSION = re.compile(r"[ \t]*+(?:def|class|import|return|raise|pass|while|try|assert|del|global)\b")
CASE = re.compile(r"[ \t]*+case\b[^=]")
TOP = re.compile(r"^(?:class|def|async def) ", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block that is open."""

    column: int
    indentation: str
    start: int
    """Offset of the last statement in it, with its decorators, or with the clauses that follow it so far."""
    decorated: bool = False
    """That statement is only a decorator so far."""


@dataclass(frozen=True)
class State:
    """What is open at the start of a physical line."""

    blocks: tuple[Block, ...] = ()
    """From the outermost to the one of the last logical line."""
    header: bool = False
    """The last logical line ends in a colon: its block begins here."""
    brackets: str = ""
    joined: bool = False
    """The line above ends in a backslash."""
    quote: str = ""
    """Of the text of several lines that is open."""
    lost: bool = False
    """Too much to read."""

    @property
    def inside_statement(self) -> bool:
        """Whether the line goes on with what the line above has begun."""
        return bool(self.brackets or self.joined or self.quote)


_kept: tuple[str, tuple[tuple[int, State], ...]] = ("", ((0, State()),))  # a text, and what was open where in it


def state_at(text: str, line_start: int) -> State:
    """What is open at the start of a line; what was read of the same text a moment ago is not read again."""
    global _kept
    known, points = _kept
    low, high = 0, len(points)
    while high - low > 1:  # the last point before which nothing has changed
        middle = (low + high) // 2
        offset = points[middle][0]
        if offset <= line_start and text.startswith(known[:offset]):
            low = middle
        else:
            high = middle
    points = points[: low + 1]
    if points[-1][0] < line_start - MOST_SCANNED:
        top = TOP.search(text, line_start - MOST_SCANNED, line_start)
        start = top.start() if top else text.rfind("\n", 0, line_start - MOST_SCANNED) + 1
        points = ((0, State()), (max(start, line_start - 2 * MOST_SCANNED), State()))
    new = _read(text, *points[-1], line_start)
    _kept = text[:line_start], points + new
    return new[-1][1] if new else points[-1][1]


def _read(text: str, position: int, state: State, end: int) -> tuple[tuple[int, State], ...]:
    """Read from the start of a line to that of another one: the states at some lines between, and at the last."""
    points: list[tuple[int, State]] = []
    kept, tokens = position, 0
    while position < end:
        if position - kept >= EVERY:
            points.append((position, state))
            kept = position
        position, state, used = _read_line(text, position, state, end)
        tokens += used
        if tokens > MOST_TOKENS:
            state, position = replace(state, lost=True), end
    if position != kept:
        points.append((end, state))
    return tuple(points)


def _read_line(text: str, position: int, state: State, end: int) -> tuple[int, State, int]:
    """Read a logical line, or what is left of it, or a blank one: the next line's start, its state, tokens read."""
    blocks, brackets, header = state.blocks, state.brackets, state.header
    start, code_end, tokens = position, -1, 0
    if state.quote:
        close = QUOTE_END[state.quote].match(text, position, end)
        if close is None:
            return end, state, 1
        position = close.end()
    elif brackets and NO_EXPRESSION.match(text, position, end):
        brackets, state = "", replace(state, brackets="")
    if not state.inside_statement:
        first = INDENTATION.match(text, position, end)
        position = first.end() if first else position
        if position < end and text[position] not in "\r\n#":
            blocks, header = _begin(blocks, text, start, position), False
    logical = blocks is not state.blocks or state.inside_statement
    while found := _token(text, position, end):
        tokens += 1
        position, kind = found.end(), found.lastgroup
        if kind == "line":
            if brackets:
                if NO_EXPRESSION.match(text, position, end):
                    return position, State(blocks, False), tokens
                continue
            stop = code_end if code_end >= 0 else found.start()
            header = text[max(start, stop - 100) : stop].rstrip().endswith(":") if logical else header
            return position, State(blocks, header), tokens
        if kind == "comment":
            code_end = found.start()
        elif kind == "triple":
            close = QUOTE_END[found[0]].match(text, position, end)
            if close is None:
                return end, State(blocks, header, brackets, quote=found[0]), tokens
            position = close.end()
        elif kind == "opens":
            brackets += found[0]
        elif kind == "closes":
            brackets = brackets[:-1]
        elif kind == "joins" and position >= end:
            return end, State(blocks, header, brackets, joined=True), tokens
        elif kind == "string" and position >= end and not _is_closed(found):
            return end, State(blocks, header, brackets, quote=found[0][0]), tokens  # it ends in a backslash
        if kind != "comment":
            code_end = -1
        if tokens > MOST_TOKENS or len(brackets) > 1_000:
            break
    return end, State(blocks, header, brackets, lost=tokens > MOST_TOKENS or len(brackets) > 1_000), tokens


def _token(text: str, position: int, end: int) -> re.Match[str] | None:
    begin = BEGINS_TOKEN.search(text, position, end)  # a hundred times as fast as to try each token everywhere
    return TOKEN.match(text, begin.start(), end) if begin else None


def _is_closed(string: re.Match[str]) -> bool:
    return string["ended"] is not None or string["ends"] is not None


def _begin(blocks: tuple[Block, ...], text: str, start: int, position: int) -> tuple[Block, ...]:
    """The open blocks with a logical line that begins at `position` of the line at `start`."""
    white = text[start:position].rpartition("\f")[2]
    column = indentation(white)
    while blocks and blocks[-1].column > column:
        blocks = blocks[:-1]
    decorated = text[position] == "@"
    if blocks and blocks[-1].column == column:
        last = blocks[-1]
        goes_on = last.decorated or CONTINUES.match(text, position)
        return (*blocks[:-1], Block(column, white, last.start if goes_on else start, decorated))
    return (*blocks, Block(column, white, start, decorated)) if len(blocks) < 100 else blocks


def in_comment_or_string(text: str, line_start: int, offset: int) -> bool:
    """Whether an offset on a line stands in a comment or in a string."""
    state = state_at(text, line_start)
    position = line_start
    if offset - line_start > MOST_SCANNED:  # data
        return False
    if state.quote:
        close = QUOTE_END[state.quote].match(text, position, offset)
        if close is None:
            return True
        position = close.end()
    for _ in range(MOST_TOKENS):
        found = _token(text, position, offset)
        if found is None:
            return False
        position, kind = found.end(), found.lastgroup
        if kind == "triple":
            close = QUOTE_END[found[0]].match(text, position, offset)
            if close is None:
                return True
            position = close.end()
        elif position == offset:
            return kind == "comment" or (kind == "string" and not _is_closed(found))
    return True


def statement_before(text: str, line_start: int, line: str) -> str | None:
    """What comes before a line and decides what it may be: its open blocks, in short, and the statement which it goes
    on with or whose block it begins; None where that is too long to look at.
    """
    state = state_at(text, line_start)
    if state.lost or not state.blocks:
        return None if state.lost else ""
    blocks, column = state.blocks, indentation(line)
    if not state.inside_statement:
        while len(blocks) > 1 and blocks[-1].column > column:
            blocks = blocks[:-1]
    last = blocks[-1]
    headers = "".join(block.indentation + _header(text, block, inner) for block, inner in pairwise(blocks))
    if column == last.column and not (state.inside_statement or last.decorated or CONTINUES.match(line.lstrip())):
        first = text[last.start : last.start + MOST_OF_A_LINE].lstrip()
        if not first.startswith("try"):  # what the line does not go on with is whole
            return headers
    if line_start - last.start > MOST_PARSED:
        return None
    return headers + text[blocks[-1].start : line_start]


def functions(text: str, line_start: int, line: str) -> list[str]:
    """The functions that a line stands in, their headers and more, without decorators; the outermost one first."""
    return _around(text, line_start, line, "def")


def classes(text: str, line_start: int, line: str) -> list[str]:
    """The classes that a line stands in, as `functions` has those."""
    return _around(text, line_start, line, "class")


def _around(text: str, line_start: int, line: str, kind: str) -> list[str]:
    state, column = state_at(text, line_start), indentation(line)
    blocks = [block for block in state.blocks if state.header or state.inside_statement or block.column <= column]
    statements = (
        text[block.start : block.start + MOST_OF_A_LINE] for block in (blocks if state.header else blocks[:-1])
    )
    found = (BEGINS_BLOCK.search(statement) for statement in statements)
    return [begins.string[begins.start() :].lstrip() for begins in found if begins and begins[kind]]


def _header(text: str, block: Block, inner: Block) -> str:
    """A short header in the place of a block's last one."""
    if CASE.match(text, inner.start):
        return "match 1:\n"
    return "case 1:\n" if CASE.match(text, block.start) else "if 1:\n"


def indentation(line: str) -> int:
    """The columns of white space before a line, tabs to the next multiple of eight; a form feed starts anew."""
    match = INDENTATION.match(line)
    return len((match[0] if match else "").rpartition("\f")[2].expandtabs(8))
