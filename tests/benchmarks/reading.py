"""Whether completions come while the server reads a project: `python tests/benchmarks/reading.py [--repetitions N]`.

A project is made of the standard library's code: many files, each other code. A person types a sample key by key, once
while that is read and indexed, once when it has been; what counts is how long a key's ghost text takes.
"""

import argparse
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script, it has only its own folder
from raw_client import RawClient

SAMPLE = Path(__file__).parents[2] / "server" / "lineahead" / "samples" / "inventory.py"
STATE = "benchmark/state"
RESTS = 5  # keys without work behind them, and the project is read: between reading and indexing there is a gap
CHARACTERS = 9_000  # of a file


def make(folder: Path, files: int) -> int:
    """Write whole definitions of the standard library into so many files; returns how many there are."""
    made = 0
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if {"site-packages", "dist-packages", "test", "tests", "lib2to3"} & set(path.parts):
            continue
        text = ""
        try:
            blocks = path.read_text(encoding="utf-8").split("\n\n\n")  # at the outermost level, as people write it
        except UnicodeDecodeError:
            continue
        for block in blocks:
            text += block.strip("\n") + "\n\n\n"
            if len(text) > CHARACTERS:
                (folder / f"file_{made}.py").write_text(text, encoding="utf-8")
                text, made = "", made + 1
                if made == files:
                    return made
    return made


class Typing:
    """Types a sample's second half, again and again."""

    def __init__(self, client: RawClient) -> None:
        self._client = client
        lines = SAMPLE.read_text(encoding="utf-8").splitlines(keepends=True)
        self._half = len(lines) // 2
        self._before, self._keys = "".join(lines[: self._half]), "".join(lines[self._half :])
        self._round = self._next = 0
        self._uri = ""

    def key(self) -> float:
        """Type a key and ask for ghost text; returns how many milliseconds that took."""
        if not self._next:
            self._round += 1
            self._uri, self._line, self._column = f"untitled:sample-{self._round}", self._half, 0
            self._client.open(self._uri, self._before)
        key = self._keys[self._next]
        here = {"line": self._line, "character": self._column}
        document = {"uri": self._uri, "version": self._next + 2}
        change = {"range": {"start": here, "end": here}, "text": key}
        began = time.perf_counter()
        self._client.tell("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})
        self._line, self._column = (self._line + 1, 0) if key == "\n" else (self._line, self._column + 1)
        self._client.ghost(self._uri, self._line, self._column)
        self._next += 1
        if self._next == len(self._keys):
            self._next = 0
            self._client.tell("textDocument/didClose", {"textDocument": {"uri": self._uri}})
        return 1000 * (time.perf_counter() - began)


def measure(folder: Path, pause: float) -> tuple[list[float], list[float], float]:
    """Milliseconds of the keys typed while the project is read, of as many when it has been; the seconds it took."""
    client = RawClient(sys.executable, __file__, "--serve", options={"debounce": 0, "showAfter": 0})
    try:
        client.wait_ready()
        typing = Typing(client)
        for _ in range(200):  # warm
            typing.key()
        event = {"added": [{"uri": folder.as_uri(), "name": folder.name}], "removed": []}
        client.tell("workspace/didChangeWorkspaceFolders", {"event": event})
        reading: list[float] = []
        idle: list[float] = []
        began, rests = time.perf_counter(), 0
        while rests < RESTS:
            rests = 0 if client.ask(STATE, {})["result"] else rests + 1
            reading.append(typing.key())
            time.sleep(pause)
        seconds = time.perf_counter() - began
        for _ in range(max(400, len(reading))):
            idle.append(typing.key())
            time.sleep(pause)
        return reading, idle, seconds
    finally:
        client.kill()


def serve() -> None:
    """A server that also tells whether it reads or indexes."""
    from lineahead.engine.open import BUNDLED_MODEL, load_engine
    from lineahead.lsp.handlers import create_server
    from lineahead.lsp.server import LineaheadServer

    def state(server: LineaheadServer, _params: object) -> bool:
        return not server.project._background.wait(0)

    server = create_server(lambda _: load_engine(BUNDLED_MODEL))
    server.feature(STATE)(state)
    server.start_io()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=600)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--pause", type=float, default=0.03, help="seconds between keys (default: %(default)s)")
    parser.add_argument("--serve", action="store_true", help="be the server")
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve() / "project"
        folder.mkdir()
        made = make(folder, options.files)
        print(f"{made} files, {sum(each.stat().st_size for each in folder.iterdir()) / 1e6:.1f} MB\n")
        print("| reading took | keys meanwhile | median | 95th percentile | idle: median | 95th percentile | ratio |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        ratios = []
        for _ in range(options.repetitions):
            reading, idle, seconds = measure(folder, options.pause)
            (p50, p95), (idle50, idle95) = np.percentile(reading, [50, 95]), np.percentile(idle, [50, 95])
            ratios.append(p95 / idle95)
            columns = [f"{each:.1f} ms" for each in (p50, p95, idle50, idle95)]
            print(f"| {seconds:.1f} s | {len(reading):,} | {' | '.join(columns)} | {ratios[-1]:.2f} |", flush=True)
        print(f"\nThe 95th percentile while reading is {np.median(ratios):.2f} × the idle one (median; the aim is 2).")


if __name__ == "__main__":
    main()
