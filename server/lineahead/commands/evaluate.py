"""How good the suggestions are on somebody's code: `lineahead evaluate FOLDER … [--places N] [--against none|FOLDER]`.

Takes random places inside lines and at their starts, hides the rest of the line, and asks the policy in this process,
each place seeing only the rest of its project: the file's own copy in the memory is left out. With --typing the text
after the cursor's line is hidden too, as when one writes downwards. Intervals are of 95 %, by a bootstrap over files.
"""

import argparse
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from lineahead.engine.engine import Engine
from lineahead.engine.errors import ModelError
from lineahead.engine.open import BUNDLED_MODEL, load_engine
from lineahead.memory import mixture
from lineahead.memory.files import MOST_BYTES, is_learnable, read_folders
from lineahead.memory.memory import NO_MEMORY, Memory, ProjectMemory
from lineahead.place import LINE, Place
from lineahead.settings import Settings
from lineahead.suggest.policy import complete

KINDS = ("inside", "start")
LONG = 12  # characters: more than a name
SAMPLES = 1000  # of the bootstrap
BINS = 10  # of the calibration
ONE_WORD = re.compile(r"\W*\w*")


@dataclass(frozen=True)
class Outcome:
    """What came of one place."""

    file: str
    kind: str
    exact: bool
    """Whether the first suggestion of an explicit request is the whole rest of the line."""
    shown: str
    """What is shown unasked; "" for nothing."""
    right: bool
    """Whether the line goes on with what is shown."""
    right_characters: int
    wrong_characters: int
    confidence: float
    reason: str
    milliseconds: float


def places_in(
    folder: Path, count: int, typing: bool, choose: random.Random, only: frozenset[Path] | None = None
) -> list[tuple[str, Place, str]]:
    """Random places of each kind in the Python files of a folder, with the rest of the line that was there.

    `only` names the files that count, where not all do.
    """
    files = [path for path in sorted(folder.rglob("*.py")) if 0 < path.stat().st_size <= MOST_BYTES]
    files = [path for path in files if only is None or path in only]
    texts = {path: path.read_text(encoding="utf-8", errors="replace") for path in files}
    files = [path for path in files if is_learnable(path.name, texts[path])]
    found: list[tuple[str, Place, str]] = []
    tries = 0
    while files and len(found) < 2 * count and (tries := tries + 1) < 100 * count:
        path, kind = choose.choice(files), KINDS[len(found) % 2]
        lines = LINE.findall(texts[path])
        number = choose.randrange(len(lines))
        line = lines[number].rstrip("\r\n")
        code = line.strip()
        if not code or code.startswith("#"):
            continue
        indentation = len(line) - len(line.lstrip())
        column = indentation if kind == "start" else choose.randrange(indentation + 1, max(len(line), indentation + 2))
        before, after = "".join(lines[:number]), "".join(lines[number + 1 :])
        ending = lines[number][len(line) :]
        text = before + line[:column] + ("" if typing else ending + after)
        if line[column:].strip():
            found.append((kind, Place(text, len(before) + column, path=str(path)), line[column:].rstrip()))
    return found


def judge(kind: str, place: Place, truth: str, engine: Engine, memory: Memory, settings: Settings) -> Outcome:
    """Ask for a place as typing does, and by name."""
    began = time.perf_counter()
    unasked = complete(place, settings, engine, memory=memory)
    milliseconds = 1000 * (time.perf_counter() - began)
    asked = complete(replace(place, explicit=True), settings, engine, memory=memory)
    shown = unasked.suggestions[0].text.partition("\n")[0] if unasked.suggestions else ""
    agreed = next(
        (i for i, (a, b) in enumerate(zip(shown, truth, strict=False)) if a != b), min(len(shown), len(truth))
    )
    return Outcome(
        place.path, kind, bool(asked.suggestions) and asked.suggestions[0].text.partition("\n")[0].rstrip() == truth,
        shown, bool(shown) and truth.startswith(shown), agreed if shown and agreed == len(shown) else 0,
        len(shown) if agreed < len(shown) else 0, unasked.suggestions[0].confidence if shown else 0.0,
        str(unasked.reason or ""), milliseconds,
    )  # fmt: skip


MEASURES: dict[str, Callable[[Sequence[Outcome]], float]] = {
    "exact, asked for": lambda outcomes: share(outcome.exact for outcome in outcomes),
    "shown": lambda outcomes: share(bool(outcome.shown) for outcome in outcomes),
    "right as far as shown": lambda outcomes: share(outcome.right for outcome in outcomes if outcome.shown),
    "one word only": lambda outcomes: share(
        ONE_WORD.fullmatch(outcome.shown) is not None for outcome in outcomes if outcome.shown
    ),
    f"right, {LONG} characters or more": lambda outcomes: share(
        outcome.right_characters >= LONG for outcome in outcomes
    ),
    "characters right, a place": lambda outcomes: mean([outcome.right_characters for outcome in outcomes]),
    "characters wrong, a place": lambda outcomes: mean([outcome.wrong_characters for outcome in outcomes]),
    "calibration error": lambda outcomes: calibration_error([outcome for outcome in outcomes if outcome.shown]),
}


