"""How much better a model has become on a person's code: measured before and after, on files that it did not see."""

import json
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from training import checkpoint, files, perplexity
from training.checkpoint import Checkpoint
from training.errors import InputError
from training.own_code import OWN, OwnCode, folder_of

WINDOW = 512  # tokens


@dataclass(frozen=True)
class Measured:
    """A model on code that it was not trained on here: bits per byte, and shares of lines that are exactly right."""

    own: float
    general: float
    exact: float
    """With the memory of the rest of the project."""
    exact_alone: float


@contextmanager
def as_gathered(code: OwnCode, folders: list[Path]) -> Iterator[tuple[OwnCode, list[Path]]]:
    """Copies of a person's files, to measure on: who goes on writing meanwhile would have before and after measured on
    different code."""
    with tempfile.TemporaryDirectory() as temporary:
        into = Path(temporary).resolve()
        copies = {folder: into / str(number) / folder.name for number, folder in enumerate(folders)}
        copied: dict[Path, Path] = {}
        for path in (Path(document.path) for document in code.documents if document.source == OWN):
            folder = folder_of(path, folders)
            copied[path] = copies[folder] / path.relative_to(folder)
            copied[path].parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copied[path])
        held_out = [copied[path] for path in code.held_out]
        yield replace(code, held_out=held_out), [copy for copy in copies.values() if copy.exists()]


def measured_once(saved: Path, measure: Callable[[], Measured]) -> Measured:
    """What was measured and saved before this was stopped, or is now."""
    if not saved.exists():
        files.write_text_atomically(saved, json.dumps(asdict(measure())))
    return Measured(**json.loads(saved.read_text(encoding="utf-8")))


def measure(model: Path, code: OwnCode, folders: list[Path], places: int, when: str) -> Measured:
    """Measure a model; `places` is how many lines of each kind are completed, and `when` names the progress bars."""
    opened = checkpoint.load(model)
    own = bits(opened, code.held_out, f"{when}: held out")
    general = bits(opened, code.general, f"{when}: general code")
    exact, alone = (_exact(model, code, folders, places, memory) for memory in ("project", "none"))
    return Measured(own, general, exact, alone)


def bits(opened: Checkpoint, paths: list[Path], what: str) -> float:
    """Bits per byte of files; `what` names the progress bar."""
    window = min(WINDOW, opened.model.context_window_size)
    return perplexity.measure_paths(opened, paths, window, window, what)["all"].bits_per_byte


def _exact(model: Path, code: OwnCode, folders: list[Path], places: int, memory: str) -> float:
    """The share of lines at random places of the held-out files that the server completes exactly.

    The server is asked by its command line: nothing here imports it.
    """
    if not places:
        return float("nan")
    with tempfile.TemporaryDirectory() as temporary:
        only, answers = Path(temporary) / "files", Path(temporary) / "outcomes.json"
        only.write_text("".join(f"{path}\n" for path in code.held_out), encoding="utf-8")
        command = [sys.executable, "-m", "lineahead", "evaluate", *map(str, folders), "--model", str(model)]
        command += ["--only", str(only), "--places", str(places), "--memory", memory, "--json", str(answers)]
        # It says on standard error how far it is.
        asked = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        if asked.returncode:
            raise InputError(f"lineahead evaluate ended with {asked.returncode}")
        outcomes: list[dict[str, Any]] = json.loads(answers.read_text(encoding="utf-8"))
    return float(sum(outcome["exact"] for outcome in outcomes)) / len(outcomes)


def table(before: Measured, after: Measured) -> str:
    """Both, as a Markdown table."""
    names = {
        "own": "bits per byte of held-out files",
        "general": "bits per byte of general code",
        "exact": "lines exactly right, with the memory",
        "exact_alone": "lines exactly right, the model alone",
    }
    rows = ["| | before | after | change |", "| --- | --- | --- | --- |"]
    for name, title in names.items():
        old, new = asdict(before)[name], asdict(after)[name]
        if math.isnan(old):  # --places 0
            continue
        change = f"{100 * (new / old - 1):+.1f} %" if "bits" in title else f"{100 * (new - old):+.1f} points"
        rows.append(f"| {title} | {old:.3f} | {new:.3f} | {change} |")
    return "\n".join(rows)
