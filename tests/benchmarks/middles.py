"""What the text after the cursor is worth: `python tests/benchmarks/middles.py FOLDER … --models FOLDER …`.

Asks models for whole lines at random places of some projects, as the server would at their starts: without the text
below the line, and with it. Prints nats a token of those lines for each model. With --against, as many other models,
each is held against its partner (the same seed, say), and all pairs together, with 95 % intervals that are drawn over
files, and for the mean over pairs, too. The same tokens count everywhere; no memory takes part. With --json, the nats
of each file are written, with the hashes of all that was measured.
"""

import argparse
import json
import sys
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.fit_memory import random_lines
from numpy.typing import NDArray

from lineahead.engine.engine import Engine
from lineahead.engine.open import BUNDLED_MODEL, load_engine
from lineahead.suggest import prompt
from training import format
from training.report import measures, results

CODE = (
    "tests/benchmarks/fit_memory.py",
    "tests/benchmarks/middles.py",
    "server/lineahead/engine/onnx.py",
    "server/lineahead/suggest/prompt.py",
)
CONDITIONS = ("nothing below", "with what is below")
Files = dict[tuple[str, str], NDArray[np.float64]]
"""Of each file of a project: tokens, and nats under both CONDITIONS (3,)."""


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


def look(folders: list[Path], lines: int, seed: int, model: Path) -> Files:
    """What a model makes of the files that were drawn."""
    prompt.HEALED_BYTES = 0  # all of the line is there
    engine = load_engine(model)
    found: Files = defaultdict(lambda: np.zeros(3))
    for folder in folders:
        for path, text, number in random_lines(folder, lines, seed):
            before, line = "".join(text[:number]), text[number].rstrip("\r\n")
            after = text[number][len(line) :] + "".join(text[number + 1 :])
            if not before.strip() or not after.strip() or len(line) > 400:
                continue
            (alone, tokens), (below, again) = (nats(engine, before, line, rest) for rest in ("", after))
            if tokens == again:  # not where a budget cuts the line itself
                found[folder.name, path.relative_to(folder).as_posix()] += tokens, alone, below
    return dict(found)


def rates(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    """(models, files, 3) as in Files → nats a token, first as measured, then with files drawn anew, the same ones for
    all models: (1 + SAMPLES, models, conditions)."""
    generator, files = np.random.default_rng(0), tables.shape[1]
    draws = generator.multinomial(files, np.full(files, 1 / files), size=measures.SAMPLES)
    total = np.einsum("sf,mfc->smc", np.vstack([np.ones((1, files)), draws]), tables)
    return np.asarray(total[..., 1:] / total[..., :1])


def mean_over_pairs(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """(1 + SAMPLES, pairs, conditions) → (1 + SAMPLES, conditions); the samples draw pairs anew, too."""
    generator, pairs = np.random.default_rng(1), differences.shape[1]
    draws = np.vstack(
        [np.ones((1, pairs)), generator.multinomial(pairs, np.full(pairs, 1 / pairs), size=measures.SAMPLES)]
    )
    return np.asarray(np.einsum("sp,spc->sc", draws / pairs, differences))


def with_interval(samples: NDArray[np.float64]) -> str:
    """A number as measured, and the interval of the samples behind it (1 + SAMPLES,)."""
    found = measures.estimate(samples[0], samples[1:])
    return f"{found.value:+.3f} ({found.low:+.3f} … {found.high:+.3f})"


def row(name: str, differences: NDArray[np.float64]) -> str:
    """A row of the table: differences (1 + SAMPLES, conditions), and what is between the conditions."""
    alone, below = differences.T
    return f"| {name} | {with_interval(alone)} | {with_interval(below)} | {with_interval(below - alone)} |"


def described(model: Path, found: Files) -> dict[str, Any]:
    """A model's origin and what was measured of it, as plain data."""
    about = json.loads((model / format.PROVENANCE).read_text(encoding="utf-8"))
    projects: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for (project, file), (tokens, *costs) in sorted(found.items()):
        measured = dict(zip(CONDITIONS, (round(cost, 3) for cost in costs), strict=True))
        projects[project].append({"file": file, "tokens": int(tokens), "nats": measured})
    return {
        "name": model.name,
        "sha256": results.sha256(model / format.GRAPH),
        **{name: about[name] for name in ("command", "progress", "evaluation")},
        "projects": projects,
    }


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--models", type=Path, nargs="+", default=[BUNDLED_MODEL], metavar="FOLDER")
    parser.add_argument("--against", type=Path, nargs="+", default=[], metavar="FOLDER")
    parser.add_argument("--lines", type=int, default=200, help="of each folder (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    if options.against and len(options.against) != len(options.models):
        parser.error(f"expected as many --against as --models ({len(options.models)}), found {len(options.against)}")
    models: list[Path] = [*options.models, *options.against]
    with ProcessPoolExecutor(options.processes) as executor:
        seen = list(executor.map(partial(look, options.folders, options.lines, options.seed), models))
    files = sorted(set.intersection(*map(set, seen)))
    tables = np.stack([[one[file] for file in files] for one in seen])
    assert np.all(tables[:, :, 0] == tables[0, :, 0]), "the models have other tokens"
    if options.json:
        results.write(
            options.json,
            command=" ".join(["python", "tests/benchmarks/middles.py", *(folder.name for folder in options.folders),
                              *("--models", *(model.name for model in options.models)),
                              *(("--against", *(model.name for model in options.against)) if options.against else ()),
                              f"--lines {options.lines} --seed {options.seed}"]),
            date=datetime.now(UTC).date().isoformat(),
            code=CODE,
            projects={folder.name: results.sha256_of_tree(folder) for folder in options.folders},
            models=[described(model, found) for model, found in zip(models, seen, strict=True)],
        )  # fmt: skip
    print(f"{int(tables[0, :, 0].sum()):,} tokens of lines in {len(files)} files\n")
    print(f"| nats a token | {' | '.join(CONDITIONS)} | difference of the two |\n| --- | --- | --- | --- |")
    drawn = rates(tables)
    for model, (alone, below) in zip(models, drawn.transpose(1, 2, 0), strict=True):
        print(f"| {model.name} | {alone[0]:.3f} | {below[0]:.3f} | {with_interval(below - alone)} |")
    if options.against:
        first, second = np.split(drawn, 2, axis=1)
        for number, (one, other) in enumerate(zip(options.models, options.against, strict=True)):
            print(row(f"{one.name} against {other.name}", first[:, number] - second[:, number]))
        print(row("mean of all pairs", mean_over_pairs(first - second)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
