"""Fit a model's memory gate: `python tests/benchmarks/fit_memory.py FOLDER … [--test FOLDER …] [--write]`.

Looks at random lines of each folder as the server would, each seeing only the rest of its project, and fits how much
each context is to be trusted so that the true tokens become likeliest. Prints bits per byte of the fitted folders, and
of others that took no part, for the model alone, the default gate and the fitted one. With --write the gate is stored
with the model.
"""

import argparse
import math
import random
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from lineahead.engine.engine import Engine, Prediction
from lineahead.engine.onnx import OnnxEngine
from lineahead.engine.open import BUNDLED_MODEL, load_engine
from lineahead.engine.sampling import predict
from lineahead.memory import mixture
from lineahead.memory.files import read_folders
from lineahead.memory.memory import ProjectMemory
from lineahead.memory.mixture import DEFAULT, FEATURES, SOURCES, Gate
from lineahead.memory.ngrams import LENGTHS
from lineahead.place import LINE, Place
from training.format import GATE

CONTEXT = 400  # tokens that the model sees before the line
STEPS, RATE, DECAY = 300, 0.03, 2e-5
EVIDENCE = 2  # columns before the features: whether the context is there, and the share of the true token in it


@dataclass(frozen=True)
class Seen:
    """Tokens of lines, and what was known of each."""

    model: Tensor
    """(N,): the model's probability."""
    contexts: Tensor
    """(N, lengths, sources, 3 + features): there or not; the true token's share; log N − log U; the features."""
    size: int
    """Bytes of all tokens."""


def random_lines(folder: Path, lines: int, seed: int) -> Iterator[tuple[Path, list[str], int]]:
    """Random lines that are not blank, as a file, its lines and a number; a draw that hits a blank one is lost."""
    choose = random.Random(seed)
    files = sorted(path for path in folder.rglob("*.py") if 200 < path.stat().st_size < 100_000)
    for _ in tqdm(range(lines), unit="line", desc=folder.name):
        text = LINE.findall((path := choose.choice(files)).read_text(encoding="utf-8", errors="replace"))
        number = choose.randrange(1, len(text)) if len(text) > 1 else 0
        if number and text[number].strip():
            yield path, text, number


def predictions(engine: OnnxEngine, before: str, line: str) -> Iterator[tuple[list[int], Prediction]]:
    """For each token of a line: the tokens up to it and itself, and what the model thinks of it before it comes."""
    vocabulary = engine.vocabulary
    prompt = vocabulary.encode(before.rstrip("\n"))[-CONTEXT:]
    tokens = vocabulary.encode(before[len(before.rstrip("\n")) :] + line)
    sequence = (prompt + tokens)[-engine.context_window_size :]
    engine.log_probabilities(sequence[: -len(tokens) + 1 or None])  # into the buffers
    for position in range(max(1, len(sequence) - len(tokens)), len(sequence)):
        logits = engine._step(position - 1, sequence[position - 1 : position], 1)[0][: len(vocabulary.token_bytes)]
        yield sequence[: position + 1], predict(logits)


def evidence(contexts: Iterable[mixture.Context], token: int, thinks: Prediction) -> NDArray[np.float32]:
    """What the contexts before a token say of it: (lengths, sources, 3 + features), see Seen."""
    row = np.zeros((len(LENGTHS), len(SOURCES), 3 + len(FEATURES)), np.float32)
    for seen in contexts:
        share = float(seen.counts[seen.token_ids == token].sum() / seen.counts.sum())
        surprises = math.log(seen.total) - math.log(len(seen.token_ids))
        row[seen.length, seen.source] = 1, share, surprises, *mixture.features(seen, thinks)
    return row