def share(truths: object) -> float:
    """How many of some truth values are true, from 0 to 1."""
    return mean([float(bool(truth)) for truth in truths])  # type: ignore[attr-defined]


def mean(numbers: Sequence[float]) -> float:
    """The mean; not a number of none."""
    return float(np.mean(numbers)) if len(numbers) else float("nan")


def calibration_error(outcomes: Sequence[Outcome]) -> float:
    """The mean difference between confidence and share of right ones, over bins of like confidence."""
    if not outcomes:
        return float("nan")
    bins = np.minimum((np.array([outcome.confidence for outcome in outcomes]) * BINS).astype(int), BINS - 1)
    error = 0.0
    for number in np.unique(bins):
        inside = [outcome for outcome, where in zip(outcomes, bins, strict=True) if where == number]
        error += len(inside) * abs(mean([o.confidence for o in inside]) - share(o.right for o in inside))
    return error / len(outcomes)


def interval(outcomes: Sequence[Outcome], measure: Callable[[Sequence[Outcome]], float]) -> tuple[float, float]:
    """The 95 % interval of a measure, by drawing files."""
    by_file: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_file.setdefault(outcome.file, []).append(outcome)
    groups, draw = list(by_file.values()), random.Random(0)
    values = [measure([o for group in draw.choices(groups, k=len(groups)) for o in group]) for _ in range(SAMPLES)]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def evaluate(folders: list[Path], model: Path, options: argparse.Namespace, memory: str = "project") -> list[Outcome]:
    """Judge the same places, whatever model and memory."""
    engine = load_engine(model)
    gate, problem = mixture.read(model)
    if problem:
        print(problem, file=sys.stderr)
    outcomes: list[Outcome] = []
    for folder in folders:
        known = ProjectMemory(gate)
        read_folders([folder], known)
        known.index(engine.vocabulary)
        places = places_in(folder, options.places, options.typing, random.Random(options.seed), _only(options.only))
        for kind, place, truth in islice(places, 2 * options.places):
            asked = known if memory == "project" else NO_MEMORY
            outcomes.append(judge(kind, place, truth, engine, asked, Settings(confidence=options.confidence)))
            print(f"\r{folder.name}: {len(outcomes)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return outcomes


def _only(listed: Path | None) -> frozenset[Path] | None:
    return frozenset(map(Path, listed.read_text(encoding="utf-8").splitlines())) if listed else None


def table(outcomes: list[Outcome]) -> str:
    """All measures, by kind of place, with their intervals."""
    rows = ["| | inside a line | at a line's start | all |", "| --- | --- | --- | --- |"]
    parts = [*([o for o in outcomes if o.kind == kind] for kind in KINDS), outcomes]
    rows.append("| places | " + " | ".join(str(len(part)) for part in parts) + " |")
    for name, measure in MEASURES.items():
        cells = []
        for part in parts:
            low, high = interval(part, measure)
            cells.append(f"{measure(part):.3f} ({low:.3f} … {high:.3f})")
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    times = [np.percentile([o.milliseconds for o in part], [50, 95]) for part in parts]
    rows.append(
        "| milliseconds, median / 95th percentile | " + " | ".join(f"{a:.0f} / {b:.0f}" for a, b in times) + " |"
    )
    reasons = Counter(o.reason for o in outcomes if o.reason)
    return "\n".join(
        [*rows, "", "silent: " + ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())]
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="lineahead evaluate", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--places", type=int, default=100, help="of each kind in each folder (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--typing", action="store_true", help="hide the text after the cursor's line, too")
    parser.add_argument("--only", type=Path, metavar="FILE", help="a list of files, one a line: places in these alone")
    parser.add_argument("--memory", choices=["project", "none"], default="project", help="default: %(default)s")
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL, metavar="FOLDER")
    parser.add_argument("--against", metavar="none|FOLDER", help="compare with no memory, or with another model")
    parser.add_argument("--confidence", type=float, default=Settings().confidence, help="the setting")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every outcome here")
    options = parser.parse_args(arguments)
    folders = [folder.resolve() for folder in options.folders]
    try:
        outcomes = evaluate(folders, options.model, options, options.memory)
        others = None
        if options.against == "none":
            others = evaluate(folders, options.model, options, memory="none")
        elif options.against:
            others = evaluate(folders, Path(options.against), options, options.memory)
    except (ModelError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if not outcomes:
        print("error: expected Python files with code in the folders, found none", file=sys.stderr)
        return 2
    print(table(outcomes))
    if others is not None:
        print(f"\nagainst {options.against}:\n\n{table(others)}\n")
        for kind in KINDS:
            pairs = [(a.exact, b.exact) for a, b in zip(outcomes, others, strict=True) if a.kind == kind]
            print(f"{kind}: won {sum(a and not b for a, b in pairs)}, lost {sum(b and not a for a, b in pairs)}")
    if options.json:
        options.json.write_text(
            json.dumps([asdict(outcome) for outcome in outcomes], indent=0) + "\n", encoding="utf-8"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
