"""`python -m training` lists what can be run."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_it_lists_every_command() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "training"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    modules = [path for path in (ROOT / "training").glob("*.py") if path.stem != "__main__"]
    runnable = {path.stem for path in modules if '__name__ == "__main__"' in path.read_text()}
    runnable |= {path.parent.name for path in (ROOT / "training").glob("*/__main__.py")}
    assert set(re.findall(r"^python -m training\.(\w+) +\w", shown, re.MULTILINE)) == runnable
