"""The mean of checkpoints' weights: `python -m training.average CHECKPOINT CHECKPOINT … --into FOLDER`.

Runs that went on from one checkpoint, with a seed of their own each, are better together than each by itself: what a
run learned last is mostly noise, and the mean takes that away (Wortsman et al., Model soups, 2022).
"""

from training import door  # isort: split

import argparse
import sys
from pathlib import Path
from typing import Any

from training import checkpoint, dataset, devices, export, files, format, provenance
from training.checkpoint import Checkpoint
from training.errors import InputError
from training.evaluation import Evaluation, evaluate
from training.loop import WEIGHTS
from training.models import MODELS
from training.processes import Processes
from training.ranges import Positive, argument


def average(folders: list[Path], weights: list[float], into: Path) -> dict[str, Any]:
    """Leave a checkpoint with the weighted mean of others' weights in `into`, measured as they were; returns its facts.

    Raises InputError for checkpoints of unlike models or vocabularies, and for those that say nothing of their runs.
    """
    shares = [weight / sum(weights) for weight in weights]
    mixed, facts = _mixed(folders, shares), provenance.averaged(folders, shares)
    facts["evaluation"] = _evaluated(mixed, facts)
    into.mkdir(parents=True, exist_ok=True)
    ours = mixed.card["lineahead"]
    _, config_class = MODELS[ours["kind"]]
    checkpoint.save_configuration(
        into, ours["kind"], config_class(**ours["model"]), mixed.tokenizer, format.marks_middle(mixed.card)
    )
    checkpoint.save_weights(into, mixed.model, WEIGHTS[facts["config"]["loop"]["weights"]])
    provenance.write_facts(into, facts)
    return facts


def _mixed(folders: list[Path], shares: list[float]) -> Checkpoint:
    """The first checkpoint with the mean of all weights."""
    first = checkpoint.load(folders[0])
    ours = first.card.get("lineahead")
    mean = {name: share_of * shares[0] for name, share_of in first.model.state_dict().items()}
    for folder, share in zip(folders[1:], shares[1:], strict=True):
        other = checkpoint.load(folder)
        if ours is None or other.card.get("lineahead") != ours:
            raise InputError(f"expected checkpoints of one model and vocabulary; {folder} is unlike {folders[0]}")
        for name, tensor in other.model.state_dict().items():
            mean[name] += share * tensor
    first.model.load_state_dict(mean)
    return first


def _evaluated(mixed: Checkpoint, facts: dict[str, Any]) -> dict[str, Any] | None:
    """Bits per byte of the windows that the first run was evaluated on; None where its corpus is not here."""
    try:
        prepared = dataset.load(Path(facts["prepared"]))
    except InputError:
        return None
    batches, rows = facts["config"]["batches"], facts["config"]["loop"]["evaluation_rows"]
    what = Evaluation(prepared, batches["sequence_length"], rows, batches["micro_batch_size"])
    compute = devices.open_compute("auto", "auto", Processes())
    mixed.model.to(compute.device)
    evaluation: dict[str, Any] = {"step": facts["progress"]["steps"]}
    for split in prepared.splits:
        for measure, value in (evaluate(mixed.model, what, split, compute) or {}).items():
            evaluation[f"{split}_{measure}"] = round(value, 6)
    return evaluation


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.average", description=__doc__.partition("\n\n")[2])
    parser.add_argument("checkpoints", nargs="+", type=Path, metavar="CHECKPOINT", help="folders of finished runs")
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER", help="where the mean goes")
    parser.add_argument(
        "--weights", type=argument(Positive), nargs="+", metavar="WEIGHT", help="one for each (default: all alike)"
    )
    options = parser.parse_args(arguments)
    weights = options.weights or [1.0] * len(options.checkpoints)
    try:
        if len(weights) != len(options.checkpoints):
            raise InputError(
                f"--weights: expected {len(options.checkpoints)}, one for each checkpoint; found {len(weights)}"
            )
        if options.into.resolve() in [folder.resolve() for folder in options.checkpoints]:
            raise InputError(f"--into: expected another folder than those that are averaged, found {options.into}")
        with files.alone(options.into):
            facts = average(options.checkpoints, weights, options.into)
        for split in ("train", "validation"):
            if facts["evaluation"] is not None:
                print(f"{split}: {facts['evaluation'][f'{split}_bits_per_byte']:.4f} bits per byte")
        if facts["config"]["model"]["kind"] == "decoder":
            print(f"graph: {export.export(options.into)}")
        print(f"done: {options.into}")
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return door.FAILED
    return 0


if __name__ == "__main__":
    sys.exit(door.enter(main))
