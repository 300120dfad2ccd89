"""Write model.onnx, the graph that the server runs, beside a checkpoint: `python -m training.export CHECKPOINT`.

It is checked against the checkpoint first; `graph.py` builds it.
"""

from training import door  # isort: split

import argparse
import math
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training import checkpoint, format, graph, tokenizer, upload
from training.checkpoint import Checkpoint
from training.errors import InputError
from training.files import write_atomically
from training.ranges import Count, argument

onnxruntime = format.onnxruntime()

CHECKED_WINDOWS = 24
LONGEST_WINDOW = 2_048  # tokens: a file of 400 lines and more, and 50 MB of buffers instead of 200 for 8,192 positions


@dataclass(frozen=True)
class Cost:
    """A graph beside its checkpoint: bits per byte of the same text, and the largest difference of a logit."""

    checkpoint_bits: float
    graph_bits: float
    difference: float

    def __str__(self) -> str:
        change = 100 * (self.graph_bits / self.checkpoint_bits - 1)
        return (
            f"{self.checkpoint_bits:.4f} bits per byte in float32, {self.graph_bits:.4f} as a graph ({change:+.2f} %), "
            f"of the code that it is checked on; largest difference of a logit {self.difference:.2g}"
        )


class Runner:
    """Runs a graph over one sequence from its start: what checks it against its checkpoint."""

    def __init__(self, serialised: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(serialised, options, providers=["CPUExecutionProvider"])
        self._caches = {
            tensor.name: tensor.shape for tensor in self._session.get_inputs() if tensor.name.startswith("past_")
        }

    def logits(self, token_ids: Tensor) -> Tensor:
        """Token ids (T,) → logits (T, V)."""
        length = len(token_ids)
        feed = {name: np.zeros(shape, dtype=np.float32) for name, shape in self._caches.items()}
        numbers = {"last_position": np.array([length - 1], np.int32), "total": np.array([length], np.int32)}
        feed |= {"token_ids": token_ids[None].numpy(), "rows": np.arange(length), **numbers}
        return torch.from_numpy(self._session.run(["logits"], feed)[0][0])


@torch.inference_mode()
def compare(opened: Checkpoint, runner: Runner, windows: Sequence[Tensor]) -> Cost:
    """Both on the same windows of token ids."""
    lengths = torch.from_numpy(tokenizer.byte_lengths(opened.tokenizer))
    nats, text_bytes, difference = [0.0, 0.0], 0, 0.0
    for window in windows:
        expected = opened.model(window[None, :-1])[0][0]
        computed = runner.logits(window[:-1])
        for index, logits in enumerate((expected, computed)):
            nats[index] += float(F.cross_entropy(logits, window[1:], reduction="sum"))
        text_bytes += int(lengths[window[1:]].sum())
        difference = max(difference, float((expected - computed).abs().max()))
    return Cost(format.bits_per_byte(nats[0], text_bytes), format.bits_per_byte(nats[1], text_bytes), difference)


def export(folder: Path, paths: Sequence[Path] = (), quantised: bool = True, window: int = LONGEST_WINDOW) -> Cost:
    """Write model.onnx into a checkpoint folder, whole or not at all, once it is checked against the checkpoint.

    The graph's window, which it keeps buffers for, has at most `window` tokens.
    """
    opened = checkpoint.load(folder)
    serialised = graph.build(opened, quantised, window).SerializeToString()
    cost = compare(opened, Runner(serialised), _windows(opened, paths, window))
    if not math.isfinite(cost.graph_bits):
        raise InputError(f"export: the graph computes no finite numbers; {folder} is left as it was")
    write_atomically(folder / format.GRAPH, lambda path: path.write_bytes(serialised))
    if (folder / format.HASHES).exists():
        format.write_hashes(folder)
    return cost


def _windows(opened: Checkpoint, paths: Sequence[Path], window: int) -> list[Tensor]:
    """Windows of token ids from files; without any, from modules of the standard library."""
    if not paths:
        names = ("argparse", "ast", "configparser", "dataclasses", "inspect", "pathlib", "shutil", "tarfile")
        paths = [Path(sysconfig.get_paths()["stdlib"]) / f"{name}.py" for name in names]
    size = min(opened.model.context_window_size, window, 512)
    windows: list[Tensor] = []
    for path in paths:
        token_ids = torch.tensor(opened.tokenizer.encode(path.read_text(encoding="utf-8")))
        windows += [part for part in torch.split(token_ids, size)[:4] if len(part) > 1]
    if not windows:
        raise InputError("export: expected files with code to check the graph on; found none")
    return windows[:CHECKED_WINDOWS]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.export",
        description="Write model.onnx, the int8 graph that the server runs, into a checkpoint folder, and say what "
        "int8 costs in bits per byte. Llama-, Qwen2- and Qwen3-shaped folders from elsewhere can be given too.",
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    parser.add_argument("--float", action="store_true", help="keep the weights in float32")
    parser.add_argument("--text", type=Path, nargs="+", default=[], metavar="FILE", help="files to check it on")
    parser.add_argument(
        "--window", type=argument(Count), default=LONGEST_WINDOW, metavar="TOKENS",
        help="the most tokens that the graph sees at once, where the model sees more: memory goes with it "
        "(default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--push-to-hub", metavar="OWNER/NAME", help="then upload all that others need of it")
    parser.add_argument("--license", metavar="ID", help="for the card on the hub: mit, apache-2.0, other …")
    parser.add_argument("--public", action="store_true", help="where the hub's repository is new: for everybody to see")
    options = parser.parse_args(arguments)
    try:
        if options.push_to_hub:
            upload.card_of(options.checkpoint, options.license)  # before the work
        cost = export(options.checkpoint, options.text, not options.float, options.window)
        path = options.checkpoint / format.GRAPH
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB; {cost}")
        if options.push_to_hub:
            address = upload.push(options.checkpoint, options.push_to_hub, options.license, options.public)
            print(f"uploaded: {address}")
    except (InputError, OSError, UnicodeDecodeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return door.FAILED
    return 0


if __name__ == "__main__":
    sys.exit(door.enter(main))
