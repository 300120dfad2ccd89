"""What the memory holds, and what of a project it does not, and why: for a person to read."""

from itertools import islice
from pathlib import Path

from lineahead.engine.vocabulary import Vocabulary
from lineahead.memory.files import MOST_BYTES, MOST_FILES, MOST_FOLDERS
from lineahead.memory.memory import ProjectMemory
from training import format
from training.ignored import Ignored, excluded

MOST_NAMED = 200  # files: who wants to know of more looks at the first ones


def description(
    memory: ProjectMemory | None, vocabulary: Vocabulary | None, folders: list[Path], exclude: tuple[str, ...]
) -> dict[str, list[dict[str, object]]]:
    """The texts with their lengths, and what the folders have that is not among them, with the reasons."""
    if memory is None:
        return {"texts": [], "leftOut": []}
    texts = memory.texts()
    missing = left_out(folders, exclude, {name for name, _ in texts})
    return {
        "texts": [
            {"name": name, "characters": len(text), "tokens": memory.tokens(text, vocabulary)} for name, text in texts
        ],
        "leftOut": [{"path": path, "why": why} for path, why in missing],
    }


def left_out(folders: list[Path], exclude: tuple[str, ...], known: set[str]) -> list[tuple[str, str]]:
    """The paths of files and folders that are not among the `known` ones, each with the reason."""
    found: list[tuple[str, str]] = []
    for folder in folders:
        ignored = Ignored(folder)
        foreign: list[tuple[str, str]] = []

        def enters(path: Path, ignored: Ignored = ignored, foreign: list[tuple[str, str]] = foreign) -> bool:
            why = _why_not_entered(path, ignored, exclude)
            if why:
                foreign.append((f"{path}/", why))
            return not why

        for path in islice(format.python_files(folder, enters, MOST_FOLDERS), MOST_FILES):
            if str(path) not in known:
                found.append((str(path), _why_not_read(path, ignored, exclude)))
            if len(found) + len(foreign) >= MOST_NAMED:
                break
        found += foreign
    return sorted(found)[:MOST_NAMED]


def _why_not_entered(folder: Path, ignored: Ignored, exclude: tuple[str, ...]) -> str:
    if not format.holds_own_code(folder):
        return "a folder of installed or generated code"
    return _why_named(folder, ignored, exclude, is_folder=True)


def _why_named(path: Path, ignored: Ignored, exclude: tuple[str, ...], is_folder: bool = False) -> str:
    if excluded(path, exclude):
        return "the setting lineahead.exclude names it"
    return "git ignores it" if ignored.ignores(path, is_folder=is_folder) else ""


def _why_not_read(path: Path, ignored: Ignored, exclude: tuple[str, ...]) -> str:
    if why := _why_named(path, ignored, exclude):
        return why
    if format.holds_secrets(path.name):
        return "its name says that it holds secrets"
    try:
        if path.stat().st_size > MOST_BYTES:
            return f"it is longer than {MOST_BYTES:,} bytes"
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    return "it is no whole Python, was forgotten, or is not read yet"
