"""`python -m training.run`: what a run leaves, that it resumes to the same weights, and how it fails."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from lineahead.engine import vocabulary
from lineahead.engine.engine import Request
from lineahead.engine.open import load_engine
from lineahead.suggest import prompt
from training import checkpoint, config, door, evaluation, files, loop, metrics, resume, run, throughput
from training.errors import InputError

Arguments = Callable[..., list[str]]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(folder / "resume.safetensors")


def assert_same_weights(first: Path, second: Path) -> None:
    one, other = weights(first), weights(second)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_leaves_everything_it_promises(tiny_run: Path) -> None:
    left = {path.name for path in tiny_run.iterdir()}
    promised = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md"}
    promised.add("model.onnx")
    assert promised | {"metrics.jsonl", "provenance.json", "loss-curve.png", "resume.safetensors"} == left
    assert (tiny_run / "loss-curve.png").read_bytes().startswith(b"\x89PNG")
    provenance = json.loads((tiny_run / "provenance.json").read_text())
    assert provenance["progress"]["steps"] == 30
    assert provenance["progress"]["tokens"] == 30 * 8 * 64
    assert provenance["config"]["run"]["seed"] == 305
    assert "30 steps, 15,360 tokens" in (tiny_run / "README.md").read_text()


def test_a_run_with_marked_middles_says_so_to_the_server_and_in_its_card(
    tmp_path: Path, tiny_run: Path, tiny_arguments: Arguments
) -> None:
    assert run.main(tiny_arguments(tmp_path, "batches.fim_marked=true", "batches.fim_rate=0.5", "loop.steps=2")) == 0
    for folder, marked in ((tmp_path, True), (tiny_run, False)):
        special = vocabulary.load(folder).fill_in_the_middle
        assert special is not None
        assert special.is_marked is marked
        prompts = (folder / "README.md").read_text().partition("## Prompts")[2].partition("\n\n")[0]
        assert prompts.index("<|fim_suffix|>") < prompts.index("<|fim_middle|>")
        assert ("line that is missing" in prompts) is marked
    asked = prompt.build("a = 1\nb = ", vocabulary.load(tmp_path), 40, "\nc = 3\n")
    assert asked is not None
    engine, special = load_engine(tmp_path), vocabulary.load(tmp_path).fill_in_the_middle
    assert special is not None
    assert special.middle in asked.token_ids
    assert list(islice(engine.stream(Request(asked.token_ids, asked.required), lambda: False), 3))


def test_the_estimate_comes_first(
    tmp_path: Path, tiny_arguments: Arguments, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throughput, "measure", lambda *_: throughput.Pace(token=0.01, step=1.0))
    monkeypatch.setattr(run, "_prepare", lambda _: (_ for _ in ()).throw(InputError("no corpus")))
    assert run.main(tiny_arguments(tmp_path)) == door.FAILED
    assert "estimate: about 3 minutes on this machine" in capsys.readouterr().out  # 30 steps of 1 s, 15,360 tokens


def test_tensorboard_has_the_same_numbers(tmp_path: Path, tiny_arguments: Arguments) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert run.main(tiny_arguments(tmp_path, "loop.tensorboard=true", "loop.steps=10")) == 0
    events = EventAccumulator(str(tmp_path / metrics.TENSORBOARD)).Reload()
    logged = [line for line in metrics.read(tmp_path) if "train_loss" in line]
    shown = events.Scalars("train_loss")
    assert [event.step for event in shown] == [line["step"] for line in logged]
    assert [event.value for event in shown] == pytest.approx([line["train_loss"] for line in logged], rel=1e-5)
    assert [event.step for event in events.Scalars("validation_nats")] == [0, 10]


def test_tensorboard_that_is_missing_is_named(
    tmp_path: Path, tiny_arguments: Arguments, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert run.main(tiny_arguments(tmp_path, "loop.tensorboard=true")) == door.FAILED
    assert "loop.tensorboard: the package tensorboard is not installed" in capsys.readouterr().err


def test_it_learns(tiny_run: Path) -> None:
    lines = metrics.read(tiny_run)
    bits = [line["validation_bits_per_byte"] for line in lines if "validation_bits_per_byte" in line]
    assert len(bits) == 3
    assert bits[0] > bits[1] > bits[2]
    assert [line["step"] for line in lines if "train_loss" in line] == [5, 10, 15, 20, 25, 30]


def test_the_checkpoint_is_the_trained_model(tiny_run: Path) -> None:
    loaded = dict(checkpoint.load(tiny_run).model.named_parameters())
    trained = weights(tiny_run)
    assert all(torch.equal(trained[f"model.{name}"], parameter) for name, parameter in loaded.items())


def test_a_run_can_start_from_a_checkpoint(tiny_run: Path, tmp_path: Path, tiny_arguments: Arguments) -> None:
    started = tmp_path / "started"
    overrides = ["loop.steps=5", "tokenizer.vocab_size=700", f"run.start_from={tiny_run}"]
    assert run.main(tiny_arguments(started, *overrides)) == 0
    before = [line for line in metrics.read(tiny_run) if "validation_nats" in line][-1]["validation_nats"]
    first = metrics.read(started)[0]
    assert first["validation_nats"] == pytest.approx(before, abs=0.02)  # the same weights, windows and tokenizer
    assert "went on from: 30 steps, 15,360 tokens" in (started / "README.md").read_text()


def test_a_run_can_start_with_another_window(tiny_run: Path, tmp_path: Path, tiny_arguments: Arguments) -> None:
    window = 2 * checkpoint.load(tiny_run).model.context_window_size
    longer = [f"run.start_from={tiny_run}", f"model.context_window_size={window}", "loop.steps=1"]
    assert run.main(tiny_arguments(tmp_path / "longer", *longer)) == 0
    assert checkpoint.load(tmp_path / "longer").model.context_window_size == window


def test_a_checkpoint_of_another_shape_is_refused(
    tiny_run: Path, tmp_path: Path, tiny_arguments: Arguments, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = [f"run.start_from={tiny_run}", "model.num_layers=1"]
    assert run.main(tiny_arguments(tmp_path / "run", *overrides)) == door.FAILED
    assert "expected a checkpoint of the table [model]" in capsys.readouterr().err


def test_a_stopped_run_goes_on_to_the_same_weights(
    tiny_run: Path, tmp_path: Path, tiny_arguments: Arguments, monkeypatch: pytest.MonkeyPatch
) -> None:
    updates = 0
    step = loop.update

    def step_and_interrupt(*arguments: object) -> object:
        nonlocal updates
        updates += 1
        if updates in (7, 12):
            os.kill(os.getpid(), signal.SIGINT if updates == 7 else signal.SIGTERM)
        return step(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "update", step_and_interrupt)
    monkeypatch.setattr(throughput, "measure", lambda *_: throughput.Pace(0.0, 0.0))  # which updates, too
    assert run.main(tiny_arguments(tmp_path)) == door.STOPPED
    assert json.loads((tmp_path / "provenance.json").read_text())["progress"]["steps"] == 7
    assert run.main(tiny_arguments(tmp_path)) == door.STOPPED
    assert run.main(tiny_arguments(tmp_path)) == 0
    assert_same_weights(tiny_run, tmp_path)
    steps = [line["step"] for line in metrics.read(tmp_path) if "validation_nats" in line]
    assert steps == [0, 15, 30]
    assert json.loads((tmp_path / "provenance.json").read_text())["progress"]["sessions"] == 3


@pytest.mark.parametrize("step", [0, 15, 30])
def test_a_stop_in_an_evaluation_is_gone_on_from(
    step: int, tiny_run: Path, tmp_path: Path, tiny_arguments: Arguments, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated, evaluate = 0, evaluation.evaluate

    def evaluate_and_interrupt(*arguments: object) -> object:
        nonlocal evaluated
        evaluated += 1
        if evaluated == 2 * step // 15 + 2:  # in the second of its two splits
            os.kill(os.getpid(), signal.SIGINT)
        return evaluate(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "evaluate", evaluate_and_interrupt)
    assert run.main(tiny_arguments(tmp_path)) == door.STOPPED
    assert json.loads((tmp_path / "provenance.json").read_text())["progress"]["steps"] == step
    assert not metrics.is_evaluated(tmp_path, step)
    assert run.main(tiny_arguments(tmp_path)) == 0
    assert_same_weights(tiny_run, tmp_path)
    steps = [line["step"] for line in metrics.read(tmp_path) if "validation_nats" in line]
    assert steps == [0, 15, 30]
    assert run.main(tiny_arguments(tmp_path)) == 0, "nothing is left to do"
    assert evaluated == 8


def test_a_killed_run_goes_on_to_the_same_weights(tiny_run: Path, tmp_path: Path, tiny_arguments: Arguments) -> None:
    command = [sys.executable, "-m", "training.run", *tiny_arguments(tmp_path, "loop.checkpoint_minutes=0.0")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(metrics.read(tmp_path)) < 3 and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert run.main(tiny_arguments(tmp_path)) == 0
    assert_same_weights(tiny_run, tmp_path)


def test_a_finished_run_says_so_and_can_be_lengthened(
    tiny_run: Path, tmp_path: Path, tiny_arguments: Arguments, capsys: pytest.CaptureFixture[str]
) -> None:
    before = weights(tiny_run)
    assert run.main(tiny_arguments(tiny_run)) == 0
    assert "30 steps" in capsys.readouterr().out
    assert all(torch.equal(before[name], tensor) for name, tensor in weights(tiny_run).items())


def test_the_same_seed_gives_the_same_weights_whatever_the_micro_batch(
    tiny_run: Path, tmp_path: Path, tiny_arguments: Arguments
) -> None:
    assert run.main(tiny_arguments(tmp_path, "batches.micro_batch_size=8", "loop.precision=float32")) == 0
    lines = [line["train_loss"] for line in metrics.read(tmp_path) if "train_loss" in line]
    expected = [line["train_loss"] for line in metrics.read(tiny_run) if "train_loss" in line]
    assert lines == pytest.approx(expected, abs=0.02)


def test_other_settings_are_no_resumption(
    tiny_run: Path, tiny_arguments: Arguments, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(tiny_arguments(tiny_run, "optimizer.learning_rate=1e-5")) == door.FAILED
    message = capsys.readouterr().err
    assert "optimizer.learning_rate was 0.003, is 1e-05" in message
    assert "another run.folder" in message


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("optimizer.learning_rate=1e-5", "optimizer.learning_rate was 0.003, is 1e-05"),
        ("model.num_layers=1", "model.num_layers was 2, is 1"),
        ("run.seed=7", "seed was 305, is 7"),
        ("batches.micro_batch_size=3", "batch_size = 8 cannot be shared out over 1 process(es) in micro-batches of 3"),
    ],
)
def test_what_can_not_go_on_is_refused_before_the_corpus_is_prepared(
    tiny_run: Path,
    tiny_arguments: Arguments,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    found: str,
) -> None:
    monkeypatch.setattr(run, "_prepare", lambda _: pytest.fail("prepared"))
    assert run.main(tiny_arguments(tiny_run, setting)) == door.FAILED
    assert found in capsys.readouterr().err


@pytest.mark.parametrize("setting", ["corpus.limit=20", "tokenizer.vocab_size=500", "optimizer.learning_rate=1e-5"])
def test_a_refused_run_changes_nothing_in_the_folder(
    tiny_run: Path, tmp_path: Path, tiny_arguments: Arguments, capsys: pytest.CaptureFixture[str], setting: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(tiny_run, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert run.main(tiny_arguments(folder, setting, f"run.data={tmp_path / 'data'}")) == door.FAILED
    assert "other settings" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_two_runs_do_not_write_one_folder(
    tmp_path: Path, tiny_arguments: Arguments, capsys: pytest.CaptureFixture[str]
) -> None:
    with files.alone(tmp_path):
        assert run.main(tiny_arguments(tmp_path)) == door.FAILED
    assert "another process is writing there" in capsys.readouterr().err


def test_a_run_says_where_it_goes_on_and_when_nothing_is_left(
    tiny_run: Path, tmp_path: Path, tiny_arguments: Arguments, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny_run, tmp_path / "run")
    assert run.main(tiny_arguments(tmp_path / "run")) == 0
    assert "which is at step 30 already: raise loop.steps" in capsys.readouterr().out
    assert run.main(tiny_arguments(tmp_path / "run", "loop.steps=32")) == 0
    assert "; from step 30 on; Ctrl+C" in capsys.readouterr().out


def test_a_stop_in_the_last_step_leaves_the_evaluation(
    tmp_path: Path, tiny_arguments: Arguments, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, updates = loop.update, []

    def stopped_in_the_second(*arguments: Any) -> Any:
        updates.append(arguments)
        if len(updates) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(*arguments)

    monkeypatch.setattr(loop, "update", stopped_in_the_second)
    monkeypatch.setattr(throughput, "measure", lambda *_: throughput.Pace(0.0, 0.0))
    assert run.main(tiny_arguments(tmp_path, "loop.steps=2")) == door.STOPPED
    assert run.main(tiny_arguments(tmp_path, "loop.steps=2")) == 0
    assert metrics.is_evaluated(tmp_path, 2)
    assert (tmp_path / "model.onnx").exists()
    assert len(updates) == 2


DAMAGES: dict[str, Callable[[dict[str, torch.Tensor], dict[str, str]], object]] = {
    "no count": lambda _, about: about.update(progress='{"step": "x"}'),
    "half a step": lambda _, about: about.update(progress='{"step": 1.5}'),
    "before the start": lambda _, about: about.update(progress='{"step": -5}'),
    "without end": lambda _, about: about.update(progress='{"step": 1e400}'),
    "a list": lambda _, about: about.update(progress="[1]"),
    "settings in a list": lambda _, about: about.update(settings="[1]"),
    "no settings": lambda _, about: about.update(settings="null"),
    "nothing about it": lambda _, about: about.clear(),
    "a weight missing": lambda tensors, _: tensors.pop("model.norm.weight"),
}


@pytest.mark.parametrize("damage", [None, *DAMAGES])
def test_a_damaged_state_is_named(
    tmp_path: Path,
    tiny_run: Path,
    tiny_arguments: Arguments,
    capsys: pytest.CaptureFixture[str],
    damage: str | None,
) -> None:
    path = tmp_path / resume.STATE
    if damage is None:
        path.write_bytes(b"\x00" * 100)
    else:
        with safetensors.safe_open(tiny_run / resume.STATE, framework="pt") as file:
            about, tensors = dict(file.metadata()), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        DAMAGES[damage](tensors, about)
        safetensors.torch.save_file(tensors, path, metadata=about)
    assert run.main(tiny_arguments(tmp_path)) == door.FAILED
    assert "resume.safetensors: not readable" in capsys.readouterr().err


def test_a_full_disk_keeps_the_last_checkpoint(
    tmp_path: Path,
    tiny_run: Path,
    tiny_arguments: Arguments,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    saves = 0
    save = safetensors.torch.save_file

    def fill(*arguments: object, **named: object) -> None:
        nonlocal saves
        saves += 1
        if saves == 6:
            raise OSError(28, "No space left on device")
        save(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(resume, "save_file", fill)
    assert run.main(tiny_arguments(tmp_path, "loop.checkpoint_minutes=0.0")) == door.FAILED
    assert "No space left on device; what was saved before is kept" in capsys.readouterr().err
    assert not list(tmp_path.glob(".*"))
    assert run.main(tiny_arguments(tmp_path)) == 0
    assert_same_weights(tiny_run, tmp_path)


def test_a_diverging_run_stops_with_advice(
    tmp_path: Path, tiny_arguments: Arguments, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run.main(tiny_arguments(tmp_path, "optimizer.learning_rate=1e30", "optimizer.gradient_clip=0")) == door.FAILED
    )
    assert "lower optimizer.learning_rate" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("corpus.sources=['/no/such/folder']", "/no/such/folder"),
        ("loop.device=tpu", "loop.device: expected one of auto, cpu, cuda; found 'tpu'"),
        ("loop.precision=int3", "loop.precision"),
        ("loop.weights=int3", "loop.weights"),
        ("optimizer.kind=sgd", "optimizer.kind"),
        ("batches.micro_batch_size=3", "cannot be shared out"),
        ("batches.sequence_length=65", "model.context_window_size"),
        ("loop.nothing=1", "loop.nothing: unknown key"),
    ],
)
def test_bad_settings_fail_with_one_line(
    override: str, message: str, tmp_path: Path, tiny_arguments: Arguments, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(tiny_arguments(tmp_path, override)) == door.FAILED
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]


def test_a_write_that_is_killed_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.write_text_atomically(path, "old")
    program = (
        "import os, sys, signal; from pathlib import Path; from training.files import write_atomically\n"
        "def write(path): path.write_text('half'); os.kill(os.getpid(), signal.SIGTERM)\n"
        "write_atomically(Path(sys.argv[1]), write)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == -signal.SIGTERM
    assert path.read_text() == "old"
    files.write_text_atomically(path, "new")
    assert path.read_text() == "new"


def test_help_says_what_will_happen() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "training.run", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for word in ("CONFIG", "section.key=value", "tiny", "decoder-cpu", "torchrun", "resumes"):
        assert word in shown


def test_two_processes_give_the_single_process_losses(
    tiny_run: Path, tmp_path: Path, tiny_arguments: Arguments
) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    finished = subprocess.run(
        [*command, "-m", "training.run", *tiny_arguments(tmp_path)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    for name in ("train_loss", "train_nats", "validation_nats", "validation_bits_per_byte"):
        measured, expected = (
            [line[name] for line in metrics.read(one) if name in line] for one in (tmp_path, tiny_run)
        )
        assert len(measured) >= 2
        assert measured == pytest.approx(expected, abs=0.02)
    # Before the first step both have the same weights, and the same windows, each once.
    first, alone = (metrics.read(one)[0] for one in (tmp_path, tiny_run))
    assert first == pytest.approx(alone, abs=1e-4)


@pytest.mark.parametrize(("has_cuda", "expected"), [(False, "decoder-cpu"), (True, "decoder-gpu")])
def test_without_a_config_the_device_decides(
    has_cuda: bool, expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    chosen: list[str] = []

    def load(name: str, overrides: list[str]) -> config.RunConfig:
        chosen.extend([name, *overrides])
        raise InputError("only looking")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_cuda)
    monkeypatch.setattr(config, "load", load)
    assert run.main([f"run.folder={tmp_path}"]) == door.FAILED
    assert chosen == [expected, f"run.folder={tmp_path}"]
    assert run.main(["bigram", "--extra-prompt", "a.py", "--extra-prompt", "b.py"]) == door.FAILED
    assert chosen[2:] == ["bigram", 'tokenizer.extra_prompts=["a.py", "b.py"]']
