"""The line at which an open document is being written may end in half a word: elsewhere nothing is made of its end."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lsprotocol import types
from raw_client import RawClient
from scripted_engine import small_vocabulary

from lineahead.lsp.handlers import create_server
from lineahead.memory.memory import ProjectMemory, unfinished
from lineahead.place import Place

TWIN = "def {name}(path):\n    os.makedirs(path)\n    return frobnicate_quuxly(path)\n\n\n"
ABOVE = "import os\n\n\n" + TWIN.format(name="a_folder") + "def mine(path):\n    os.makedirs(path)\n"
BELOW = "\n\n\ndef last(path):\n    return path\n"
TYPED = "    return frobnicate_"
LINE = ABOVE.count("\n")
VOCABULARY = small_vocabulary()
CELL = "vscode-notebook-cell:/work.ipynb#a"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[RawClient]:
    client = RawClient(options={"debounce": 0}, root=tmp_path)
    client.wait_ready()
    yield client
    client.close()


def change(text: str, number: int = 0) -> list[object]:
    place = {"line": LINE, "character": len(TYPED) + number}
    return [{"range": {"start": place, "end": place}, "text": text}]


def in_a_document(client: RawClient, uri: str, text: str) -> None:
    """Type at the end of TYPED, letter by letter."""
    client.open(uri, ABOVE + TYPED + BELOW)
    for number, character in enumerate(text):
        document = {"uri": uri, "version": 2 + number}
        client.tell("textDocument/didChange", {"textDocument": document, "contentChanges": change(character, number)})


def in_a_cell(client: RawClient, text: str) -> None:
    cells = [{"kind": 2, "document": CELL}]
    notebook = {"uri": "file:///work.ipynb", "notebookType": "jupyter-notebook", "version": 1, "cells": cells}
    item = {"uri": CELL, "languageId": "python", "version": 1, "text": ABOVE + TYPED + BELOW}
    client.tell("notebookDocument/didOpen", {"notebookDocument": notebook, "cellTextDocuments": [item]})
    for number, character in enumerate(text):
        written = [{"document": {"uri": CELL, "version": 2 + number}, "changes": change(character, number)}]
        document = {"uri": notebook["uri"], "version": 2 + number}
        client.tell(
            "notebookDocument/didChange", {"notebookDocument": document, "change": {"cells": {"textContent": written}}}
        )


def go_on(client: RawClient) -> list[str]:
    """What the server makes of the half-written word at the same place of another document."""
    uri, text = "file:///asking.py", ABOVE[: len("import os\n\n\n")] + "def mine(path):\n    os.makedirs(path)\n"
    client.open(uri, text + TYPED + "qu")
    texts = client.ghost(uri, text.count("\n"), len(TYPED + "qu"))
    client.tell("textDocument/didClose", {"textDocument": {"uri": uri}})
    return texts


def becomes(client: RawClient, right: Callable[[list[str]], bool]) -> None:
    deadline, texts = time.monotonic() + 60, go_on(client)
    while not right(texts):
        assert time.monotonic() < deadline, texts
        time.sleep(0.05)
        texts = go_on(client)


def known(texts: list[str]) -> bool:
    return texts == ["uxly(path)"]


@pytest.mark.slow
def test_in_another_document(client: RawClient) -> None:
    in_a_document(client, "file:///elsewhere/written.py", "qu")
    becomes(client, known)
    assert all(known(go_on(client)) for _ in range(5))


@pytest.mark.slow
def test_in_a_cell(client: RawClient) -> None:
    in_a_cell(client, "qu")
    becomes(client, known)


@pytest.mark.slow
def test_saved_while_it_is_half_written(client: RawClient, tmp_path: Path) -> None:
    path = tmp_path / "written.py"
    in_a_document(client, path.as_uri(), "qu")
    becomes(client, known)
    path.write_text(ABOVE + TYPED + "qu" + BELOW)
    client.tell("workspace/didChangeWatchedFiles", {"changes": [{"uri": path.as_uri(), "type": 2}]})
    for _ in range(10):
        assert known(go_on(client))
        time.sleep(0.05)


def followers(memory: ProjectMemory, text: str) -> set[bytes]:
    """The tokens that followed the end of a text anywhere."""
    tokens = VOCABULARY.encode(text)
    contexts = memory.contexts(Place("", 0, path="asking.py"), VOCABULARY)(tokens)
    longest = list(contexts)[-1:]
    return {VOCABULARY.token_bytes[token] for context in longest for token in context.token_ids}


def test_the_end_of_a_line_is_recalled_once_it_is_whole() -> None:
    memory = ProjectMemory()
    for written, ends in ((LINE, False), (LINE - 1, True), (None, True), (LINE, False)):
        memory.remember("written.py", ABOVE + TYPED + "qu" + BELOW, written)
        memory.index(VOCABULARY)
        assert any(token.startswith(b"\n") for token in followers(memory, TYPED + "qu")) == ends, written


def test_a_line_is_whole_that_the_cursor_has_left_or_that_a_line_break_ends() -> None:
    project = create_server(lambda _: pytest.fail("no model is asked for")).project
    first, second = types.Position(3, 4), types.Position(7, 0)
    typing = [types.TextDocumentContentChangePartial(types.Range(first, first), "qu")]
    project.wrote("file:///a%20b.py", typing)
    project.stands_at("file:///a b.py", 3)
    project.stands_at("file:///other.py", 9)
    assert project._written == {"file:///a b.py": 3}
    project.stands_at("file:///a b.py", 4)
    assert project._written == {}
    project.wrote(
        "file:///a.py", [*typing, types.TextDocumentContentChangePartial(types.Range(second, second), "\r\n\r")]
    )
    assert project._written == {"file:///a.py": 9}
    project.wrote("file:///a.py", [types.TextDocumentContentChangeWholeDocument("x")])
    assert project._written == {}


@pytest.mark.parametrize(
    ("text", "line", "tail"),
    [
        ("import os\nreturn os.path.ex\n", 1, "ex\n"),
        ("import os\nreturn f(os.path.ex)\n", 1, "ex)\n"),
        ("return os.path.ex", 0, "ex"),
        ("x = 1\n    \ny = 2\n", 1, ""),
        ("def f(frame, width):\n    pass\n", 0, "width):\n"),
        ("x = 1\n", 1, ""),
        ("x = 1\n", 7, ""),
        ("", 0, ""),
        ("x" * 100_000 + "\n", 0, "x" * 199 + "\n"),
    ],
)
def test_what_may_become_something_else(text: str, line: int, tail: str) -> None:
    characters = unfinished(text, line)
    assert text[characters.start : characters.stop] == tail


def test_what_may_become_something_else_is_forgotten_with_its_text() -> None:
    memory = ProjectMemory()
    memory.remember("a", "x = 1\n", 0)
    memory.remember("a", "x = 1\n")
    memory.remember("b", "x = 1\n", 0)
    memory.forget("b")
    assert memory._unfinished == {}


def test_the_document_that_is_written_counts_as_edited(tmp_path: Path) -> None:
    project = create_server(lambda _: pytest.fail("no model is asked for")).project
    assert isinstance(project.memory, ProjectMemory)
    project.wrote((tmp_path / "a b.py").as_uri(), [types.TextDocumentContentChangeWholeDocument("x")])
    assert list(project.memory._edited) == [str(tmp_path / "a b.py")]
