"""Fixtures that several test modules share."""

import inspect
import os
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import Callable, Generator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from tokenizers import ByteLevelBPETokenizer

from training import export, loop, run

CODEBERT = Path(os.environ.get("LINEAHEAD_CODEBERT", Path(__file__).parents[2] / "shared" / "tokenizers" / "codebert"))
SLOW_FIXTURES = {"tiny_arguments", "tiny_run", "tiny_ladder", "codebert_run", "server", "running", "model"}
SLOW_NAMES = {
    "subprocess",
    "Popen",
    "RawClient",
    "started",
    "fuzz",
    "Workers",
    "export",
    "onnx_engine",
}  # processes, graphs
TRAINING = {"run", "ladder", "loop"}  # whose `main` or `train` a test calls
NOT_IN_FAST_TESTS: tuple[tuple[Any, str], ...] = (
    (subprocess.Popen, "__init__"),  # asyncio's processes come from here too
    (BaseProcess, "start"),
    (os, "fork"),
    (os, "posix_spawn"),
    (loop, "train"),
    (export, "export"),
)
PACKAGES = ("json", "logging", "email")  # of the standard library: real code, always there


def pytest_configure() -> None:
    """Let PyTorch take one thread: for models this small the others only wait, and count as CPU time while they do.

    Nor is any test of properties held to a time. Ctrl+C works in what the tests start, even if this was started in a
    shell's background, which ignores it for all.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    settings.register_profile("patient", deadline=None)  # the machine may be busy
    settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what trains, exports graphs or starts processes, by its fixtures and by the names in its code.

    What cannot be seen there has the mark in its own module; `pytest_runtest_protocol` finds what has none.
    """
    for item in items:
        if isinstance(item, pytest.Function):
            code = getattr(inspect.unwrap(item.obj), "__code__", None)
            names = set(code.co_names) if code else set()
            trains = bool(names & TRAINING and names & {"main", "train"})
            if trains or names & SLOW_NAMES or SLOW_FIXTURES & set(item.fixturenames):
                item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let a test start no process and train nothing unless it is marked slow; nor may its fixtures."""
    with pytest.MonkeyPatch.context() as patch:
        if not item.get_closest_marker("slow"):
            for owner, name in NOT_IN_FAST_TESTS:
                patch.setattr(owner, name, _refuse(f"{owner.__name__}.{name}"))
        return (yield)


def _refuse(name: str) -> Callable[..., None]:
    """Make what stands in the place of a function that only slow tests may call."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail(f"{name} is called by a test that is not marked slow: mark it with @pytest.mark.slow")

    return refuse


@pytest.fixture(scope="session")
def code_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a little real Python code."""
    folder = tmp_path_factory.mktemp("code")
    for package in PACKAGES:
        source = Path(sysconfig.get_paths()["stdlib"]) / package
        shutil.copytree(source, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="session", params=["tiny", *(["codebert"] if (CODEBERT / "vocab.json").exists() else [])])
def codebert_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with vocab.json and merges.txt: a small one like CodeBERT's, and its own if at hand."""
    if request.param == "codebert":
        return CODEBERT
    folder = tmp_path_factory.mktemp("vocabulary")
    library = Path(sysconfig.get_paths()["stdlib"])
    texts = [path.read_text(encoding="utf-8") for path in sorted((library / "json").glob("*.py"))]
    small = ByteLevelBPETokenizer()
    small.train_from_iterator(texts, vocab_size=1000, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    small.save_model(str(folder))
    return folder


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where prepared corpora are shared between the tests of a session."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def tiny_arguments(code_folder: Path, data_folder: Path) -> Callable[..., list[str]]:
    """The command line of a run that takes a second or two, into a folder, with further overrides."""

    def arguments(folder: Path, *overrides: str) -> list[str]:
        return [
            "tiny",
            f"run.folder={folder}",
            f"run.data={data_folder}",
            f"corpus.sources=['{code_folder}']",
            "tokenizer.vocab_size=600",
            "loop.steps=30",
            "loop.evaluate_every=15",
            "loop.evaluation_rows=8",
            *overrides,
        ]

    return arguments


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, tiny_arguments: Callable[..., list[str]]) -> Path:
    """The folder of a finished tiny run."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    assert run.main(tiny_arguments(folder)) == 0
    return folder
