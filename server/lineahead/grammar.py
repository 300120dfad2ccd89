"""Whether text is Python, or can become it.

The interpreter's own grammar tells a half statement from a wrong one; where it is older than the text, tree-sitter's
knows the newer statements. tree-sitter alone would not do: it takes `try:` without a clause and calls each half line an
error, and reading a file of 50 to 300 kB anew takes it 5 to 30 ms.
"""

import ast
import warnings
from enum import Enum
from functools import cache, lru_cache

from tree_sitter import Language, Node, Parser

INCOMPLETE_INPUT = ast.PyCF_ONLY_AST | 0x4000  # codeop's flag: says "incomplete input" where more text would mend it
MOST_TREE = 300_000  # bytes, of tree-sitter: under 30 ms
NEWER = {"type_alias_statement", "type_parameter", "except_clause", "except_group_clause", "string"}
OLDER = {"print_statement", "exec_statement", "ERROR"}


class Verdict(Enum):
    """What a grammar says of the beginning of a text."""

    WHOLE = "whole"
    INCOMPLETE = "incomplete"
    """More text would make it whole."""
    WRONG = "wrong"


@lru_cache(maxsize=16)  # the same texts are asked for again while one suggestion is looked at
def verdict(code: str) -> Verdict:
    """What the interpreter's grammar says of the beginning of a text, or a newer one where it does not know it."""
    failure = _failure(code)
    if failure is None:
        return Verdict.WHOLE
    if not isinstance(failure, SyntaxError):
        return Verdict.WRONG
    if failure.msg == "incomplete input":
        return Verdict.INCOMPLETE
    return Verdict.WHOLE if _is_newer(code + "\n") else Verdict.WRONG


def can_go_on(code: str, closers: str) -> bool:
    """Whether more text could make the beginning of a text right; False only where it is certain that none could.

    The interpreter's parser reads on as long as there is hope, and its "invalid syntax" (these words alone) names the
    token at which there was none left. Where that is behind the end, more text might have helped. `closers` close the
    brackets that are open there: of one that stays open it would say nothing else.
    """
    failure = _failure(code + closers)
    if not isinstance(failure, SyntaxError) or failure.msg != "invalid syntax":
        return True
    end = code.count("\n") + 1, len(code.rpartition("\n")[2])
    return (failure.lineno or 0, failure.offset or 0) > end


def _failure(code: str) -> Exception | None:
    """What the interpreter's parser finds wrong with a text, or with reading it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of invalid escapes in a person's strings
            compile(code + "\n", "", "exec", INCOMPLETE_INPUT)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return error
    return None


def tree(code: str) -> ast.Module | None:
    """The syntax tree of a text; None where it is half written, newer than the interpreter or nested too deeply."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of invalid escapes in a person's strings
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def parses(code: str) -> bool:
    """Whether a text is Python, of the interpreter's version or of a newer one."""
    return verdict(code) is Verdict.WHOLE


@cache
def _parser() -> Parser:
    import tree_sitter_python

    return Parser(Language(tree_sitter_python.language()))


def _is_newer(code: str) -> bool:
    """Whether a text has no error in tree-sitter's grammar, and something in it that is new since Python 3.12."""
    data = code.encode(errors="replace")
    if len(data) > MOST_TREE:
        return False
    tree = _parser().parse(data)
    if tree.root_node.has_error:
        return False
    newer = False
    nodes = [tree.root_node]
    while nodes:
        node = nodes.pop()
        if node.type in OLDER:
            return False
        newer = newer or (node.type in NEWER and _is_new(node))
        nodes += node.children
    return newer


def _is_new(node: Node) -> bool:
    """Whether a node that may be new is: PEP 695, 701, 758."""
    if node.type == "string":
        start = node.children[0].text or b""
        if start.lower().startswith((b"t", b"rt", b"tr")):
            return True
        inner = b"".join(child.text or b"" for child in node.children if child.type == "interpolation")
        return any(mark in inner for mark in (start[-1:], b"\\", b"#", b"\n"))
    if node.type.startswith("except"):
        return any(child.type == "," for child in node.children) and not any(
            child.type in ("as_pattern", "as") for child in node.children
        )
    return True
