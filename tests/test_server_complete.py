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


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("nowhere.py:1:1", "No such file"),
        ("{file}", "expected FILE:LINE:COLUMN"),
        ("{file}:0:1", "both numbers from 1"),
        ("{file}:4:1", "has 3 lines"),
        ("{file}:1:7", "has 5 characters"),
    ],
)
def test_a_place_that_is_none(where: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "work.py"
    file.write_bytes(b"x = 1\r\ny = 2\n")
    assert read_place(f"{file}:2:1").offset == 7
    assert main([where.format(file=file)]) == 2
    assert message in capsys.readouterr().err
