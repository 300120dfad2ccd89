"""Fixtures that several test modules share."""

import inspect
import os
import shutil
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import ByteLevelBPETokenizer

from training import run

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
PACKAGES = ("json", "logging", "email")  # of the standard library: real code, always there


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what trains, exports graphs or starts processes, by its fixtures and by the names in its code."""
    for item in items:
        if isinstance(item, pytest.Function):
            code = getattr(inspect.unwrap(item.obj), "__code__", None)
            names = set(code.co_names) if code else set()
            trains = bool(names & TRAINING and names & {"main", "train"})
            if trains or names & SLOW_NAMES or SLOW_FIXTURES & set(item.fixturenames):
                item.add_marker(pytest.mark.slow)


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
