"""Open, edit, ask, cancel and close documents at random, over a real process: `python tests/benchmarks/fuzz.py`.

The server's engine writes a checksum of the text that it is given before the cursor, so that each answer tells
whether server and client agree about document and position. Documents hold what editors trip over: line ends of all
kinds, form feeds, U+2028, letters outside of the basic plane, lone surrogates.
"""

import argparse
import os
import re
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import psutil
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script, it has only its own folder
from raw_client import RawClient
from scripted_engine import ScriptedEngine

from lineahead.engine.engine import Request, Stop, Token

TEXTS = st.text("ab (\n\n\r\t\x0c\u2028é例𝔘\ud800", max_size=30).map(lambda text: text.replace("\r", "\r\n"))
NAMES = st.sampled_from(["file:///a.txt", "file:///b%20c/é.txt", "untitled:Untitled-1"])
LAST = 12  # bytes before the cursor that the checksum is of
MOST_GROWTH = 150e6  # bytes of memory


def checksum(before: bytes) -> str:
    return str(zlib.crc32(before[-LAST:]))


class EchoEngine(ScriptedEngine):
    """Writes the checksum of the text before the cursor."""

    def __init__(self) -> None:
        super().__init__("", window=1024)

    def stream(self, request: Request, stop: Stop) -> Iterator[Token]:
        before = b"".join(map(self.vocabulary.token_bytes.__getitem__, request.token_ids)) + request.required
        self._script = checksum(before) + "\n"
        return super().stream(request, stop)


class Documents(RuleBasedStateMachine):
    """What a client may do, and a model of its documents."""

    server: RawClient
    steps = 0
    memory = 0

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self.version = 1

    def _count(self) -> None:
        Documents.steps += 1
        if Documents.steps == 300:  # when everything is warm
            Documents.memory = psutil.Process(self.server.process.pid).memory_info().rss

    def _position(self, text: str, place: int) -> tuple[int, dict[str, int]]:
        """An offset in a text that no line end and no pair of surrogates is split by, and its position."""
        place = min(place, len(text))
        if text[place - 1 : place + 1] == "\r\n":
            place -= 1
        before = re.split(r"\r\n|\n|\r", text[:place])
        character = len(before[-1].encode("utf-16-le", errors="surrogatepass")) // 2
        return place, {"line": len(before) - 1, "character": character}

    @rule(uri=NAMES, text=TEXTS)
    def open(self, uri: str, text: str) -> None:
        self._count()
        if uri not in self.texts:
            self.server.open(uri, text, "plaintext")
            self.texts[uri] = text

    @rule(uri=NAMES, text=TEXTS, start=st.integers(0, 60), length=st.integers(0, 10), whole=st.booleans())
    def edit(self, uri: str, text: str, start: int, length: int, whole: bool) -> None:
        self._count()
        if uri not in self.texts:
            return
        old = self.texts[uri]
        self.version += 1
        if whole:
            change: dict[str, object] = {"text": text}
            new = text
        else:
            first, begin = self._position(old, start)
            last, end = self._position(old, max(first, start + length))
            change = {"range": {"start": begin, "end": end}, "text": text}
            new = old[:first] + text + old[last:]
        if len(new) > 400:  # more would not fit the engine's window
            return
        document = {"uri": uri, "version": self.version}
        self.server.tell("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})
        self.texts[uri] = new

    @rule(uri=NAMES, start=st.integers(0, 400), popup=st.booleans(), cancel=st.booleans())
    def ask(self, uri: str, start: int, popup: bool, cancel: bool) -> None:
        self._count()
        text = self.texts.get(uri, "")
        place, position = self._position(text, start)
        method = "textDocument/completion" if popup else "textDocument/inlineCompletion"
        context = {"triggerKind": 1}
        number = self.server.request(method, {"textDocument": {"uri": uri}, "position": position, "context": context})
        if cancel:
            self.server.tell("$/cancelRequest", {"id": number})
        answer = self.server.wait(number)
        if "error" in answer:
            assert cancel, answer
            return
        items = answer["result"]["items"]
        before = text[:place].replace("\r\n", "\n").encode("utf-8", errors="replace")
        for item in items:
            inserted = item["textEdit"]["newText"] if popup else item["insertText"]
            assert inserted.endswith(checksum(before)), (text, place, inserted)
            end = item["textEdit"]["range"]["end"] if popup else item["range"]["end"]
            assert end == position
        if not popup and uri in self.texts and before:
            assert items, "an explicit request is always tried"

    @rule(line=st.integers(0, 2**31 - 1), character=st.integers(0, 2**31 - 1), uri=NAMES)
    def ask_outside(self, line: int, character: int, uri: str) -> None:
        self._count()
        self.server.ghost(uri, line, character)

    @rule(uri=NAMES)
    def close(self, uri: str) -> None:
        self._count()
        if self.texts.pop(uri, None) is not None:
            self.server.tell("textDocument/didClose", {"textDocument": {"uri": uri}})

    @rule(lines=st.integers(-1, 25), confidence=st.sampled_from([0, 0.5, "x", None]))
    def configure(self, lines: int, confidence: object) -> None:
        self._count()
        found = {**OPTIONS, "maxLines": lines, "confidence": confidence}
        self.server.tell("workspace/didChangeConfiguration", {"settings": {"lineahead": found}})
        self.server.heard.clear()

    def teardown(self) -> None:
        for uri in list(self.texts):
            self.close(uri)


OPTIONS: dict[str, object] = {"enable": {"*": True}, "debounce": 0, "commentsAndStrings": "always"}


def fuzz(steps: int) -> int:
    """Do at least so many steps; returns how many it were."""
    server = Documents.server = RawClient(sys.executable, __file__, "--serve", options=OPTIONS)
    Documents.steps = Documents.memory = 0
    try:
        server.wait_ready()
        while Documents.steps < steps:
            examples = max(1, (steps - Documents.steps) // 40)
            run_state_machine_as_test(
                Documents,
                settings=settings(max_examples=examples, stateful_step_count=50, deadline=None, database=None),
            )
        grown = psutil.Process(server.process.pid).memory_info().rss - Documents.memory
        assert not Documents.memory or grown < MOST_GROWTH, f"{grown / 1e6:.0f} MB more than when it was warm"
        assert server.close() == 0
    finally:
        if server.process.poll() is None:
            server.kill()
    return Documents.steps


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--serve", action="store_true", help="be the server")
    options = parser.parse_args()
    if options.serve:
        from lineahead.lsp.handlers import create_server

        protocol = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # training a tokenizer prints
        create_server(lambda _: EchoEngine()).start_io(stdout=protocol)

    else:
        print(f"{fuzz(options.steps):,} steps, no crash, no wrong position, no leak")


if __name__ == "__main__":
    main()
