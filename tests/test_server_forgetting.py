"""What is closed, deleted, switched off or taken out of the workspace is suggested no more; other texts never are.

What is new is suggested where nothing was before, too.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from raw_client import RawClient

pytestmark = pytest.mark.slow  # each test has a server of its own
OPTIONS = {"confidence": 0.05, "debounce": 0}
KNOWN = "def first(frame):\n    frame.normalise_columns(width=80, pad=True)\n    return frame\n" * 3
TYPED = "def second(frame):\n    frame.normalise_"
REST = "columns(width=80, pad=True)"


class Client(RawClient):
    """Asks at the end of a text that only the project can complete."""

    def known(self) -> bool:
        """Whether the server knows how the line goes on; the document changes each time, so that nothing is reused."""
        self.asked = getattr(self, "asked", 0) + 1
        uri = f"file:///asking/{self.asked}.py"
        self.open(uri, f"# {self.asked}\n{TYPED}")
        texts = self.ghost(uri, 2, len("    frame.normalise_"))
        self.tell("textDocument/didClose", {"textDocument": {"uri": uri}})
        return any(text.startswith("columns") for text in texts)

    def wait_known(self) -> None:
        deadline = time.monotonic() + 60
        while not self.known():
            assert time.monotonic() < deadline, "the server does not learn"
            time.sleep(0.05)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    return project


@pytest.fixture
def client(folder: Path) -> Iterator[Client]:
    client = Client(options=OPTIONS, root=folder)
    client.wait_ready()
    yield client
    client.close()


def event(path: Path, kind: int) -> dict[str, object]:
    return {"changes": [{"uri": path.as_uri(), "type": kind}]}


@pytest.mark.parametrize("uri", ["untitled:Untitled-1", "vscode-notebook-cell:/work.ipynb#a", ".venv/lib.py"])
def test_a_closed_document_that_was_never_saved(client: Client, folder: Path, uri: str) -> None:
    uri = (folder / uri).as_uri() if uri.startswith(".") else uri  # in a folder that is not read
    client.open(uri, KNOWN)
    client.wait_known()
    client.tell("textDocument/didClose", {"textDocument": {"uri": uri}})
    assert not client.known()


def open_notebook(client: Client) -> str:
    """Open a notebook with one cell, and wait until that is known; returns the cell."""
    cell = "vscode-notebook-cell:/work.ipynb#a"
    notebook = {"uri": "file:///work.ipynb", "notebookType": "jupyter-notebook", "version": 1,
                "cells": [{"kind": 2, "document": cell}]}  # fmt: skip
    item = {"uri": cell, "languageId": "python", "version": 1, "text": KNOWN}
    client.tell("notebookDocument/didOpen", {"notebookDocument": notebook, "cellTextDocuments": [item]})
    client.wait_known()
    return cell


def test_a_closed_notebook(client: Client) -> None:
    cell = open_notebook(client)
    client.tell(
        "notebookDocument/didClose",
        {"notebookDocument": {"uri": "file:///work.ipynb"}, "cellTextDocuments": [{"uri": cell}]},
    )
    assert not client.known()


def test_a_removed_cell(client: Client) -> None:
    cell = open_notebook(client)
    structure = {"array": {"start": 0, "deleteCount": 1}, "didClose": [{"uri": cell}]}
    client.tell(
        "notebookDocument/didChange",
        {
            "notebookDocument": {"uri": "file:///work.ipynb", "version": 2},
            "change": {"cells": {"structure": structure}},
        },
    )
    assert not client.known()


def test_a_folder_that_is_removed_while_it_is_read(client: Client, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for number in range(200):
        (other / f"{number}.py").write_text(KNOWN)
    event = [{"uri": other.as_uri(), "name": "other"}]
    client.tell("workspace/didChangeWorkspaceFolders", {"event": {"added": event, "removed": []}})
    client.tell("workspace/didChangeWorkspaceFolders", {"event": {"added": [], "removed": event}})
    for _ in range(20):
        time.sleep(0.1)
        known = client.known()
    assert not known


def saved(client: Client, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(KNOWN)
    client.tell("workspace/didChangeWatchedFiles", event(path, 1))


def learned(client: Client, path: Path) -> None:
    saved(client, path)
    client.wait_known()


def test_a_deleted_file(client: Client, folder: Path) -> None:
    learned(client, folder / "a.py")
    (folder / "a.py").unlink()
    client.tell("workspace/didChangeWatchedFiles", event(folder / "a.py", 3))
    assert not client.known()


def test_a_deleted_folder(client: Client, folder: Path) -> None:
    learned(client, folder / "package" / "sub" / "a.py")
    client.tell("workspace/didChangeWatchedFiles", event(folder / "package", 3))
    assert not client.known()


def test_a_file_that_goes_without_a_word(client: Client, folder: Path) -> None:
    learned(client, folder / "a.py")
    (folder / "a.py").unlink()
    deadline = time.monotonic() + 60
    while client.known():
        assert time.monotonic() < deadline, "the server still knows what is gone"
        time.sleep(0.2)


def test_a_removed_folder_of_the_workspace(client: Client, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.py").write_text(KNOWN)
    change = {"event": {"added": [{"uri": other.as_uri(), "name": "other"}], "removed": []}}
    client.tell("workspace/didChangeWorkspaceFolders", change)
    client.wait_known()
    change = {"event": {"added": [], "removed": [{"uri": other.as_uri(), "name": "other"}]}}
    client.tell("workspace/didChangeWorkspaceFolders", change)
    assert not client.known()


@pytest.mark.parametrize("with_another", [False, True])
def test_the_last_folder_of_the_workspace(client: Client, folder: Path, tmp_path: Path, with_another: bool) -> None:
    (folder / "a.py").write_text(KNOWN)
    other = tmp_path / "other"
    other.mkdir()
    added = [{"uri": other.as_uri(), "name": "other"}] if with_another else []
    client.tell("workspace/didChangeWatchedFiles", event(folder / "a.py", 1))
    client.tell("workspace/didChangeWorkspaceFolders", {"event": {"added": added, "removed": []}})
    client.wait_known()  # the folder that came as `rootUri` stays
    gone = [*added, {"uri": folder.as_uri(), "name": "project"}]
    client.tell("workspace/didChangeWorkspaceFolders", {"event": {"added": [], "removed": gone}})
    for _ in range(5):
        assert not client.known()


def test_the_memory_switched_off_and_on(client: Client, folder: Path) -> None:
    learned(client, folder / "a.py")
    client.tell("workspace/didChangeConfiguration", {"settings": {"lineahead": {**OPTIONS, "memory": "off"}}})
    assert not client.known()
    client.tell("workspace/didChangeConfiguration", {"settings": {"lineahead": OPTIONS}})
    client.wait_known()


@pytest.mark.parametrize(
    ("uri", "language"),
    [("git:/old.py?ref", "python"), ("output:/log", "python"), ("file:///data.json", "json"), ("file:///a.py", "text")],
)
def test_what_is_no_code_of_the_persons_is_not_learned(client: Client, uri: str, language: str) -> None:
    client.open(uri, KNOWN, language)
    client.open("file:///witness.py", KNOWN.replace("normalise", "finalise"))
    deadline = time.monotonic() + 60
    while True:  # until the witness, which came later, is known
        client.open("file:///asks.py", TYPED.replace("normalise", "finalise"))
        texts = client.ghost("file:///asks.py", 1, len("    frame.finalise_"))
        client.tell("textDocument/didClose", {"textDocument": {"uri": "file:///asks.py"}})
        if any(text.startswith("columns") for text in texts):
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    client.tell("textDocument/didClose", {"textDocument": {"uri": "file:///witness.py"}})
    assert not client.known()


@pytest.mark.parametrize("name", ["my proj", "c# und é", "100%", "what?"])
def test_folders_of_any_name_are_read_once(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "a.py").write_text(KNOWN)
    assert quote(name) in folder.as_uri()
    client = Client(options=OPTIONS, root=folder)
    client.wait_ready()
    client.wait_known()
    assert client.close() == 0


def opened(client: Client, path: Path) -> None:
    client.open(path.as_uri(), KNOWN)


def added(client: Client, path: Path) -> None:
    other = path.parents[1] / "other"
    other.mkdir()
    (other / "a.py").write_text(KNOWN)
    folders = [{"uri": other.as_uri(), "name": "other"}]
    client.tell("workspace/didChangeWorkspaceFolders", {"event": {"added": folders, "removed": []}})


@pytest.mark.parametrize("learn", [saved, opened, added])
def test_the_same_place_is_asked_anew_once_the_memory_knows_more(
    client: Client, folder: Path, learn: Callable[[Client, Path], None]
) -> None:
    uri = (folder / "asking.py").as_uri()
    client.open(uri, TYPED)
    asked = (uri, 1, len("    frame.normalise_"))
    assert not any(text.startswith("columns") for text in client.ghost(*asked))
    learn(client, folder / "a.py")
    deadline = time.monotonic() + 60
    while not any(text.startswith("columns") for text in client.ghost(*asked)):
        assert time.monotonic() < deadline, "the server says what it said before it learned"
        time.sleep(0.05)
