"""Fit how a model's suggestions are judged: `python tests/benchmarks/fit_judgement.py FOLDER … [--write]`.

Looks at random places of each folder, as `lineahead evaluate` does, half of them with the text after the cursor's line
and half without, and gathers what may be suggested there. Fitted are a logistic model of whether a line goes on with a
text, for every end of it, and a conditional one of which whole line is the right one. Each folder is also judged by
numbers that the others gave, so that what is printed was never fitted. Fit the gate of the memory first.
"""

import argparse
import random
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from lineahead.commands.evaluate import places_in
from lineahead.engine.engine import Engine
from lineahead.engine.open import BUNDLED_MODEL, load_engine
from lineahead.memory import mixture
from lineahead.memory.files import read_folders
from lineahead.memory.memory import ProjectMemory
from lineahead.place import Place
from lineahead.settings import Settings
from lineahead.suggest.ends import ends
from lineahead.suggest.judgement import DEFAULT, FEATURES, Judgement, write
from lineahead.suggest.policy import gather, refusal
from lineahead.suggest.silence import silence
from training.format import JUDGEMENT

DECAY_RIGHT, DECAY_LINE = 1e-4, 1e-2
ITERATIONS = 300


@dataclass(frozen=True)
class Asked:
    """What was gathered at one place."""

    ends: NDArray[np.float32]
    """(N, features): of all ends of the lines that are looked at while typing."""
    right: NDArray[np.bool_]
    """(N,): whether the line went on so."""
    lines: NDArray[np.float32]
    """(M, features): of the whole lines that may be shown on request."""
    exact: NDArray[np.bool_]
    """(M,): whether it was that line."""


def ask(engine: Engine, memory: ProjectMemory, place: Place, truth: str) -> Asked | None:
    """Gather what may be suggested at a place; None where nothing is asked."""
    found = None if silence(place, Settings()) else gather(place, Settings(), engine, lambda: False, memory)
    if found is None:
        return None
    typing, asked = [], {}
    candidates = [found.likeliest, *found.again]
    while_typing = len(candidates)
    for number, candidate in enumerate([*candidates, *found.others]):
        known = ends(place, candidate)
        if number < while_typing:
            typing += [(found.evidence.features(end), truth.startswith(end.text)) for end in known]
        for end in known[-1:]:
            if end.text not in asked and not refusal(place, end, candidate, memory):
                asked[end.text] = found.evidence.features(end), end.text == truth
    if not typing:
        return None
    columns = [list(zip(*rows, strict=True)) or [(), ()] for rows in (typing, asked.values())]
    arrays = [(np.array(x, dtype=np.float32), np.array(y, dtype=bool)) for x, y in columns]
    return Asked(*arrays[0], *arrays[1])


