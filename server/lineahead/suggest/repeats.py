"""What a suggestion must not say again: pure functions over a place and the text that would be inserted there."""

import re
from collections.abc import Iterable, Sequence
from itertools import takewhile

from lineahead.place import Place
from lineahead.syntax import MOST_OF_A_LINE, functions, indentation

DEFINITION = re.compile(r"\s*(?:async\s+)?(?:def|class)\s+(?P<name>\w+)")
IMPORT = re.compile(r"(?:from\s++[\w.]++\s++)?+import\s++(?P<names>[^#]*+)")
IMPORTED = re.compile(r"(?<![\w.])(?P<name>[\w.]++)(?=\s*+(?:,|\)|\Z))")  # behind `as`, where that stands
OVERLOAD = re.compile(r"@(?:\w+\.)*overload\b")
MOST_SEARCHED = 200_000  # characters before and after the cursor


def repeats(place: Place, inserted: str) -> bool:
    """Whether a suggestion says what the text around has said already."""
    line = inserted.partition("\n")[0]
    if repeats_neighbours(place, line):
        return True
    if not place.is_code or len(place.line_before + line) > MOST_OF_A_LINE:
        return False
    return repeats_definition(place, line) or repeats_import(place, line)


def repeats_neighbours(place: Place, line: str) -> bool:
    """Whether a suggestion would make the line the same as the next one, or as the two before it."""
    whole = (place.line_before + line).strip()
    above = [text_line.strip() for text_line in place.before[-MOST_OF_A_LINE:].splitlines()[-2:]]
    return whole == place.line_below.strip() or above == [whole, whole]


def repeats_definition(place: Place, line: str) -> bool:
    """Whether a suggestion defines what its block defines elsewhere, or a function what it stands in.

    Overloads aside, and what adds to a name, such as a property's setter.
    """
    whole = place.line_before + line
    defined = DEFINITION.match(whole)
    if defined is None or defined.end() <= len(place.line_before) or defined["name"] == "_":  # or the person wrote it
        return False
    around = map(DEFINITION.match, functions(place.text, place.line_start, whole))
    if defined["name"] in {header["name"] for header in around if header}:
        return True
    above = place.before[-MOST_SEARCHED:].splitlines()
    if _adds_to(defined["name"], above[::-1]):
        return False
    column = indentation(whole)
    below = place.after[:MOST_SEARCHED].splitlines()
    return defined["name"] in _defined(above[::-1], column, 1) | _defined(below, column, -1)


def _defined(lines: Sequence[str], column: int, before: int) -> set[str]:
    """The names that a block defines for good, in lines that lead away from the cursor, up to its end.

    `before` is how much further in `lines` the one before a line stands.
    """
    names = set()
    for number, line in enumerate(lines):
        if not line.strip(" \t\f)]}:"):
            continue
        if (found := indentation(line)) < column:
            break
        if found == column and (definition := DEFINITION.match(line)):
            others = range(number + before, len(lines) if before > 0 else -1, before)
            above = (lines[other] for other in others)
            names |= set() if _adds_to(definition["name"], above) else {definition["name"]}
    return names


def _adds_to(name: str, above: Iterable[str]) -> bool:
    """Whether a definition of a name is one of several, by the decorators on the lines above it, the nearest first."""
    decorators = (line.strip() for line in takewhile(lambda line: line.lstrip().startswith("@"), above))
    return any(OVERLOAD.match(decorator) or decorator.startswith(f"@{name}.") for decorator in decorators)


def repeats_import(place: Place, line: str) -> bool:
    """Whether a suggestion imports a name twice in one statement, or is an import that the module makes elsewhere."""
    whole = (place.line_before + line).strip()
    statement = IMPORT.match(whole)
    if statement is None:
        return False
    names = [found["name"] for found in IMPORTED.finditer(statement["names"])]
    if len(set(names)) < len(names):
        return True
    near = f"{place.before[-MOST_SEARCHED:]}\n{place.after[:MOST_SEARCHED]}"
    return whole in near.splitlines()
