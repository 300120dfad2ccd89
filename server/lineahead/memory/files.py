"""The Python files of a person's project: found, and read into the memory."""

import re
from itertools import islice
from pathlib import Path

from lineahead.grammar import parses
from lineahead.memory.memory import ProjectMemory
from training import format

MOST_FILES = 4_000
MOST_FOLDERS = 20_000  # looked into, so that a whole disk is no project
MOST_BYTES = 300_000  # of a file: longer ones are tables

SECRETS = re.compile(r"\A\.env|_key|\Acredentials", re.IGNORECASE)


def holds_secrets(name: str) -> bool:
    """Whether a file's name says that it holds secrets."""
    return SECRETS.search(name) is not None


def is_written_here(path: Path, folders: list[Path]) -> bool:
    """Whether a file of these folders is one that `read_folders` may read; one of no folder is."""
    for folder in folders:
        if path.is_relative_to(folder):
            return all(map(format.is_own_code, path.relative_to(folder).parts[:-1]))
    return True


def is_learnable(name: str, text: str) -> bool:
    """Whether a text is something to learn from: no secrets, no table, and whole.

    What does not parse is half written.
    """
    return not holds_secrets(name) and len(text) <= MOST_BYTES and parses(text)


def read_file(path: Path, memory: ProjectMemory) -> None:
    """Remember a Python file as it is on disk now; forget it where it is gone, too long, or no text.

    What was known of a file that is half written now stays.
    """
    try:
        if path.suffix == ".py" and path.stat().st_size <= MOST_BYTES and not holds_secrets(path.name):
            text = path.read_text(encoding="utf-8")
            if is_learnable(path.name, text):
                memory.remember(str(path), text)
            return
    except (OSError, UnicodeDecodeError):  # gone, not ours to read, or no text
        pass
    memory.forget(str(path))


def read_folders(folders: list[Path], memory: ProjectMemory) -> None:
    """Remember the files of all folders."""
    for folder in folders:
        for path in islice(format.python_files(folder, most_folders=MOST_FOLDERS), MOST_FILES):
            read_file(path, memory)
