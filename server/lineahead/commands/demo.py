"""Complete real code through the real server, and show it: `lineahead demo [--model FOLDER]`.

Each place is a line of a sample file and how much of it is typed; the rest of that line is taken away, as
if it were being written, and the lines after it stay. What the server suggests is shown dim.
"""

import argparse
import asyncio
import os
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from lineahead.engine.open import BUNDLED_MODEL
from lineahead.lsp.server import READY, STATUS

SAMPLES = Path(__file__).parents[1] / "samples"
LOADING_SECONDS = 120  # PyTorch alone takes seconds to import, more on a busy machine
DIM, RESET = "\x1b[2;3m", "\x1b[0m"

PLACES = (  # a sample, the beginning of one of its lines (its first occurrence), what of it is typed
    ("inventory.py", "from dataclasses import", "from dataclasses im"),
    ("inventory.py", "        self.items[item.name] = item", "        self.items[item.na"),
    ("inventory.py", "            raise ValueError(", "            raise Val"),
    ("inventory.py", "        if name not in self.items:", "        if name not in "),
    ("inventory.py", "        return sum(", "        return sum(item.price * item.quantity for item in "),
    ("inventory.py", "        with path.open(", "        with path."),
    ("statistics_of_words.py", "logger = ", "logger = logg"),
    ("statistics_of_words.py", "    for name in sorted", "    for name in "),
    ("statistics_of_words.py", "        path = os.path.join", "        path = os.path."),
    ("statistics_of_words.py", "        with open(", "        with "),
    ("statistics_of_words.py", "    parser = argparse", "    parser = "),
    ("statistics_of_words.py", "    args = parser", "    args = p"),
    ("statistics_of_words.py", "    for i in range", "    for i in "),
    ("statistics_of_words.py", 'if __name__ == "__main__":', "if __na"),
)


@dataclass(frozen=True)
class Shown:
    """What came of one place."""

    typed: str
    suggestion: str | None
    confidence: str
    truth: str
    milliseconds: float


class Client(LanguageClient):
    """Hears when the server is ready, or that it never will be."""

    def __init__(self) -> None:
        super().__init__("lineahead-demo", version("lineahead"))
        self.ready = asyncio.Event()
        self.failure = ""

        @self.feature(types.WINDOW_LOG_MESSAGE)  # type: ignore[untyped-decorator]
        def logged(params: types.LogMessageParams) -> None:
            if params.message == READY:
                self.ready.set()

        @self.feature(STATUS)  # type: ignore[untyped-decorator]
        def status(_params: object) -> None:
            """Not shown."""

        @self.feature(types.WINDOW_SHOW_MESSAGE)  # type: ignore[untyped-decorator]
        def shown(params: types.ShowMessageParams) -> None:
            self._fail(params.message)

    async def server_exit(self, server: asyncio.subprocess.Process) -> None:
        """Called by pygls: a server that is gone will never be ready."""
        self._fail(f"the server ended with exit code {server.returncode}")

    def _fail(self, failure: str) -> None:
        self.failure = failure
        self.ready.set()


async def complete_places(model: Path) -> list[Shown]:
    """Start the server as an editor would, ask at every place, shut it down."""
    client = Client()
    # -P: a folder `lineahead` where this is called from must not be taken for ours
    await client.start_io(
        sys.executable, "-P", "-m", "lineahead", "serve", "--model", str(model), "--log-file", os.devnull
    )
    try:
        await client.initialize_async(types.InitializeParams(types.ClientCapabilities()))
        client.initialized(types.InitializedParams())
        await asyncio.wait_for(client.ready.wait(), LOADING_SECONDS)
        if client.failure:
            raise RuntimeError(client.failure)
        return [await _complete(client, number, *place) for number, place in enumerate(PLACES, start=1)]
    finally:
        if not client.failure.startswith("the server ended"):
            await client.shutdown_async(None)
            client.exit(None)
        await client.stop()  # type: ignore[no-untyped-call]


async def _complete(client: Client, number: int, sample: str, line_start: str, typed: str) -> Shown:
    """Open the sample with one line cut short, and ask for the rest of that line."""
    text = (SAMPLES / sample).read_text(encoding="utf-8")
    begin = text.index(f"\n{line_start}") + 1
    end = text.index("\n", begin)
    uri = (SAMPLES / f"{number}-{sample}").as_uri()
    edited = text[: begin + len(typed)] + text[end:]
    document = types.TextDocumentItem(uri, types.LanguageKind.Python, 1, edited)
    client.text_document_did_open(types.DidOpenTextDocumentParams(document))
    position = types.Position(text.count("\n", 0, begin), len(typed))
    started = time.perf_counter()
    answer = await client.text_document_inline_completion_async(
        types.InlineCompletionParams(
            types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic),
            types.TextDocumentIdentifier(uri),
            position,
        )
    )
    milliseconds = 1000 * (time.perf_counter() - started)
    # Closed, or its next copy would recall from it what is asked there.
    client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri)))
    items = answer.items if isinstance(answer, types.InlineCompletionList) else answer or []
    suggestion = str(items[0].insert_text) if items else None
    confidence = items[0].command.title if items and items[0].command else ""
    return Shown(typed, suggestion, confidence, text[begin + len(typed) : end], milliseconds)


def show(places: list[Shown], colour: bool) -> None:
    """Print each line with its suggestion, dim or between ⟦ ⟧, confidence and time; ✓: what stood in the file."""
    for place in places:
        ghost = place.suggestion or ""
        line = f"{place.typed}{DIM}{ghost}{RESET}" if colour else f"{place.typed}⟦{ghost}⟧"
        width = len(place.typed) + len(ghost) + (0 if colour else 2)
        mark = "✓" if place.suggestion == place.truth else " "
        print(f"{line}{' ' * max(1, 88 - width)}{place.confidence:>4} {place.milliseconds:5.0f} ms {mark}")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="lineahead demo", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--model", type=Path, default=BUNDLED_MODEL, help="a checkpoint folder (default: the bundled one)"
    )
    options = parser.parse_args(arguments)
    try:
        places = asyncio.run(complete_places(options.model))
    except (RuntimeError, TimeoutError) as error:
        print(f"error: {error or f'the server was not ready after {LOADING_SECONDS} s'}", file=sys.stderr)
        return 1
    wanted = "FORCE_COLOR" in os.environ or bool(sys.stdout and sys.stdout.isatty())
    show(places, colour=wanted and "NO_COLOR" not in os.environ)
    suggested = [place for place in places if place.suggestion]
    right = sum(place.suggestion == place.truth for place in places)
    times = sorted(place.milliseconds for place in places)
    print(
        f"\n{len(suggested)} suggestions at {len(places)} places, {right} of them the very text that stood there (✓); "
        f"{times[len(times) // 2]:.0f} ms in the median"
    )
    if not suggested:
        print("error: expected a suggestion at one place at least; is the model trained?", file=sys.stderr)
        return 1
    return 0
