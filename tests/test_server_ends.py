"""The server is gone soon after its client, whatever it is doing: by the end of its pipe, and by its process."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from raw_client import SERVER, RawClient

from lineahead.lsp.handlers import COMMANDS

CPU_SECONDS = 5.0  # of the server's own, once its client is gone, on a slow core: 1.1 to 2.2 on a Zen 1
# The same, where hundreds of requests lie in its pipe: 1.2 on an idle machine, 2.7 on a busy one.
BACKLOG_SECONDS = 10.0
HANGS = 60.0
URI = "file:///ends.py"
CODE = "import os\n\n\ndef join(folder, name):\n    return os.path.join(folder, name)\n\n\n"


def idle(client: RawClient, _: Path) -> None:
    client.wait_ready()


def loading(_client: RawClient, _: Path) -> None:
    """Nothing: the model is on its way."""


def indexing(client: RawClient, folder: Path) -> None:
    for number in range(150):
        (folder / f"module_{number}.py").write_text(CODE.replace("join", f"join_{number}") * 200)
    client.wait_ready()


def debouncing(client: RawClient, _: Path) -> None:
    client.wait_ready()
    client.tell("workspace/didChangeConfiguration", {"settings": {"lineahead": {"debounce": 1000}}})
    client.open(URI, CODE)
    client.request("textDocument/inlineCompletion", client.place(URI, 4, 14))


def computing(client: RawClient, _: Path) -> None:
    client.wait_ready()
    for number in range(200):
        client.open(f"file:///{number}.py", CODE * 40)
        client.request("textDocument/inlineCompletion", client.place(f"file:///{number}.py", 4, 14, explicit=True))


def perplexity(client: RawClient, _: Path) -> None:
    client.wait_ready()
    client.open(URI, CODE * 600)
    client.request("workspace/executeCommand", {"command": "lineahead.perplexity", "arguments": [URI]})
    time.sleep(0.3)


def shutting_down(client: RawClient, _: Path) -> None:
    perplexity(client, _)
    client.request("shutdown", None)


def blocked(client: RawClient, _: Path) -> None:
    """Nobody reads what the server writes: it hangs in a pipe that is full, and soon its client's is full, too."""
    client.wait_ready()
    assert client.process.stdin is not None
    pipe = client.process.stdin.fileno()
    os.set_blocking(pipe, False)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "lineahead/status", "params": {}}).encode()
    refused = 0
    while refused < 20:  # in a row
        try:
            os.write(pipe, b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            refused = 0
        except BlockingIOError:
            refused += 1
            time.sleep(0.05)


STATES = (idle, loading, indexing, debouncing, computing, perplexity, shutting_down, blocked)


def ends(process: subprocess.Popen[bytes], before: float) -> float:
    """The processor time that a process still takes until it is gone."""
    deadline = time.monotonic() + HANGS
    while True:
        number, _, usage = os.wait4(process.pid, os.WNOHANG)
        if number:
            process.returncode = 0  # waited for
            return usage.ru_utime + usage.ru_stime - before
        assert time.monotonic() < deadline, "the server outlives its client"
        time.sleep(0.02)


def most(state: Callable[[RawClient, Path], None]) -> float:
    """The processor time that a server may still take in a state."""
    return BACKLOG_SECONDS if state is blocked else CPU_SECONDS


def cpu(process: subprocess.Popen[bytes]) -> float:
    times = psutil.Process(process.pid).cpu_times()
    return float(times.user + times.system)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_it_is_gone_when_its_pipe_ends(state: Callable[[RawClient, Path], None], tmp_path: Path) -> None:
    client = RawClient(options={"debounce": 0}, root=tmp_path)
    state(client, tmp_path)
    before = cpu(client.process)
    for pipe in (client.process.stdin, client.process.stdout):
        assert pipe is not None
        with contextlib.suppress(BrokenPipeError, BlockingIOError):
            pipe.close()
    assert ends(client.process, before) < most(state)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_it_is_gone_with_the_process_that_it_was_told_of(
    state: Callable[[RawClient, Path], None], tmp_path: Path
) -> None:
    editor = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    client = RawClient(options={"debounce": 0}, root=tmp_path, process_id=editor.pid)
    state(client, tmp_path)
    before = cpu(client.process)
    editor.kill()
    editor.wait()
    assert ends(client.process, before) < most(state)
    for pipe in (client.process.stdin, client.process.stdout):
        assert pipe is not None
        with contextlib.suppress(BrokenPipeError):
            pipe.close()


PLACE = RawClient.place(URI, 4, 14)
ARGUMENTS = {"lineahead.accepted": ["no name"], "lineahead.candidates": [URI, 4, 14], "lineahead.perplexity": [URI]}
REQUESTS: list[tuple[str, object]] = [
    *(
        ("workspace/executeCommand", {"command": command, "arguments": ARGUMENTS.get(command, [])})
        for command in COMMANDS
    ),
    ("textDocument/completion", PLACE),
    ("textDocument/inlineCompletion", PLACE),
    ("lineahead/status", {}),
]


@pytest.mark.parametrize(("method", "parameters"), REQUESTS, ids=[*COMMANDS, "list", "ghost text", "status"])
def test_a_request_that_is_under_way_does_not_keep_it_from_shutting_down(method: str, parameters: object) -> None:
    client = RawClient(options={"debounce": 1000, "memory": "off"})
    client.wait_ready()
    client.open(URI, CODE * 40)
    asked = [client.request(method, parameters) for _ in range(3)]
    answer = client.ask("shutdown", None)
    assert (answer.get("error"), answer.get("result")) == (None, None)
    client.tell("exit", None)
    while len({message.get("id") for message in client.heard} & set(asked)) < len(asked):
        client.heard.append(client.read())  # raises EOFError if one is left without an answer
    assert client.kill(wait=True) == 0


def waits_for_settings(client: RawClient) -> None:
    client.wait_ready()
    client.open(URI, CODE)
    client.wait_ready()  # by now it has asked, too
    assert [message for message in client.heard if message.get("method") == "workspace/configuration"]


def loads(_client: RawClient) -> None:
    """Nothing: it does so by itself."""


def loads_another_model(client: RawClient) -> None:
    client.wait_ready()
    client.tell("workspace/didChangeConfiguration", {"settings": {"lineahead": {"model": "/nowhere"}}})


@pytest.mark.parametrize("state", [waits_for_settings, loads, loads_another_model], ids=lambda state: state.__name__)
def test_nor_does_what_was_begun_by_a_notification(state: Callable[[RawClient], None]) -> None:
    client = RawClient(options={"memory": "off"}, able={"workspace": {"configuration": True}})
    state(client)
    answer = client.ask("shutdown", None)
    assert (answer.get("error"), answer.get("result")) == (None, None)
    client.tell("exit", None)
    assert client.kill(wait=True) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl+C", "SIGTERM"])
@pytest.mark.parametrize("state", [idle, loading, perplexity], ids=lambda state: state.__name__)
def test_one_signal_ends_it(state: Callable[[RawClient, Path], None], number: signal.Signals, tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    client = RawClient("sh", "-c", f'exec "$@" 2>{errors}', "sh", *SERVER, options={"memory": "off"})
    state(client, tmp_path)
    client.process.send_signal(number)
    assert client.kill(wait=True) == -number
    assert errors.read_text() == ""


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
@pytest.mark.parametrize("way", ["--tcp", "--ws"])
def test_ctrl_c_ends_it_before_a_client_comes(way: str) -> None:
    server = subprocess.Popen([*SERVER, way, "--port", "0"], stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    assert "waiting on" in server.stderr.readline()
    server.send_signal(signal.SIGINT)
    assert not server.communicate(timeout=HANGS)[1]
    assert server.returncode == -signal.SIGINT


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_ctrl_c_stays_ignored_where_it_was() -> None:
    client = RawClient("sh", "-c", 'trap "" INT; exec "$@"', "sh", *SERVER)
    client.process.send_signal(signal.SIGINT)
    assert client.close() == 0
