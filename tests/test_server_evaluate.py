"""`lineahead evaluate`: the same places each time, judged by rules that can be checked by hand."""

import json
import math
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from lineahead.commands import evaluate, opened
from lineahead.commands.evaluate import look_up, main, places_in
from lineahead.commands.measures import MEASURES, Outcome, calibration_error, draw, interval
from lineahead.commands.opened import learnable, learned
from lineahead.engine.open import BUNDLED_MODEL, load_engine
from lineahead.memory import memory as memories
from lineahead.memory.files import read_folders
from lineahead.memory.memory import NO_MEMORY, ProjectMemory
from lineahead.memory.mixture import DEFAULT
from lineahead.place import Place
from training.format import GATE, HASHES, JUDGEMENT

CODE = """import os


def first(folder):
    for name in os.listdir(folder):
        print(os.path.join(folder, name))
"""


def outcome(**changes: object) -> Outcome:
    known = {
        "file": "a.py", "kind": "inside", "exact": False, "shown": "", "right": False, "right_characters": 0,
        "wrong_characters": 0, "confidence": 0.0, "reason": "", "milliseconds": 1.0,
    }  # fmt: skip
    return Outcome(**{**known, **changes})  # type: ignore[arg-type]


def test_places_are_inside_lines_and_at_their_starts_and_hide_the_rest(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(CODE)
    (tmp_path / "half.py").write_text("def (:\n")
    found = places_in(tmp_path, 20, False, random.Random(1))
    assert [kind for kind, _, _ in found] == ["inside", "start"] * 20
    for kind, place, truth in found:
        assert place.text[: place.offset] + truth + place.text[place.offset :] == CODE
        assert (place.line_before.strip() == "") == (kind == "start")
    typing = places_in(tmp_path, 20, True, random.Random(1))
    assert [truth for _, _, truth in typing] == [truth for _, _, truth in found]
    assert all(place.text == place.text[: place.offset] for _, place, _ in typing)


def test_places_may_be_in_some_files_alone(tmp_path: Path) -> None:
    for name in ("a.py", "b.py", "c.py"):
        (tmp_path / name).write_text(CODE)
    found = places_in(tmp_path, 20, False, random.Random(1), frozenset({tmp_path / "b.py"}))
    assert {place.path for _, place, _ in found} == {str(tmp_path / "b.py")}


def test_what_is_measured_is_what_the_memory_would_learn_from(tmp_path: Path) -> None:
    project = {
        "a.py": CODE.encode(), "latin.py": b"# coding: latin-1\nname = '\xfc'\n", "package/b.py": CODE.encode(),
        ".venv/pyvenv.cfg": b"", ".venv/lib/theirs.py": CODE.encode(), "node_modules/theirs.py": CODE.encode(),
        ".gitignore": b"made/\n", "made/c.py": CODE.encode(), "credentials.py": CODE.encode(), "half.py": b"def (:\n",
        "binary.py": b"x = '\xfc'\n",
    }  # fmt: skip
    for name, content in project.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "link.py").symlink_to(tmp_path / "a.py")
    texts = learnable([tmp_path])
    assert [str(path.relative_to(tmp_path)) for path in texts] == ["a.py", "latin.py", "package/b.py"]
    assert texts[tmp_path / "latin.py"].endswith("'ü'\n")
    memory = learned([tmp_path], DEFAULT, load_engine(BUNDLED_MODEL).vocabulary)
    assert set(memory.names()) == set(map(str, texts))


def test_a_file_is_measured_with_what_its_repository_knows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "package").mkdir()
    for name in ("a.py", "package/b.py"):
        (tmp_path / name).write_text(CODE)
    saved = tmp_path / "outcomes.json"
    assert main([str(tmp_path / "package" / "b.py"), "--places", "3", "--json", str(saved)]) == 0
    outcomes = json.loads(saved.read_text())
    assert {found["file"] for found in outcomes} == {str(tmp_path / "package" / "b.py")}
    assert sum(found["exact"] for found in outcomes) >= 4, "the same text is in a.py"


def test_the_measures() -> None:
    outcomes = [
        outcome(exact=True, shown="columns(width=80)", right=True, right_characters=17, confidence=0.9),
        outcome(shown="name", right=True, right_characters=4, confidence=0.8),
        outcome(file="b.py", shown="self.x = 1", wrong_characters=10, confidence=0.3),
        outcome(file="b.py", reason="below-confidence"),
    ]
    assert {name: round(measure(outcomes), 3) for name, measure in MEASURES.items()} == {
        "exact, asked for": 0.25,
        "shown": 0.75,
        "right as far as shown": 0.667,
        "one word only": 0.333,
        "right, 12 characters or more": 0.25,
        "characters right, a place": 5.25,
        "characters wrong, a place": 2.5,
        "calibration error": 0.2,
    }
    low, high = interval(outcomes, MEASURES["shown"])
    assert (low, high) == (0.5, 1.0)  # either file alone is possible
    nothing = [outcome(), outcome(file="b.py")]
    assert all(map(math.isnan, interval(nothing, MEASURES["right as far as shown"])))


