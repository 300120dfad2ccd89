"""A day's work in some minutes or hours: `python tests/benchmarks/soak.py FOLDER … [--minutes N] [--json F] [--png F]`.

A client types the files of several projects key by key, opens, closes and renames them, asks for suggestions as an
editor does, and looks at the server's memory on the way. What matters is the slope after the first quarter, in which
caches fill. Keys come as fast as they are answered: an hour here is a good deal more than an hour of a person's.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script, it has only its own folder
from raw_client import RawClient

WARM_UP = 0.25  # of the time
TYPED_LINES = 12  # of a file, before another one is opened
OPEN_FILES = 8


def type_file(client: RawClient, path: Path, choose: random.Random, opened: list[str]) -> int:
    """Open a file with some lines missing and type them; returns how many keys that were."""
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.split("\n")
    first = choose.randrange(max(1, len(lines) - TYPED_LINES))
    typed = "\n".join(lines[first : first + TYPED_LINES])
    rest = "\n".join([*lines[:first], "", *lines[first + TYPED_LINES :]])
    uri = path.as_uri() if choose.random() < 0.9 else path.with_name(f"renamed_{path.name}").as_uri()
    if uri in opened:
        client.tell("textDocument/didClose", {"textDocument": {"uri": uri}})
        opened.remove(uri)
    client.open(uri, rest)
    opened.append(uri)
    line, column = first, 0
    for version, character in enumerate(typed, start=2):
        here = {"line": line, "character": column}
        client.tell(
            "textDocument/didChange",
            {
                "textDocument": {"uri": uri, "version": version},
                "contentChanges": [{"range": {"start": here, "end": here}, "text": character}],
            },
        )
        line, column = (line + 1, 0) if character == "\n" else (line, column + len(character.encode("utf-16-le")) // 2)
        client.ghost(uri, line, column)
        client.heard.clear()
    while len(opened) > OPEN_FILES:
        client.tell("textDocument/didClose", {"textDocument": {"uri": opened.pop(0)}})
    if choose.random() < 0.2:
        client.tell("workspace/didChangeWatchedFiles", {"changes": [{"uri": path.as_uri(), "type": 2}]})
    return len(typed)


def soak(folders: list[Path], minutes: float, seed: int) -> list[tuple[float, int, float]]:
    """Minutes, keys so far, and megabytes resident, about 200 times."""
    choose = random.Random(seed)
    files = [path for folder in folders for path in sorted(folder.rglob("*.py")) if 500 < path.stat().st_size < 100_000]
    client = RawClient(options={"debounce": 0, "showAfter": 0})
    client.wait_ready()
    added = [{"uri": folder.as_uri(), "name": folder.name} for folder in folders]
    client.tell("workspace/didChangeWorkspaceFolders", {"event": {"added": added, "removed": []}})
    process = psutil.Process(client.process.pid)
    opened: list[str] = []
    seen: list[tuple[float, int, float]] = []
    keys, began, said = 0, time.monotonic(), 0.0
    while (spent := (time.monotonic() - began) / 60) < minutes:
        keys += type_file(client, choose.choice(files), choose, opened)
        if not seen or spent - seen[-1][0] >= minutes / 200:
            seen.append((spent, keys, process.memory_info().rss / 1e6))
        if spent - said >= 1:
            said = spent
            print(f"{spent:6.1f} minutes  {keys:8,} keys  {seen[-1][2]:6.1f} MB", flush=True)
    client.close()
    return seen


def draw(seen: list[tuple[float, int, float]], path: Path) -> None:
    """The resident size by minutes."""
    from matplotlib.figure import Figure  # slow to import

    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot([minutes for minutes, _, _ in seen], [size for _, _, size in seen])
    axes.set(xlabel="minutes", ylabel="MB resident", ylim=(0, None), title=f"{seen[-1][1]:,} keys")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--minutes", type=float, default=60, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--png", type=Path, metavar="FILE")
    options = parser.parse_args()
    seen = soak([folder.resolve() for folder in options.folders], options.minutes, options.seed)
    warm = [entry for entry in seen if entry[0] >= WARM_UP * options.minutes]
    slope, level = np.polyfit([minutes for minutes, _, _ in warm], [size for _, _, size in warm], 1)
    begins = level + slope * warm[0][0]
    growth = slope * (warm[-1][0] - warm[0][0]) / begins
    outcome = f"{begins:.0f} MB after the warm-up, then {growth:+.1%}"
    print(f"{seen[-1][1]:,} keys in {options.minutes:g} minutes; {outcome}")
    if options.json:
        entries = [{"minutes": minutes, "keys": keys, "megabytes": size} for minutes, keys, size in seen]
        options.json.write_text(json.dumps({"growth": growth, "seen": entries}, indent=1) + "\n")
    if options.png:
        draw(seen, options.png)
    return 0


if __name__ == "__main__":
    sys.exit(main())
