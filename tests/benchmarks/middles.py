"""What the text after the cursor is worth: `python tests/benchmarks/middles.py FOLDER … --models FOLDER …`.

Asks models for whole lines at random places of some projects, as the server would at their starts: without the text
below the line, and with it (nats a token; the same tokens count everywhere, and no memory takes part). Then asks the
server's policy for the rests of lines, inside them and with the text below: with the memory and without it (how many
are right to their end). With --against, models are held against their partners (the same seed, say), and all pairs
together, with 95 % intervals that are drawn over files, and for the mean over pairs, too. With --json, what came of
each file is written, with the hashes of all that was measured, for the report.
"""

import argparse
import json
import random
import sys
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.fit_memory import random_lines
from numpy.typing import NDArray

import lineahead
from lineahead.commands.evaluate import evaluate, places_in
from lineahead.engine.engine import Engine, Request
from lineahead.engine.open import BUNDLED_MODEL, load_engine
from lineahead.settings import Settings
from lineahead.suggest import prompt
from training import format
from training.report import marks, measures, results
from training.report.marks import CONDITIONS, MEMORY

CODE = (
    "tests/benchmarks/fit_memory.py",
    "tests/benchmarks/middles.py",
    "server/lineahead/engine/onnx.py",
    "server/lineahead/suggest/prompt.py",
)
ByProject = dict[str, list[dict[str, Any]]]


def nats(engine: Engine, before: str, line: str, after: str) -> tuple[float, int]:
    """What a line costs behind a text and above another one, and its tokens: from the one with the line end on."""
    vocabulary = engine.vocabulary
    asked = prompt.build(before + line, vocabulary, engine.context_window_size, after)
    assert asked is not None
    assert not asked.required
    tokens = asked.token_ids
    ends = [position for position, token in enumerate(tokens) if b"\n" in vocabulary.token_bytes[token]]
    start = max(1, ends[-1])
    request = Request(tokens[:start], given=tokens[start:])
    line_tokens = islice(engine.stream(request, lambda: False), len(tokens) - start)
    return -sum(token.log_probability for token in line_tokens), len(tokens) - start


def lines_of(folders: list[Path], count: int, seed: int, model: Path) -> ByProject:
    """What a model makes of whole lines: of each file its tokens, and nats under CONDITIONS."""
    prompt.HEALED_BYTES = 0  # all of the line is there
    engine, found = load_engine(model), {}
    for folder in folders:
        files: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(1 + len(CONDITIONS)))
        for path, text, number in random_lines(folder, count, seed):
            before, line = "".join(text[:number]), text[number].rstrip("\r\n")
            after = text[number][len(line) :] + "".join(text[number + 1 :])
            if not before.strip() or not after.strip() or len(line) > 400:
                continue
            (alone, tokens), (below, again) = (nats(engine, before, line, rest) for rest in ("", after))
            if tokens == again:  # not where a budget cuts the line itself
                files[path.relative_to(folder).as_posix()] += tokens, alone, below
        found[folder.name] = [
            {"file": file, "tokens": int(tokens), "nats": dict(zip(CONDITIONS, np.round(costs, 3), strict=True))}
            for file, (tokens, *costs) in sorted(files.items())
        ]
        print(f"{model.name}: lines of {folder.name} done", file=sys.stderr, flush=True)
    return found


