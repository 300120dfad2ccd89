"""Ask again what the setting `log` has saved, and say what is different: `lineahead log FILE`."""

import argparse
import sys
from pathlib import Path

from lineahead.commands.opened import open_model
from lineahead.engine.errors import ModelError
from lineahead.engine.open import BUNDLED_MODEL
from lineahead.suggest.request_log import ask_again


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 1 if anything is answered in another way."""
    parser = argparse.ArgumentParser(prog="lineahead log", description=__doc__)
    parser.add_argument("log", metavar="FILE", type=Path)
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL, metavar="FOLDER", help="another checkpoint")
    options = parser.parse_args(arguments)
    count = changed = 0
    try:
        engine, _, judges = open_model(options.model)
        for place, then, now in ask_again(options.log, engine, judges):
            count += 1
            if then != now:
                changed += 1
                print(f"{place.path}: {place.line_before}: {then} then, {now} now")
    except (ValueError, OSError, ModelError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{count} requests, {changed} answered in another way")
    return 1 if changed else 0
