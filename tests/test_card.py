"""The model card comes from facts, and a checkpoint's facts are kept by those that go on from it."""

import json
from pathlib import Path

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
    assert steps == [5150, 1750, 1150]


def test_a_checkpoint_that_says_nothing_is_named(tmp_path: Path) -> None:
    assert provenance.trainings_of(tmp_path) == [f"{tmp_path}, whose provenance.json says nothing of it."]


def test_trainings_kept_as_prose_are_told_as_they_are(tmp_path: Path) -> None:
    about = json.loads((BUNDLED / "provenance.json").read_text()) | {"before": "7 steps."}
    (tmp_path / "provenance.json").write_text(json.dumps(about))
    assert provenance.trainings_of(tmp_path)[1:] == ["7 steps."]
    assert "Before that, in the checkpoint that it went on from: 7 steps.\n" in card.render(
        about | {"before": ["7 steps."]}
    )
