"""Names that the code around a place waits for: used below and bound nowhere, or bound above and not yet used."""

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from lineahead.grammar import tree
from lineahead.place import Place

if TYPE_CHECKING:
    from pyflakes.checker import Checker

MOST_CHECKED = 30_000  # characters: about 25 ms


class Awaited(NamedTuple):
    """Names that the line at the cursor may well hold."""

    undefined: tuple[str, ...] = ()
    """Used below and bound nowhere, the first one first."""
    unused: tuple[str, ...] = ()
    """Bound above and used nowhere, the nearest one first."""


def awaited(place: Place) -> Awaited:
    """The names that are waited for; none where the text does not parse without the cursor's line."""
    if place.language != "python" or len(place.context) + len(place.text) > MOST_CHECKED:
        return Awaited()
    indentation = place.line_before[: len(place.line_before) - len(place.line_before.lstrip())]
    return _awaited(place.context + place.before, indentation, place.after)


@lru_cache(maxsize=4)  # what is around a line stays while it is typed
def _awaited(before: str, indentation: str, after: str) -> Awaited:
    line = len(before.splitlines()) + 1
    for code in (f"{before}{indentation}pass{after}", before + after):
        if checker := _check(code):
            return Awaited(tuple(_undefined(checker, line)), tuple(_unused(checker, line)))
    return Awaited()


def _check(code: str) -> "Checker | None":
    from pyflakes.checker import Checker  # not before it is needed

    parsed = tree(code)
    try:
        return Checker(parsed) if parsed else None
    except (SyntaxError, ValueError, RecursionError):  # of annotations in quotes, or nested too deeply
        return None


def _undefined(checker: "Checker", line: int) -> dict[str, None]:
    from pyflakes.messages import UndefinedName

    messages = [message for message in checker.messages if isinstance(message, UndefinedName)]
    messages.sort(key=lambda message: (message.lineno, message.col))
    return {str(message.message_args[0]): None for message in messages if message.lineno >= line}


def _unused(checker: "Checker", line: int) -> dict[str, None]:
    found = sorted(_unused_bindings(checker, line), reverse=True)
    return {name: None for _, name in found}


def _unused_bindings(checker: "Checker", line: int) -> Iterator[tuple[int, str]]:
    """Where each of them is bound, and its name: variables and arguments of functions, and what is imported."""
    from pyflakes import checker as pyflakes

    scopes: list[dict[str, Any]] = checker.deadScopes
    for scope in scopes:
        kinds: tuple[type[Any], ...] = (pyflakes.Importation,)
        if isinstance(scope, pyflakes.FunctionScope):
            kinds = (pyflakes.Importation, pyflakes.Assignment, pyflakes.Argument)
        for name, binding in scope.items():
            number = getattr(binding.source, "lineno", line)
            if isinstance(binding, kinds) and not binding.used and number < line and not name.startswith("_"):
                yield number, name
