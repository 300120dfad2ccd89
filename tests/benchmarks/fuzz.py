"""Open, edit, rename, ask, cancel and close at random, over a real process: `python tests/benchmarks/fuzz.py`.

The server's engine writes a checksum of the text that it is given before the cursor, so that each answer tells
whether server and client agree about document, cells and position; what the server remembers of the project is
compared with what is open and on disk. Documents hold what editors trip over: line ends of all kinds, form feeds,
U+2028, letters outside of the basic plane, lone surrogates.
"""

import argparse
import os
import re
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import psutil
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from pygls.uris import to_fs_path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script, it has only its own folder
from raw_client import RawClient
from scripted_engine import ScriptedEngine

from lineahead.engine.engine import Request, Stop, Token
from lineahead.lsp.server import LineaheadServer
from lineahead.memory.lines import MOST_TOKENS
from lineahead.memory.memory import ProjectMemory

TEXTS = st.text("ab (\n\n\r\t\x0c\u2028é例𝔘\ud800", max_size=30).map(lambda text: text.replace("\r", "\r\n"))
ADDRESSES = ("file:///a.txt", "file:///b%20c/é.txt", "untitled:Untitled-1")
NOTEBOOKS = ("file:///n.ipynb", "file:///m%20é.ipynb")
FOLDERS = ("one", "two é")
FILES = ("a.py", "b/c.py", "d é.py")
NUMBERS = st.integers(0, 1000)  # of one of those that there are
LAST = 40  # bytes before the cursor that the checksum is of
LONGEST = {True: 60, False: 400}  # characters, of cells and of other documents: more would not fit the engine's window
MOST_CELLS = 5
MARKUP, CODE = 1, 2
CREATED, CHANGED, DELETED = 1, 2, 3
CELLS = st.lists(st.tuples(TEXTS, st.sampled_from([CODE, CODE, MARKUP])), max_size=3)
SETTLED = 5.0  # seconds until the memory is as it should be
MOST_GROWTH = 150e6  # bytes of memory
REMEMBERED = "fuzz/remembered"


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


def remembered(server: LineaheadServer, _params: object) -> dict[str, int]:
    """The texts that the server's memory holds: their names and checksums."""
    memory = server.project.memory
    texts = dict(memory._texts) if isinstance(memory, ProjectMemory) else {}
    return {name: zlib.crc32(text.encode(errors="replace")) for name, text in texts.items()}


