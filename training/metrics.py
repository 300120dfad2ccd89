"""What a run leaves to look at: metrics.jsonl (a line each time something was measured), and the loss curve."""

import json
from pathlib import Path
from typing import Any

from training.errors import InputError
from training.files import write_atomically, write_text_atomically

TENSORBOARD = "tensorboard"
METRICS, CURVE = "metrics.jsonl", "loss-curve.png"


class MetricsLog:
    """Appends to metrics.jsonl; opened at a step, it first drops what a killed run wrote past that step.

    With `tensorboard` the same numbers go into event files in the folder `tensorboard`. Raises InputError where its
    package is missing.
    """

    def __init__(self, folder: Path, step: int, tensorboard: bool = False) -> None:
        self._events = _event_writer(folder / TENSORBOARD, step) if tensorboard else None
        self._path = folder / METRICS
        kept = [line for line in read(folder) if line["step"] < step]
        write_text_atomically(self._path, "".join(json.dumps(line) + "\n" for line in kept))

    def write(self, step: int, **values: Any) -> None:
        """Add one line: the step (number of updates done so far) and what was measured then."""
        rounded = {key: round(value, 6) if isinstance(value, float) else value for key, value in values.items()}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **rounded}) + "\n")
        if self._events is not None:
            for name, value in values.items():
                self._events.add_scalar(name, value, step)

    def close(self) -> None:
        """Have everything written."""
        if self._events is not None:
            self._events.close()


def _event_writer(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter  # needs a package that only some want
    except ImportError:
        raise InputError(
            "loop.tensorboard: the package tensorboard is not installed; pip install 'lineahead[training,tensorboard]'"
        ) from None
    return SummaryWriter(str(folder), purge_step=step)


def read(folder: Path) -> list[dict[str, Any]]:
    """All lines of a run's metrics.jsonl; a last line cut short by a crash is left out."""
    path = folder / METRICS
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines


def is_evaluated(folder: Path, step: int) -> bool:
    """Whether a run was evaluated at a step."""
    return any(line["step"] == step and "validation_nats" in line for line in read(folder))


def draw_curve(folder: Path) -> None:
    """Draw metrics.jsonl as loss-curve.png: training loss, and bits per byte on both splits."""
    from matplotlib.figure import Figure  # slow to import; nobody else needs it

    lines = read(folder)
    figure = Figure(figsize=(9, 4), layout="constrained")
    loss_axes, bits_axes = figure.subplots(1, 2)
    trained = [line for line in lines if "train_loss" in line]
    loss_axes.plot([line["step"] for line in trained], [line["train_loss"] for line in trained], linewidth=0.8)
    loss_axes.set(xlabel="step", ylabel="nats per token", title="training loss")
    evaluated = [line for line in lines if "validation_bits_per_byte" in line]
    for split in ("train", "validation"):
        values = [line[f"{split}_bits_per_byte"] for line in evaluated]
        bits_axes.plot([line["step"] for line in evaluated], values, marker="o", markersize=3, label=split)
    bits_axes.set(xlabel="step", ylabel="bits per byte", title="evaluation")
    bits_axes.legend()
    for axes in (loss_axes, bits_axes):
        axes.grid(alpha=0.3)
    write_atomically(folder / CURVE, lambda path: figure.savefig(path, format="png", dpi=120))