def test_calibration_is_perfect_where_what_is_said_is_what_happens() -> None:
    outcomes = [outcome(shown="x", right=number < 7, confidence=0.7) for number in range(10)]
    assert calibration_error(outcomes) == pytest.approx(0)


def test_it_runs_over_a_project_and_compares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        (tmp_path / f"module_{number}.py").write_text(CODE.replace("first", f"first_{number}"))
    saved, asked = tmp_path / "outcomes.json", []

    def open_model(model: Path) -> object:
        for file in tmp_path.glob("*.py"):  # the person goes on writing
            file.write_text(file.read_text() + "x = 1\n" * 40)
        return opened.open_model(model)

    def judge(kind: str, place: Place, *given: Any) -> Outcome:
        asked.append(place)
        return judged(kind, place, *given)

    judged = evaluate.judge
    monkeypatch.setattr(evaluate, "judge", judge)
    monkeypatch.setattr(evaluate, "open_model", open_model)
    assert main([str(tmp_path), "--places", "3", "--against", "none", "--json", str(saved)]) == 0
    shown = capsys.readouterr().out
    assert "| places | 3 | 3 | 6 |" in shown
    assert "against none" in shown
    assert "inside: won" in shown
    assert len(json.loads(saved.read_text())) == 6
    assert asked[:6] == asked[6:]  # the very same places


def test_the_floor_is_what_followed_the_same_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        (tmp_path / f"module_{number}.py").write_text(CODE)
    engine, memory = load_engine(BUNDLED_MODEL), ProjectMemory()
    read_folders([tmp_path], memory)
    memory.index(engine.vocabulary)
    for truth in ("for name in os.listdir(folder):", "listdir(folder):"):
        at = CODE.index(truth)
        place = Place(CODE[:at], at, path=str(tmp_path / "module_0.py"))
        found = look_up("inside", place, truth, engine, memory)
        assert found.exact
        assert found.shown == truth
    assert not look_up("inside", place, "x", engine, NO_MEMORY).shown
    assert main([str(tmp_path), "--places", "2", "--against", "lookup"]) == 0
    assert "against lookup" in capsys.readouterr().out


def test_it_is_drawn(tmp_path: Path) -> None:
    outcomes = [outcome(shown="x", right=number % 3 > 0, confidence=number / 40) for number in range(40)]
    draw([*outcomes, outcome()], tmp_path / "drawn.png")
    assert (tmp_path / "drawn.png").read_bytes().startswith(b"\x89PNG")
    draw([outcome()], tmp_path / "nothing.png")


@pytest.mark.parametrize("content", [None, "", "# only a comment\n", "def (:\n"])
def test_a_folder_without_code_is_an_error(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "a.py").write_text(content)
    assert main([str(tmp_path), "--places", "2"]) == 2
    assert "expected Python files with code" in capsys.readouterr().err


PROJECTS = {
    "one file": {"a.py": CODE},
    "one line": {"a.py": "value = compute(first, second, third)\n"},
    "one line without an end": {"a.py": "value = compute(first, second, third)"},
    "near copies": {f"copy_{number}.py": CODE.replace("folder", f"folder_{number}") for number in range(60)},
    "more than is kept": {f"large_{number}.py": CODE * 180 for number in range(36)},
    "no names": {"a.py": "[[[[1]]]]\n" * 50},
    "another alphabet": {"a.py": "größe = 'Straße'  # 通り\nprint(größe)\n"},
}


@pytest.mark.slow
@pytest.mark.parametrize("project", PROJECTS)
def test_projects_of_all_kinds(
    project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(memories, "MOST_CHARACTERS", 600_000)
    for name, text in PROJECTS[project].items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert main([str(tmp_path), "--places", "3", "--against", "lookup"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("| exact, asked for |") == 2
    assert "inside: won" in shown


@pytest.mark.parametrize("damaged", [JUDGEMENT, GATE])
def test_numbers_of_another_model_are_told(
    damaged: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    shutil.copytree(BUNDLED_MODEL, model, ignore=shutil.ignore_patterns(HASHES))
    (model / damaged).write_text('{"format_version": 0}')
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a.py").write_text(CODE)
    assert main([str(tmp_path / "code"), "--places", "2", "--model", str(model)]) == 0
    assert f"{model / damaged}: expected" in capsys.readouterr().err
