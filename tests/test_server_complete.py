"""`lineahead complete FILE:LINE:COLUMN`."""

from pathlib import Path

import pytest

from lineahead.commands.complete import main, read_place


def test_it_completes_a_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "work.py"
    file.write_text('def main():\n    print("hello")\n\n\nif __na\n    main()\n')
    assert main([f"{file}:5:8"]) == 0
    shown = capsys.readouterr().out
    assert 'while typing: if __na⟦me__ == "__main__":⟧' in shown
    assert shown.endswith(" ms\n")
    assert main([f"{file}:5:4"]) == 0
    assert "while typing: nothing (mid-word), the cursor stands inside a word" in capsys.readouterr().out


def test_a_line_is_shown_around_the_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "work.py"
    file.write_text("x = 1\nvalues = [" + "1, " * 10_000 + "x]\n")
    assert main([f"{file}:2:15004"]) == 0
    assert all(len(line) < 400 for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("nowhere.py:1:1", "nowhere.py: expected a file or a folder, found none"),
        ("{file}", "expected FILE:LINE:COLUMN"),
        ("{file}:0:1", "both numbers from 1"),
        ("{file}:4:1", "has 3 lines"),
        ("{file}:1:7", "has 5 characters"),
        ("{binary}:1:1", "binary.py: expected Python text, found"),
        ("{file}:99999999999999999999:1", "both numbers from 1"),
        ("{file}:1:\u0661", "both numbers from 1"),
        ("/dev/null:1:1", "regular file"),
        (".:1:1", "expected a regular file, found a folder"),
    ],
)
def test_a_place_that_is_none(where: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "work.py"
    file.write_bytes(b"x = 1\r\ny = 2\n")
    (binary := tmp_path / "binary.py").write_bytes(b"x = '\xfc'\n")
    assert read_place(f"{file}:2:1").offset == 6
    assert main([where.format(file=file, binary=binary)]) == 2
    assert message in capsys.readouterr().err


def test_what_is_not_called_python_is_taken_for_it_and_that_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, told in (("notes.txt", True), ("work.py", False), ("script", False)):
        (tmp_path / name).write_text("x = 1\n")
        assert main([f"{tmp_path / name}:2:1"]) == 0
        assert ("is taken for Python" in capsys.readouterr().err) is told


def test_a_place_is_in_the_text_as_python_reads_it(tmp_path: Path) -> None:
    for encoding, mark in (("utf-8", b"\xef\xbb\xbf"), ("latin-1", b"")):
        (tmp_path / "a.py").write_bytes(mark + f"# coding: {encoding}\nname = 'ü' + x\n".encode(encoding))
        assert read_place(f"{tmp_path}/a.py:2:14").line_before == "name = 'ü' + "


def test_it_knows_the_repository_of_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "package").mkdir()
    (tmp_path / "other" / "a.py").write_text("frobnicated = quuxly(alpha_beta, gamma_delta)\n" * 2)
    (tmp_path / "package" / "b.py").write_text("frobnicated = quu\n")
    assert main([f"{tmp_path}/package/b.py:1:18"]) == 0
    assert "⟦xly(alpha_beta, gamma_delta)⟧" in capsys.readouterr().out
