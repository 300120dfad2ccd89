"""How surprised a checkpoint is by code: `python -m training.perplexity CHECKPOINT [PATH ...] [--json]`.

Without paths: the splits of the run that made the checkpoint. With paths: those files and folders.
Perplexity is exp of the mean negative log likelihood per token, so it compares models of one tokenizer
only; bits per byte of text compares all.
"""

from training import door  # isort: split

import argparse
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from training import checkpoint, dataset, format, tokenizer
from training.checkpoint import Checkpoint
from training.errors import InputError
from training.format import DOCUMENT_START
from training.ranges import Count, Natural, argument

WINDOWS_A_BATCH = 8
MOST_BYTES = 10_000_000  # of a file


@dataclass(frozen=True)
class Surprise:
    """The likelihood of a text under a model."""

    nats_per_token: float
    perplexity: float
    bits_per_byte: float
    tokens: int
    bytes: int


def measure(opened: Checkpoint, token_ids: Tensor, window: int, stride: int, progress: tqdm | None = None) -> Surprise:  # type: ignore[type-arg]
    """Negative log likelihood of tokens (N,), each but the first predicted from the tokens before it.

    A window of `window` tokens moves on by `stride`; in each, only tokens not counted before are counted,
    so all but the first window's have at least window − stride tokens of context.
    """
    if len(token_ids) < 2:
        raise InputError("nothing to measure: at least two tokens of text are needed")
    lengths = torch.from_numpy(tokenizer.byte_lengths(opened.tokenizer))
    nats = 0.0
    for inputs, targets in _windows(token_ids, window, stride):
        nats += _negative_log_likelihood(opened, inputs, targets)
        if progress is not None:
            progress.update(int((targets >= 0).sum()))
    predicted = token_ids[1:]
    text_bytes = int(lengths[predicted].sum())
    mean = nats / len(predicted)
    bits = format.bits_per_byte(nats, text_bytes)
    return Surprise(mean, math.exp(mean), bits, len(predicted), text_bytes)


def _windows(token_ids: Tensor, window: int, stride: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of inputs and targets (B, window); targets that were counted before, and padding, are −1."""
    rows: list[tuple[Tensor, Tensor]] = []
    counted = 0  # targets 0 … counted − 1 are done; target i is token i + 1
    last = len(token_ids) - 1
    while counted < last:
        end = min(last, window if counted == 0 else counted + stride)
        start = max(0, end - window)
        inputs, targets = token_ids[start:end].long(), token_ids[start + 1 : end + 1].long().clone()
        targets[: counted - start] = -1
        padding = (0, window - len(inputs))
        rows.append((F.pad(inputs, padding), F.pad(targets, padding, value=-1)))
        counted = end
        if len(rows) == WINDOWS_A_BATCH or counted == last:
            yield torch.stack([row[0] for row in rows]), torch.stack([row[1] for row in rows])
            rows = []


@torch.inference_mode()
def _negative_log_likelihood(opened: Checkpoint, inputs: Tensor, targets: Tensor) -> float:
    """The sum in nats over targets that are not −1."""
    logits, _ = opened.model(inputs)
    return float(F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=-1, reduction="sum"))


def measure_splits(opened: Checkpoint, folder: Path, window: int, stride: int, tokens: int) -> dict[str, Surprise]:
    """Measure the start of the run's own train and validation token files, `tokens` of each (0: all)."""
    try:
        data = json.loads((folder / format.PROVENANCE).read_text(encoding="utf-8"))["prepared"]
    except (OSError, ValueError, KeyError):
        raise InputError(
            f"{folder}: no provenance.json that names the prepared corpus; give files or folders to measure"
        ) from None
    prepared = dataset.load(Path(data))
    results = {}
    for split, file in prepared.splits.items():
        part = torch.from_numpy(file.tokens[: tokens or None].astype("int64"))
        with tqdm(total=len(part) - 1, desc=split, unit="token", unit_scale=True) as progress:
            results[split] = measure(opened, part, window, stride, progress)
    return results


def measure_paths(
    opened: Checkpoint, paths: list[Path], window: int, stride: int, what: str | None = None
) -> dict[str, Surprise]:
    """Measure Python files, and all below folders but for what was downloaded or built, one by one, and "all" together.

    What is no text is told and skipped; `what` names the progress bar. Raises InputError where nothing is left.
    """
    files = [file for path in paths for file in _python_files(path)]
    if not files:
        raise InputError(f"no Python files in {', '.join(map(str, paths))}")
    start = opened.tokenizer.special(DOCUMENT_START)
    results = {}
    for file in tqdm(files, desc=what, unit="file"):
        try:
            text = format.read_source(file.resolve(), MOST_BYTES)  # a link that somebody names is meant
        except (OSError, ValueError) as error:
            print(f"skipped {file}: {error}", file=sys.stderr)
            continue
        token_ids = ([] if start is None else [start]) + opened.tokenizer.encode(text)
        if len(token_ids) > 1:
            results[str(file)] = measure(opened, torch.tensor(token_ids), window, stride)
    return {**results, "all": _together(list(results.values()))}


def _python_files(path: Path) -> list[Path]:
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    return sorted(format.python_files(path)) if path.is_dir() else [path]


def _together(parts: list[Surprise]) -> Surprise:
    if not parts:
        raise InputError("nothing to measure: no file holds text that can be read")
    tokens, text_bytes = sum(part.tokens for part in parts), sum(part.bytes for part in parts)
    nats = sum(part.nats_per_token * part.tokens for part in parts)
    return Surprise(nats / tokens, math.exp(nats / tokens), format.bits_per_byte(nats, text_bytes), tokens, text_bytes)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.perplexity", description=__doc__.partition("\n\n")[2])
    parser.add_argument("checkpoint", type=Path, help="a checkpoint folder, such as a run's")
    parser.add_argument("paths", nargs="*", type=Path, help="Python files or folders (default: the run's own splits)")
    parser.add_argument(
        "--stride", type=argument(Count), help="tokens the window moves on by (default: half the window)"
    )
    parser.add_argument(
        "--tokens", type=argument(Natural), default=50_000, help="of each split, 0 for all (default: %(default)s)"
    )
    parser.add_argument(
        "--threads", type=argument(Count), default=1,
        help="to compute with; on a machine that does other work too, more make it slower (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        opened = checkpoint.load(options.checkpoint)
        window = opened.model.context_window_size
        stride = options.stride or max(1, window // 2)
        if stride > window:
            raise InputError(f"--stride: expected 1 … {window} (the model's window), found {stride}")
        if options.paths:
            results = measure_paths(opened, options.paths, window, stride)
        else:
            results = measure_splits(opened, options.checkpoint, window, stride, options.tokens)
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return door.FAILED
    if options.json:
        print(json.dumps({"window": window, "stride": stride, **{name: asdict(s) for name, s in results.items()}}))
        return 0
    print(f"window {window} tokens, stride {stride}")
    print(f"{'nats/token':>10} {'perplexity':>10} {'bits/byte':>9} {'tokens':>10} {'bytes':>11}")
    for name, s in results.items():
        print(
            f"{s.nats_per_token:10.4f} {s.perplexity:10.2f} {s.bits_per_byte:9.4f} {s.tokens:10,} {s.bytes:11,}  {name}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(door.enter(main))
