"""What the modules of a project have to offer to an import."""

import ast
import sys
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
    paths = list(map(_path, names))
    if module.endswith(ANY):
        return frozenset(_modules(module.removesuffix(ANY), PurePath(importer), paths)) or None
    found = _found(module, PurePath(importer), paths)
    if len(found) != 1:  # not there, or not to be told which one
        return None
    offered = defined(text_of(str(found[0])))
    if offered is None or found[0].name != PACKAGE:
        return offered
    return offered | _below(found[0].parent, paths)


@lru_cache(maxsize=10_000)
def _path(name: str) -> PurePath:
    return PurePath(name)


def _found(module: str, importer: PurePath, paths: list[PurePath]) -> list[PurePath]:
    """The files that a module may be."""
    level = len(module) - len(module.lstrip("."))
    parts = tuple(part for part in module.split(".") if part)
    if level:
        folder = _above(importer, level).joinpath(*parts)
        targets = {folder.with_suffix(".py") if parts else folder, folder / PACKAGE}
        return [path for path in paths if path in targets]
    if not parts or parts[0] in sys.stdlib_module_names:
        return []
    packages = {path.parent for path in paths if path.name == PACKAGE}
    endings = (*parts[:-1], f"{parts[-1]}.py"), (*parts, PACKAGE)
    return [
        path
        for ending in endings
        for path in paths
        if path.parts[-len(ending) :] == ending and _above(path, len(ending)) not in packages
    ]


def _modules(package: str, importer: PurePath, paths: list[PurePath]) -> set[str]:
    """The modules below a package, which is as it is written with the dot behind it; none where it is not there."""
    packages = {path.parent for path in paths if path.name == PACKAGE}
    others = [path for path in paths if path != importer]
    if not package:
        beside = [path for path in others if path.parent == importer.parent not in packages]
        return {folder.name for folder in packages if folder.parent not in packages} | _below(importer.parent, beside)
    level = len(package) - len(package.lstrip("."))
    parts = tuple(part for part in package.split(".") if part)
    if level:
        found = [_above(importer, level).joinpath(*parts)] if level < len(importer.parents) else []
    else:
        roots = [path for path in packages if path.name == parts[0] and path.parent not in packages]
        found = [path.joinpath(*parts[1:]) for path in roots]
    return _below(found[0], others) if len(found) == 1 else set()


def _above(path: PurePath, level: int) -> PurePath:
    parents = path.parents
    return parents[min(level, len(parents)) - 1] if parents else path


def _below(folder: PurePath, paths: Iterable[PurePath]) -> set[str]:
    """The modules and packages in a folder, but for `__main__` and its like, which are for the interpreter."""
    depth, parts = len(folder.parts), folder.parts
    names = {path.parts[depth].removesuffix(".py") for path in paths if path.parts[:depth] == parts and path != folder}
    return {name for name in names if name.isidentifier() and not name.startswith("__")}


@lru_cache(maxsize=64)
def defined(text: str) -> frozenset[str] | None:
    """The names that a module's text binds at its top; None where that is not to be told."""
    if len(text) > MOST_CHARACTERS or "globals()" in text:
        return None
    parsed = tree(text)
    if parsed is None:
        return None
    try:
        names = frozenset(_bound(parsed.body))
        names |= {name for node in ast.walk(parsed) if isinstance(node, ast.Global) for name in node.names}
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
            yield from filter(None, map(_stored, ast.walk(statement)))
            for field in ("body", "orelse", "finalbody", "handlers", "cases"):
                for inner in getattr(statement, field, []):
                    yield from _bound(inner.body if isinstance(inner, ast.ExceptHandler | ast.match_case) else [inner])


def _stored(node: ast.AST) -> str | None:
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.MatchAs(name=name) | ast.MatchStar(name=name):
            return name
        case ast.MatchMapping(rest=name):
            return name
    return None
