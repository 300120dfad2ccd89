"""Hold recipes of training against each other: `python tests/benchmarks/recipes.py FOLDER … --recipe NAME RUN … …`.

Measures bits per byte, left to right and without a memory, of the beginnings of random files of some projects that no
run has seen, under each run of each recipe. A window of the run's own size moves on in steps, so that most of it is
full, as it is in use. The first recipe is the one that the others are held against; runs in the same place of two
recipes are a pair (the same seed, say). The report reads what is written, and so does its table, which is printed.
"""

import argparse
import json
import random
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch

from training import checkpoint, dataset, devices, format, perplexity, tokenizer
from training.evaluation import Evaluation, evaluate
from training.format import DOCUMENT_START
from training.processes import Processes
from training.report import recipes, results

CODE = ("tests/benchmarks/recipes.py", "training/perplexity.py")
MOST_CHARACTERS = 8_000  # of a file; not tokens, since vocabularies differ
STRIDE = 128  # tokens
WINDOW, WINDOWS, WINDOWS_A_BATCH = 512, 64, 8  # of the validation text, as the bundled model's runs are evaluated


def measure(folders: list[Path], count: int, seed: int, data: Path, run: Path) -> dict[str, Any]:
    """A run's origin, and what it makes of random files' beginnings and of a corpus's validation text.

    That text is in tokens: nothing is measured of it by a run with another vocabulary.
    """
    torch.set_num_threads(1)
    opened, about = checkpoint.load(run), json.loads((run / format.PROVENANCE).read_text(encoding="utf-8"))
    start, window = opened.tokenizer.special(DOCUMENT_START), opened.model.context_window_size
    projects: dict[str, list[dict[str, Any]]] = {}
    for folder in folders:
        files = sorted(path for path in folder.rglob("*.py") if 200 < path.stat().st_size < 100_000)
        projects[folder.name] = []
        for path in sorted(random.Random(seed).sample(files, min(count, len(files)))):
            text = path.read_text(encoding="utf-8")[:MOST_CHARACTERS]
            found = perplexity.measure(opened, torch.tensor([start, *opened.tokenizer.encode(text)]), window, STRIDE)
            bits = round(found.bits_per_byte * found.bytes, 3)
            projects[folder.name].append(
                {"file": path.relative_to(folder).as_posix(), "bytes": found.bytes, "bits": bits}
            )
        print(f"{run}: {folder.name} done", file=sys.stderr, flush=True)
    prepared, validation = dataset.load(data), None
    if tokenizer.fingerprint(prepared.tokenizer) == tokenizer.fingerprint(opened.tokenizer):
        windows = Evaluation(prepared, WINDOW, WINDOWS, WINDOWS_A_BATCH)
        validation = evaluate(opened.model, windows, "validation", devices.open_compute("cpu", "auto", Processes()))
    return {
        "run": run.name,
        "sha256": results.sha256(run / format.WEIGHTS),
        **{name: about[name] for name in ("command", "progress")},
        "validation": validation and round(validation["bits_per_byte"], 6),
        "projects": projects,
    }


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--recipe", nargs="+", action="append", required=True, metavar=("NAME", "RUN"))
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="a run's prepared corpus")
    parser.add_argument("--files", type=int, default=30, help="of each folder (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, default=results.FOLDER / results.RECIPES, metavar="FILE")
    options = parser.parse_args()
    folders = [folder.resolve() for folder in options.folders]
    runs = [Path(run) for _, *runs in options.recipe for run in runs]
    with ProcessPoolExecutor(options.processes) as executor:
        looked = executor.map(partial(measure, folders, options.files, options.seed, options.data), runs)
        measured = [{"name": name, "runs": [next(looked) for _ in runs]} for name, *runs in options.recipe]
    names = " ".join(folder.name for folder in folders)
    asked = " ".join(f"--recipe {one['name']!r} {' '.join(run['run'] for run in one['runs'])}" for one in measured)
    how = f"--data … --files {options.files} --seed {options.seed}"
    results.write(
        options.json,
        command=f"python tests/benchmarks/recipes.py {names} {asked} {how}",
        date=datetime.now(UTC).date().isoformat(),
        code=CODE,
        projects={folder.name: results.sha256_of_tree(folder) for folder in folders},
        recipes=measured,
    )
    print(
        "| recipe | runs | bits per byte | against the first, % | validation windows |\n| --- | --- | --- | --- | --- |"
    )
    found = recipes.recipes(json.loads(options.json.read_text(encoding="utf-8")))
    for row in recipes.rows(found, recipes.drawn(found)):
        saved = row.difference
        difference = f"{saved.value:+.2f} ({saved.low:+.2f} … {saved.high:+.2f})" if saved else ""
        print(f"| {row.name} | {row.runs} | {row.bits:.4f} | {difference} | {row.validation_text()} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