def places_of(folders: list[Path], count: int, seed: int, model: Path) -> ByProject:
    """What the policy makes of places inside lines: of each file their number, and the right ones under MEMORY."""
    drawn = {
        folder: [place for place in places_in(folder, count, False, random.Random(seed)) if place[0] == "inside"]
        for folder in folders
    }
    files: dict[tuple[Path, str], dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for memory, by in zip(MEMORY, ("project", "none"), strict=True):
        for folder, places in drawn.items():
            outcomes = evaluate({folder: places}, model, argparse.Namespace(confidence=Settings().confidence), by)
            for outcome in outcomes:
                files[folder, Path(outcome.file).relative_to(folder).as_posix()][memory].append(outcome.exact)
    return {
        folder.name: [
            {"file": file, "places": len(exact[MEMORY[0]]), "exact": {name: sum(exact[name]) for name in MEMORY}}
            for (project, file), exact in sorted(files.items())
            if project == folder
        ]
        for folder in folders
    }


def described(model: Path, lines: ByProject, places: ByProject) -> dict[str, Any]:
    """A model's origin and what was measured of it, as plain data."""
    about = json.loads((model / format.PROVENANCE).read_text(encoding="utf-8"))
    return {
        "name": model.name,
        "sha256": results.sha256(model / format.GRAPH),
        **{name: about[name] for name in ("command", "progress", "evaluation")},
        "lines": lines,
        "places": places,
    }


def with_interval(samples: NDArray[np.float64]) -> str:
    """A number as measured, and the interval of the samples behind it (1 + S,)."""
    found = measures.estimate(samples[0], samples[1:])
    return f"{found.value:+.3f} ({found.low:+.3f} … {found.high:+.3f})"


def table(models: list[dict[str, Any]], part: str, count: str, values: str, columns: tuple[str, str]) -> str:
    """A row a model: each column by the count, and the second less the first, with its interval."""
    rows = [f"| {values} | {' | '.join(columns)} | difference |\n| --- | --- | --- | --- |"]
    for model in models:
        files = [file for project in model[part].values() for file in project]
        drawn = marks.rates(np.array([[file[count], *(file[values][name] for name in columns)] for file in files]))
        first, second = drawn[0]
        rows.append(f"| {model['name']} | {first:.3f} | {second:.3f} | {with_interval(drawn[:, 1] - drawn[:, 0])} |")
    return "\n".join(rows)


def pairs_table(found: marks.Marks) -> str:
    """A row a pair, and one for all of them: differences between the partners, with their intervals."""
    columns = (*(f"nats, {name}" for name in CONDITIONS), *(f"exact, {name}" for name in MEMORY))
    rows = [f"| difference | {' | '.join(columns)} |\n|{' --- |' * (1 + len(columns))}"]
    drawn = np.concatenate([marks.rates(found.nats), marks.rates(found.exact, 2)], axis=-1)  # (1 + S, 2, P, columns)
    differences = drawn[:, 0] - drawn[:, 1]
    for number, (one, other) in enumerate(found.names):
        rows.append(f"| {one} − {other} | {' | '.join(map(with_interval, differences[:, number].T))} |")
    rows.append(f"| mean | {' | '.join(map(with_interval, marks.mean_over_pairs(differences).T))} |")
    return "\n".join(rows)


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--models", type=Path, nargs="+", default=[BUNDLED_MODEL], metavar="FOLDER")
    parser.add_argument("--against", type=Path, nargs="+", default=[], metavar="FOLDER", help="of the first models")
    parser.add_argument("--lines", type=int, default=200, help="of each folder (default: %(default)s)")
    parser.add_argument("--places", type=int, default=50, help="inside lines of each folder (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    if len(options.against) > len(options.models):
        parser.error(f"expected at most as many --against as --models ({len(options.models)})")
    folders = [folder.resolve() for folder in options.folders]
    paths: list[Path] = [*options.models, *options.against]
    with ProcessPoolExecutor(options.processes) as executor:
        places = executor.map(partial(places_of, folders, options.places, options.seed), paths)
        lines = executor.map(partial(lines_of, folders, options.lines, options.seed), paths)
        models = list(map(described, paths, lines, places))
    names = [model.name for model in paths[: len(options.models)]], [model.name for model in options.against]
    found = {"models": models, "pairs": list(zip(*names, strict=False))}
    if options.json:
        folder_names, asked, against = (" ".join(part) for part in ([folder.name for folder in folders], *names))
        results.write(
            options.json,
            command=f"python tests/benchmarks/middles.py {folder_names} --models {asked} "
            + (f"--against {against} " if against else "")
            + f"--lines {options.lines} --places {options.places} --seed {options.seed}",
            date=datetime.now(UTC).date().isoformat(),
            code=CODE,
            projects={folder.name: results.sha256_of_tree(folder) for folder in folders},
            server=results.sha256_of_tree(Path(lineahead.__file__).parent),
            **found,
        )
    print(table(models, "lines", "tokens", "nats", CONDITIONS), end="\n\n")
    print(table(models, "places", "places", "exact", MEMORY))
    if options.against:
        print("\n" + pairs_table(marks.marks(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
