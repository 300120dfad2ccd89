"""What the text after the cursor is worth: `python tests/benchmarks/middles.py FOLDER … --models FOLDER …`.

Asks models for whole lines at random places of some projects, as the server would at their starts: without the text
below the line, and with it. Prints nats a token of those lines for each model, and the differences from the first one,
with 95 % intervals that are drawn over files. The same tokens count everywhere; no memory takes part.
"""

import argparse
import random
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from benchmarks.fit_memory import random_lines
from numpy.typing import NDArray

from lineahead.engine.engine import Engine
from lineahead.engine.open import BUNDLED_MODEL, load_engine
from lineahead.suggest import prompt

SAMPLES = 2_000
CONDITIONS = ("nothing below", "with what is below")


def nats(engine: Engine, before: str, line: str, after: str) -> tuple[float, int]:
    """What a line costs behind a text and above another one, and its tokens: from the one with the line end on."""
    vocabulary = engine.vocabulary
    asked = prompt.build(before + line, vocabulary, engine.context_window_size, after)
    assert asked is not None
    assert not asked.required
    tokens = asked.token_ids
    ends = [position for position, token in enumerate(tokens) if b"\n" in vocabulary.token_bytes[token]]
    start = max(1, ends[-1])
    return -sum(engine.log_probabilities(tokens)[start - 1 :]), len(tokens) - start


def look(model: Path, folders: list[Path], lines: int, seed: int) -> dict[tuple[str, Path], NDArray[np.float64]]:
    """Of each file that was drawn: tokens, and nats under both CONDITIONS."""
    engine = load_engine(model)
    found: dict[tuple[str, Path], NDArray[np.float64]] = defaultdict(lambda: np.zeros(3))
    for folder in folders:
        for path, text, number in random_lines(folder, lines, seed):
            before, line = "".join(text[:number]), text[number].rstrip("\r\n")
            after = text[number][len(line) :] + "".join(text[number + 1 :])
            if not before.strip() or not after.strip() or len(line) > 400:
                continue
            (alone, tokens), (below, again) = (nats(engine, before, line, rest) for rest in ("", after))
            if tokens == again:  # not where a budget cuts the line itself
                found[folder.name, path] += tokens, alone, below
    return dict(found)


def rate(files: NDArray[np.float64]) -> NDArray[np.float64]:
    """(files, 3) of `look` → nats a token under both CONDITIONS (2,)."""
    total = files.sum(axis=0)
    rates: NDArray[np.float64] = total[1:] / total[0]
    return rates


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--models", type=Path, nargs="+", default=[BUNDLED_MODEL], metavar="FOLDER")
    parser.add_argument("--lines", type=int, default=200, help="of each folder (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    prompt.HEALED_BYTES = 0  # all of the line is there
    seen = [look(model, options.folders, options.lines, options.seed) for model in options.models]
    files = sorted(set.intersection(*(set(one) for one in seen)))
    tables = [np.stack([one[file] for file in files]) for one in seen]
    assert all(np.array_equal(table[:, 0], tables[0][:, 0]) for table in tables), "the models have other tokens"
    draw = random.Random(0)
    samples = [draw.choices(range(len(files)), k=len(files)) for _ in range(SAMPLES)]
    print(f"{int(tables[0][:, 0].sum()):,} tokens of lines in {len(files)} files\n")
    print(f"| nats a token | {' | '.join(CONDITIONS)} | difference of the two |\n| --- | --- | --- | --- |")
    for model, table in zip(options.models, tables, strict=True):
        alone, below = rate(table)
        gains = [np.subtract(*rate(table[sample])[::-1]) for sample in samples]
        low, high = np.percentile(gains, [2.5, 97.5])
        print(f"| {model.name} | {alone:.3f} | {below:.3f} | {below - alone:+.3f} ({low:+.3f} … {high:+.3f}) |")
        if table is not tables[0]:
            drawn = [rate(table[sample]) - rate(tables[0][sample]) for sample in samples]
            lows, highs = np.percentile(drawn, [2.5, 97.5], axis=0)
            shown = [
                f"{one:+.3f} ({low:+.3f} … {high:+.3f})"
                for one, low, high in zip(rate(table) - rate(tables[0]), lows, highs, strict=True)
            ]
            print(f"| against {options.models[0].name} | {' | '.join(shown)} | |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
