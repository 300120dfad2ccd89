"""How good the suggestions are on somebody's code: `lineahead evaluate PATH … [--places N] [--against lookup]`.

Takes random places inside lines and at their starts, in the files that the server would learn from, hides the rest of
the line, and asks the policy in this process, each place seeing only the rest of its project: the file's own copy in
the memory is left out. With --typing the text after the cursor's line is hidden too, as when one writes downwards.
Intervals are of 95 %, by a bootstrap over files.
"""

import argparse
import json
import random
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

from lineahead.commands.measures import KINDS, Outcome, draw, table
from lineahead.commands.opened import learnable, learned, named, no_code, number, open_model
from lineahead.engine.engine import Engine
from lineahead.engine.errors import ModelError
from lineahead.engine.open import BUNDLED_MODEL
from lineahead.memory.memory import NO_MEMORY, Memory
from lineahead.place import LINE, Place
from lineahead.settings import Settings
from lineahead.suggest import prompt
from lineahead.suggest.judgement import Judgement
from lineahead.suggest.policy import Suggestion, complete

Drawn = dict[Path, list[tuple[str, Place, str]]]
"""Of each path that is named: kinds of places, places, and the rests of their lines."""


def places_in(
    path: Path, count: int, typing: bool, choose: random.Random, only: frozenset[Path] | None = None
) -> list[tuple[str, Place, str]]:
    """Random places of each kind in a Python file or those of a folder, with the rest of the line that was there.

    `only` names the files that count, where not all do.
    """
    texts = learnable([path], only)
    files = list(texts)
    found: list[tuple[str, Place, str]] = []
    tries = 0
    while files and len(found) < 2 * count and (tries := tries + 1) < 100 * count:
        file, kind = choose.choice(files), KINDS[len(found) % 2]
        lines = LINE.findall(texts[file])
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
            found.append((kind, Place(text, len(before) + column, path=str(file)), line[column:].rstrip()))
    return found


def judge(
    kind: str, place: Place, truth: str, engine: Engine, memory: Memory, settings: Settings, judges: Judgement
) -> Outcome:
    """Ask for a place as typing does, and by name."""
    began = time.perf_counter()
    unasked = complete(place, settings, engine, memory=memory, judgement=judges)
    milliseconds = 1000 * (time.perf_counter() - began)
    asked = complete(replace(place, explicit=True), settings, engine, memory=memory, judgement=judges)
    first = asked.suggestions[0].text if asked.suggestions else ""
    shown = unasked.suggestions[0] if unasked.suggestions else None
    return _outcome(kind, place, truth, first, shown, str(unasked.reason or ""), milliseconds)


def look_up(kind: str, place: Place, truth: str, engine: Engine, memory: Memory) -> Outcome:
    """The floor: the line that followed the longest same text in the project, shown wherever there is one."""
    began = time.perf_counter()
    before = place.text[: place.offset]
    asked = prompt.build(before, engine.vocabulary, engine.context_window_size, place.text[place.offset :])
    lines = memory.lines(place, engine.vocabulary, asked.token_ids, asked.required) if asked else []
    texts = [engine.vocabulary.spelling(line.token_ids) for line in lines[:1]]
    text = texts[0][len(asked.required) :].decode("utf-8", errors="replace") if texts and asked else ""
    shown = Suggestion(text, "", lines[0].seen / lines[0].of) if text.strip() else None
    return _outcome(kind, place, truth, text, shown, "", 1000 * (time.perf_counter() - began))


def _outcome(
    kind: str, place: Place, truth: str, first: str, suggestion: Suggestion | None, reason: str, milliseconds: float
) -> Outcome:
    shown = suggestion.text.partition("\n")[0] if suggestion else ""
    right = bool(shown) and truth.startswith(shown)
    return Outcome(
        place.path, kind, bool(first) and first.partition("\n")[0].rstrip() == truth, shown, right,
        len(shown) if right else 0, 0 if right else len(shown), suggestion.confidence if suggestion else 0.0,
        reason, milliseconds,
    )  # fmt: skip


def evaluate(drawn: Drawn, model: Path, options: argparse.Namespace, by: str = "project") -> list[Outcome]:
    """Judge the places that were drawn in each path; `by` may be "none", without memory, or "lookup"."""
    engine, gate, judges = open_model(model)
    outcomes: list[Outcome] = []
    settings = Settings(confidence=options.confidence)
    for path, places in drawn.items():
        known = learned([path], gate, engine.vocabulary)
        for kind, place, truth in places:
            memory = known if by == "project" else NO_MEMORY
            outcomes.append(
                look_up(kind, place, truth, engine, known)
                if by == "lookup"
                else judge(kind, place, truth, engine, memory, settings, judges)
            )
            print(f"\r{path.name}: {len(outcomes)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return outcomes


def _only(listed: Path | None) -> frozenset[Path] | None:
    return frozenset(map(Path, listed.read_text(encoding="utf-8").splitlines())) if listed else None


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        paths = named(options.paths)  # a place knows its own file by its whole path
        only = _only(options.only)
        # Once, whatever is compared: files may change meanwhile.
        drawn = {
            path: places_in(path, options.places, options.typing, random.Random(options.seed), only) for path in paths
        }
        outcomes = evaluate(drawn, options.model, options, options.memory)
        others = None
        if options.against in ("none", "lookup"):
            others = evaluate(drawn, options.model, options, options.against)
        elif options.against:
            others = evaluate(drawn, Path(options.against), options, options.memory)
        if not outcomes:
            print(f"error: {no_code(paths)}", file=sys.stderr)
            return 2
        print(table(outcomes))
        if others is not None:
            print(f"\nagainst {options.against}:\n\n{table(others)}\n")
            for kind in KINDS:
                pairs = [(a.exact, b.exact) for a, b in zip(outcomes, others, strict=True) if a.kind == kind]
                print(f"{kind}: won {sum(a and not b for a, b in pairs)}, lost {sum(b and not a for a, b in pairs)}")
        if options.json:
            rows = [asdict(outcome) for outcome in outcomes]
            options.json.write_text(json.dumps(rows, indent=0) + "\n", encoding="utf-8")
        if options.png:
            draw(outcomes, options.png)
    except (ModelError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"error: {error}: --png takes pip install 'lineahead[training]'", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lineahead evaluate", description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file or a folder")
    parser.add_argument(
        "--places", type=number(int, 1), default=100, help="of each kind in each PATH (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--typing", action="store_true", help="hide the text after the cursor's line, too")
    parser.add_argument("--only", type=Path, metavar="FILE", help="a list of files, one a line: places in these alone")
    parser.add_argument("--memory", choices=["project", "none"], default="project", help="default: %(default)s")
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL, metavar="FOLDER")
    against = "compare with no memory, with a lookup of the project alone, or with another model"
    parser.add_argument("--against", metavar="none|lookup|FOLDER", help=against)
    parser.add_argument("--confidence", type=number(float, 0, 1), default=Settings().confidence, help="the setting")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every outcome here")
    parser.add_argument("--png", type=Path, metavar="FILE", help="draw reliability and trade-off here")
    return parser
