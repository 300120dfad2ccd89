"""datatrove's executors: what runs the tasks, on one machine or many."""

import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datatrove.executor import LocalPipelineExecutor, RayPipelineExecutor, SlurmPipelineExecutor

from training.errors import InputError
from training.judge.step import Judge


@dataclass(frozen=True)
class Resources:
    """What the tasks may take. `time` (as Slurm writes it) and `partition` are Slurm's alone."""

    tasks: int
    workers: int
    time: str
    partition: str


def local(step: Judge, folder: Path, resources: Resources) -> Any:
    """Processes of this machine; it returns when all tasks are done."""
    return LocalPipelineExecutor(
        [step],
        tasks=resources.tasks,
        workers=resources.workers,
        logging_dir=str(folder),
        start_method="spawn",  # the one that all systems have
    )


def slurm(step: Judge, folder: Path, resources: Resources) -> Any:
    """An array of Slurm jobs; it returns when they are submitted. They need this environment and these folders."""
    return SlurmPipelineExecutor(
        [step],
        tasks=resources.tasks,
        workers=resources.workers,
        time=resources.time,
        partition=resources.partition,
        job_name="lineahead-judge",
        qos="",  # the cluster's own default
        # The jobs start a program that datatrove installs beside the interpreter.
        env_command=f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH",
        logging_dir=str(folder.resolve()),
    )


def ray(step: Judge, folder: Path, resources: Resources) -> Any:
    """Tasks of the Ray cluster that RAY_ADDRESS names, or of one on this machine; it returns when all have ended."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report to its makers
    try:
        import ray
    except ImportError:
        raise InputError("--executor ray needs the package `ray`, which is not installed; pip install ray") from None
    ray.init()
    return RayPipelineExecutor(
        [step], tasks=resources.tasks, workers=resources.workers, logging_dir=str(folder.resolve())
    )


EXECUTORS: dict[str, Callable[[Judge, Path, Resources], Any]] = {"local": local, "slurm": slurm, "ray": ray}
