"""A repository that means harm, opened by the real server: nothing is executed, read outside or waited for."""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hostile import Hostile
from raw_client import RawClient
from test_server_promises import sockets_in, traced, written_in

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="links, pipes and devices as Linux has them"),
    pytest.mark.timeout(1200),  # 100,000 files take minutes to make and to remove
]
FILES = int(os.environ.get("LINEAHEAD_HOSTILE_FILES", "2000"))
PATIENCE = 600.0  # seconds until all is read: a guard against hanging
TEXT = "def main(table):\n    return frobnicate_qu"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    made = Hostile(tmp_path_factory.mktemp("h"))
    try:
        made.build(FILES)
        yield made
    finally:
        made.remove()


def processor_time(process: psutil.Process) -> float:
    family = [process, *process.children(recursive=True)]
    return sum(sum(each.cpu_times()[:2]) for each in family if "strace" not in each.name())


def test_it_does_no_harm(hostile: Hostile, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "home"
    home.mkdir()
    command = [str(Path(sys.executable).with_name("lineahead-server"))]  # as an editor does, in the open folder
    trace = tmp_path / "trace"
    if shutil.which("strace"):
        command = traced(trace, *command)
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(tmp_path), "LANG": "C.UTF-8"}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    earlier = Path.cwd()
    os.chdir(hostile.root)
    try:
        client = RawClient(
            *command, options={"debounce": 0, "confidence": 0.05}, environment=environment, root=hostile.root
        )
    finally:
        os.chdir(earlier)
    started, slowest, known = time.monotonic(), 0.0, False
    process = psutil.Process(client.process.pid)
    try:
        client.wait_ready()
        number = 0
        while not known:
            assert time.monotonic() - started < PATIENCE, "it is still reading"
            number += 1
            uri = (hostile.root / f"new_{number % 5}.py").as_uri()
            client.open(uri, TEXT)
            asked = time.monotonic()
            texts = client.ghost(uri, 1, 24, explicit=number % 2 == 0)
            slowest = max(slowest, time.monotonic() - asked)
            known |= any(text.startswith("uxly") for text in texts)
            assert not any("hunter2" in text or "AKIA" in text or "\u202e" in text for text in texts), texts
            client.tell("textDocument/didClose", {"textDocument": {"uri": uri}})
        before = -1.0
        while processor_time(process) - before > 0.05:  # until it is at rest
            assert time.monotonic() - started < PATIENCE, "it is still reading"
            before = processor_time(process)
            time.sleep(1)
        seconds = time.monotonic() - started - 1
        for name in ("secret.py", "passwd.py", "stdin.py", "pipe.py", "linked/module.py", "zero.py", "ignored.py"):
            change = {"uri": (hostile.root / name).as_uri(), "type": 2}
            client.tell("workspace/didChangeWatchedFiles", {"changes": [change]})
        text = "outside_qu"
        client.open("file:///probe.py", text)
        assert not any("uxly" in text for text in client.ghost("file:///probe.py", 0, len(text), explicit=True))
        assert client.ask("lineahead/status", {})["result"]["state"] == "ready"
        assert client.close() == 0
    finally:
        client.kill(wait=client.process.poll() is not None)
    assert slowest < 60, f"a completion waited for {slowest:.1f} s"
    assert not hostile.executed.exists(), hostile.executed.read_text()
    assert list(home.iterdir()) == []
    if trace.exists():
        calls = trace.read_text(errors="replace")
        opened = [line for line in calls.splitlines() if "open" in line and "= -1 E" not in line]
        for forbidden in (str(hostile.outside), '"/etc/passwd"', '"/dev/zero"', '"/dev/random"', "/proc/self/mem"):
            assert not [line for line in opened if forbidden in line], forbidden
        assert sockets_in(calls) == []
        assert written_in(calls, ("/dev/", "/proc/")) == []
    with capsys.disabled():
        print(
            f"\na hostile repository with {FILES:,} files: read after {seconds:.1f} s, slowest answer {slowest:.2f} s"
        )
