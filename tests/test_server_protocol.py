"""The protocol as specified: positions, settings, the end, what is no message."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types
from pygls.workspace import PositionCodec, TextDocument
from raw_client import SERVER, RawClient
from scripted_engine import ScriptedEngine

import lineahead.lsp.pygls_mended  # noqa: F401  (what it mends is tested)
from lineahead.engine.open import load_engine
from lineahead.lsp.handlers import completion_item, create_server
from lineahead.lsp.lines import lines_of
from lineahead.lsp.wire import LONGEST_MESSAGE, Input
from lineahead.suggest.policy import Suggestion

OPTIONS = {"confidence": 0.05, "debounce": 0, "memory": "off"}
TEXT = "def main():\n    return 0\n\n\nif __na"
URI = "file:///protocol.py"


@pytest.fixture(scope="module")
def server() -> Iterator[RawClient]:
    client = RawClient(options=OPTIONS)
    client.wait_ready()
    yield client
    client.close()


def changed(text: str, start: tuple[int, int], end: tuple[int, int], new: str) -> str:
    document = TextDocument("file:///x.py", text, position_codec=PositionCodec())
    span = types.Range(types.Position(*start), types.Position(*end))
    document.apply_change(types.TextDocumentContentChangePartial(span, new))
    return document.source


@pytest.mark.parametrize(
    ("text", "start", "end", "expected"),
    [
        ("ab", (0, 0), (0, 99), "X"),
        ("ab\n", (0, 0), (0, 99), "X\n"),
        ("ab\r\ncd", (0, 1), (0, 99), "aX\r\ncd"),
        ("ab\ncd", (1, 99), (1, 99), "ab\ncdX"),
        ("ab\ncd", (0, 0), (9, 0), "X"),
        ("ab\ncd", (9, 0), (9, 9), "ab\ncdX"),
        ("ab\n", (7, 7), (7, 7), "ab\nX"),
        ("", (3, 3), (3, 3), "X"),
        ("a\fb\u2028c", (0, 4), (0, 99), "a\fb\u2028X"),
        ("a𝒳b", (0, 3), (0, 99), "a𝒳X"),
    ],
)
def test_positions_behind_the_end_are_the_end(
    text: str, start: tuple[int, int], end: tuple[int, int], expected: str
) -> None:
    assert changed(text, start, end, "X") == expected


@given(st.text("ab𝒳\r\n\f", max_size=20), st.integers(0, 8), st.integers(0, 8))
def test_a_position_and_its_offset_say_the_same(text: str, line: int, character: int) -> None:
    document = TextDocument("file:///x.py", text, position_codec=PositionCodec())
    lines, codec = lines_of(document), document.position_codec
    offset = lines.offset(types.Position(line, character), codec)
    assert 0 <= offset <= len(text)
    assert lines.offset(lines.position(offset, codec), codec) == offset


def test_a_list_behind_the_end_replaces_nothing_outside(server: RawClient) -> None:
    server.open(URI, TEXT)
    params = {"textDocument": {"uri": URI}, "position": {"line": 9, "character": 0}}
    items = server.ask("textDocument/completion", params)["result"]["items"]
    for item in items:
        start = item["textEdit"]["range"]["start"]
        assert start == {"line": 4, "character": 3}


def test_an_item_of_several_lines_shows_one_and_inserts_all_as_they_are() -> None:
    item = completion_item(Suggestion("a = 1\n    return a", ""), 0, types.Position(2, 4), PositionCodec())
    assert item.label == "a = 1"
    assert item.insert_text_mode == types.InsertTextMode.AsIs
    assert isinstance(item.text_edit, types.TextEdit)
    assert item.text_edit.new_text == "a = 1\n    return a"


@pytest.mark.parametrize(
    ("text", "word", "typed", "fits"),
    [
        ("ortError:", "Imp", "Imp", True),
        ("ortError:", "Imp", "ImportError", True),
        ("ortError:", "Imp", "ImportError:", False),
        (")", "", "", True),
        (")", "", ")", False),
        ("a = 1\n    return a", "", "a =", True),
        ("a = 1\n    return a", "", "a = 1", False),
        ("\n    return a", "else:", "else:", True),
    ],
)
def test_an_item_that_is_typed_out_is_no_longer_in_the_list(text: str, word: str, typed: str, fits: bool) -> None:
    item = completion_item(Suggestion(text, word), 0, types.Position(0, len(word)), PositionCodec())
    assert item.filter_text is not None
    assert item.filter_text.startswith(typed) is fits


GHOST_TEXT: dict[str, object] = {"textDocument": {"inlineCompletion": {}}}
INVOKED, TRIGGER_CHARACTER, INCOMPLETE = 1, 2, 3


@pytest.mark.parametrize(
    ("able", "setting", "listed"),
    [
        (GHOST_TEXT, None, {INVOKED, INCOMPLETE}),
        (GHOST_TEXT, "whenAsked", {INVOKED, INCOMPLETE}),
        (GHOST_TEXT, "always", {INVOKED, TRIGGER_CHARACTER, INCOMPLETE}),
        (GHOST_TEXT, "never", set()),
        ({}, None, {INVOKED, TRIGGER_CHARACTER, INCOMPLETE}),
        ({}, "whenAsked", {INVOKED, TRIGGER_CHARACTER, INCOMPLETE}),
        ({}, "never", set()),
    ],
)
def test_the_list_holds_what_ghost_text_shows_only_when_asked(
    able: dict[str, object], setting: str | None, listed: set[int]
) -> None:
    client = RawClient(options={**OPTIONS, **({"completionList": setting} if setting else {})}, able=able)
    client.wait_ready()
    client.open(URI, TEXT)
    answered = set()
    for kind in (INVOKED, TRIGGER_CHARACTER, INCOMPLETE):
        params = {**client.place(URI, 4, 7), "context": {"triggerKind": kind}}
        result = client.ask("textDocument/completion", params)["result"]
        assert result["isIncomplete"] is bool(result["items"])
        if result["items"]:
            answered.add(kind)
    assert answered == listed
    assert client.ghost(URI, 4, 7)  # whatever becomes of the list
    assert client.close() == 0


def test_ghost_text_goes_on_from_the_selected_item_of_the_popup(server: RawClient) -> None:
    server.open(URI, TEXT[:-2])  # "if __" and the popup has "__name__" selected
    span = {"start": {"line": 4, "character": 3}, "end": {"line": 4, "character": 5}}
    params = server.place(URI, 4, 5)
    params["context"] = {"triggerKind": 2, "selectedCompletionInfo": {"range": span, "text": "__name__"}}
    (item,) = server.ask("textDocument/inlineCompletion", params)["result"]["items"]
    assert item["insertText"] == '__name__ == "__main__":'
    assert item["range"] == span


@pytest.mark.parametrize("settings", [{"editor": {"tabSize": 2}}, {}, {"pylsp": {}}])
def test_settings_of_others_change_nothing(server: RawClient, settings: object) -> None:
    server.tell("workspace/didChangeConfiguration", {"settings": {"lineahead": {**OPTIONS, "enable": {}}}})
    server.tell("workspace/didChangeConfiguration", {"settings": settings})
    assert server.ask("lineahead/status", {})["result"]["state"] == "off"
    server.tell("workspace/didChangeConfiguration", {"settings": OPTIONS})  # as some clients send them
    assert server.ask("lineahead/status", {})["result"]["state"] == "ready"
    assert not [message for message in server.heard if message.get("method") == "window/showMessage"]


def test_a_log_in_nobodys_home_costs_no_suggestion() -> None:
    client = RawClient(options={**OPTIONS, "log": "~nosuchuser/requests.jsonl"})
    client.wait_ready()
    client.open(URI, TEXT)
    assert client.ghost(URI, 4, 7) == ['me__ == "__main__":']
    assert client.close() == 0


def test_a_model_in_the_home_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "mine").symlink_to(Path(sys.modules[load_engine.__module__].__file__ or "").parents[1] / "model")
    client = RawClient(options={**OPTIONS, "model": "~/mine"}, environment={**os.environ, "HOME": str(tmp_path)})
    client.wait_ready()
    assert client.ask("lineahead/status", {})["result"] == {
        "state": "ready", "message": "Suggesting while you type.", "model": "~/mine", "milliseconds": None
    }  # fmt: skip
    assert client.close() == 0


def test_the_status_names_the_model_of_the_command_line(tmp_path: Path) -> None:
    client = RawClient(*SERVER, "--model", str(tmp_path / "none"), options=OPTIONS)
    client.wait_ready()
    status = client.ask("lineahead/status", {})["result"]
    assert status["model"] == str(tmp_path / "none")
    assert "expected a checkpoint folder" in status["message"]
    assert client.close() == 0


def test_after_shutdown_requests_are_refused() -> None:
    client = RawClient(options=OPTIONS)
    assert "result" in client.ask("shutdown", None)
    assert client.ask("textDocument/inlineCompletion", client.place(URI, 0, 0))["error"]["code"] == -32600
    client.tell("exit", None)
    assert client.kill(wait=True) == 0


def test_exit_without_shutdown_is_an_error() -> None:
    client = RawClient(options=OPTIONS)
    client.tell("exit", None)
    assert client.kill(wait=True) == 1


@pytest.mark.parametrize(
    "header",
    [b"Content-Length: 99999999999999\r\n\r\n", b"Content-Length: -3\r\n\r\n", b"Content-Length: many\r\n\r\n",
     b"Content-Length 12\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"x" * 10_000, b"\xff\x00\r\n\r\n"],
)  # fmt: skip
def test_what_is_no_header_ends_the_server_with_a_reason(header: bytes) -> None:
    ended = subprocess.run(SERVER, input=header + b"\r\n{}", capture_output=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert b"expected a header of the Language Server Protocol" in ended.stderr


@pytest.mark.parametrize("header", [b"content-length:2", b"CONTENT-LENGTH: 2 ", b"Content-Length: 2"])
def test_headers_may_be_spelled_as_http_has_them(header: bytes) -> None:
    stream = Input(io.BytesIO(b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\n" + header + b"\r\n\r\n{}"))
    assert stream.readline().startswith(b"Content-Type")
    assert stream.readline() == b"Content-Length: 2\r\n"
    assert stream.readline() == b"\r\n"
    assert stream.read(2) == b"{}"
    assert Input(io.BytesIO(b"Content-Length: %d\r\n" % (LONGEST_MESSAGE + 1))).readline() == b""


def test_nothing_but_warnings_goes_to_standard_error() -> None:
    messages = b'{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"processId": null, "capabilities": {}}}'
    ended = subprocess.run(
        SERVER, input=b"Content-Length: %d\r\n\r\n%s" % (len(messages), messages), capture_output=True, check=False
    )
    assert ended.stderr == b""


def test_it_leaves_with_the_process_that_started_it_even_if_the_pipe_stays_open() -> None:
    editor = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    client = RawClient(options=OPTIONS, process_id=editor.pid)
    client.wait_ready()
    editor.send_signal(signal.SIGKILL)
    editor.wait()
    assert psutil.Process(client.process.pid).wait(timeout=60) is not None
    client.kill()


async def test_nothing_is_kept_of_what_was_handled() -> None:
    protocol = create_server(lambda _: ScriptedEngine("")).protocol

    async def coroutine() -> int:
        await asyncio.sleep(0)
        return 1

    def generator() -> Iterator[tuple[object, tuple[()], None]]:
        assert (yield coroutine, (), None) == 1

    def plain() -> int:
        return 1

    handled: list[object] = []
    handlers: tuple[Any, ...] = (coroutine, generator, plain)
    for number, handler in enumerate(handlers):
        protocol._execute_handler(f"{number}", handler, handled.append)
    deadline = time.monotonic() + 60
    while len(handled) < 3 or protocol._request_futures:
        assert time.monotonic() < deadline, protocol._request_futures
        await asyncio.sleep(0.01)
