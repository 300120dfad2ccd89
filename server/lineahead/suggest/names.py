"""Names that a suggestion uses and that nothing defines."""

import ast
import builtins
import keyword
import re
from functools import cache
from typing import Any

from lineahead.grammar import parses, tree
from lineahead.memory.memory import NO_MEMORY, Memory
from lineahead.place import Place
from lineahead.suggest.awaited import MOST_CHECKED, awaited
from lineahead.syntax import (
    COMMENT_OR_STRING,
    MOST_OF_A_LINE,
    OPENING,
    classes,
    functions,
    indentation,
    state_at,
    statement_before,
)

PARAMETERS = re.compile(r"def\s+\w+[^(]{0,200}\((?:[^()]|\([^()]*\))*")
OVER_ITSELF = re.compile(r"\bfor\s++(?P<one>\w++)\s++in\s++(?P=one)(?![\w.(\[])")  # as 2 of 18,000 loops are
AT_THE_LEFT = re.compile(r"^(?:(?:async\s++)?(?:def|class)\s++\w++|[^\s#)\]}].*$)", re.MULTILINE)
MOST_OF_A_HEADER = 200  # characters
MOST_SEARCHED = 200_000  # characters before and after the cursor
OF_A_METHOD = frozenset({"self", "cls"})  # they stand in any file, and mean something in some places only
OF_SELF = re.compile(r"(?<![\w.])self\.(\w++)(?!\s*+(?:\(|=(?!=)))")  # neither called nor bound
BINDS_NEXT = re.compile(r"\b(?:as|for)\s++\Z")
MAY_BE_BOUND = re.compile(r"\s*+(?:[(\[]\s*+)?self\.\w++\s*+(?:\Z|[:,])")  # at a line's start
LONE = re.compile(r"\s*+(\w++)\s*+\Z")
WITHOUT_BASES = re.compile(r"class\s++\w++\s*+(?:\(\s*+(?:object\s*+)?\)\s*+)?:")
CLOSES = re.compile(r"^[ \t]*+[)\]}].*$", re.MULTILINE)  # and goes on: `) = 1, 2`
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
OPEN_ENDED = re.compile(r"\b(?:__getattr\w*__|setattr|__dict__|__slots__)\b")  # attributes may come from anywhere
WORD = re.compile(r"(?<![\w.])[^\W\d]\w*")
F_STRING = re.compile(r"(?<![^\W_])(?:f|rf|fr)\Z", re.IGNORECASE)  # before its quotes
FIELD = re.compile(r"\{([^{}]*)\}")
NOTEBOOK = frozenset({"get_ipython", "display"})  # which IPython defines
ALWAYS = frozenset(dir(builtins)) | frozenset(keyword.kwlist)
KNOWN = ALWAYS | NOTEBOOK | frozenset(keyword.softkwlist)


def unknown_names(place: Place, inserted: str, memory: Memory = NO_MEMORY) -> set[str]:
    """Names that a suggestion uses and that neither the file nor Python defines.

    A word that stands anywhere else in the text passes, unless it does below alone, where nothing binds it: that is
    for this line to do. What stands nowhere else only its own statement can define, and pyflakes judges that. What
    stands elsewhere in the project passes, too, as it may be imported later, unless its own line binds it, which is
    too late: `for tree in tree:`. That one does not pass even where there is a `tree`.
    """
    if (over_itself := OVER_ITSELF.search(place.line_before + inserted)) and over_itself.end() > len(place.line_before):
        return {over_itself["one"]}
    typed = place.line_before[: len(place.line_before) - len(place.word_before)]
    line = place.word_before + inserted
    words = set(WORD.findall(" ".join((COMMENT_OR_STRING.sub('""', line), *_fields(line))))) - KNOWN
    elsewhere = " ".join((place.context, place.before, place.line_after, place.after))
    if astray := {word for word in words & OF_A_METHOD if not is_bound(place, typed + line, word)}:
        return {word for word in astray if not memory.knows(word)}
    if astray := _missing_attributes(place, inserted, elsewhere):
        return astray
    unseen = {word for word in words if not _stands(word, elsewhere)}
    here = unseen & set(re.findall(r"\w+", typed))
    if "import *" in elsewhere:
        return set()
    if astray := locals_of_others(place, inserted, words - unseen - set(WORD.findall(typed))):
        return astray
    awaits = _to_be_bound(place, words - unseen)
    if not unseen | awaits:
        return set()
    line = place.line_before + inserted
    above = statement_before(place.text, place.line_start, line)
    if above is None or len(line) > MOST_OF_A_LINE:
        return set()
    closing = closers(place, line)
    whole = f"{place.line_after}\n{place.lines_below(indentation(line))}"
    closes = CLOSES.search(place.after, 0, MOST_OF_A_LINE) if closing else None
    closed = place.line_after + (place.after[: closes.end()] if closes else "")
    block = "\n" + " " * indentation(line) + ("def _(): pass" if line.lstrip().startswith("@") else " case _: pass")
    alone = (closing + more for more in ("", ": pass", " pass"))
    for end in (whole, closed, place.line_after, " pass", "", block, *alone):
        code = above + line + end
        if parses(code):
            undefined = (unseen | awaits) & _undefined(code)
            new = {name for name in undefined - here if name in awaits or not memory.knows(name)}
            return new | (undefined & _bound(code) if undefined else set())
    return set()


