"""The model card comes from facts, and a checkpoint's facts are kept by those that go on from it."""

import json
from pathlib import Path

import pytest

from training import card, provenance

BUNDLED = Path(__file__).parents[1] / "server" / "lineahead" / "model"


def test_a_run_s_card_is_what_its_facts_say(tiny_run: Path) -> None:
    about = json.loads((tiny_run / "provenance.json").read_text())
    assert (tiny_run / "README.md").read_text() == card.render(about)


def test_the_bundled_card_is_what_its_facts_say() -> None:
    about = json.loads((BUNDLED / "provenance.json").read_text())
    assert (BUNDLED / "README.md").read_text() == card.render(about)


def test_a_checkpoint_hands_on_all_its_trainings() -> None:
    trainings = provenance.trainings_of(BUNDLED)
    steps = [training["progress"]["steps"] for training in trainings if isinstance(training, dict)]
    assert steps == [1800, 2000, 720, 1440, 5150, 1750, 1150]


def test_a_checkpoint_that_says_nothing_is_named(tmp_path: Path) -> None:
    assert provenance.trainings_of(tmp_path) == [f"{tmp_path.name}, whose provenance.json says nothing of it."]


def test_trainings_kept_as_prose_are_told_as_they_are(tmp_path: Path) -> None:
    about = json.loads((BUNDLED / "provenance.json").read_text()) | {"before": "7 steps."}
    (tmp_path / "provenance.json").write_text(json.dumps(about))
    assert provenance.trainings_of(tmp_path)[1:] == ["7 steps."]
    assert "Before that, in the checkpoint that it went on from: 7 steps.\n" in card.render(
        about | {"before": ["7 steps."]}
    )


@pytest.mark.parametrize(
    ("argument", "left"),
    [
        ("/home/ann/customer/app", "app"),
        ("run.folder=/home/ann lee/my runs/x", "run.folder=x"),
        (r"run.folder=C:\Users\ann\runs", "run.folder=runs"),
        (r"\\\\server\share\runs", "runs"),
        ("packages:~/lists/own.txt", "packages:own.txt"),
        ('corpus.sources=["../customer/app", "/srv/b"]', 'corpus.sources=["app", "b"]'),
        ("https://host/a/b.csv", "https://host/a/b.csv"),
        ("hub:owner/name", "hub:owner/name"),
        ("runs/decoder-cpu", "runs/decoder-cpu"),
    ],
)
def test_a_card_names_no_folder_of_this_machine(argument: str, left: str) -> None:
    assert card.without_folders(argument) == left


def test_neither_sources_nor_commands_give_the_home_away() -> None:
    about = json.loads((BUNDLED / "provenance.json").read_text())
    about["config"]["corpus"]["sources"] = ["/home/ann/customer/app"]
    about["command"] = "python -m training.run run.folder=/home/ann/runs"
    shown = card.render(about)
    assert "ann" not in shown.replace("channel", "").split()
    assert "/home" not in shown
    assert "Sources: app;" in shown
