"""What an import may name of a project."""

import re
import sys

from lineahead.memory.memory import Memory
from lineahead.memory.modules import ANY
from lineahead.place import Place
from lineahead.syntax import COMMENT_OR_STRING, MOST_OF_A_LINE, state_at

IMPORT = re.compile(r"(?:^|[;:])\s*from\s+(?P<module>[\w.]+)\s+import\s+\(?(?P<names>[\w\s,\\]*)\Z", re.MULTILINE)
IMPORTED = re.compile(r"\b(\w++)(?:\s+as\s+\w++)?+\s*+(?:,|\Z)")
BEGINS_NAME = re.compile(r"(?:^|,)[\s\\]*+\Z")  # and no alias
MODULE = re.compile(r"\s*+(?P<how>from|import)\s++(?P<package>\.*+(?:\w++\.)*+)(?P<part>\w++)\Z")


def missing_imports(place: Place, inserted: str, memory: Memory) -> set[str]:
    """Names that a suggestion imports from a module of the project which has no such names.

    Those that begin with an underscore may be what only a build writes (`_version`), or the interpreter (`__doc__`).
    """
    line = (place.line_before + inserted.partition("\n")[0]).rstrip(") ")
    found = _import(place, line)
    if found is None:
        return set()
    typed = found.end() - len(line) + len(place.line_before) - len(place.word_before)
    names = {name[1] for name in IMPORTED.finditer(found.string, found.start("names")) if name.end(1) > typed}
    offered = memory.exports(found["module"], place.path) if names else None
    return set() if offered is None else {name for name in names - offered if not name.startswith("_")}


def only_import(place: Place, memory: Memory) -> str | None:
    """What the word behind `from MODULE import` lacks of the one name of a project's module that goes on from it.

    With a comma in a list of one name a line. None where no name, or more than one, goes on so.
    """
    found = _import(place, place.line_before) if place.word_before and place.is_code else None
    offered = memory.exports(found["module"], place.path) if found else None
    if found is None or not offered or not BEGINS_NAME.search(found["names"].removesuffix(place.word_before)):
        return None
    listed = {name[1] for name in IMPORTED.finditer(found["names"]) if name[0].endswith(",")}
    names = [name for name in offered - listed if name.startswith(place.word_before) and name != place.word_before]
    if len(names) != 1:
        return None
    alone = not place.line_before.removesuffix(place.word_before).strip() and not place.line_after.strip()
    wrapped = bool(state_at(place.text, place.line_start).brackets)
    return names[0].removeprefix(place.word_before) + ("," if alone and wrapped else "")


def only_module(place: Place, memory: Memory) -> str | None:
    """What `from WORD` or `import WORD` lacks of the one module that goes on from the word, where it is the project's.

    With ` import` where nothing else can follow.
    """
    found = MODULE.match(place.line_before) if len(place.line_before) <= MOST_OF_A_LINE else None
    if found is None or not place.is_code:
        return None
    package, part = found["package"], found["part"]
    own = memory.exports(package + ANY, place.path) or frozenset()
    names = {name for name in own | (frozenset() if package else sys.stdlib_module_names) if name.startswith(part)}
    if len(names) != 1 or not names <= own:
        return None
    name = names.pop()
    is_last = found["how"] == "from" and not place.line_after.strip()
    is_last = is_last and not memory.exports(f"{package}{name}.{ANY}", place.path)
    return name.removeprefix(part) + (" import" if is_last else "") or None


def _import(place: Place, line: str) -> re.Match[str] | None:
    """A statement that ends, with a line, in what `from MODULE import` imports; it may have begun on a line above."""
    state = state_at(place.text, place.line_start)
    if state.blocks and (state.brackets == "(" or state.joined):
        above = place.text[state.blocks[-1].start : place.line_start][-MOST_OF_A_LINE:]
        line = COMMENT_OR_STRING.sub("", above) + line
    return IMPORT.search(line) if "import" in line and len(line) <= MOST_OF_A_LINE else None
