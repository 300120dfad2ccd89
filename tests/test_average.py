"""The mean of checkpoints' weights: a checkpoint like theirs, that says where it comes from."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from training import average, card, checkpoint, provenance, run


@pytest.fixture(scope="module")
def branches(tmp_path_factory: pytest.TempPathFactory, tiny_arguments: Callable[..., list[str]]) -> list[Path]:
    """Two short runs that went on from one checkpoint, each with a seed of its own."""
    folder = tmp_path_factory.mktemp("branches")
    assert run.main([*tiny_arguments(folder / "start"), "loop.steps=2"]) == 0
    branches = [folder / "one", folder / "other"]
    for seed, branch in enumerate(branches):
        settings = [f"run.start_from={folder / 'start'}", f"run.seed={seed}", "loop.steps=3"]
        assert run.main([*tiny_arguments(branch), *settings]) == 0
    return branches


@pytest.fixture(scope="module")
def mean(branches: list[Path]) -> Path:
    """Their mean, three quarters of it the first."""
    into = branches[0].with_name("mean")
    assert average.main([*map(str, branches), "--weights", "3", "1", "--into", str(into)]) == 0
    return into


def test_each_weight_is_the_mean_of_theirs(branches: list[Path], mean: Path) -> None:
    one, other, mixed = (checkpoint.load(folder).model.state_dict() for folder in (*branches, mean))
    assert mixed.keys() == one.keys()
    for name, tensor in mixed.items():
        torch.testing.assert_close(tensor, (3 * one[name] + other[name]) / 4, rtol=2**-8, atol=1e-6)


def test_the_mean_is_measured_as_its_runs_were(branches: list[Path], mean: Path) -> None:
    evaluations = [json.loads((folder / "provenance.json").read_text())["evaluation"] for folder in (*branches, mean)]
    assert evaluations[0].keys() == evaluations[2].keys()
    worst = max(evaluation["validation_bits_per_byte"] for evaluation in evaluations[:2])
    assert 0 < evaluations[2]["validation_bits_per_byte"] < 1.1 * worst


def test_facts_and_card_tell_all_runs_and_count_their_tokens(branches: list[Path], mean: Path) -> None:
    about = json.loads((mean / "provenance.json").read_text())
    each = [json.loads((folder / "provenance.json").read_text()) for folder in branches]
    assert about["progress"]["tokens"] == sum(one["progress"]["tokens"] for one in each)
    assert [part["share"] for part in about["averaged"]] == [0.75, 0.25]
    assert [part["command"] for part in about["averaged"]] == [one["command"] for one in each]
    assert about["before"] == each[0]["before"]
    text = (mean / "README.md").read_text()
    assert text == card.render(about)
    assert "The mean of the weights of 2 checkpoints" in text
    assert "75 %: 3 steps" in text


def test_a_run_that_goes_on_from_a_mean_keeps_its_story(
    tmp_path: Path, mean: Path, tiny_arguments: Callable[..., list[str]]
) -> None:
    assert run.main([*tiny_arguments(tmp_path), f"run.start_from={mean}", "loop.steps=1"]) == 0
    about = json.loads((tmp_path / "provenance.json").read_text())
    assert about["before"] == provenance.trainings_of(mean)
    assert "Before that, in the checkpoint that it went on from: The mean of" in (tmp_path / "README.md").read_text()


def test_an_ancestor_is_told_and_its_tokens_are_counted_once(branches: list[Path]) -> None:
    start = branches[0].with_name("start")
    facts = provenance.averaged([branches[0], start], [0.5, 0.5])
    assert facts["progress"] == json.loads((branches[0] / "provenance.json").read_text())["progress"]
    text = card.render(facts)
    assert "50 %: the checkpoint that the others went on from." in text
    assert text.count("2 steps,") == 1


def test_a_mean_of_models_of_another_kind_has_no_graph(
    tmp_path: Path, tiny_arguments: Callable[..., list[str]]
) -> None:
    (tmp_path / "bigram.toml").write_text(
        "[model]\nkind = 'bigram'\n[batches]\nsequence_length = 64\nfim_rate = 0.0\n[loop]\nweights = 'float32'\n"
        "[corpus]\nsplit = 'stream'\n[optimizer]\nkind = 'adamw'\n"
    )
    arguments = [str(tmp_path / "bigram.toml"), *tiny_arguments(tmp_path / "one", "loop.steps=1")[1:]]
    assert run.main(arguments) == 0
    assert average.main([str(tmp_path / "one"), str(tmp_path / "one"), "--into", str(tmp_path / "mean")]) == 0
    one, mixed = (checkpoint.load(tmp_path / name).model.state_dict() for name in ("one", "mean"))
    for name, tensor in mixed.items():
        torch.testing.assert_close(tensor, one[name], rtol=0, atol=1e-7)


def test_what_does_not_belong_together_is_refused(
    tmp_path: Path, branches: list[Path], tiny_arguments: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main([*tiny_arguments(tmp_path / "wider"), "model.hidden_size=32", "loop.steps=1"]) == 0
    untold = Path(shutil.copytree(branches[1], tmp_path / "untold"))
    (untold / "provenance.json").write_text("[]")
    into, first = str(tmp_path / "mean"), str(branches[0])
    for arguments, said in (
        ([first, str(tmp_path / "wider")], "expected checkpoints of one model and vocabulary"),
        ([first, str(tmp_path / "nothing")], "no such folder"),
        ([first, str(untold)], "expected the provenance.json of a finished run"),
        ([first, str(branches[1]), "--weights", "1"], "--weights: expected 2"),
        ([first, first, "--into", first], "--into: expected another folder"),
    ):
        assert average.main(["--into", into, *arguments]) == 2
        assert said in capsys.readouterr().err
        assert not (tmp_path / "mean").exists()
