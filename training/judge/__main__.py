"""Judge a run's corpus ahead of it, in tasks: `python -m training.judge CONFIG [section.key=value ...]`.

The same command goes on where it was stopped, and `python -m training.run` with the same settings judges none of these
texts again. This is a package's `__main__` so that the tasks' processes do not import it, and PyTorch with it.
"""

from training import door  # isort: split

import argparse
import subprocess
import sys
from pathlib import Path

from training import config, dataset
from training.config import RunConfig
from training.corpus import ahead, sources
from training.corpus.judged import folder_of_tasks
from training.errors import InputError
from training.ranges import Count, argument

EXECUTORS = ("local", "slurm", "ray")  # named here too: --help needs no datatrove


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        settings = config.load(options.config, options.overrides)
        _check(settings)
        return judge(settings, options)
    except (InputError, OSError, subprocess.CalledProcessError) as error:  # the last one: Slurm refused the jobs
        print(f"error: {error}", file=sys.stderr)
    return door.FAILED


def judge(settings: RunConfig, options: argparse.Namespace) -> int:
    """Hand the tasks to an executor; returns the exit code."""
    try:
        from training.judge import executors
        from training.judge.step import Judge
    except ImportError as error:
        raise InputError(
            f"this needs the package `datatrove` ({error}); pip install 'lineahead[training,datatrove]'"
        ) from None
    prepared = dataset.folder_for(settings.corpus, settings.tokenizer, Path(settings.run.data))
    if prepared.exists():
        print(f"corpus: {prepared} is prepared already, and nothing is left to judge")
        return 0
    for name in settings.corpus.sources:
        if name.startswith("packages:"):
            ahead.open_source(name, settings.corpus)  # once, before all tasks would download the same wheels
    judged = dataset.judged_for(prepared).resolve()
    folder = folder_of_tasks(judged, options.tasks)
    resources = executors.Resources(options.tasks, options.workers, options.time, options.partition)
    executor = executors.EXECUTORS[options.executor](Judge(settings.corpus, judged), folder, resources)
    executor.run()
    left = executor.get_incomplete_ranks(skip_completed=True)
    if left and options.executor != "slurm":  # Ray gives a task up after some trials, and says so in its log alone
        raise InputError(f"{len(left)} of {options.tasks} tasks failed; logs are in {folder / 'logs'}")
    when = ", when the jobs have ended" if left else ""
    print(f"next{when}: python -m training.run with the same config and overrides; logs are in {folder / 'logs'}")
    return 0


def _check(settings: RunConfig) -> None:
    if settings.corpus.limit is not None:
        raise InputError(
            f"corpus.limit: expected none, found {settings.corpus.limit:,}: which documents come first is known only "
            "when all before them are judged, and python -m training.run does that by itself"
        )
    for name in settings.corpus.sources:
        sources.check(name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.judge",
        description="Judge a run's corpus ahead of it, in tasks on many processes or machines (with datatrove).",
        epilog="example: python -m training.judge decoder-gpu run.data=DISK/data --tasks 64 --workers 16",
    )
    parser.add_argument("config", metavar="CONFIG", help="as for training.run")
    parser.add_argument("overrides", nargs="*", metavar="section.key=value", help="as for training.run")
    parser.add_argument(
        "--tasks", type=argument(Count), default=8, help="parts that are done or lost as a whole (default: %(default)s)"
    )
    parser.add_argument("--workers", type=argument(Count), default=2, help="tasks at a time (default: %(default)s)")
    parser.add_argument("--executor", choices=EXECUTORS, default="local", help="what runs them (default: %(default)s)")
    parser.add_argument("--time", default="10:00:00", help="Slurm's limit for a task (default: %(default)s)")
    parser.add_argument("--partition", default="", help="Slurm's partition")
    return parser


if __name__ == "__main__":
    sys.exit(door.enter(main))
