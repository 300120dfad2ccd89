"""The promise "no network, nothing written", kept as the kernel sees it."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from raw_client import SERVER, RawClient

SECONDS = 20.0  # telemetry comes some seconds after the import
TEXT = "import json\n\n\ndef load(path):\n    with open(path) as file:\n        return json."
OPENING = ("open", "openat")
CHANGING = (
    "creat",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "mkdir",
    "mkdirat",
    "symlink",
    "symlinkat",
    "linkat",
    "truncate",
)
CALLS = ",".join(("network", *(f"?{name}" for name in OPENING + CHANGING)))  # "?": which not every machine has
WRITES = re.compile(r"\b(?:O_WRONLY|O_RDWR|O_CREAT|O_TRUNC)\b")
NAME = re.compile(r'"((?:[^"\\]|\\.)*)"')


def traced(log: Path, *command: str) -> list[str]:
    """A command whose calls, and those of its children, are written to a file."""
    return [shutil.which("strace") or "", "-f", "-qq", "-s", "4096", "-o", str(log), "-e", f"trace={CALLS}", *command]


def sockets_in(trace: str) -> list[str]:
    """The lines that open a socket to any other machine, or to this one as if it were another."""
    return [line for line in trace.splitlines() if re.search(r"\bAF_INET6?\b|\bAF_NETLINK\b|\bAF_PACKET\b", line)]


def written_in(trace: str, allowed: tuple[str, ...]) -> list[str]:
    """The names that were created, written, renamed or removed, where that succeeded and is not allowed."""
    written = []
    for line in trace.splitlines():
        call = re.match(r"\d+\s+(\w+)\(", line)
        names = NAME.findall(line)
        if not call or not names or re.search(r"= -1 E\w+", line):
            continue
        changes = WRITES.search(line) if call[1] in OPENING else call[1] in CHANGING
        if changes and not all(name.startswith(allowed) for name in names):
            written.append(line)
    return written


@pytest.fixture
def strace(tmp_path: Path) -> Path:
    """Where the trace goes; skips where no process can be traced."""
    if sys.platform != "linux" or not shutil.which("strace"):
        pytest.skip("strace is not installed: on Debian and Ubuntu, sudo apt-get install strace")
    tried = subprocess.run(traced(tmp_path / "tried", "true"), capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"strace may not trace here: {tried.stderr.strip()}")
    return tmp_path / "trace"


def test_the_trace_tells(strace: Path, tmp_path: Path) -> None:
    """What the other tests rely on: a socket and a file are seen where there are any."""
    code = f"""
import pathlib, socket, subprocess, sys
try:
    socket.create_connection(("127.0.0.1", 9), 1)
except OSError:
    pass
pathlib.Path({str(tmp_path / "written")!r}).write_text("x")
subprocess.run([sys.executable, "-c", "import socket; socket.socket(socket.AF_INET6)"])
"""
    subprocess.run(traced(strace, sys.executable, "-c", code), check=True)
    trace = strace.read_text(errors="replace")
    assert any("AF_INET," in line for line in sockets_in(trace))
    assert any("AF_INET6" in line for line in sockets_in(trace)), "children are followed"
    assert any("written" in line for line in written_in(trace, ("/dev/",)))
    assert not written_in(trace, ("/dev/", str(tmp_path)))


def test_no_socket_is_opened_and_nothing_written_in_twenty_seconds_of_work(strace: Path, tmp_path: Path) -> None:
    home, project, temporary = tmp_path / "home", tmp_path / "project", tmp_path / "temporary"
    for folder in (home, project, temporary):
        folder.mkdir()
    for number in range(20):
        (project / f"part_{number}.py").write_text(f"{TEXT}loads(file.read())\n\n\nNUMBER = {number}\n")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    client = RawClient(
        *traced(strace, *SERVER), environment=environment, root=project, options={"debounce": 0, "confidence": 0.05}
    )
    started, shown, version = time.monotonic(), 0, 1
    client.wait_ready()
    uri = (project / "part_0.py").as_uri()
    client.open(uri, TEXT)
    while time.monotonic() < started + SECONDS:
        for length in range(len(TEXT) - 12, len(TEXT) + 1):
            version += 1
            change = {"textDocument": {"uri": uri, "version": version}, "contentChanges": [{"text": TEXT[:length]}]}
            client.tell("textDocument/didChange", change)
            line, column = TEXT[:length].count("\n"), length - TEXT.rfind("\n", 0, length) - 1
            shown += len(client.ghost(uri, line, column))
        client.ghost(uri, 5, 20, explicit=True)
        client.ask("textDocument/completion", client.place(uri, 5, 20))
        client.ask("workspace/executeCommand", {"command": "lineahead.perplexity", "arguments": [uri]})
        client.tell("textDocument/didSave", {"textDocument": {"uri": uri}})
        (project / "part_1.py").write_text(f"NUMBER = {version}\n")
        client.tell(
            "workspace/didChangeWatchedFiles", {"changes": [{"uri": (project / "part_1.py").as_uri(), "type": 2}]}
        )
        time.sleep(0.5)
    assert shown > 0
    assert client.close() == 0
    trace = strace.read_text(errors="replace")
    assert "model.onnx" in trace, "the trace shows what is opened"
    assert sockets_in(trace) == []
    assert written_in(trace, ("/dev/", "/proc/", f"{temporary}/")) == []
    assert list(home.iterdir()) == []
    assert list(temporary.iterdir()) == []