def look(engine: Engine, folder: Path, lines: int, seed: int) -> Seen:
    """Ask model and memory about random lines of a folder."""
    vocabulary, memory = engine.vocabulary, ProjectMemory()
    assert isinstance(engine, OnnxEngine)
    read_folders([folder], memory)
    memory.index(vocabulary)
    model: list[float] = []
    rows: list[NDArray[np.float32]] = []
    size = 0
    for path, text, number in random_lines(folder, lines, seed):
        before = "".join(text[:number])
        contexts = memory.contexts(Place("".join(text), len(before), path=str(path)), vocabulary)
        for sequence, thinks in predictions(engine, before, text[number].rstrip("\r\n")):
            token = sequence[-1]
            size += len(vocabulary.token_bytes[token])
            model.append(float(thinks.probabilities[token]))
            rows.append(evidence(contexts(sequence[:-1]), token, thinks))
    return Seen(torch.tensor(model), torch.from_numpy(np.stack(rows)), size)


def likelihood(seen: Seen, doubts: Tensor, weights: Tensor) -> Tensor:
    """Log probabilities (N,) of the true tokens; doubts (sources, lengths), weights (sources, features)."""
    there, share, evidence = seen.contexts[..., 0], seen.contexts[..., 1], seen.contexts[..., 2]
    judged = evidence - doubts.T[None] + (seen.contexts[..., 3:] * weights[None, None]).sum(-1)
    trust = there * torch.sigmoid(judged)
    probability = seen.model
    for length in range(len(LENGTHS)):
        for source in range(len(SOURCES)):
            probability = (1 - trust[:, length, source]) * probability + trust[:, length, source] * share[
                :, length, source
            ]
    return torch.log(probability + 1e-30)


def bits(seen: Seen, gate: Gate | None) -> float:
    """Bits per byte with a gate, or of the model alone."""
    if gate is None:
        return float(-torch.log2(seen.model + 1e-30).sum() / seen.size)
    found = likelihood(seen, torch.tensor(gate.doubts), torch.tensor(gate.weights))
    return float(-found.sum() / math.log(2) / seen.size)


def fit(all_seen: list[Seen], features: bool = True) -> Gate:
    """The gate under which the true tokens of all folders are likeliest."""
    doubts = torch.tensor(DEFAULT.doubts).requires_grad_()
    weights = torch.zeros(len(SOURCES), len(FEATURES), requires_grad=features)
    optimizer = torch.optim.Adam([doubts, *([weights] if features else [])], lr=RATE)
    for _ in tqdm(range(STEPS), desc="fitting", unit="step"):
        loss = torch.stack([-likelihood(seen, doubts, weights).sum() / seen.size for seen in all_seen]).mean()
        loss = loss + DECAY * (weights.square().sum() + (doubts - torch.tensor(DEFAULT.doubts)).square().sum())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def rounded(table: Tensor) -> tuple[tuple[float, ...], ...]:
        return tuple(tuple(round(float(number), 3) for number in row) for row in table)

    return Gate(rounded(doubts.detach()), rounded(weights.detach()))


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--test", type=Path, nargs="+", default=[], metavar="FOLDER", help="measured, not fitted")
    parser.add_argument("--lines", type=int, default=500, help="of each folder (default: %(default)s)")
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL, metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="store the gate with the model")
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    engine = load_engine(options.model)
    seen = {folder: look(engine, folder.resolve(), options.lines, options.seed) for folder in options.folders}
    plain, gate = fit(list(seen.values()), features=False), fit(list(seen.values()))
    if options.write:
        names = ", ".join(folder.name for folder in options.folders)
        mixture.write(options.model, gate, f"fitted on {options.lines} lines each of {names}, seed {options.seed}")
        print(f"written: {options.model / GATE}")
    print("| folder | | model | default | refitted, no features | gate |\n| --- | --- | --- | --- | --- | --- |")
    for folder in (*options.folders, *options.test):
        what = seen.get(folder) or look(engine, folder.resolve(), options.lines, options.seed + 1)
        columns = [bits(what, which) for which in (None, DEFAULT, plain, gate)]
        kind = "fitted" if folder in seen else "unseen"
        print(f"| {folder.name} | {kind} | " + " | ".join(f"{value:.4f}" for value in columns) + " |", flush=True)
    print(f"plain doubts: {plain.doubts}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
