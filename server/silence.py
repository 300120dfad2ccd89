"""A place in a text, and whether the model is asked at all: pure functions, without LSP."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath

from server.reasons import Reason
from server.settings import Settings

LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")  # the line ends that the protocol and Python share
REST_OF_LINE = re.compile(r"[^\r\n]*")
CLOSERS = frozenset(")]}:, \t\"'")
SECRETS = re.compile(r"\A\.env|_key|\Acredentials", re.IGNORECASE)
COMPOUND = re.compile(r"\s*(?:async|class|def|for|if|elif|while|with|except|match|case|@)\b")
SCANNED = 200_000  # characters before the cursor that are looked at for open strings
COMMENT_OR_STRING = re.compile(
    r"""\#[^\r\n]*|(?P<quote>\"{3}|'{3})(?:[^\\]|\\.)*?(?P<closed>(?P=quote)|\Z)"""
    r"""|(?P<mark>["'])(?:(?!(?P=mark))[^\\\r\n]|\\.)*(?P<ended>(?P=mark)|(?=[\r\n])|\Z)""",
    re.DOTALL,
)


@dataclass(frozen=True)
class Place:
    """A cursor in a text, and what is known about that text."""

    text: str
    offset: int
    """Of the cursor, in characters."""
    path: str = ""
    """Of the file; only its name is looked at."""
    language: str = "python"
    """The client's language id."""
    explicit: bool = False
    """Asked for by a command, instead of by typing."""
    context: str = ""
    """Text that comes before this one, such as a notebook's cells before the current one."""

    @cached_property
    def line_start(self) -> int:
        """Offset of the cursor's line."""
        return max(self.text.rfind("\n", 0, self.offset), self.text.rfind("\r", 0, self.offset)) + 1

    @cached_property
    def line_before(self) -> str:
        """The cursor's line left of it."""
        return self.text[self.line_start : self.offset]

    @cached_property
    def line_after(self) -> str:
        """The cursor's line right of it, without its line break."""
        found = REST_OF_LINE.match(self.text, self.offset)
        return found[0] if found else ""

    @cached_property
    def before(self) -> str:
        """The text left of the cursor, without its line."""
        return self.text[: self.line_start]

    @cached_property
    def after(self) -> str:
        """The text right of the cursor, without the rest of its line."""
        return self.text[self.offset + len(self.line_after) :]

    @cached_property
    def in_comment_or_string(self) -> bool:
        """Whether the cursor stands in a comment or in a string."""
        start = self.text.rfind("\n", 0, max(0, self.offset - SCANNED)) + 1 if self.offset > SCANNED else 0
        found = list(COMMENT_OR_STRING.finditer(self.text, start, self.offset))
        last = found[-1] if found else None
        return last is not None and last.end() == self.offset and not (last["closed"] or last["ended"])


def silence(place: Place, settings: Settings) -> Reason | None:
    """Why the model is not asked here; None if it is."""
    if not settings.enable.get(place.language, settings.enable.get("*", False)):
        return Reason.OFF
    if SECRETS.search(PurePath(place.path).name):
        return Reason.SECRET_FILE
    if place.explicit:  # by name: always tries
        return None
    rest = place.line_after
    if re.match(r"\w", rest):
        return Reason.MID_WORD
    follows = not CLOSERS.issuperset(rest)
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
    code = COMMENT_OR_STRING.sub("", line)
    return sum(code.count(each) for each in "([{") <= sum(code.count(each) for each in ")]}")


def in_empty_block(place: Place) -> bool:
    """Whether the cursor stands on the empty line of a block that has no other line yet."""
    if place.line_before.strip() or place.line_after.strip() or place.in_comment_or_string:
        return False
    header = place.before.rstrip("\r\n").rpartition("\n")[2]
    if not header.rstrip().endswith(":") or header.lstrip().startswith("#"):
        return False
    following = next((each for each in place.after[:5000].splitlines() if each.strip()), "")
    return not following or indentation(following) <= indentation(header)


def indentation(line: str) -> int:
    """The columns of white space before a line, tabs to the next multiple of eight."""
    expanded = line.expandtabs(8)
    return len(expanded) - len(expanded.lstrip(" "))
