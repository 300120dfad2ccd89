"""Complete one place of one's own: `lineahead complete FILE:LINE:COLUMN`, both counted from 1."""

import argparse
import os
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

from lineahead.commands.opened import learned, named, open_model, source
from lineahead.engine.errors import ModelError
from lineahead.engine.open import BUNDLED_MODEL
from lineahead.place import LINE, Place
from lineahead.reasons import EXPLANATIONS
from lineahead.settings import Settings
from lineahead.suggest.policy import complete

PYTHON = {"", ".py", ".pyi", ".pyw"}  # without an ending it is a script
NUMBER = re.compile(r"[1-9][0-9]{0,8}")
MOST_BYTES = 10_000_000  # of a file in which one place is completed
MOST_SHOWN = 100  # characters of the line on either side
DIM, RESET = "\x1b[2;3m", "\x1b[0m"


def read_place(where: str) -> Place:
    """The place that FILE:LINE:COLUMN names; the column behind a line's last character is its end.

    Raises ValueError for what is no place in a file, and OSError for a file that cannot be read.
    """
    name, line, column = [*where.rsplit(":", 2), "", ""][:3]
    if not NUMBER.fullmatch(line) or not NUMBER.fullmatch(column):
        raise ValueError(f"expected FILE:LINE:COLUMN, both numbers from 1, found {where!r}")
    [path] = named([Path(name)])
    name, text = str(path), source(path, MOST_BYTES)
    lines = [*LINE.findall(text), ""]
    if int(line) > len(lines):
        raise ValueError(f"{name} has {len(lines)} lines, found {where!r}")
    length = len(lines[int(line) - 1].rstrip("\r\n"))
    if int(column) > length + 1:
        raise ValueError(f"line {line} of {name} has {length} characters, found {where!r}")
    return Place(text, sum(map(len, lines[: int(line) - 1])) + int(column) - 1, path=name)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="lineahead complete", description=__doc__)
    parser.add_argument("where", metavar="FILE:LINE:COLUMN")
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL, metavar="FOLDER", help="another checkpoint")
    options = parser.parse_args(arguments)
    try:
        place = read_place(options.where)
        engine, gate, judges = open_model(options.model)
    except (ValueError, OSError, ModelError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if Path(place.path).suffix not in PYTHON:
        print(f"note: {place.path} is taken for Python", file=sys.stderr)
    colour = "NO_COLOR" not in os.environ and ("FORCE_COLOR" in os.environ or bool(sys.stdout and sys.stdout.isatty()))
    memory = learned([Path(place.path)], gate, engine.vocabulary)
    before, after = place.line_before, place.line_after
    before = before if len(before) <= MOST_SHOWN else f"…{before[-MOST_SHOWN:]}"
    after = after if len(after) <= MOST_SHOWN else f"{after[:MOST_SHOWN]}…"
    for name, asked in (("while typing", place), ("asked for", replace(place, explicit=True))):
        began = time.perf_counter()
        answer = complete(asked, Settings(), engine, memory=memory, judgement=judges)
        milliseconds = 1000 * (time.perf_counter() - began)
        if answer.reason:
            detail = f": {answer.detail}" if answer.detail else ""
            print(f"{name}: nothing ({answer.reason}), {EXPLANATIONS[answer.reason]}{detail}")
        for suggestion in answer.suggestions:
            ghost = f"{DIM}{suggestion.text}{RESET}" if colour else f"⟦{suggestion.text}⟧"
            print(f"{name}: {before}{ghost}{after}  {suggestion.confidence:.0%}")
        print(f"{name}: {milliseconds:.0f} ms")
    return 0
