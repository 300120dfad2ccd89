"""What a suggestion must not be: pure functions over a place and the text that would be inserted there."""

import ast
import re
from collections.abc import Iterator

from lineahead.grammar import Verdict, can_go_on, tree, verdict
from lineahead.memory.memory import Memory
from lineahead.place import Place
from lineahead.reasons import Reason
from lineahead.suggest.below import statement
from lineahead.suggest.imports import missing_imports
from lineahead.suggest.names import closers, unknown_names
from lineahead.suggest.repeats import repeats
from lineahead.syntax import (
    COMMENT_OR_STRING,
    MOST_OF_A_LINE,
    MOST_PARSED,
    functions,
    indentation,
    state_at,
    statement_before,
)

# What only an interpreter newer than the oldest that is supported may know: 3.12 and 3.14.
NEWER = re.compile(r"^\s*(?:type|except)\b|\b(?:def|class)\s+\w+\s*\[|\b[rR]?[fFtT][rR]?[\"']")
IN_A_FUNCTION = re.compile(r"\b(?:await|return|yield)\b|^\s*async\s+(?:for|with)\b")
OWN_FUNCTION = re.compile(r"\b(?:def|lambda)\b")  # of a line
NAMED = re.compile(r"=|\b(?:def|lambda)\b")
LONE_CLOSER = re.compile(r"\s*[)\]}]\s*")
FIRST_BLOCK = re.compile(r":[ \t]{0,9}\r?\n([ \t]{1,16})(?=[^\s#])")


def objection(place: Place, inserted: str, complete: bool, memory: Memory) -> Reason | None:
    """Why a suggestion is not shown; None if nothing speaks against it.

    `complete` says that its last line ends where the model ended it, instead of where it stopped being sure; `memory`
    knows which names stand elsewhere in the project.
    """
    if not inserted.strip():
        return Reason.BLANK
    if LONE_CLOSER.fullmatch(inserted):
        return Reason.LONE_CLOSER
    if repeats(place, inserted):
        return Reason.REPEAT
    if place.language != "python":
        return None
    if not place.in_comment_or_string and breaks_indentation(place, inserted):
        return Reason.BAD_INDENTATION
    if breaks_parsing(place, inserted) if complete else is_astray(place, inserted):
        return Reason.DOES_NOT_PARSE
    if place.in_comment_or_string:  # whose words are no names
        return None
    if unknown_names(place, inserted, memory) or missing_imports(place, inserted, memory):
        return Reason.UNKNOWN_NAME
    if is_outside_its_function(place, inserted) or names_twice(place, inserted):
        return Reason.DOES_NOT_PARSE
    return None


def breaks_indentation(place: Place, inserted: str) -> bool:
    """Whether a suggestion at the start of a line stands in no open block, or leaves a header without one."""
    state = state_at(place.text, place.line_start)
    if place.line_before.strip() or state.inside_statement or state.lost:
        return False
    if not state.blocks:  # the text may be a part of another one, but that is for the person to say
        return inserted[0].isspace()
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


def is_outside_its_function(place: Place, inserted: str) -> bool:
    """Whether a suggestion returns or yields where no function is, or awaits in one that is not `async`."""
    line = place.line_before + inserted.partition("\n")[0]
    if len(line) > MOST_OF_A_LINE or OWN_FUNCTION.search(line):
        return False
    typed = place.line_before.removesuffix(place.word_before)
    words = _in_a_function(line) - _in_a_function(typed)
    around = functions(place.text, place.line_start, line) if words else []
    if around:
        return not around[-1].startswith("async") and bool(words & {"await", "async"})
    state = state_at(place.text, place.line_start)
    start = state.blocks[-1].start if state.inside_statement and state.blocks else place.line_start
    if OWN_FUNCTION.search(place.text, start, place.line_start):
        return False
    # Where everything is indented the text may be a part of another one.
    return bool(words & {"return", "yield"}) and not state.lost and bool(state.blocks) and not state.blocks[0].column


def _in_a_function(line: str) -> set[str]:
    """What stands in a line that only stands in functions, by its first word."""
    return {found[0].split()[0] for found in IN_A_FUNCTION.finditer(COMMENT_OR_STRING.sub('""', line))}


def names_twice(place: Place, inserted: str) -> bool:
    """Whether a suggestion gives a keyword to a call, or a parameter to a function, that has it already."""
    line = place.line_before + inserted.partition("\n")[0]
    above = statement_before(place.text, place.line_start, line) if len(line) <= MOST_OF_A_LINE else None
    if above is None or not NAMED.search(above + line):
        return False
    typed = place.line_before.removesuffix(place.word_before)
    return bool(_twice(place, above, line) - _twice(place, above, typed))


def _twice(place: Place, above: str, line: str) -> set[str]:
    """The names that a statement up to some end of its last line gives twice."""
    closing = closers(place, line)
    endings = (value + closing + more for value in ("", "=0") for more in ("", ": pass", " pass"))
    parsed = next(filter(None, (tree(above + line + end) for end in endings)), None)
    return {name for names in _named(parsed) for name in names if names.count(name) > 1} if parsed else set()


def _named(parsed: ast.AST) -> Iterator[list[str]]:
    """The keywords of each call, and the parameters of each function."""
    for node in ast.walk(parsed):
        if isinstance(node, ast.Call):
            yield [keyword.arg for keyword in node.keywords if keyword.arg]
        elif isinstance(node, ast.arguments):
            rest = (node.vararg, node.kwarg)
            yield [each.arg for each in (*node.posonlyargs, *node.args, *node.kwonlyargs, *filter(None, rest))]


def is_astray(place: Place, inserted: str) -> bool:
    """Whether nothing at all that might follow a suggestion could make it right."""
    line = place.line_before + inserted
    above = statement_before(place.text, place.line_start, line)
    if above is None or len(line) > MOST_OF_A_LINE or NEWER.search(line):
        return False
    typed = place.line_before.removesuffix(place.word_before)
    without, with_it = (
        can_go_on(above + (part if above else part.lstrip(" \t")), closers(place, part)) for part in (typed, line)
    )
    return without and not with_it


def breaks_parsing(place: Place, inserted: str) -> bool:
    """Whether no text behind a suggestion could make it right, or a file that is right without its line is not with it.

    Statements that begin here and need another, such as a decorator, may be followed by anything.
    """
    here = statement(place, inserted)
    if here is None or verdict(here.above) is Verdict.WRONG:
        return False
    found = verdict(here.above + here.line)
    if found is not Verdict.WHOLE or not here.below.strip():
        return found is Verdict.WRONG
    return here.parses_without and not here.parses