def _missing_attributes(place: Place, inserted: str, elsewhere: str) -> set[str]:
    """Attributes of `self` that a suggestion reads and that stand nowhere else in the text, if no base may have them.

    Methods aside, which are often called before they are written, and classes that are not made by an `__init__` above,
    which may be parts of others.
    """
    line = place.line_before + inserted
    typed = len(place.line_before) - len(place.word_before)
    found = [each for each in OF_SELF.finditer(line) if each.end() > len(place.line_before)] if "self." in line else []
    read = {
        each[1]
        for each in found
        if not BINDS_NEXT.search(line[: each.start()])
        and not _stands(each[1], f"{elsewhere} {line[: min(typed, each.start())]}")
    }
    if not read or MAY_BE_BOUND.match(line) or len(line) > MOST_OF_A_LINE:
        return set()
    around = classes(place.text, place.line_start, line)
    if not around or not WITHOUT_BASES.match(around[-1]) or OPEN_ENDED.search(place.text):
        return set()
    return read if "def __init__" in _since(place, around[-1]) else set()


def _to_be_bound(place: Place, words: set[str]) -> set[str]:
    """Those of some words that only lines below use, of the same function if it is one, and that nothing binds."""
    waited = words & set(awaited(place).undefined) if words else set()
    above = f"{place.context}{place.before}"
    below = place.lines_below(1) if place.line_before[:1].isspace() else place.after
    return {word for word in waited if _stands(word, below) and not _stands(word, above)}


def locals_of_others(place: Place, inserted: str, words: set[str]) -> set[str]:
    """Those of some words of a suggestion that only functions bind which it does not stand in."""
    lone = LONE.match(place.line_before + inserted)  # it may be bound next
    words = {word for word in words if not word.isupper() and not (lone and word == lone[1])}  # constants are no locals
    if not words or len(place.context) + len(place.text) > MOST_CHECKED:
        return set()
    if state_at(place.text, place.line_start).inside_statement:  # where `for` may yet bind a name, behind it
        return set()
    line = place.line_before + inserted
    around = functions(place.text, place.line_start, line)
    near = [*AT_THE_LEFT.findall(f"{place.context}{place.before}\n{place.after}"), place.line_before, place.line_after]
    if around:
        near += [place.before[place.before.rfind(around[0][:MOST_OF_A_HEADER]) :], place.lines_below(1)]
    hidden = {word for word in words if not _stands(word, "\n".join(near))}
    if not hidden:
        return set()
    before = place.context + place.before
    closing, number = closers(place, line), before.count("\n") + 1
    for end in (place.line_after, closing, f"{closing}: pass", " pass"):
        code = f"{before}{line}{end}{place.after}"
        if parses(code):
            # What a loop binds behind its use is bound in its second round.
            elsewhere = _bound(code, (*FUNCTIONS, ast.ClassDef) if around else FUNCTIONS)
            undefined = _undefined(code, range(number, number + inserted.count("\n") + 1))
            return (hidden & undefined & _bound(code)) - elsewhere
    return set()


