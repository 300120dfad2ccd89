"""How often a suggestion is right, by its confidence: `python tests/benchmarks/confidence.py FOLDER [--places N]`.

At random places of random lines of a folder of Python files that the model has not been trained on. Right means that
the file goes on with the very text that is suggested.
"""

import argparse
import random
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from lineahead.engine.open import BUNDLED_MODEL, load_engine
from lineahead.memory.files import read_folders
from lineahead.memory.memory import NO_MEMORY, ProjectMemory
from lineahead.place import LINE, Place
from lineahead.settings import Settings
from lineahead.suggest.policy import complete

MEMORIES = ("none", "file", "project")
BOUNDS = (0.05, 0.15, 0.25, 0.35, 0.5, 0.7, 1.01)


@dataclass(frozen=True)
class Shown:
    confidence: float
    length: int
    right: bool


def ask(folder: Path, places: int, threshold: float, memory: str, seed: int) -> list[Shown]:
    """Suggestions at random places; silent ones are left out. `memory` is one of MEMORIES."""
    engine, choose, found = load_engine(BUNDLED_MODEL), random.Random(seed), []
    settings, project = Settings(confidence=threshold), ProjectMemory()
    if memory == "project":
        read_folders([folder], project)
        project.index(engine.vocabulary)
    files = sorted(folder.rglob("*.py"))
    for _ in tqdm(range(places), unit="place"):
        lines = LINE.findall((file := choose.choice(files)).read_text(encoding="utf-8", errors="replace"))
        number = choose.randrange(len(lines)) if lines else -1
        line = lines[number].rstrip("\r\n") if lines else ""
        if not line.strip():
            continue
        start, typed = len("".join(lines[:number])), choose.randrange(len(line))
        text = "".join(lines)
        edited = text[: start + typed] + text[start + len(line) :]
        answer = complete(
            Place(edited, start + typed, path=str(file)),
            settings,
            engine,
            memory=project if memory != "none" else NO_MEMORY,
        )
        found += [
            Shown(each.confidence, len(each.text), text.startswith(each.text, start + typed))
            for each in answer.suggestions
        ]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--places", type=int, default=1000)
    parser.add_argument("--memory", choices=MEMORIES, default="project", help="what else is known (default: project)")
    parser.add_argument("--seed", type=int, default=1, help="other places (default: %(default)s)")
    options = parser.parse_args()
    print("| threshold | shown | right | mean confidence | characters right | characters wrong |")
    print("| --- | --- | --- | --- | --- | --- |")
    for threshold in BOUNDS[:-1]:
        found = ask(options.folder.resolve(), options.places, threshold, options.memory, options.seed)
        right = [each for each in found if each.right]
        wrong = sum(each.length for each in found if not each.right)
        mean = sum(each.confidence for each in found) / max(1, len(found))
        print(
            f"| {threshold} | {len(found)} of {options.places} | {len(right) / max(1, len(found)):.0%} | {mean:.0%} | "
            f"{sum(each.length for each in right)} | {wrong} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
