"""What the modules of a project have to offer to an import."""

import ast
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import PurePath

from lineahead.grammar import tree

PACKAGE = "__init__.py"
ANY = "*"
MOST_CHARACTERS = 200_000  # of a module that is looked into: half a second at the worst, once


def exports(module: str, importer: str, names: Iterable[str], text_of: Callable[[str], str]) -> frozenset[str] | None:
    """The names that `from MODULE import …` finds in a project; None where the module is not there, or may have more.

    `module` is as it is written, dots before it included, and `*` in the place of its last name, or of all, is asked
    for the modules that this may be; `names` are those of all texts, their paths.
    """
    if module.endswith(ANY):
        return frozenset(_modules(module.removesuffix(ANY), importer, list(map(PurePath, names)))) or None
    level = len(module) - len(module.lstrip("."))
    parts = tuple(part for part in module.strip(".").split(".") if part)
    paths = [PurePath(name) for name in names]
    if level:
        folder = PurePath(importer)
        for _ in range(level):
            folder = folder.parent
        targets = {folder.joinpath(*parts).with_suffix(".py") if parts else folder, folder.joinpath(*parts, PACKAGE)}
        found = [path for path in paths if path in targets]
    else:
        endings = ((*parts[:-1], f"{parts[-1]}.py"), (*parts, PACKAGE)) if parts else ()
        found = [path for path in paths if any(path.parts[-len(ending) :] == ending for ending in endings)]
    if len(found) != 1:  # not there, or not to be told which one
        return None
    offered = defined(text_of(str(found[0])))
    if offered is None or found[0].name != PACKAGE:
        return offered
    beside = {path for path in paths if path.parent == found[0].parent or path.parent.parent == found[0].parent}
    modules = {path.stem if path.parent == found[0].parent else path.parent.name for path in beside}
    return offered | (modules - {"__init__"})


def _modules(package: str, importer: str, paths: list[PurePath]) -> set[str]:
    """The modules below a package, which is as it is written with the dot behind it; none where it is not there."""
    packages = {path.parent for path in paths if path.name == PACKAGE}
    here = PurePath(importer).parent
    if not package:
        beside = set() if here in packages else _below(here, paths, packages)
        return {folder.name for folder in packages if folder.parent not in packages} | beside
    level = len(package) - len(package.lstrip("."))
    parts = tuple(part for part in package.split(".") if part)
    if level:
        found = [[here, *here.parents][min(level - 1, len(here.parents))].joinpath(*parts)]
    else:
        found = [folder for folder in packages if folder.parts[-len(parts) :] == parts]
    return _below(found[0], paths, packages) if len(found) == 1 else set()


def _below(folder: PurePath, paths: Iterable[PurePath], packages: Iterable[PurePath]) -> set[str]:
    # `__main__` and its like are for the interpreter.
    modules = {path.stem for path in paths if path.parent == folder and not path.name.startswith("__")}
    return modules | {inner.name for inner in packages if inner.parent == folder}


@lru_cache(maxsize=64)
def defined(text: str) -> frozenset[str] | None:
    """The names that a module's text binds at its top; None where that is not to be told."""
    if len(text) > MOST_CHARACTERS:
        return None
    parsed = tree(text)
    if parsed is None:
        return None
    try:
        names = frozenset(_bound(parsed.body))
    except RecursionError:
        return None
    return None if {"*", "__getattr__"} & names else names


def _bound(body: list[ast.stmt]) -> Iterator[str]:
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield statement.name
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            yield from (name.asname or name.name.partition(".")[0] for name in statement.names)
        else:
            # What is bound in a condition, a loop or a `with` is bound in the module, functions and classes aside.
            names = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
            yield from (name.id for name in names if isinstance(name.ctx, ast.Store))
            for field in ("body", "orelse", "finalbody", "handlers"):
                for inner in getattr(statement, field, []):
                    yield from _bound(inner.body if isinstance(inner, ast.ExceptHandler) else [inner])
