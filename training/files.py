"""Files that are there whole or not at all, whatever happens while they are written, and by one writer at a time."""

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from training.errors import InputError

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


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other processes of this machine that would write a folder out; raises InputError where one is at work."""
    name = hashlib.blake2b(os.fsencode(folder.resolve()), digest_size=8).hexdigest()
    lock = FileLock(Path(tempfile.gettempdir()) / f"lineahead-{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"{folder}: another process is writing there; wait for its end, or choose another folder"
        ) from None
    try:
        yield
    finally:
        lock.release()
