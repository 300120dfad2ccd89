"""Files are there whole or not at all."""

import os
from pathlib import Path

import pytest

from training import files


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    files.write_text_atomically(tmp_path / "card.md", "naïve\n")
    assert (tmp_path / "card.md").read_text(encoding="utf-8") == "naïve\n"
    assert [path.name for path in tmp_path.iterdir()] == ["card.md"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "card.md"
    files.write_text_atomically(path, "old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        files.write_atomically(path, fail)
    assert path.read_text(encoding="utf-8") == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["card.md"]


def test_windows_is_not_asked_to_open_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "card.md"  # made before `os.name` says Windows: paths are made by it

    def refuse(name: object, *_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied", str(name))  # what Windows says of any folder

    with monkeypatch.context() as patched:
        patched.setattr(files, "os", _Windows(refuse))
        files.write_text_atomically(path, "text")
    assert path.read_text(encoding="utf-8") == "text"


class _Windows:
    """The part of `os` that files.py uses, as Windows has it."""

    name = "nt"
    O_RDONLY = os.O_RDONLY
    fsync = staticmethod(os.fsync)

    def __init__(self, refuse: object) -> None:
        self.open = refuse
