"""A cursor in a text."""

import re
from dataclasses import dataclass
from functools import cached_property

from lineahead import syntax

LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")  # the line ends that the protocol and Python share
WORD_END = re.compile(r"\w*\Z")
MOST_OF_A_WORD = 200  # characters
MOST_BELOW = 5_000  # characters


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
        ends = (self.text.find(end, self.offset) for end in "\r\n")
        return self.text[self.offset : min((end for end in ends if end >= 0), default=len(self.text))]

    @cached_property
    def before(self) -> str:
        """The text left of the cursor, without its line."""
        return self.text[: self.line_start]

    @cached_property
    def after(self) -> str:
        """The text right of the cursor, without the rest of its line."""
        return self.text[self.offset + len(self.line_after) :]

    @cached_property
    def line_below(self) -> str:
        """The next line that is not blank, of those nearby; "" for none."""
        return next((line for line in self.after[:MOST_BELOW].splitlines() if line.strip()), "")

    @cached_property
    def in_comment_or_string(self) -> bool:
        """Whether the cursor stands in a comment or in a string."""
        return syntax.in_comment_or_string(self.text, self.line_start, self.offset)

    @cached_property
    def is_code(self) -> bool:
        """Whether the cursor stands in Python, outside comments and strings."""
        return self.language == "python" and not self.in_comment_or_string

    @cached_property
    def word_before(self) -> str:
        """The letters, digits and underscores left of the cursor."""
        match = WORD_END.search(self.line_before[-MOST_OF_A_WORD:])
        return match[0] if match else ""

    def lines_below(self, column: int) -> str:
        """The lines after the cursor's that begin no further left than some column, closing brackets aside."""
        lines = LINE.findall(self.text[self.offset + len(self.line_after) :][: syntax.MOST_PARSED].lstrip("\r\n"))
        for number, line in enumerate(lines):
            if line.strip(" \t\f\r\n)]}") and syntax.indentation(line) < max(column, 1):
                return "".join(lines[:number])
        return "".join(lines)