def _since(place: Place, statement: str) -> str:
    """The lines from where a statement begins that the cursor stands in, up to the cursor's."""
    header = statement[:MOST_OF_A_HEADER]
    return place.text[place.text.rfind(header, 0, place.line_start + len(header)) : place.line_start]


def _stands(word: str, text: str) -> bool:
    # Beginning with the word, the search skips what does not: ten times as fast as with a boundary before it.
    return bool(re.search(rf"{word}(?!\w)(?<!\w{word})", text))


def _fields(line: str) -> list[str]:
    """What stands between braces in the f-strings of a line."""
    strings = (match for match in COMMENT_OR_STRING.finditer(line) if F_STRING.search(line[: match.start()][-3:]))
    return [field for match in strings for field in FIELD.findall(match[0])]


def closers(place: Place, line: str) -> str:
    """What closes the brackets that are open behind a line, the innermost first."""
    opened = state_at(place.text, place.line_start).brackets
    for character in COMMENT_OR_STRING.sub('""', line):
        if character in OPENING.values():
            opened += character
        elif character in OPENING:
            opened = opened[:-1]
    closing = {opener: closer for closer, opener in OPENING.items()}
    return "".join(closing[opener] for opener in reversed(opened))


def is_bound(place: Place, line: str, name: str) -> bool:
    """Whether a function around a line has an argument of this name, or anything else in the text binds it."""
    arguments = map(PARAMETERS.search, [line, *functions(place.text, place.line_start, line)])
    near = (place.context + place.before)[-MOST_SEARCHED:] + place.after[:MOST_SEARCHED]
    # How far is bounded, or a long line of such beginnings would be read once for each.
    bound = (
        rf"\b{name}\s*+(?::[^\n=]{{0,200}})?=(?!=)|\b(?:as|for|import)\s+{name}\b|\blambda\b[^:\n]{{0,200}}\b{name}\b"
    )
    return any(found and re.search(rf"\b{name}\b", found[0]) for found in arguments) or bool(
        re.search(bound, f"{near}\n{line}")
    )


@cache
def _checker_in_a_function() -> Any:
    """pyflakes' checker that looks behind `return`, `yield` and `await`, whose function's header is not there, too."""
    from pyflakes.checker import Checker  # not before it is needed

    class InAFunction(Checker):  # type: ignore[misc]  # which has no types
        def RETURN(self, node: ast.Return) -> None:  # noqa: N802  # by the name of the node
            self.handleNode(node.value, node)

        YIELD = AWAIT = YIELDFROM = RETURN

    return InAFunction


def _undefined(code: str, lines: range | None = None) -> set[str]:
    """The names that nothing defines, in some lines or in all."""
    from pyflakes.messages import UndefinedName  # not before it is needed

    parsed = tree(code)
    if parsed is None:
        return set()
    try:
        messages = _checker_in_a_function()(parsed).messages
    except RecursionError:  # from 330 `elif`s or 340 added terms on
        used, bound = _uses_and_bindings(parsed)
        return used - bound
    return {
        str(message.message_args[0])
        for message in messages
        if isinstance(message, UndefinedName) and (lines is None or message.lineno in lines)
    }


def _bound(code: str, outside: tuple[type[ast.AST], ...] = ()) -> set[str]:
    """The names that are bound anywhere, whatever their scopes, but for what is inside some kinds of nodes."""
    parsed = tree(code)
    return set() if parsed is None else _uses_and_bindings(parsed, outside)[1]


def _uses_and_bindings(parsed: ast.AST, outside: tuple[type[ast.AST], ...] = ()) -> tuple[set[str], set[str]]:
    """The names that are used, and those that are bound."""
    used: set[str] = set()
    bound: set[str | None] = set()
    nodes = [parsed]
    while nodes:
        node = nodes.pop()
        nodes += () if isinstance(node, outside) else ast.iter_child_nodes(node)
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                used.add(name)
            case ast.Name(id=name) | ast.arg(arg=name) | ast.MatchMapping(rest=name):
                bound.add(name)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.ExceptHandler():
                bound.add(node.name)
            case ast.MatchAs() | ast.MatchStar():
                bound.add(node.name)
            case ast.alias():
                bound.add(node.asname or node.name.partition(".")[0])
    return used, {name for name in bound if name is not None}
