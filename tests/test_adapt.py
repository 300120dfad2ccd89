"""`python -m training.adapt`: a person's own code makes a model that the server takes, or nothing at all."""

import os
import shutil
import sysconfig
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_models import small_tokenizer

from lineahead.engine.open import load_engine
from lineahead.memory import mixture
from lineahead.suggest import judgement
from training import adapt, checkpoint, door, files, format, improvement, loop, own_code, run
from training.corpus import packages
from training.errors import InputError
from training.models.bigram import BigramConfig, BigramLanguageModel

pytestmark = pytest.mark.slow  # trains, and starts the server's command


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Real code under no licence, in one folder, with what is not to be learned from."""
    folder = tmp_path / "project"
    shutil.copytree(Path(sysconfig.get_paths()["stdlib"]) / "json", folder / "json")
    shutil.copytree(Path(sysconfig.get_paths()["stdlib"]) / "logging", folder / "logging")
    (folder / "api_key.py").write_text("KEY = 'swordfish'\n" * 20)
    (folder / "broken.py").write_text("def (:\n" * 40)
    (folder / "build").mkdir()
    shutil.copy(folder / "json" / "decoder.py", folder / "build" / "decoder.py")
    (folder / ".gitignore").write_text("generated/\nlocal_*.py\n")
    (folder / "generated").mkdir()
    shutil.copy(Path(sysconfig.get_paths()["stdlib"]) / "tarfile.py", folder / "generated" / "zipped.py")
    shutil.copy(Path(sysconfig.get_paths()["stdlib"]) / "inspect.py", folder / "json" / "local_notes.py")
    return folder


@pytest.fixture(autouse=True)
def little_general_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six files of the library instead of some two hundred, and one hundred bytes of them to measure."""
    library = Path(sysconfig.get_paths()["stdlib"])
    names = ("ast.py", "bisect.py", "calendar.py", "cmd.py", "code.py", "copy.py")
    monkeypatch.setattr(packages, "library_files", lambda: [library / name for name in names])
    monkeypatch.setattr(own_code, "GENERAL_MEASURED", 100)


def test_own_code_is_split_by_file_and_general_code_is_beside_it(project: Path) -> None:
    code = own_code.gather([project], general_share=0.25)
    by_split = {
        (document.source, document.split): sum(1 for one in code.documents if one.split == document.split)
        for document in code.documents
    }
    assert set(by_split) == {("own code", "train"), ("own code", "validation"), ("library", "train")}
    learned = {document.path for document in code.documents if document.split == "train"}
    assert code.held_out
    assert not learned & {str(path) for path in (*code.held_out, *code.general)}
    assert not {path for path in learned if Path(path).parent.name == "build" or "api_key" in path}
    assert not [document.path for document in code.documents if "local_notes" in document.path]
    assert not [document.path for document in code.documents if "generated" in document.path]
    assert code.report.reasons() == {"ignored": 1, "secrets": 1, "unparsable": 1}
    again = own_code.gather([project], general_share=0.25)
    assert again.documents == code.documents
    general = sum(len(one.text.encode()) for one in code.documents if one.source == "library")
    own = sum(len(one.text.encode()) for one in code.documents if (one.source, one.split) == ("own code", "train"))
    assert 0.25 * own <= general < 0.25 * own + 60_000


@given(st.lists(st.integers(1, 60_000), min_size=2, max_size=60))
def test_about_a_tenth_is_held_out_whatever_the_files(sizes: list[int]) -> None:
    folder = Path("project")
    files = {folder / f"{number}.py": size for number, size in enumerate(sizes)}
    held_out = own_code._held_out(files, [folder])
    held, wanted = sum(files[path] for path in held_out), max(sum(sizes) / 10, own_code.LEAST_HELD_OUT)
    left = [size for path, size in files.items() if path not in held_out]
    assert held_out
    assert held >= min(own_code.LEAST_HELD_OUT, sum(sizes))
    assert held <= 2 * wanted or held - files[held_out[-1]] < own_code.LEAST_HELD_OUT  # where all others are large
    assert all(held + size / 2 > wanted for size in left)  # no file more would be nearer


def test_files_whose_names_no_list_can_hold_are_learned_from(tmp_path: Path) -> None:
    shutil.copy(Path(sysconfig.get_paths()["stdlib"]) / "tarfile.py", tmp_path / "plain.py")
    names = [b"line\nbreak.py", b"a\xff.py"]
    for name, source in zip(names, ("ast.py", "inspect.py"), strict=True):
        shutil.copy(Path(sysconfig.get_paths()["stdlib"]) / source, tmp_path / os.fsdecode(name))
    code = own_code.gather([tmp_path], general_share=0.0)
    assert [path.name for path in code.held_out] == ["plain.py"]


