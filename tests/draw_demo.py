"""Draw the demo as it looks in a terminal: `python tests/draw_demo.py` writes server/demo.svg, the README's picture."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "server" / "demo.svg"
FORMAT = re.sub(r"\s*@font-face \{\{.*?\}\}\n", "\n", CONSOLE_SVG_FORMAT, flags=re.DOTALL)  # they come from the network


def main(arguments: list[str]) -> int:
    """Run the demo in colour, with its own arguments, and save what it printed as a picture."""
    shown = subprocess.run(
        [sys.executable, "-m", "lineahead", "demo", *arguments],
        env={**os.environ, "FORCE_COLOR": "1"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    console = Console(record=True, file=io.StringIO(), width=110)
    console.print(Text("$ make demo"), Text.from_ansi(shown), sep="\n")
    console.save_svg(str(PICTURE), title="lineahead", code_format=FORMAT)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
