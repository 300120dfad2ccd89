"""Files that are there whole or not at all, whatever happens while they are written."""

import os
import re
from collections.abc import Callable
from pathlib import Path

_OS_ERROR = re.compile(r"\(os error (\d+)\)")  # as libraries written in Rust put it, in exceptions of their own


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`; force it to disk and rename it over `path`.

    A crash, a kill or a full disk leaves the old file as it was. Raises what `write` raises, and OSError for what the
    system refused, whichever library says so.
    """
    temporary = path.with_name(f".{path.name}.partial")
    try:
        write(temporary)
        with temporary.open("r+b") as file:  # Windows flushes only what is open for writing
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        number = _OS_ERROR.search(str(error))
        if number is not None and not isinstance(error, OSError):
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error
        raise
    if os.name != "nt":  # Windows opens no folder, and has no way to force a rename to disk
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Force the names in a folder to disk: a rename is durable only then."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
