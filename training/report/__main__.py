"""Make the report from the results: `python -m training.report [--numbers]`.

Writes numbers.tex, and report.pdf with pdflatex. Refuses results that are missing or older than the code that made
them.
"""

from training import door  # isort: split

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from training.errors import InputError
from training.files import write_atomically, write_text_atomically
from training.report import numbers, results

FOLDER = Path(__file__).parent
TEXT = "report.tex"
RUNS = 2  # the second one knows what the first one found references to


def typeset(folder: Path, date: str) -> None:
    """Run pdflatex on the report in a folder of its own; raises InputError where it is missing or fails."""
    program = shutil.which("pdflatex")
    if program is None:
        raise InputError(
            "pdflatex: not found; on Debian and Ubuntu: sudo apt-get install texlive-latex-extra "
            "texlive-fonts-recommended (with --numbers only numbers.tex is made)"
        )
    seconds = int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp())
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(seconds), "FORCE_SOURCE_DATE": "1"}
    with tempfile.TemporaryDirectory() as made:
        command = [program, "-interaction=nonstopmode", "-halt-on-error", f"-output-directory={made}", TEXT]
        for _ in range(RUNS):
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace"
            )
            if done.returncode:
                raise InputError(f"{folder / TEXT}: pdflatex failed:\n{done.stdout[-2_000:]}")
        pdf = Path(made, TEXT).with_suffix(".pdf").read_bytes()
    write_atomically((folder / TEXT).with_suffix(".pdf"), lambda path: path.write_bytes(pdf))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.report", description=__doc__)
    parser.add_argument("--numbers", action="store_true", help="write numbers.tex only")
    options = parser.parse_args(arguments)
    try:
        found = {name: results.read(results.FOLDER / name) for name in results.ALL}
        write_text_atomically(numbers.path(FOLDER), numbers.all_numbers(found))
        if not options.numbers:
            typeset(FOLDER, max(one["made_by"]["date"] for one in found.values()))
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return door.FAILED
    print(f"written: {numbers.path(FOLDER)}" + ("" if options.numbers else f", {(FOLDER / TEXT).with_suffix('.pdf')}"))
    return 0


if __name__ == "__main__":
    sys.exit(door.enter(main))
