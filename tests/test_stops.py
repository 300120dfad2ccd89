"""What a training that is stopped leaves: Ctrl+C in real processes at each stage, and a disk that is really full."""

import gc
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import safetensors.torch
import torch
from tqdm import tqdm

from training import adapt, checkpoint, door, run
from training.__main__ import COMMANDS

Arguments = Callable[..., list[str]]
ROOTS = (Path(__file__).parents[1] / "server", Path(__file__).parents[1])
HANG = 240  # seconds; nothing here takes half as long


def command(arguments: list[str]) -> list[str]:
    return [sys.executable, "-u", "-m", "training.run", *arguments]


def interrupt_when(
    process: subprocess.Popen[bytes], ready: Callable[[], bool], kill: Callable[[int, int], None] = os.kill
) -> tuple[int, str]:
    """Press Ctrl+C at a moment; returns the exit code and what stands on standard error."""
    deadline = time.monotonic() + HANG
    while not ready() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    if process.poll() is None:
        kill(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=HANG)
    return process.returncode, error.decode()


def start(arguments: list[str], output: Path) -> subprocess.Popen[bytes]:
    with output.open("wb") as file:
        return subprocess.Popen(command(arguments), stdout=file, stderr=subprocess.PIPE)


def test_ctrl_c_while_the_corpus_is_read_loses_none_of_the_reading(
    tmp_path: Path, tiny_arguments: Arguments, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    arguments = tiny_arguments(tmp_path / "run", f"run.data={data}", "corpus.sources=['environment']")
    arguments += ["corpus.limit=600", "loop.steps=2"]

    def judged() -> int:
        return sum(path.stat().st_size for path in data.glob("*.judged.jsonl"))

    code, error = interrupt_when(start(arguments, tmp_path / "out"), lambda: judged() > 0)
    assert code == door.STOPPED
    assert "Traceback" not in error
    assert "stopped; what was read and trained before is kept" in error
    assert not list(data.glob("*.partial-*"))
    before = judged()
    assert before > 0
    capsys.readouterr()
    assert run.main(arguments) == 0
    assert not judged()  # the corpus is whole, so nothing is kept of the way to it


@pytest.mark.parametrize("word", ["model: ", "into: ", "done: "])
def test_ctrl_c_anywhere_else_goes_on_to_the_same_weights(
    word: str, tmp_path: Path, tiny_run: Path, tiny_arguments: Arguments
) -> None:
    output, folder = tmp_path / "out", tmp_path / "run"
    process = start(tiny_arguments(folder), output)
    code, error = interrupt_when(process, lambda: word in output.read_text())
    assert code in (door.STOPPED, 0)  # 0: the very last moment
    assert "Traceback" not in error
    assert run.main(tiny_arguments(folder)) == 0
    assert same_weights(tiny_run, folder)
    assert (folder / "model.onnx").exists()


@pytest.fixture
def command_began() -> Iterator[None]:
    """Ctrl+C as a command finds it when its imports are done."""
    before, hook = signal.signal(signal.SIGINT, door._stop_at_once), sys.unraisablehook
    yield
    signal.signal(signal.SIGINT, before)
    sys.unraisablehook = hook


@pytest.mark.usefixtures("command_began")
def test_ctrl_c_that_c_code_takes_for_another_exception_is_a_stop(capsys: pytest.CaptureFixture[str]) -> None:
    def within_c_code() -> int:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ValueError("could not determine the shape") from None
        return 0

    assert door.enter(within_c_code) == door.STOPPED
    assert capsys.readouterr().err == "stopped; what was written before is whole\n"
    signal.raise_signal(signal.SIGINT)  # while the interpreter ends: the command is over


@pytest.mark.usefixtures("command_began")
def test_what_a_half_made_object_says_as_it_goes_does_not_reach_the_person(capsys: pytest.CaptureFixture[str]) -> None:
    def while_a_bar_is_made() -> int:
        bar = tqdm.__new__(tqdm)
        bar.disable = False  # the first thing that its closing looks at
        signal.raise_signal(signal.SIGINT)
        return 0

    assert door.enter(while_a_bar_is_made) == door.STOPPED
    gc.collect()
    assert capsys.readouterr().err == "stopped; what was written before is whole\n"


@pytest.mark.usefixtures("command_began")
@pytest.mark.parametrize("place", ["__del__", "a weak reference's callback"])
def test_ctrl_c_where_nothing_can_be_raised_is_a_stop(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    class Held:
        def __del__(self) -> None:
            if place == "__del__":
                signal.raise_signal(signal.SIGINT)

    def pressed(_reference: object) -> None:
        if place != "__del__":
            signal.raise_signal(signal.SIGINT)

    def lets_it_go() -> int:
        held = Held()
        reference = weakref.ref(held, pressed)
        del held
        assert reference() is None
        time.sleep(20)
        return 0

    assert door.enter(lets_it_go) == door.STOPPED
    assert capsys.readouterr().err == "stopped; what was written before is whole\n"


@pytest.mark.usefixtures("command_began")
def test_what_cannot_be_raised_is_told_where_nobody_interrupted(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken:
        def __del__(self) -> None:
            raise ValueError("told")

    def lets_it_go() -> int:
        Broken()
        return 7

    assert door.enter(lets_it_go) == 7
    assert "ValueError: told" in capsys.readouterr().err


@pytest.mark.usefixtures("command_began")
def test_what_nobody_interrupted_is_no_stop() -> None:
    with pytest.raises(ZeroDivisionError):
        door.enter(lambda: 1 // 0)
    assert door.enter(lambda: 7) == 7


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe that nobody reads is another error there")
@pytest.mark.parametrize("buffered", [False, True], ids=["at once", "buffered"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["training"],
        ["training.sample", "--help"],
        ["lineahead", "--help"],
        ["lineahead", "complete", f"{__file__}:1:1"],
    ],
    ids=" ".join,
)
def test_nobody_to_read_on_is_no_error(arguments: list[str], buffered: bool) -> None:
    read, write = os.pipe()
    os.close(read)
    environment = {**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"}
    ended = subprocess.run(
        [sys.executable, "-m", *arguments], stdout=write, stderr=subprocess.PIPE, env=environment, check=False
    )
    os.close(write)
    assert ended.stderr == b""
    assert ended.returncode == door.UNREAD or ("--help" in arguments and ended.returncode == 0)  # argparse lets it pass


HARD_TO_WRITE = {
    "closed": ("exec {command} >&-", 0, ""),
    "full": ("exec {command} > /dev/full", door.FAILED, "error: [Errno 28] No space left on device\n"),
    "ascii": ("PYTHONIOENCODING=ascii exec {command} | cat", 0, ""),
    "cp1252": ("PYTHONIOENCODING=cp1252 exec {command} | cat", 0, ""),
}


@pytest.mark.skipif(sys.platform == "win32", reason="the shell is another one there")
@pytest.mark.parametrize("kind", HARD_TO_WRITE)
@pytest.mark.parametrize("arguments", ["training", f"lineahead complete {__file__}:2:1"])
def test_what_cannot_be_written_is_no_traceback(arguments: str, kind: str) -> None:
    how, code, told = HARD_TO_WRITE[kind]
    command = how.format(command=f"{sys.executable} -m {arguments}")
    ended = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False)
    assert (ended.returncode, ended.stderr.decode()) == (code, told)


@pytest.mark.usefixtures("command_began")
def test_ctrl_c_twice_at_once_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    def pressed_twice() -> int:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
        return 0

    assert door.enter(pressed_twice) == door.STOPPED
    assert capsys.readouterr().err == "stopped; what was written before is whole\n"


def same_weights(first: Path, second: Path) -> bool:
    one, other = (safetensors.torch.load_file(folder / "resume.safetensors") for folder in (first, second))
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "report"])  # which needs no torch
def test_ctrl_c_while_modules_are_imported_is_a_line(name: str, tmp_path: Path) -> None:
    """Each command imports torch; here that is a module which says that it is imported, and never is."""
    (tmp_path / "torch.py").write_text(
        f"import pathlib, time\npathlib.Path({str(tmp_path / 'importing')!r}).touch()\ntime.sleep({HANG})\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", f"training.{name}", "--help"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *map(str, ROOTS)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    code, error = interrupt_when(process, (tmp_path / "importing").exists)
    assert (code, error) == (door.STOPPED, "stopped before anything was begun\n")


@pytest.mark.parametrize("begun", ["data-*", "data-*/dataset.json", "run/metrics.jsonl", "model", "model/model.onnx"])
def test_ctrl_c_in_adapting_leaves_the_earlier_model_and_goes_on(begun: str, tmp_path: Path, tiny_run: Path) -> None:
    project, into = tmp_path / "project", tmp_path / "into"
    shutil.copytree(Path(sysconfig.get_paths()["stdlib"]) / "json", project)
    into.mkdir()
    (into / "earlier").touch()
    arguments = [str(project), "--model", str(tiny_run), "--into", str(into), "--tokens", "6_000", "--general", "0"]
    arguments += ["--places", "1", "--threads", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "training.adapt", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    code, error = interrupt_when(process, lambda: any(tmp_path.glob(f"into.partial/{begun}")), os.killpg)
    assert code == door.STOPPED, error
    assert "Traceback" not in error
    assert [path.name for path in into.iterdir()] == ["earlier"]
    assert adapt.main(arguments) in (0, door.FAILED)  # this little may have taught nothing
    assert not (tmp_path / "into.partial").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, Callable[[int], None]]]:
    """A disk in memory, and a function that gives it another size in kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if (
        os.geteuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=False).returncode
    ):
        pytest.skip("only root can mount a small disk")

    def resize(kilobytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", disk], check=True)

    yield disk, resize
    subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="a system without such disks")
@pytest.mark.parametrize("kilobytes", [16, 500, 1_700, 3_400])
def test_a_disk_that_is_full_is_one_line_and_loses_nothing(
    kilobytes: int,
    small_disk: tuple[Path, Callable[[int], None]],
    tiny_run: Path,
    tiny_arguments: Arguments,
) -> None:
    disk, resize = small_disk
    resize(kilobytes)
    arguments = tiny_arguments(disk / "run", f"run.data={disk / 'data'}", "loop.checkpoint_minutes=0.0")
    full = subprocess.run(command(arguments), capture_output=True, text=True, timeout=HANG, check=False)
    assert full.returncode == door.FAILED
    assert "Traceback" not in full.stderr
    errors = [line for line in full.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "No space left on device" in errors[0]
    weights = disk / "run" / "model.safetensors"
    if weights.exists():
        checkpoint.load(disk / "run")  # whole, whatever came after it
    resize(64_000)
    assert run.main(arguments) == 0
    assert same_weights(tiny_run, disk / "run")
