"""TCP and WebSocket: one client of this machine, with the token, and nobody else."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from raw_client import SERVER, RawClient
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from lineahead.lsp.network import problem_with_host

TEXT = "def main():\n    return 0\n\n\nif __na"
URI = "file:///work.py"
GHOST = ['me__ == "__main__":']
HANGS = 120  # seconds: a guard against hanging, so that a busy machine fails no test
OPTIONS = {"confidence": 0.05, "debounce": 0, "memory": "off"}
Start = Callable[..., tuple[int, str]]


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    """A server, its port and its token."""
    process = subprocess.Popen(
        [*SERVER, *arguments, "--port", "0"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        found = None
        while not found:
            line = process.stderr.readline()
            assert line, "the server is gone"
            found = re.search(r"waiting on \w+://127\.0\.0\.1:(\d+) for a client with the token (\S+)", line)
        yield process, int(found[1]), found[2]
    finally:
        process.kill()
        process.stderr.close()
        process.wait()


class TcpClient(RawClient):
    """The raw client on a TCP port."""

    def __init__(self, port: int, options: object, root: Path | None = None) -> None:
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=HANGS)
        self.file = self.connection.makefile("rwb")
        self.heard: list[dict[str, Any]] = []
        self._number = 0
        uri = root.as_uri() if root else None
        self.reply = self.ask(
            "initialize", {"processId": None, "rootUri": uri, "capabilities": {}, "initializationOptions": options}
        )

    def send(self, body: bytes) -> None:
        self.file.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.file.flush()

    def read(self) -> dict[str, Any]:
        length = 0
        while line := self.file.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        if not length:
            raise EOFError("the server is gone")
        found: dict[str, Any] = json.loads(self.file.read(length))
        return found

    def leave(self) -> None:
        self.file.close()
        self.connection.close()


def works(client: TcpClient, uri: str = URI) -> None:
    client.open(uri, TEXT)
    assert client.ghost(uri, 4, 7) == GHOST


def hung_up(port: int, sent: bytes) -> bytes:
    """What a connection hears until the server hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=HANGS) as connection:
        connection.sendall(sent)
        heard = b""
        try:
            while part := connection.recv(4096):
                heard += part
        except ConnectionResetError:
            pass
    return heard


def message(method: str, options: object) -> bytes:
    parameters = {"processId": None, "rootUri": None, "capabilities": {}, "initializationOptions": options}
    return json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": parameters}).encode()


def framed(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def test_one_client_with_the_token_is_served_and_nobody_else(tmp_path: Path) -> None:
    secret = tmp_path / "secret.py"
    secret.write_text("password = 'hunter2'\n")
    log = tmp_path / "log"
    with started("--tcp") as (process, port, token):
        refused: tuple[object, ...] = (
            None,
            {},
            {"token": ""},
            {"token": None},
            {"token": token[:-1]},
            {"token": [token]},
            [token],
        )
        for wrong in refused:
            client = TcpClient(port, wrong)
            assert "expected initializationOptions.token" in client.reply["error"]["message"], wrong
            assert client.file.read() == b"", "and hung up on"
            client.leave()
        for body in (message("shutdown", {"token": token}), b"{", b"[]", b"[" * 100_000, b'{"method": "initialize"}'):
            heard = hung_up(port, framed(body))
            assert b'"result"' not in heard
        http = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n"
        body = framed(message("initialize", {"token": token}))
        for sent in (http + body, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00" * 20 + b"\n", b"x" * 200_000):
            assert hung_up(port, sent) == b""
        for length in (b"-1", b"99999999999999999999999", b"x", b"1e3", b"2000000"):
            assert hung_up(port, b"Content-Length: " + length + b"\r\n\r\n") == b""

        options = {**OPTIONS, "token": token, "log": str(log), "model": "/no/where"}
        first = TcpClient(port, options)
        assert "capabilities" in first.reply["result"]
        first.tell("initialized", {})
        first.wait_ready()
        works(first)
        second = TcpClient(port, {"token": token})
        assert "another client is served already" in second.reply["error"]["message"]
        assert second.file.read() == b""
        second.leave()
        assert hung_up(port, http + body) == b""
        works(first, "file:///undisturbed.py")

        assert not [each for each in first.heard if "no such setting" in json.dumps(each)], "the token is no setting"
        change = {"settings": {"lineahead": {**OPTIONS, "log": str(log), "model": "/no/where"}}}
        first.tell("workspace/didChangeConfiguration", change)
        assert first.ask("lineahead/status", {})["result"]["state"] == "ready"
        works(first, "file:///settings.py")
        assert not log.exists()
        asked = {"command": "lineahead.perplexity", "arguments": [secret.as_uri()]}
        assert "expected a document that is open" in json.dumps(first.ask("workspace/executeCommand", asked)["error"])
        assert first.ghost(secret.as_uri(), 1, 0, explicit=True) == []
        assert first.ask("textDocument/completion", first.place(secret.as_uri(), 1, 0))["result"]["items"] == []
        first.ask("shutdown", None)
        first.tell("exit", None)
        assert process.wait(10) == 0
        first.leave()


@pytest.mark.parametrize("kind", ["--tcp", "--ws"])
def test_the_server_is_gone_when_its_client_leaves_and_not_when_another_does(kind: str) -> None:
    with started(kind) as (process, port, token):
        if kind == "--tcp":
            TcpClient(port, {}).leave()
            client = TcpClient(port, {**OPTIONS, "token": token})
            assert process.poll() is None
            client.leave()
        else:
            with connect(f"ws://127.0.0.1:{port}") as other:
                other.send(message("initialize", {}))
            with connect(f"ws://127.0.0.1:{port}") as page:
                page.send(message("initialize", {"token": token}))
                assert "result" in json.loads(page.recv())
                assert process.poll() is None
        process.wait(10)


def test_a_connection_that_says_nothing_keeps_nobody_out() -> None:
    with started("--tcp") as (_, port, token):
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        client = TcpClient(port, {**OPTIONS, "token": token})
        assert "result" in client.reply
        for connection in silent:
            connection.close()
        assert client.ask("lineahead/status", {})["result"]["state"] in ("loading", "ready")
        client.leave()


def _ask(client: ClientConnection, number: int, method: str, parameters: object) -> dict[str, Any]:
    client.send(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}))
    while True:
        heard: dict[str, Any] = json.loads(client.recv())
        if heard.get("id") == number and "method" not in heard:
            return heard


