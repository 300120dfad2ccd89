"""What can be said of Python text without a model."""

import ast
import re
import warnings

COMMENT_OR_STRING = re.compile(
    r"""\#[^\r\n]*|(?P<quote>\"{3}|'{3})(?:[^\\]|\\.)*?(?P<closed>(?P=quote)|\Z)"""
    r"""|(?P<mark>["'])(?:(?!(?P=mark))[^\\\r\n]|\\.)*(?P<ended>(?P=mark)|(?=[\r\n])|\Z)""",
    re.DOTALL,
)


def parses(code: str) -> bool:
    """Whether a text is Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of invalid escapes in a person's strings
            ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def indentation(line: str) -> int:
    """The columns of white space before a line, tabs to the next multiple of eight."""
    expanded = line.expandtabs(8)
    return len(expanded) - len(expanded.lstrip(" "))