def look(model: Path, places: int, seed: int, folder: Path) -> list[Asked]:
    """Gather what may be suggested at random places of a folder."""
    engine = load_engine(model)
    memory = ProjectMemory(mixture.read(model)[0])
    read_folders([folder], memory)
    memory.index(engine.vocabulary)
    found: list[Asked] = []
    for typing in (False, True):
        drawn = places_in(folder, places // 2, typing, random.Random(seed + typing))
        for _, place, truth in tqdm(drawn, unit="place", desc=folder.name):
            found += filter(None, [ask(engine, memory, place, truth)])
    return found


def fit_right(asked: Sequence[Asked]) -> tuple[float, NDArray[np.float64]]:
    """The doubt and the weights under which what happened is likeliest; each place counts as the root of its ends."""
    rows = np.concatenate([one.ends for one in asked])
    truths = torch.from_numpy(np.concatenate([one.right for one in asked])).float()
    share = np.concatenate([np.full(len(one.ends), len(one.ends) ** -0.5) for one in asked])
    share /= share.mean()
    mean, spread = rows.mean(0), rows.std(0) + 1e-6
    inputs, counts = torch.from_numpy((rows - mean) / spread), torch.from_numpy(share).float()
    weights = torch.zeros(rows.shape[1] + 1, requires_grad=True)

    def loss() -> Tensor:
        judged = nn.functional.binary_cross_entropy_with_logits(
            inputs @ weights[1:] + weights[0], truths, reduction="none"
        )
        return (judged * counts).mean() + DECAY_RIGHT * weights.square().sum()

    _minimise(weights, loss)
    fitted = weights.detach().double().numpy()
    return float((fitted[1:] * mean / spread).sum() - fitted[0]), fitted[1:] / spread


def fit_line(asked: Sequence[Asked]) -> NDArray[np.float64]:
    """The weights under which the right lines are the likeliest ones, where they are among others."""
    asked = [one for one in asked if one.exact.any() and len(one.exact) > 1]
    most = max(len(one.exact) for one in asked)
    rows = np.concatenate([one.lines for one in asked])
    mean, spread = rows.mean(0), rows.std(0) + 1e-6
    inputs, absent = np.zeros((len(asked), most, rows.shape[1]), np.float32), np.full((len(asked), most), -1e9)
    for number, one in enumerate(asked):
        inputs[number, : len(one.lines)] = (one.lines - mean) / spread
        absent[number, : len(one.lines)] = 0
    there, which = torch.from_numpy(inputs), torch.tensor([int(one.exact.argmax()) for one in asked])
    weights = torch.zeros(rows.shape[1], requires_grad=True)
    _minimise(
        weights,
        lambda: (
            nn.functional.cross_entropy(there @ weights + torch.from_numpy(absent).float(), which)
            + DECAY_LINE * weights.square().sum()
        ),
    )
    fitted: NDArray[np.float64] = weights.detach().double().numpy() / spread
    return fitted


def _minimise(weights: Tensor, loss: Callable[[], Tensor]) -> None:
    optimizer = torch.optim.LBFGS([weights], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def step() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(step)  # type: ignore[no-untyped-call]


def fit(asked: Sequence[Asked]) -> Judgement:
    """Fit both models."""
    doubt, right = fit_right(asked)
    line = fit_line(asked)
    return Judgement(
        round(doubt, 4), *(tuple(round(float(number), 4) for number in numbers) for numbers in (right, line))
    )


def score(asked: Sequence[Asked], judgement: Judgement) -> tuple[float, float, float]:
    """Nats of surprise an end, each place alike; calibration error; share of places whose first line is right."""
    surprise, judged, truths = [], [], []
    for one in asked:
        probabilities = np.clip([judgement.probability(row.tolist()) for row in one.ends], 1e-6, 1 - 1e-6)
        surprise.append(-np.log(np.where(one.right, probabilities, 1 - probabilities)).mean())
        judged += probabilities.tolist()
        truths += one.right.tolist()
    bins = np.minimum((np.array(judged) * 10).astype(int), 9)
    error = sum(
        abs(np.array(judged)[bins == number].sum() - np.array(truths)[bins == number].sum()) for number in range(10)
    )
    ranks = [[judgement.rank(row.tolist()) for row in one.lines] for one in asked]
    first = [one.exact[np.argmax(rank)] for one, rank in zip(asked, ranks, strict=True) if rank]
    return float(np.mean(surprise)), error / len(judged), sum(map(bool, first)) / len(asked)


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--places", type=int, default=150, help="of each kind in each folder (default: %(default)s)")
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL, metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--processes", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--write", action="store_true", help="store the numbers with the model")
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    folders = [folder.resolve() for folder in options.folders]
    with ProcessPoolExecutor(options.processes) as executor:
        looked = executor.map(partial(look, options.model, options.places, options.seed), folders)
    asked = dict(zip(options.folders, looked, strict=True))
    print("| folder | places | surprise | calibration error | first line right | | by numbers of the others | | |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for folder in asked if len(asked) > 1 else ():
        others = [one for name, found in asked.items() if name != folder for one in found]
        before, after = score(asked[folder], DEFAULT), score(asked[folder], fit(others))
        cells = [f"{value:.4f}" for value in (*before, *after)]
        print(
            f"| {folder.name} | {len(asked[folder])} | " + " | ".join([*cells[:3], "", *cells[3:]]) + " |", flush=True
        )
    judgement = fit([one for found in asked.values() for one in found])
    for name, right, line in zip(FEATURES, judgement.right, judgement.line, strict=True):
        print(f"{name}: {right:.3f}, {line:.3f}")
    if options.write:
        names = ", ".join(folder.name for folder in asked)
        places = sum(map(len, asked.values()))
        write(options.model, judgement, f"fitted on {places} places of {names}, seed {options.seed}")
        print(f"written: {options.model / JUDGEMENT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