def test_a_web_page_is_refused_and_a_websocket_with_the_token_is_not() -> None:
    with started("--ws") as (_, port, token):
        address = f"ws://127.0.0.1:{port}"
        for origin in ("https://example.org", "null", f"http://127.0.0.1:{port}", ""):
            with pytest.raises(InvalidStatus, match="403"):
                connect(address, additional_headers={"Origin": origin})
        for body in (message("initialize", {}), message("shutdown", {"token": token})):
            with connect(address) as stranger:
                stranger.send(body)
                assert "lineahead: expected" in json.loads(stranger.recv())["error"]["message"]
                with pytest.raises(ConnectionClosed):
                    stranger.recv()
        for wrong in ("{", "x" * 2_000_000):
            with connect(address) as stranger:
                stranger.send(wrong)
                with pytest.raises(ConnectionClosed):
                    stranger.recv()
        with connect(address) as first:
            first.send(message("initialize", {**OPTIONS, "token": token}))
            assert "capabilities" in json.loads(first.recv())["result"]
            first.send(json.dumps({"jsonrpc": "2.0", "method": "initialized", "params": {}}))
            with connect(address) as second:
                second.send(message("initialize", {"token": token}))
                assert "another client is served already" in json.loads(second.recv())["error"]["message"]
            number = 100
            while _ask(first, number, "lineahead/status", {})["result"]["state"] == "loading":
                number += 1
            text = {"uri": URI, "languageId": "python", "version": 1, "text": TEXT}
            first.send(
                json.dumps({"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": {"textDocument": text}})
            )
            found = _ask(first, 99, "textDocument/inlineCompletion", RawClient.place(URI, 4, 7))
            assert [each["insertText"] for each in found["result"]["items"]] == GHOST


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "", "127.0.0.1.example.org"])
def test_only_this_machine_is_listened_to(host: str) -> None:
    assert problem_with_host(host)
    refused = subprocess.run(
        [*SERVER, "--tcp", "--host", host], capture_output=True, text=True, timeout=HANGS, check=False
    )
    assert refused.returncode == 2
    assert "expected an address of this machine alone" in refused.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_has_several_names(host: str) -> None:
    assert problem_with_host(host) == ""


@pytest.mark.parametrize("kind", ["--tcp", "--ws"])
def test_a_port_in_use_is_one_line(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = subprocess.run(
            [*SERVER, kind, "--port", port], capture_output=True, text=True, timeout=HANGS, check=False
        )
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"lineahead: cannot wait on 127.0.0.1:{port}: ")
    assert refused.stderr.count("\n") == 1


def test_a_notebook_s_cells_are_not_read_from_disk(tmp_path: Path) -> None:
    secret = tmp_path / "cell.py"
    secret.write_text("hunter2_secret_password = 1\n")
    client = RawClient(*SERVER, options=OPTIONS)
    client.wait_ready()
    cells = [secret.as_uri(), "nb:/1#b"]
    notebook = {
        "uri": "file:///work.ipynb",
        "notebookType": "jupyter-notebook",
        "version": 1,
        "cells": [{"kind": 2, "document": uri} for uri in cells],
    }
    text = {"uri": cells[1], "languageId": "python", "version": 1, "text": "print(hunter2_"}
    client.tell("notebookDocument/didOpen", {"notebookDocument": notebook, "cellTextDocuments": [text]})
    shown = client.ghost(cells[1], 0, 14, explicit=True)
    client.kill()
    assert not any("secret_pass" in each for each in shown)


def test_the_standard_streams_need_no_token() -> None:
    client = RawClient(sys.executable, "-m", "lineahead", "serve", "--stdio", options=OPTIONS)
    assert client.capabilities
    assert client.close() == 0