def test_two_do_not_write_one_model(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with files.alone(tmp_path / "into"):
        assert adapt.main([str(project), "--into", str(tmp_path / "into")]) == door.FAILED
    assert "another process is writing there" in capsys.readouterr().err


def test_too_little_code_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.py").write_text("x = 1\n" * 50)
    assert adapt.main([str(tmp_path)]) == door.FAILED
    error = capsys.readouterr().err
    assert "error: expected at least 20,000 bytes of Python code to learn from" in error
    assert adapt.main([str(tmp_path / "nothing")]) == door.FAILED
    assert "expected a folder with Python code" in capsys.readouterr().err


def test_the_bundled_model_is_found_without_importing_the_server() -> None:
    assert (adapt.bundled_model() / "config.json").is_file()


@pytest.fixture(scope="module")
def model(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run's checkpoint with a gate of its own."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    shutil.copytree(tiny_run, folder)
    mixture.write(folder, mixture.DEFAULT, "for a test")
    judgement.write(folder, judgement.DEFAULT, "for a test")
    return folder


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapt, "BATCH", 4)
    monkeypatch.setattr(adapt, "OPTIMIZER", replace(adapt.OPTIMIZER, matrix_learning_rate=0.02, learning_rate=3e-3))


@pytest.fixture
def written_on(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The person deletes a file that is measured on, and writes all others anew, while the model is trained."""
    train = run.train

    def meanwhile(*given: Any) -> int:
        held_out = own_code.gather([project], 0.0).held_out
        for path in sorted(project.rglob("*.py")):
            path.write_text("x = 1\n" * 400)
        held_out[0].unlink()
        return train(*given)

    monkeypatch.setattr(run, "train", meanwhile)


@pytest.mark.usefixtures("small", "written_on")
def test_a_model_that_knows_the_project_is_left_whole(
    project: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(project), "--model", str(model), "--tokens", "12_000", "--places", "3", "--threads", "1"]
    assert adapt.main(arguments) == 0
    into = project / ".lineahead" / "model"
    left = {path.name for path in into.iterdir()}
    model_files = {"config.json", "model.safetensors", "model.onnx", "tokenizer.json", "tokenizer_config.json"}
    model_files |= {"hashes.json", "memory.json", "judgement.json", "README.md", "provenance.json"}
    assert left == model_files | {"metrics.jsonl", "loss-curve.png", ".gitignore"}
    assert format.damaged(into) == []
    assert load_engine(into).context_window_size == 64
    assert [path.name for path in into.parent.iterdir()] == ["model"]
    shown = capsys.readouterr().out
    for title in ("bits per byte of held-out files", "bits per byte of general code", "lines exactly right"):
        assert f"| {title}" in shown
    before, after = (float(cell) for cell in shown.split("| bits per byte of held-out files | ")[1].split(" | ")[:2])
    assert after < before
    assert f'"lineahead.model": "{into}"' in shown
    card = (into / "README.md").read_text()
    assert "went on from: 30 steps" in card
    assert "files that were not trained on" in card


FORGETFUL = {"learning_rate": 1.0, "warmup_steps": 0}
IDLE = {"learning_rate": 1e-12, "matrix_learning_rate": 1e-12}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("rates", [FORGETFUL, IDLE])
def test_what_forgets_too_much_or_learns_nothing_is_not_left(
    rates: dict[str, Any],
    project: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    into = project / ".lineahead" / "model"
    into.mkdir(parents=True)
    (into / "earlier").touch()
    monkeypatch.setattr(adapt, "OPTIMIZER", replace(adapt.OPTIMIZER, **rates))
    arguments = [str(project), "--model", str(model), "--tokens", "1_000", "--places", "0", "--threads", "1"]
    assert adapt.main(arguments) == door.FAILED
    assert f"error: nothing is left in {into}: expected fewer bits" in capsys.readouterr().err
    assert [path.name for path in into.parent.iterdir()] == ["model"]
    assert (into / "earlier").exists()


@pytest.mark.usefixtures("small")
def test_a_stop_is_gone_on_from(
    project: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(project), "--model", str(model), "--tokens", "4_000", "--places", "0", "--threads", "1"]
    with monkeypatch.context() as patch:
        patch.setattr(loop, "update", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        assert adapt.main(arguments) == door.STOPPED
    assert "stopped; the same command goes on" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setattr(improvement, "measure", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        assert adapt.main([*arguments, "--seed", "7"]) == door.STOPPED  # begins anew
    measured, measure = [], improvement.measure

    def count(*given: Any) -> improvement.Measured:
        measured.append(given[-1])
        return measure(*given)

    monkeypatch.setattr(improvement, "measure", count)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "update", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        assert adapt.main(arguments) == door.STOPPED
    assert adapt.main(arguments) == 0
    assert measured == ["before", "after"], "what was measured before the stop still holds"
    assert (project / ".lineahead" / "model" / "model.onnx").exists()
    assert "nan" not in capsys.readouterr().out  # of places that were not asked for


def test_an_earlier_model_comes_back_where_none_took_its_place(
    project: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapted, into = project / "work" / "model", project / ".lineahead" / "model"
    shutil.copytree(model, adapted)
    into.mkdir(parents=True)
    (into / "earlier").touch()
    rename = Path.rename

    def stopped(path: Path, target: Path) -> Path:
        if path == adapted:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", stopped)
    with pytest.raises(KeyboardInterrupt):
        adapt._hand_over(adapted, adapted.parent, into)
    monkeypatch.setattr(Path, "rename", rename)
    assert (into / "earlier").exists()
    adapt._hand_over(adapted, adapted.parent, into)
    assert [path.name for path in into.parent.iterdir()] == ["model"]
    assert not (into / "earlier").exists()


def test_a_model_without_a_graph_is_refused(project: Path, tmp_path: Path, tiny_ladder_step: Path) -> None:
    with pytest.raises(InputError, match="--model: expected a decoder"):
        adapt.adapt([project], tiny_ladder_step, tmp_path / "into", Namespace(threads=1))


@pytest.fixture
def tiny_ladder_step(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    folder = tmp_path / "bigram"
    folder.mkdir()
    config = BigramConfig(small_tokenizer().vocab_size, 16)
    checkpoint.save_configuration(folder, "bigram", config, small_tokenizer())
    checkpoint.save_weights(folder, BigramLanguageModel.from_config(config))
    return folder
