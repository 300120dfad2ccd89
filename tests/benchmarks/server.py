"""Times and sizes of the server as a process, over LSP: `python tests/benchmarks/server.py [--install]`.

With --install also the size of a fresh environment that only has what a server needs. Everything runs on one core.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script, it has only its own folder
from raw_client import RawClient

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "server" / "lineahead" / "samples").glob("*.py"))
IDLE_SECONDS = 10


def row(name: str, value: str, aim: str) -> None:
    print(f"| {name} | {value} | {aim} |", flush=True)


def start() -> None:
    """Times after the start of the process, best of three: the first start fills the disk's cache."""
    initialize, first = [], []
    for _ in range(3):
        began = time.perf_counter()
        client = RawClient()
        initialize.append(time.perf_counter() - began)
        client.wait_ready()
        client.open("file:///work.py", "import os\n\nif __na")
        assert client.ghost("file:///work.py", 2, 7, explicit=True)
        first.append(time.perf_counter() - began)
        client.close()
    row("reply to `initialize` after the process's start", f"{min(initialize):.2f} s", "0.7 s")
    row("first completion after the process's start", f"{min(first):.2f} s", "2 s")


def keys() -> None:
    """Types every line of the samples' second halves, key by key; then lets the server rest."""
    client = RawClient(options={"showAfter": 0})
    client.wait_ready()
    process, times, computed = psutil.Process(client.process.pid), [], []
    for file in SAMPLES:
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        half = len(lines) // 2
        text, uri = "".join(lines[:half]), f"file:///{file.name}"
        client.open(uri, text)
        version = 1
        for number, line in enumerate(lines[half:], start=half):
            for column, key in enumerate(line):
                version += 1
                here = {"line": number, "character": column}
                change = {"range": {"start": here, "end": here}, "text": key}
                document = {"uri": uri, "version": version}
                client.tell("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})
                before = sum(each.get("method") == "lineahead/status" for each in client.heard)
                began = time.perf_counter()
                end = (number + 1, 0) if key == "\n" else (number, column + 1)
                client.ghost(uri, *end)
                times.append(1000 * (time.perf_counter() - began))
                after = sum(each.get("method") == "lineahead/status" for each in client.heard)
                if after > before:
                    computed.append(times[-1])
    for name, found, aims in (
        ("computed by the model", computed, ("50 ms", "150 ms")),
        ("all keys", times, ("", "")),
    ):
        p50, p95 = np.percentile(found, [50, 95])
        row(f"{len(found):,} keys over LSP, {name}: median", f"{p50:.1f} ms", aims[0])
        row(f"{len(found):,} keys over LSP, {name}: 95th percentile", f"{p95:.1f} ms", aims[1])
    row("resident memory after that", f"{process.memory_info().rss / 1e6:.0f} MB", "250 MB")
    before_rest = sum(process.cpu_times()[:2])
    time.sleep(IDLE_SECONDS)
    idle = 100 * (sum(process.cpu_times()[:2]) - before_rest) / IDLE_SECONDS
    row(f"processor time in {IDLE_SECONDS} s of rest", f"{idle:.1f} %", "0 %")
    client.close()


def imports() -> None:
    """What `--version` imports."""
    command = [sys.executable, "-P", "-X", "importtime", "-m", "lineahead", "serve", "--version"]
    began = time.perf_counter()
    subprocess.run(command, capture_output=True, text=True, check=True)
    row("`python -X importtime -m lineahead --version`", f"{time.perf_counter() - began:.2f} s", "1 s")


def install() -> None:
    """Disk space of the project and its dependencies in an environment of their own."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        empty = _size(folder)
        subprocess.run([f"{folder}/bin/pip", "install", "--quiet", str(ROOT)], check=True)
        shown = subprocess.run([f"{folder}/bin/pip", "list"], capture_output=True, text=True, check=True).stdout
        assert not re.search(r"^torch\b", shown, re.MULTILINE)
        row("`pip install lineahead`, on disk, without PyTorch", f"{(_size(folder) - empty) / 1e6:.0f} MB", "250 MB")


def _size(folder: str) -> int:
    return sum(each.lstat().st_size for each in Path(folder).rglob("*") if each.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--install", action="store_true", help="measure an installation, too")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print("| one core | | aim |\n| --- | --- | --- |")
    start()
    keys()
    imports()
    if options.install:
        install()


if __name__ == "__main__":
    main()
