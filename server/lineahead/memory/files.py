"""The Python files of a person's project: found, and read into the memory."""

import errno
import logging
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from lineahead.grammar import parses
from lineahead.memory.memory import ProjectMemory
from lineahead.reasons import Reason
from training import format
from training.format import holds_secrets
from training.ignored import Ignored, excluded, repository_of

logger = logging.getLogger(__name__)

MOST_FILES = 4_000
MOST_FOLDERS = 20_000  # looked into, so that a whole disk is no project
PAUSE = 0.002  # seconds between files: completions come first
MOST_BYTES = 300_000  # of a file: longer ones are tables


def is_written_here(path: Path, folders: list[Path], exclude: tuple[str, ...] = ()) -> bool:
    """Whether a file of these folders is one that `read_folders` may read; one of no folder is, unless excluded."""
    if excluded(path, exclude):
        return False
    for folder in folders:
        if path.is_relative_to(folder):
            above = [folder / parent for parent in path.relative_to(folder).parents if parent.parts]
            return all(map(format.holds_own_code, above)) and not Ignored(folder).ignores(path)
    return True


def why_left_out(path: Path, folders: list[Path], exclude: tuple[str, ...]) -> Reason | None:
    """Why a file, such as an open one, is neither learned from nor completed; None if it is both.

    Where it is in none of the folders, what its own repository ignores counts.
    """
    if excluded(path, exclude):
        return Reason.EXCLUDED
    above = [folder for folder in folders if path.is_relative_to(folder)] or [repository_of(path.parent)]
    return Reason.IGNORED if any(Ignored(folder).ignores(path) for folder in above) else None


def forget_left_out(folders: list[Path], memory: ProjectMemory, exclude: tuple[str, ...]) -> bool:
    """Forget the files that are left out by now; returns whether there were any."""
    paths = [Path(name) for name in memory.names()]
    return sum(memory.forget(str(path)) for path in paths if path.is_absolute()
               and why_left_out(path, folders, exclude)) > 0  # fmt: skip


def is_learnable(name: str, text: str) -> bool:
    """Whether a text is something to learn from: no secrets, no table, and whole.

    What does not parse is half written.
    """
    return not holds_secrets(name) and len(text) <= MOST_BYTES and parses(text)


def read_file(path: Path, memory: ProjectMemory, below: Path | None = None) -> None:
    """Remember a Python file as it is on disk now; forget it where it is gone, too long, a link, or no text.

    No link is followed between `below` and the file. What was known of a file that is half written now stays.
    """
    try:
        if path.suffix == ".py" and not holds_secrets(path.name):
            text = format.read_source(path, MOST_BYTES, below)
            if is_learnable(path.name, text):
                memory.remember(str(path), text)
            return
    except (OSError, ValueError):  # gone, not ours to read, or no text
        pass
    memory.forget(str(path))


def read_files(paths: list[Path], folders: list[Path], memory: ProjectMemory) -> None:
    """Read files again, wherever they are: in these folders no link is followed."""
    for path in paths:
        read_file(path, memory, next((folder for folder in folders if path.is_relative_to(folder)), None))


def own_files(
    folder: Path, exclude: tuple[str, ...] = (), missed: Callable[[OSError], object] = lambda error: None
) -> Iterator[Path]:
    """The Python files below a folder that are learned from: of its owner's code, and not ignored or excluded there.

    What is not read is `missed`.
    """
    ignored = Ignored(folder, exclude)

    def enters(path: Path) -> bool:
        if ignored.is_out_of_reach(path):
            missed(OSError(errno.ENAMETOOLONG, "too deep, or too long a name", str(path)))
        return format.holds_own_code(path) and not ignored.ignores(path, is_folder=True)

    paths = format.python_files(folder, enters, MOST_FOLDERS, missed)
    return (path for path in paths if not ignored.ignores(path))


def read_folders(folders: list[Path], memory: ProjectMemory, exclude: tuple[str, ...] = ()) -> list[str]:
    """Remember the files of all folders, but for what is ignored or excluded there; returns what is not read, in words.

    That is logged, too. Links are left out without a word.
    """
    unread: list[OSError] = []
    problems: list[str] = []

    def missed(error: OSError) -> None:
        if error.errno != errno.ELOOP:
            unread.append(error)

    for folder in folders:
        paths = own_files(folder, exclude, missed)
        for path in islice(paths, MOST_FILES):
            if memory.is_full:
                problems.append(f"{folder} has more code than is kept: some of its files are not learned from")
                break
            read_file(path, memory, folder)
            time.sleep(PAUSE)
        else:
            if next(paths, None):
                problems.append(f"{folder} has more than {MOST_FILES:,} files: the others are not learned from")
    if unread:
        problems.append(f"folders that cannot be read: {len(unread)}, such as {unread[0]!s:.300}")
    for problem in problems:
        logger.warning("%s", problem)
    return problems
