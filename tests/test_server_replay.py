"""`lineahead replay`: typing with suggestions, counted by hand."""

from collections import Counter
from pathlib import Path

import pytest
from scripted_engine import ScriptedEngine

from lineahead.commands.replay import Typed, Typist, main, parts, report
from lineahead.memory.memory import NO_MEMORY
from lineahead.settings import Settings
from lineahead.suggest.judgement import DEFAULT

CODE = "import os\n\n\ndef names(folder):\n    for name in os.listdir(folder):\n        print(name)\n"


def typist(writes: str, pace: float = 1e-3) -> Typist:
    return Typist(ScriptedEngine(writes), NO_MEMORY, Settings(debounce=0), DEFAULT, pace)


def test_what_goes_on_right_is_accepted() -> None:
    done = typist("os.listdir(folder):\n").type(CODE, "a.py", CODE.index("os.list"), CODE.index("\n        print"))
    assert (done.characters, done.by_tab, done.keys, done.accepted, done.wrong) == (19, 19, 1, 1, 0)


def test_what_goes_on_otherwise_is_typed() -> None:
    start = CODE.index("print")
    done = typist("total(1)\n").type(CODE, "a.py", start, start + 3)
    assert (done.characters, done.by_tab, done.keys, done.accepted) == (3, 0, 3, 0)
    assert done.wrong + sum(done.silent.values()) == len(done.waits) == 3


def test_what_comes_late_is_not_seen() -> None:
    done = typist("os.listdir(folder):\n", pace=1e9).type(CODE, "a.py", start := CODE.index("os.list"), start + 2)
    assert (done.by_tab, done.keys, done.wrong) == (0, 2, 0)
    assert done.late == 1, "the next key types into it"


def test_a_line_end_brings_its_indentation() -> None:
    start = CODE.index("\n        print")
    done = typist("").type(CODE, "a.py", start, start + 10)
    assert done.keys == 2


def test_parts_are_of_files_that_parse(tmp_path: Path) -> None:
    import random

    (tmp_path / "a.py").write_text(CODE)
    (tmp_path / "half.py").write_text("def (:\n")
    (tmp_path / "empty.py").write_text("")
    found = parts([tmp_path], 10, random.Random(1))
    for _ in range(20):
        file, text, start, end = next(found)
        assert (file.name, text) == ("a.py", CODE)
        assert start == 0 or text[start - 1] == "\n"
        assert 0 < end - start <= 10
    assert not list(parts([tmp_path / "half.py"], 10, random.Random(1)))


def test_the_report() -> None:
    done = Typed(100, 40, 70, 4, 2, 1, [10.0, 20.0], Counter({"blank": 2})) + Typed()
    assert report(done) == (
        "100 characters in 70 keys: 40% written by Tab, 30% fewer keys\n"
        "4 suggestions accepted, 10.0 characters each; 2 seen and wrong, 2.9 in 100 keys; 1 came too late\n"
        "2 computed, 15 ms in the median and 20 at the 95th percentile\n"
        "silent: blank 2"
    )


def test_it_types_a_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        (tmp_path / f"module_{number}.py").write_text(CODE.replace("names", f"names_{number}"))
    assert main([str(tmp_path), "--characters", "60", "--part", "30", "--pace", "0.01"]) == 0
    assert capsys.readouterr().out.startswith("60 characters in ")


@pytest.mark.parametrize("content", [None, "", "def (:\n"])
def test_a_folder_without_code_is_an_error(
    tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "a.py").write_text(content)
    assert main([str(tmp_path)]) == 2
    assert "expected Python files with code" in capsys.readouterr().err


def test_no_file_is_known_from_its_own_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "frobnicated = quuxly(alpha_beta, gamma_delta, epsilon_zeta)\n"
    (tmp_path / "alone.py").write_text("x = 1\n" + line)
    monkeypatch.chdir(tmp_path)
    typed = []
    for path in (".", str(tmp_path)):
        assert main([path, "--characters", "60", "--part", "60", "--pace", "0.01"]) == 0
        typed.append(capsys.readouterr().out.partition("\n")[0])
    assert typed[0] == typed[1], "a relative path finds no more than a whole one"
