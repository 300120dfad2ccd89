"""The course's ladder in one table and one picture: `python -m training.ladder [--full] [section.key=value ...]`.

Trains the five baseline models one after the other, on a CPU their small twins, and writes ladder.md and
ladder.png. What was trained before is not trained again, so the same command goes on after a stop and
draws anew after the end.
"""

from training import door  # isort: split

import argparse
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training import config, metrics, run
from training.errors import InputError
from training.files import write_atomically, write_text_atomically
from training.format import PROVENANCE

STEPS = ("bigram", "embeddings", "single-head", "multi-head", "transformer")
TABLE, PICTURE = "ladder.md", "ladder.png"


@dataclass(frozen=True)
class Rung:
    """What a finished run says of itself: sizes, and losses in nats per token (bits per byte of text)."""

    name: str
    parameters: int
    vocab_size: int
    initial: float
    train: float
    validation: float
    bits_per_byte: float
    seconds: int
    lines: list[dict[str, Any]]


def read(name: str, folder: Path) -> Rung:
    """Read provenance and metrics in a run's folder; raises InputError where it is not finished."""
    lines = metrics.read(folder)
    evaluated = [line for line in lines if "validation_nats" in line]
    try:
        about = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
        done, of = about["progress"]["steps"], about["config"]["loop"]["steps"]
        last = about["evaluation"]
        rung = Rung(
            name,
            about["parameters"],
            about["config"]["model"]["vocab_size"],
            evaluated[0]["validation_nats"],
            last["train_nats"],
            last["validation_nats"],
            last["validation_bits_per_byte"],
            about["progress"]["seconds"],
            lines,
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(f"{folder}: no finished run ({error}); train it first, without --collect") from None
    if done < of or last["step"] < of:
        raise InputError(f"{folder}: stopped at step {done:,} of {of:,}; train it to its end first, without --collect")
    return rung


def table(rungs: list[Rung]) -> str:
    """The ladder as a Markdown table; the first loss is measured on validation text before any training."""
    columns = ["model", "parameters", "log V", "initial loss", "train loss", "validation loss"]
    columns += ["perplexity", "bits per byte", "minutes"]
    rows = [columns, ["---"] * len(columns)]
    for rung in rungs:
        losses = [f"{rung.initial:.2f}", f"{rung.train:.3f}", f"{rung.validation:.3f}"]
        measures = [f"{math.exp(rung.validation):.1f}", f"{rung.bits_per_byte:.3f}", f"{rung.seconds / 60:.1f}"]
        rows.append([rung.name, f"{rung.parameters:,}", f"{math.log(rung.vocab_size):.2f}", *losses, *measures])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def draw(rungs: list[Rung], path: Path) -> None:
    """Draw the training loss, and both splits' evaluations, of all rungs."""
    from matplotlib.figure import Figure  # slow to import; nobody else needs it

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    training, validation = figure.subplots(1, 2, sharey=True)
    for number, rung in enumerate(rungs):
        trained = [line for line in rung.lines if "train_loss" in line]
        evaluated = [line for line in rung.lines if "validation_nats" in line]
        steps = [line["step"] for line in evaluated]
        color = f"C{number}"
        training.plot([line["step"] for line in trained], [line["train_loss"] for line in trained], color=color, lw=0.9)
        nats = [line["validation_nats"] for line in evaluated]
        validation.plot(steps, nats, color=color, marker="o", markersize=3, label=rung.name)
    for size in {rung.vocab_size for rung in rungs}:
        for axes in (training, validation):
            axes.axhline(math.log(size), color="grey", linestyle=":", linewidth=1)
    validation.text(1.0, 1.01, "dotted: log V", transform=validation.transAxes, ha="right", color="grey", fontsize=8)
    training.set(xlabel="step", ylabel="nats per token", title="training loss")
    validation.set(xlabel="step", title="validation loss")
    validation.legend()
    for axes in (training, validation):
        axes.grid(alpha=0.3)
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=120))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.ladder", description=__doc__)
    parser.add_argument("--full", action="store_true", help="the course's sizes, for a GPU (default: the CPU twins)")
    parser.add_argument("--collect", action="store_true", help="train nothing: read what is there")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/ladder"), help="a folder for all (default: %(default)s)"
    )
    config.add_extra_prompts(parser)
    parser.add_argument("overrides", nargs="*", metavar="section.key=value", help="for every run, as in training.run")
    options = parser.parse_args(arguments)
    configs = [step if options.full else f"{step}-cpu" for step in STEPS]
    if not options.collect:
        for name in configs:
            overrides = [*options.overrides, *config.extra_prompts(options.extra_prompt)]
            code = run.main([name, f"run.folder={options.runs / name}", *overrides])
            if code:
                return code
    try:
        there = [(step, options.runs / name) for step, name in zip(STEPS, configs, strict=True)]
        missing = [str(folder) for _, folder in there if not folder.exists()]
        if len(missing) == len(there):
            raise InputError(f"expected runs in {options.runs}, found none; train them first, without --collect")
        if missing:
            print(f"left out, since not there: {', '.join(missing)}", file=sys.stderr)
        rungs = [read(step, folder) for step, folder in there if folder.exists()]
        text = table(rungs)
        write_text_atomically(options.runs / TABLE, text)
        draw(rungs, options.runs / PICTURE)
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return door.FAILED
    print(text)
    print(f"written: {options.runs / TABLE}, {options.runs / PICTURE}")
    return 0


if __name__ == "__main__":
    sys.exit(door.enter(main))