class Documents(RuleBasedStateMachine):
    """What a client may do, and a model of its documents, notebooks, folders and files."""

    server: RawClient
    root: Path
    steps = 0
    memory = 0

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}  # of the open documents and cells
        self.notebooks: dict[str, list[dict[str, object]]] = {}
        self.folders: set[str] = set()
        self.files: dict[Path, str] = {}
        self.reread: set[str] = set()  # files that were open, which are read again wherever they are
        self.remembers = True
        self.version = 1
        self.cells = 0

    def _count(self) -> None:
        Documents.steps += 1
        if Documents.steps == 300:  # when everything is warm
            Documents.memory = psutil.Process(self.server.process.pid).memory_info().rss

    def _position(self, text: str, place: int, beyond: int = 0) -> tuple[int, dict[str, int], dict[str, int]]:
        """An offset that no line end and no pair of surrogates is split by, its position, and what to ask for.

        That is `beyond` the end, where the offset is at one.
        """
        place = min(place, len(text))
        if text[place - 1 : place + 1] == "\r\n":
            place -= 1
        before = re.split(r"\r\n|\n|\r", text[:place])
        character = len(before[-1].encode("utf-16-le", errors="surrogatepass")) // 2
        position = {"line": len(before) - 1, "character": character}
        if place == len(text):
            return place, position, {"line": position["line"] + beyond, "character": character + beyond}
        if text[place] in "\r\n":
            return place, position, {**position, "character": character + beyond}
        return place, position, position

    def _names(self) -> list[str]:
        """The addresses of what may be opened, but for cells."""
        files = [self.root / folder / file for folder in FOLDERS[:1] for file in FILES[:2]]
        return [*ADDRESSES, *(file.as_uri() for file in files)]

    def _cells(self) -> dict[str, str]:
        """The cells that there are, and their notebooks."""
        return {str(cell["document"]): uri for uri, cells in self.notebooks.items() for cell in cells}

    def _any(self, number: int) -> str:
        """A document that may be open, or a cell that is."""
        names = [*self._names(), *self._cells()]
        return names[number % len(names)]

    def _context(self, uri: str) -> str:
        """The text of the code cells before a cell."""
        cells = self.notebooks.get(self._cells().get(uri, ""), [])
        code = [str(cell["document"]) for cell in cells if cell["kind"] == CODE]
        before = code[: code.index(uri)] if uri in code else []
        return "".join(self.texts[cell].rstrip() + "\n\n" for cell in before)

    def _change_notebook(self, uri: str, cells: dict[str, object]) -> None:
        self.version += 1
        document = {"uri": uri, "version": self.version}
        self.server.tell("notebookDocument/didChange", {"notebookDocument": document, "change": {"cells": cells}})

    def _new_cell(self, text: str, kind: int) -> tuple[dict[str, object], dict[str, object]]:
        self.cells += 1
        uri = f"vscode-notebook-cell:/n%20.ipynb#{self.cells}"
        self.texts[uri] = text
        return {"kind": kind, "document": uri}, {"uri": uri, "languageId": "plaintext", "version": 1, "text": text}

    @rule(number=NUMBERS, text=TEXTS)
    def open(self, number: int, text: str) -> None:
        self._count()
        uri = self._names()[number % len(self._names())]
        if uri not in self.texts:
            self.server.open(uri, text, "plaintext")
            self.texts[uri] = text

    @rule(number=NUMBERS, text=TEXTS, start=st.integers(0, 60), length=st.integers(0, 10), whole=st.booleans(),
          beyond=st.integers(0, 3))  # fmt: skip
    def edit(self, number: int, text: str, start: int, length: int, whole: bool, beyond: int) -> None:
        self._count()
        uri = self._any(number)
        if uri not in self.texts:
            return
        old = self.texts[uri]
        if whole:
            change: dict[str, object] = {"text": text}
            new = text
        else:
            first, _, begin = self._position(old, start, beyond)
            last, _, end = self._position(old, max(first, start + length), beyond)
            change = {"range": {"start": begin, "end": end}, "text": text}
            new = old[:first] + text + old[last:]
        notebook = self._cells().get(uri)
        if len(new) > LONGEST[notebook is not None]:
            return
        self.version += 1
        document = {"uri": uri, "version": self.version}
        if notebook:
            self._change_notebook(notebook, {"textContent": [{"document": document, "changes": [change]}]})
        else:
            self.server.tell("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})
        self.texts[uri] = new

    @rule(number=NUMBERS, start=st.integers(0, 400), popup=st.booleans(), cancel=st.booleans(),
          beyond=st.integers(0, 3))  # fmt: skip
    def ask(self, number: int, start: int, popup: bool, cancel: bool, beyond: int) -> None:
        self._count()
        uri = self._any(number)
        text = self.texts.get(uri, "")
        place, position, asked = self._position(text, start, beyond)
        method = "textDocument/completion" if popup else "textDocument/inlineCompletion"
        context = {"triggerKind": 1}
        request = self.server.request(method, {"textDocument": {"uri": uri}, "position": asked, "context": context})
        if cancel:
            self.server.tell("$/cancelRequest", {"id": request})
        answer = self.server.wait(request)
        if "error" in answer:
            assert cancel, answer
            return
        items = answer["result"]["items"]
        before = (self._context(uri) + text[:place]).replace("\r\n", "\n").encode("utf-8", errors="replace")
        for item in items:
            inserted = item["textEdit"]["newText"] if popup else item["insertText"]
            assert inserted.endswith(checksum(before)), (uri, self._context(uri), text, place, inserted)
            end = item["textEdit"]["range"]["end"] if popup else item["range"]["end"]
            assert end == position
        if not popup and uri in self.texts and before:
            assert items, "an explicit request is always tried"

    @rule(line=st.integers(0, 2**31 - 1), character=st.integers(0, 2**31 - 1), number=NUMBERS)
    def ask_outside(self, line: int, character: int, number: int) -> None:
        self._count()
        self.server.ghost(self._any(number), line, character)

    @rule(number=NUMBERS)
    def close(self, number: int) -> None:
        self._count()
        self._close(self._names()[number % len(self._names())])

    def _close(self, uri: str) -> None:
        if self.texts.pop(uri, None) is not None:
            self.server.tell("textDocument/didClose", {"textDocument": {"uri": uri}})
            self.reread.add(uri)

    @rule(number=NUMBERS, other=NUMBERS)
    def rename(self, number: int, other: int) -> None:
        self._count()
        names = self._names()
        old, new = names[number % len(names)], names[other % len(names)]
        if old in self.texts and new not in self.texts:
            text = self.texts[old]
            self._close(old)
            self.server.open(new, text, "plaintext")
            self.texts[new] = text

    @rule(uri=st.sampled_from(NOTEBOOKS), texts=CELLS)
    def open_notebook(self, uri: str, texts: list[tuple[str, int]]) -> None:
        self._count()
        if uri in self.notebooks:
            return
        new = [self._new_cell(text, kind) for text, kind in texts]
        self.notebooks[uri] = [cell for cell, _ in new]
        notebook = {"uri": uri, "notebookType": "jupyter-notebook", "version": 1, "cells": self.notebooks[uri]}
        documents = [document for _, document in new]
        self.server.tell("notebookDocument/didOpen", {"notebookDocument": notebook, "cellTextDocuments": documents})

    @rule(uri=st.sampled_from(NOTEBOOKS), start=st.integers(0, MOST_CELLS), removed=st.integers(0, 2),
          kept=st.booleans(), texts=CELLS)  # fmt: skip
    def change_cells(self, uri: str, start: int, removed: int, kept: bool, texts: list[tuple[str, int]]) -> None:
        """Replace some cells by others, or, where they are kept, by themselves in another order, the new ones first."""
        self._count()
        cells = self.notebooks.get(uri)
        if cells is None or len(cells) + len(texts) > MOST_CELLS:
            return
        start = min(start, len(cells))
        gone = cells[start : start + removed]
        new = [self._new_cell(text, kind) for text, kind in texts]
        inserted = [cell for cell, _ in new] + (gone[::-1] if kept else [])
        closed = [] if kept else [str(cell["document"]) for cell in gone]
        self.notebooks[uri] = [*cells[:start], *inserted, *cells[start + removed :]]
        for cell in closed:
            del self.texts[cell]
        array = {"start": start, "deleteCount": len(gone), "cells": inserted}
        structure = {"array": array, "didOpen": [document for _, document in new],
                     "didClose": [{"uri": cell} for cell in closed]}  # fmt: skip
        self._change_notebook(uri, {"structure": structure})

    @rule(number=NUMBERS)
    def change_kind(self, number: int) -> None:
        self._count()
        cells = [(cell, uri) for uri, cells in self.notebooks.items() for cell in cells]
        if cells:
            cell, uri = cells[number % len(cells)]
            cell["kind"] = MARKUP if cell["kind"] == CODE else CODE
            self._change_notebook(uri, {"data": [cell]})

    @rule(uri=st.sampled_from(NOTEBOOKS))
    def close_notebook(self, uri: str) -> None:
        self._count()
        self._close_notebook(uri)

    def _close_notebook(self, uri: str) -> None:
        if (cells := self.notebooks.pop(uri, None)) is None:
            return
        names = [str(cell["document"]) for cell in cells]
        for name in names:
            del self.texts[name]
        parameters = {"notebookDocument": {"uri": uri}, "cellTextDocuments": [{"uri": name} for name in names]}
        self.server.tell("notebookDocument/didClose", parameters)

    @rule(number=NUMBERS, name=st.sampled_from(FOLDERS))
    def change_folders(self, number: int, name: str) -> None:
        """Add a folder that is not there, or remove one that is, with the other one added at times."""
        self._count()
        others = {other for other in FOLDERS if number % 2 and other != name and other not in self.folders}
        self._change_folders(added=others | ({name} - self.folders), removed={name} & self.folders)

    def _change_folders(self, added: set[str], removed: set[str]) -> None:
        self.folders = (self.folders | added) - removed
        self.reread.clear()
        event = {what: [{"uri": (self.root / name).as_uri(), "name": name} for name in sorted(names)]
                 for what, names in (("added", added), ("removed", removed))}  # fmt: skip
        self.server.tell("workspace/didChangeWorkspaceFolders", {"event": event})

    @rule(folder=st.sampled_from(FOLDERS), file=st.sampled_from(FILES), value=NUMBERS)
    def write(self, folder: str, file: str, value: int) -> None:
        self._count()
        path, new = self.root / folder / file, self.root / folder / file not in self.files
        path.parent.mkdir(parents=True, exist_ok=True)
        # In a line too long to be suggested again: at the start of an empty document the memory knows how files begin.
        self.files[path] = f"name_{value} = [{f'{value}, ' * MOST_TOKENS}]\n"
        path.write_text(self.files[path], encoding="utf-8")
        self._tell_file(path, CREATED if new else CHANGED)

    @rule(folder=st.sampled_from(FOLDERS), file=st.sampled_from(FILES))
    def delete(self, folder: str, file: str) -> None:
        self._count()
        path = self.root / folder / file
        if self.files.pop(path, None) is not None:
            path.unlink()
            self._tell_file(path, DELETED)

    def _is_inside(self, path: Path) -> bool:
        return any(path.is_relative_to(self.root / folder) for folder in self.folders)

    def _tell_file(self, path: Path, kind: int) -> None:
        if self._is_inside(path):  # clients watch no others
            self.server.tell("workspace/didChangeWatchedFiles", {"changes": [{"uri": path.as_uri(), "type": kind}]})

    @rule()
    def remember(self) -> None:
        """The memory holds what is in the folders, and nothing that is closed, gone or of another folder."""
        self._count()
        end = time.monotonic() + SETTLED
        while (wrong := self._wrong_memories()) and time.monotonic() < end:
            time.sleep(0.01)
        assert not wrong, wrong

    def _wrong_memories(self) -> str:
        found: dict[str, int] = self.server.ask(REMEMBERED, {})["result"]
        if not self.remembers:
            return f"switched off, it holds {sorted(found)}" if found else ""
        opened = {name_of(uri) for uri in self.texts}
        inside = {str(path): text for path, text in self.files.items() if self._is_inside(path)}
        reread = {name for uri in self.reread if Path(name := name_of(uri)) in self.files}
        if more := found.keys() - opened - inside.keys() - reread:
            return f"it still holds {sorted(more)}"
        if less := inside.keys() - opened - found.keys():
            return f"it does not hold {sorted(less)}"
        old = [name for name in inside.keys() - opened if found[name] != zlib.crc32(inside[name].encode())]
        return f"it holds old texts of {old}" if old else ""

    @rule(lines=st.integers(-1, 25), confidence=st.sampled_from([0, 0.5, "x", None]),
          memory=st.sampled_from(["project", "project", "off"]))  # fmt: skip
    def configure(self, lines: int, confidence: object, memory: str) -> None:
        self._count()
        self._configure(maxLines=lines, confidence=confidence, memory=memory)

    def _configure(self, **changed: object) -> None:
        self.remembers = changed["memory"] == "project"
        self.server.tell("workspace/didChangeConfiguration", {"settings": {"lineahead": {**OPTIONS, **changed}}})
        self.server.heard.clear()

    def teardown(self) -> None:
        for uri in list(self.notebooks):
            self._close_notebook(uri)
        for uri in list(self.texts):
            self._close(uri)
        self._change_folders(set(), set(self.folders))
        for path in self.files:
            path.unlink()
        self.files.clear()
        self._configure(memory="project")
        self.remember()


def name_of(uri: str) -> str:
    """What the server calls a document."""
    return to_fs_path(uri) or uri if uri.startswith("file:") else uri


OPTIONS: dict[str, object] = {"enable": {"*": True}, "debounce": 0, "showAfter": 0, "commentsAndStrings": "always"}


def fuzz(steps: int) -> int:
    """Do at least so many steps; returns how many it were."""
    server = Documents.server = RawClient(sys.executable, __file__, "--serve", options=OPTIONS)
    with tempfile.TemporaryDirectory() as root:
        Documents.root = Path(root).resolve()
        return _fuzz(server, steps)


def _fuzz(server: RawClient, steps: int) -> int:
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
        server = create_server(lambda _: EchoEngine())
        server.feature(REMEMBERED)(remembered)
        server.start_io(stdout=protocol)
    else:
        print(f"{fuzz(options.steps):,} steps, no crash, no wrong position, no wrong memory, no leak")


if __name__ == "__main__":
    main()
