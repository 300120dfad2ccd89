"""The Python files of a person's project: found, and read into the memory."""

import errno
import logging
import time
from itertools import islice
from pathlib import Path

from lineahead.grammar import parses
from lineahead.memory.ignored import Ignored, excluded
from lineahead.memory.memory import ProjectMemory
from training import format
from training.format import holds_secrets

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


def is_left_out(path: Path, folders: list[Path], exclude: tuple[str, ...]) -> bool:
    """Whether a file, such as an open one, is not learned from: the setting or a folder's .gitignore names it."""
    return excluded(path, exclude) or any(Ignored(folder).ignores(path) for folder in folders)


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


def read_folders(folders: list[Path], memory: ProjectMemory, exclude: tuple[str, ...] = ()) -> None:
    """Remember the files of all folders, but for what is ignored or excluded there."""
    unread: list[OSError] = []

    def missed(error: OSError) -> None:
        if error.errno != errno.ELOOP:  # links are left out without a word
            unread.append(error)

    for folder in folders:
        ignored = Ignored(folder, exclude)

        def enters(path: Path, ignored: Ignored = ignored) -> bool:
            return format.holds_own_code(path) and not ignored.ignores(path, is_folder=True)

        for path in islice(format.python_files(folder, enters, MOST_FOLDERS, missed), MOST_FILES):
            if memory.is_full:
                logger.warning("%s has more code than is kept: some of its files are not learned from", folder)
                break
            if not ignored.ignores(path):
                read_file(path, memory, folder)
                time.sleep(PAUSE)
    if unread:
        logger.warning("%d folders cannot be read and are left out, such as %s", len(unread), unread[0])
