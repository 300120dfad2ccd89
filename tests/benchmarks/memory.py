"""What the memory is worth, in bits per byte: `python tests/benchmarks/memory.py FOLDER … [--places N] [--fit]`.

At random lines of Python files that the model has not been trained on: the line's own bits, given the file before it,
by the model alone, with the rest of the file as memory, and with the folder's other files too. `--fit` looks for the
doubts (server/lineahead/memory/memory.py) with which they are fewest.
"""

import argparse
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from lineahead.engine.engine import Engine
from lineahead.engine.open import BUNDLED_MODEL, load_engine
from lineahead.memory.files import read_folders
from lineahead.memory.memory import FILE_DOUBTS, PROJECT_DOUBTS, ProjectMemory
from lineahead.memory.ngrams import LENGTHS
from lineahead.place import LINE, Place

STEPS = (0.5, 0.7, 0.85, 0.95, 1.05, 1.2, 1.5, 2.0)  # that a doubt is multiplied by, to see whether that is better
CONTEXT = 400  # tokens that the model sees before the line


@dataclass(frozen=True)
class Seen:
    """Tokens of lines, and what was known of each."""

    model: NDArray[np.float64]
    """(N,): the model's probability."""
    counts: NDArray[np.float64]
    """(N, project or file, length of context, 3): followers, different ones, and times that this token was it."""
    size: int
    """Bytes of all tokens."""

    def bits_per_byte(self, project: Sequence[float], file: Sequence[float]) -> float:
        """With these doubts; very large ones switch a source off."""
        probability = self.model
        for source, doubts in enumerate((project, file)):
            for length, doubt in enumerate(doubts):
                total, different, right = self.counts[:, source, length].T
                trust = total / np.maximum(total + doubt * different, 1)
                probability = (1 - trust) * probability + trust * right / np.maximum(total, 1)
        return float(-np.log2(probability).sum() / self.size)


def look(engine: Engine, folder: Path, places: int) -> Seen:
    """Ask model and memory about random lines of a folder."""
    vocabulary, memory, choose = engine.vocabulary, ProjectMemory(), random.Random(1)
    read_folders([folder], memory)
    memory.index(vocabulary)
    model: list[float] = []
    counts: list[NDArray[np.float64]] = []
    size = 0
    files = sorted(each for each in folder.rglob("*.py") if each.stat().st_size < 100_000)
    for _ in tqdm(range(places), unit="line", desc=folder.name):
        lines = LINE.findall((path := choose.choice(files)).read_text(encoding="utf-8", errors="replace"))
        number = choose.randrange(1, len(lines)) if len(lines) > 1 else 0
        if not number or not lines[number].strip():
            continue
        before = "".join(lines[:number])
        place = Place("".join(lines), len(before), path=str(path))
        context = vocabulary.encode(before.rstrip("\n"))[-CONTEXT:]
        breaks = before[len(before.rstrip("\n")) :]
        tokens = vocabulary.encode(breaks + lines[number].rstrip("\r\n"))
        found = engine.log_probabilities((context + tokens)[-engine.context_window_size :])
        model += np.exp(found[-len(tokens) :]).tolist()
        size += sum(len(vocabulary.token_bytes[token]) for token in tokens)
        ask = memory.followers(place, vocabulary)
        for position, token in enumerate(tokens):
            each = np.zeros((2, len(LENGTHS), 3))
            for source, followers in enumerate(ask(context + tokens[:position])):
                for length, seen in enumerate(followers):
                    each[source, length] = len(seen), len(np.unique(seen)), np.count_nonzero(seen == token)
            counts.append(each)
    return Seen(np.array(model), np.array(counts), size)


def fit(measure: Callable[[Sequence[float]], float], doubts: list[float]) -> list[float]:
    """The doubts, one changed at a time, until none is better."""
    best, better = measure(doubts), True
    while better:
        better = False
        for place in range(len(doubts)):
            for step in STEPS:
                tried = [*doubts[:place], doubts[place] * step, *doubts[place + 1 :]]
                if (found := measure(tried)) < best - 1e-5:
                    best, doubts, better = found, tried, True
    return doubts


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--places", type=int, default=1000, help="lines of each folder (default: %(default)s)")
    parser.add_argument("--fit", action="store_true", help="find the doubts for these folders")
    options = parser.parse_args()
    engine = load_engine(BUNDLED_MODEL)
    found = {folder: look(engine, folder.resolve(), options.places) for folder in options.folders}
    if options.fit:
        count = len(LENGTHS)
        doubts = fit(
            lambda tried: sum(each.bits_per_byte(tried[:count], tried[count:]) for each in found.values()),
            [*PROJECT_DOUBTS, *FILE_DOUBTS],
        )
        print(f"project: {np.round(doubts[:count], 1).tolist()}; file: {np.round(doubts[count:], 1).tolist()}")
    never = [1e12] * len(LENGTHS)
    print("| folder | model | with the file | with the project |\n| --- | --- | --- | --- |")
    for folder, seen in found.items():
        columns = [
            seen.bits_per_byte(*each) for each in ((never, never), (never, FILE_DOUBTS), (PROJECT_DOUBTS, FILE_DOUBTS))
        ]
        print(f"| {folder.name} | " + " | ".join(f"{each:.3f}" for each in columns) + " |")


if __name__ == "__main__":
    main()
