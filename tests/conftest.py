"""Fixtures that several test modules share."""

import os
import shutil
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from training import run

PACKAGES = ("json", "logging", "email")  # of the standard library: real code, always there


@pytest.fixture(scope="session")
def code_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a little real Python code."""
    folder = tmp_path_factory.mktemp("code")
    for package in PACKAGES:
        source = Path(sysconfig.get_paths()["stdlib"]) / package
        shutil.copytree(source, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="session")
def codebert_folder() -> Path:
    """A folder with CodeBERT's vocab.json and merges.txt: $LINEAHEAD_CODEBERT, or beside this repository."""
    beside = Path(__file__).parents[2] / "shared" / "tokenizers" / "codebert"
    folder = Path(os.environ.get("LINEAHEAD_CODEBERT", beside))
    if not (folder / "vocab.json").exists():
        pytest.skip(f"CodeBERT's tokenizer is not in {folder}; set LINEAHEAD_CODEBERT to its folder")
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
