"""What the memory is worth in training: `python tests/benchmarks/memory_worth.py FOLDER … --models FOLDER …`.

Looks at the same random lines of each folder with several checkpoints of one model, trained on more and more tokens,
each alone, with Witten and Bell's constants, with the gate, and with the gate where the memory does not see the text
below the line. Writes the bits of each file as JSON, with the hashes of all that was measured, for the report.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks import fit_memory
from benchmarks.fit_memory import Seen, evidence, predictions, random_lines
from numpy.typing import NDArray

from lineahead.engine.onnx import OnnxEngine
from lineahead.engine.open import BUNDLED_MODEL, load_engine
from lineahead.memory import mixture
from lineahead.memory.files import read_folders
from lineahead.memory.memory import ProjectMemory
from lineahead.memory.mixture import DEFAULT, Gate
from lineahead.place import Place
from training import format
from training.report import results

CODE = (
    "tests/benchmarks/fit_memory.py",
    "tests/benchmarks/memory_worth.py",
    "server/lineahead/engine/onnx.py",
    "server/lineahead/engine/sampling.py",
    "server/lineahead/memory/memory.py",
    "server/lineahead/memory/mixture.py",
    "server/lineahead/memory/ngrams.py",
)
CONDITIONS = ("alone", "constants", "gate", "gate, nothing below")


def bits(model: list[float], rows: list[NDArray[np.float32]], gate: Gate) -> float:
    """Bits of tokens, given the model's probabilities and the contexts' evidence."""
    seen = Seen(torch.tensor(model), torch.from_numpy(np.stack(rows)), 1)
    return fit_memory.bits(seen, gate)


def look(engine: OnnxEngine, memory: ProjectMemory, folder: Path, lines: int, seed: int) -> Iterator[dict[str, Any]]:
    """For each file of a project that was drawn: its lines, tokens, bytes, and bits under all CONDITIONS."""
    vocabulary, gate = engine.vocabulary, mixture.read(BUNDLED_MODEL)[0]
    files: dict[Path, list[tuple[list[str], int]]] = defaultdict(list)
    for path, text, number in random_lines(folder, lines, seed):
        files[path].append((text, number))
    for path in sorted(files):
        model: list[float] = []
        with_all: list[NDArray[np.float32]] = []
        with_above: list[NDArray[np.float32]] = []
        size = 0
        for text, number in files[path]:
            before = "".join(text[:number])
            places = (Place("".join(part), len(before), path=str(path)) for part in (text, text[: number + 1]))
            everything, above = (memory.contexts(place, vocabulary) for place in places)
            for sequence, thinks in predictions(engine, before, text[number].rstrip("\r\n")):
                token = sequence[-1]
                size += len(vocabulary.token_bytes[token])
                model.append(float(thinks.probabilities[token]))
                with_all.append(evidence(everything(sequence[:-1]), token, thinks))
                with_above.append(evidence(above(sequence[:-1]), token, thinks))
        alone = fit_memory.bits(Seen(torch.tensor(model), torch.empty(0), 1), None)
        mixed = [bits(model, with_all, DEFAULT), bits(model, with_all, gate), bits(model, with_above, gate)]
        yield {
            "file": path.relative_to(folder).as_posix(),
            "lines": len(files[path]),
            "tokens": len(model),
            "bytes": size,
            "bits": dict(zip(CONDITIONS, (round(number, 3) for number in (alone, *mixed)), strict=True)),
        }


def look_at(folders: list[Path], lines: int, seed: int, model: Path) -> dict[str, list[dict[str, Any]]]:
    """What a model, on one thread, makes of each project."""
    torch.set_num_threads(1)
    engine, found = load_engine(model), {}
    assert isinstance(engine, OnnxEngine)
    for project in (folder.resolve() for folder in folders):
        memory = ProjectMemory()
        read_folders([project], memory)
        memory.index(engine.vocabulary)
        found[project.name] = list(look(engine, memory, project, lines, seed))
        print(f"{model}: {project.name} done", flush=True)
    return found


def tokens_trained_on(folder: Path) -> int:
    """Of a checkpoint, with those of the checkpoints that it went on from, from its provenance."""
    about = json.loads((folder / format.PROVENANCE).read_text(encoding="utf-8"))
    return sum(int(run["progress"]["tokens"]) for run in (about, *about["before"]))


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--models", type=Path, nargs="+", default=[BUNDLED_MODEL], metavar="FOLDER")
    parser.add_argument("--tokens", type=int, nargs="+", metavar="N", help="that each was trained on, where not known")
    parser.add_argument("--lines", type=int, default=250, help="of each folder (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, default=results.FOLDER / results.MEMORY, metavar="FILE")
    options = parser.parse_args()
    tokens = options.tokens or [tokens_trained_on(folder) for folder in options.models]
    with ProcessPoolExecutor(len(tokens)) as executor:
        projects = executor.map(partial(look_at, options.folders, options.lines, options.seed), options.models)
        models = [
            {"tokens": number, "sha256": results.sha256(folder / format.GRAPH), "projects": found}
            for folder, number, found in zip(options.models, tokens, projects, strict=True)
        ]
    folders, counts = " ".join(folder.name for folder in options.folders), " ".join(map(str, tokens))
    results.write(
        options.json,
        command=f"python tests/benchmarks/memory_worth.py {folders} --models {'… ' * len(tokens)}--tokens {counts} "
        f"--lines {options.lines} --seed {options.seed}",
        date=datetime.now(UTC).date().isoformat(),
        code=CODE,
        projects={path.name: results.sha256_of_tree(path) for path in options.folders},
        gate=results.sha256_of_text(BUNDLED_MODEL / format.GATE),
        models=models,
    )
    print(f"written: {options.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
