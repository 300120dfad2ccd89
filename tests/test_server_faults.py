"""Whatever a client sends, the server stays up, and serves the next request."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from raw_client import SERVER, RawClient

from lineahead.lsp.handlers import COMMANDS

WAIT_SECONDS = 60  # a guard against hanging: no test needs an idle machine
INVALID_PARAMETERS, REQUEST_CANCELLED = -32602, -32800
URI = "file:///work.py"
TEXT = "def main():\n    return 0\n\n\nif __na"
LINE, COLUMN = 4, 7
GHOST = ['me__ == "__main__":']
OPTIONS = {"confidence": 0.05, "debounce": 0, "memory": "off"}  # one test's documents are nothing to another's


@pytest.fixture(scope="module")
def server() -> Iterator[RawClient]:
    client = RawClient(options=OPTIONS)
    client.wait_ready()
    yield client
    client.close()


@pytest.fixture(autouse=True)
def serves_the_next_request(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "server" in request.fixturenames:
        client = request.getfixturevalue("server")
        client.open("file:///next.py", TEXT)
        assert client.ghost("file:///next.py", LINE, COLUMN) == GHOST


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff\xfe",
        b"{}",
        b'{"jsonrpc": "2.0", "id": {}, "method": 3}',
        b'{"id": "never asked"}',
    ],
)
def test_messages_that_are_none(server: RawClient, body: bytes) -> None:
    server.send(body)


def test_methods_and_parameters_that_are_none(server: RawClient) -> None:
    assert "error" in server.ask("textDocument/nothing", {})
    assert "error" in server.ask("textDocument/inlineCompletion", {"textDocument": 3})
    assert "error" in server.ask("workspace/executeCommand", {"command": "lineahead.nothing"})
    server.tell("textDocument/didChange", {"textDocument": None})
    server.tell("workspace/didChangeConfiguration", {"settings": None})
    server.tell("workspace/didChangeConfiguration", {"settings": {"lineahead": OPTIONS}})


@pytest.mark.parametrize("arguments", [None, [], [None], [5], [0.5]])
def test_snooze_takes_minutes_or_its_default(server: RawClient, arguments: list[object] | None) -> None:
    try:
        assert "error" not in server.ask(
            "workspace/executeCommand", {"command": "lineahead.snooze", "arguments": arguments}
        )
        assert server.ask("lineahead/status", {})["result"]["state"] == "snoozed"
    finally:
        server.ask("workspace/executeCommand", {"command": "lineahead.snooze", "arguments": [0]})
    assert server.ask("lineahead/status", {})["result"]["state"] == "ready"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "arguments",
    [
        None,
        [],
        ["file:///a%00b"],
        [URI, -1, 0],
        [URI, 0, -1],
        [URI, 2**70, 0],
        [URI, 0, 2**31],
        [URI, float("inf"), 0],
        [URI, None, 0],
        [{}, [], {}, []],
    ],
    ids=repr,
)
def test_commands_refuse_arguments_that_they_cannot_use(
    server: RawClient, command: str, arguments: list[object] | None
) -> None:
    answer = server.ask("workspace/executeCommand", {"command": command, "arguments": arguments})
    assert "error" not in answer or answer["error"]["code"] == INVALID_PARAMETERS
    server.ask("workspace/executeCommand", {"command": "lineahead.snooze", "arguments": [0]})


@pytest.mark.parametrize(
    ("command", "found"),
    [("candidates", [URI, -1, 0]), ("candidates", [URI, 0, 2**70]), ("candidates", None), ("perplexity", None)],
)
def test_it_says_what_is_wrong_with_arguments(server: RawClient, command: str, found: list[object] | None) -> None:
    answer = server.ask("workspace/executeCommand", {"command": f"lineahead.{command}", "arguments": found})
    assert answer["error"]["code"] == INVALID_PARAMETERS
    assert "xpected" in answer["error"]["message"]
    assert "data" not in answer["error"]  # which would be a traceback


def test_a_command_whose_request_is_cancelled_computes_no_longer(server: RawClient) -> None:
    uri, process = "file:///long.py", psutil.Process(server.process.pid)
    server.open(uri, TEXT * 20_000)  # minutes
    asked = server.request("workspace/executeCommand", {"command": "lineahead.perplexity", "arguments": [uri]})
    time.sleep(0.5)
    server.tell("$/cancelRequest", {"id": asked})
    assert server.wait(asked)["error"]["code"] == REQUEST_CANCELLED
    deadline, used = time.monotonic() + WAIT_SECONDS, 1.0
    while used > 0.1 and time.monotonic() < deadline:
        before = sum(process.cpu_times()[:2])
        time.sleep(0.5)
        used = sum(process.cpu_times()[:2]) - before
    server.tell("textDocument/didClose", {"textDocument": {"uri": uri}})
    assert used <= 0.1


def test_what_is_wrong_with_notifications_is_a_line_each(tmp_path: Path) -> None:
    log = tmp_path / "log"
    client = RawClient(*SERVER, "--log-file", str(log), "--log-level", "warning")
    lengths: tuple[object, ...] = ("abc", None, float("inf"), [], {})
    for length in lengths:
        client.tell("textDocument/didPartiallyAcceptCompletion", {"acceptedLength": length})
    nameless: tuple[object, ...] = (5, "abc", {"a": 1}, [], None)  # which are items, but none of ours
    for arguments in nameless:
        item = {"command": {"arguments": arguments}}
        client.tell("textDocument/didShowCompletion", {"item": item})
        client.tell("textDocument/didPartiallyAcceptCompletion", {"item": item, "acceptedLength": -1})
    assert client.close() == 0
    lines = log.read_text().splitlines()
    assert len(lines) == len(lengths)
    assert all("JsonRpcInvalidParams" in line and "expected acceptedLength" in line for line in lines)


@pytest.mark.parametrize(
    "minutes", ["5", -1, True, [], {}, 10**400, 1e308, float("nan")], ids=lambda each: f"{each!r:.9}"
)
def test_snooze_refuses_what_is_no_time(server: RawClient, minutes: object) -> None:
    answer = server.ask("workspace/executeCommand", {"command": "lineahead.snooze", "arguments": [minutes]})
    assert answer["error"]["code"] == INVALID_PARAMETERS
    assert "expected minutes" in answer["error"]["message"]
    assert server.ask("lineahead/status", {})["result"]["state"] == "ready"


@pytest.mark.parametrize("position", [(99, 0), (0, 99_999), (2**31 - 1, 2**31 - 1), (4, 8)])
def test_positions_outside_of_the_document(server: RawClient, position: tuple[int, int]) -> None:
    server.open(URI, TEXT)
    server.ghost(URI, *position)
    server.ghost(URI, *position, explicit=True)


def test_documents_that_nobody_opened(server: RawClient) -> None:
    assert server.ghost("file:///nowhere/at/all.py", 0, 0) == []
    assert server.ghost("untitled:Untitled-1", 0, 0) == []
    server.tell("textDocument/didClose", {"textDocument": {"uri": "file:///nowhere/at/all.py"}})


def test_versions_out_of_order(server: RawClient) -> None:
    server.open(URI, "x")
    for version in (7, 3, -1):
        server.tell(
            "textDocument/didChange",
            {"textDocument": {"uri": URI, "version": version}, "contentChanges": [{"text": TEXT}]},
        )
    assert server.ghost(URI, LINE, COLUMN) == GHOST


@pytest.mark.parametrize(
    "text", ["x = 1\x00\n" * 3, "\ud800 = 1\n", "é = '\ud800", "\f\f\n\u2028x", "\r\r\n\n\r", "\ufeffimport os\n", ""]
)
def test_odd_characters(server: RawClient, text: str) -> None:
    server.open(URI, text)
    for position in ((0, 0), (0, 1), (1, 0), (0, len(text))):
        server.ghost(URI, *position)
        server.ghost(URI, *position, explicit=True)


@pytest.mark.parametrize(
    "text", ["x = 1  # a comment\n" * 2_750_000, "x = [" + "1, " * 700_000], ids=["50 MB", "one line"]
)
def test_large_files(server: RawClient, text: str) -> None:
    server.open("file:///large.py", text)
    server.ghost("file:///large.py", text.count("\n"), 0)
    server.ghost("file:///large.py", 0, min(len(text.partition("\n")[0]), 2_000_000))
    server.tell("textDocument/didClose", {"textDocument": {"uri": "file:///large.py"}})


def test_cells_before_this_one_are_known(server: RawClient) -> None:
    assert server.capabilities["notebookDocumentSync"]["notebookSelector"]
    cells = {"nb:/1#a": "measurements = [1, 2]", "nb:/1#b": "print(measu"}
    server.tell(
        "notebookDocument/didOpen",
        {
            "notebookDocument": {
                "uri": "file:///work.ipynb",
                "notebookType": "jupyter-notebook",
                "version": 1,
                "cells": [{"kind": 2, "document": uri} for uri in cells],
            },
            "cellTextDocuments": [
                {"uri": uri, "languageId": "python", "version": 1, "text": text} for uri, text in cells.items()
            ],
        },
    )
    assert server.ghost("nb:/1#b", 0, 11, explicit=True)[0].startswith("rements")


def test_a_document_that_changes_while_it_is_completed(server: RawClient) -> None:
    server.open(URI, TEXT)
    for version in range(2, 30):
        server.request("textDocument/inlineCompletion", server.place(URI, LINE, COLUMN))
        server.tell(
            "textDocument/didChange",
            {"textDocument": {"uri": URI, "version": version}, "contentChanges": [{"text": TEXT[:-version]}]},
        )


def test_models_that_cannot_be_used_are_told_once(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"truncated")
    (tmp_path / "tokenizer.json").write_text("{")
    client = RawClient(*SERVER, "--model", str(tmp_path), options=OPTIONS)
    client.wait_ready()
    client.open(URI, TEXT)
    assert client.ghost(URI, LINE, COLUMN) == []
    status = client.ask("lineahead/status", {})["result"]
    assert status["state"] == "failed"
    assert "tokenizer.json" in status["message"]
    told = [message for message in client.heard if message.get("method") == "window/showMessage"]
    assert len(told) == 1
    client.tell("workspace/didChangeConfiguration", {"settings": {"lineahead": {**OPTIONS, "model": str(tmp_path)}}})
    client.ask("workspace/executeCommand", {"command": "lineahead.restart", "arguments": []})
    assert client.ask("lineahead/status", {})["result"]["state"] == "failed"
    assert client.close() == 0


def test_it_is_gone_when_its_client_dies() -> None:
    code = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from raw_client import RawClient
client = RawClient()
client.wait_ready()
print(client.process.pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    server = psutil.Process(int(parent.stdout.readline()))
    begun = used = sum(server.cpu_times()[:2])
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    with contextlib.suppress(psutil.NoSuchProcess):
        hanging = time.monotonic() + WAIT_SECONDS
        while server.is_running() and server.status() != psutil.STATUS_ZOMBIE:
            used = sum(server.cpu_times()[:2])
            assert time.monotonic() < hanging, "the server outlives its client"
            time.sleep(0.02)
    assert used - begun < 2, "seconds of work after its client is gone, however busy the machine is"


def test_it_opens_no_socket_and_imports_nothing_heavy(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    (tmp_path / "sitecustomize.py").write_text(
        f"""
import atexit, json, sys
seen = []
sys.addaudithook(lambda event, arguments: seen.append(event) if event.startswith("socket.") else None)
heavy = ("torch", "pandas", "transformers", "tqdm", "matplotlib", "training.checkpoint")
found = lambda: [sorted(set(seen)), [each for each in heavy if each in sys.modules]]
atexit.register(lambda: json.dump(found(), open({str(report)!r}, "w")))
"""
    )
    client = RawClient(options=OPTIONS, environment={**os.environ, "PYTHONPATH": str(tmp_path)})
    client.wait_ready()
    client.open(URI, TEXT)
    assert client.ghost(URI, LINE, COLUMN) == GHOST
    assert client.close() == 0
    sockets, heavy = json.loads(report.read_text())
    assert heavy == []
    # asyncio wakes its loop through a pair of sockets that are connected to each other and to nothing else.
    assert set(sockets) <= {"socket.__new__"}
