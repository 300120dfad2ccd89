"""Where a model comes from: provenance.json (for machines) and the model card, README.md (for people)."""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training import card, metrics
from training.dataset import Dataset
from training.devices import Compute
from training.errors import InputError
from training.files import write_text_atomically
from training.format import CARD, PROVENANCE
from training.resume import Progress

TRAINING = ("command", "commit", "versions", "machine", "progress", "data")  # the facts of one training
AVERAGING = ("command", "commit", "progress", "averaged")  # of a mean of some: the steps of all
PACKAGES = ("torch", "tokenizers", "transformers", "numpy", "safetensors")


def write(
    folder: Path, config: dict[str, Any], dataset: Dataset, model: nn.Module, compute: Compute, progress: Progress
) -> None:
    """Write both files into the run's folder; `config` is all its settings as plain data."""
    write_facts(folder, describe(folder, config, dataset, model, compute, progress))


def write_facts(folder: Path, about: dict[str, Any]) -> None:
    """Write what is known of a model, for machines and for people."""
    write_text_atomically(folder / PROVENANCE, json.dumps(about, indent=1) + "\n")
    write_text_atomically(folder / CARD, card.render(about))


def describe(
    folder: Path, config: dict[str, Any], dataset: Dataset, model: nn.Module, compute: Compute, progress: Progress
) -> dict[str, Any]:
    """All that is known about a run, as plain data."""
    lines, start_from = metrics.read(folder), config["run"]["start_from"]
    evaluated = [line for line in lines if "validation_nats" in line]
    return {
        "written": _now(),
        "command": _command(),
        "commit": _commit(),
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in PACKAGES},
        },
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "device": torch.cuda.get_device_name(compute.device) if compute.device.type == "cuda" else "cpu",
            "processes": compute.processes.count,
        },
        "config": config,
        "before": trainings_of(Path(start_from)) if start_from else [],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "progress": {
            "steps": progress.step,
            "tokens": progress.tokens,
            "seconds": round(progress.seconds),
            "sessions": progress.sessions,
        },
        "prepared": str(dataset.folder.resolve()),
        "data": {
            split: {"tokens": len(file.tokens), "text_bytes": file.text_bytes, "digest": file.digest}
            for split, file in dataset.splits.items()
        },
        "corpus": dataset.report,
        "evaluation": evaluated[-1] if evaluated else None,
    }


def averaged(folders: Sequence[Path], shares: Sequence[float]) -> dict[str, Any]:
    """The facts of the mean of checkpoints' weights: what was learned from is told of the first, runs of all of them.

    Raises InputError for a checkpoint that says nothing of its run.
    """
    runs, told = [], []
    for folder in folders:
        run, *before = trainings_of(folder)
        if isinstance(run, str):
            raise InputError(f"{folder}: expected the {PROVENANCE} of a finished run; found none that tells of it")
        runs.append(run)
        told += before
    first = json.loads((folders[0] / PROVENANCE).read_text(encoding="utf-8"))
    before = [training for index, training in enumerate(told) if training not in told[:index]]
    counted = [run["progress"] for run in runs if run not in before]
    return {
        **first,
        "written": _now(),
        "command": _command(),
        "commit": _commit(),
        "progress": {name: sum(progress[name] for progress in counted) for name in first["progress"]},
        "averaged": [{"share": share, **run} for share, run in zip(shares, runs, strict=True)],
        "before": before,
    }


def trainings_of(folder: Path) -> list[dict[str, Any] | str]:
    """What is known of the training of an earlier checkpoint and, after it, of those that it went on from."""
    try:
        about = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
        earlier = about["before"]
        if isinstance(earlier, str):  # prose, as it was kept once
            earlier = [earlier] if earlier else []
        return [_training_of(about), *earlier]
    except (OSError, ValueError, KeyError, TypeError):
        return [f"{folder.resolve().name}, whose {PROVENANCE} says nothing of it."]


def _training_of(about: dict[str, Any]) -> dict[str, Any]:
    """The facts of one training, or of the trainings whose weights were averaged."""
    return {name: about[name] for name in (AVERAGING if "averaged" in about else TRAINING)}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _command() -> str:
    """The command line that this process was started with, which card and provenance show to others."""
    specification = getattr(sys.modules["__main__"], "__spec__", None)
    name = specification.name if specification else "training.run"
    return " ".join([Path(sys.executable).name, "-m", name, *map(card.without_folders, sys.argv[1:])])


def _commit() -> str | None:
    """The repository's commit, with "+" after it where files have changed since; None outside a repository."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+"],
            cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() or None


def _processor() -> str:
    """The processor's name, as well as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
