"""What the tests of terminal editors share: a project, EDITORS.md's own configurations, and a terminal."""

import os
import re
import select
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pytest

HERE = Path(__file__).parent.parent
EDITORS = HERE / ".editors"
SERVER = EDITORS / "home/.local/bin/lineahead-server"
START = "try:\n    import json\n\n"
"""A text whose third line, once `except ` stands there, has one right end that the bundled model knows."""
TYPED = "except "
SUGGESTED = "ImportError:"

Found = TypeVar("Found")


def configuration(editor: str) -> str:
    """The block of EDITORS.md that a person pastes: the first one under the editor's heading."""
    text = (HERE / "EDITORS.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(editor)}$.*?^```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found, f"EDITORS.md: expected a block under {editor!r}, found none"
    return found[1]


def until(what: str, ask: Callable[[], Found], seconds: float = 90.0) -> Found:
    """Ask until the answer is true; fail with what was waited for and what was found last.

    The time guards against a hang only: a busy machine may take long.
    """
    end = time.monotonic() + seconds
    while not (found := ask()):
        assert time.monotonic() < end, f"waited {seconds} s for {what}; found {found!r}"
        time.sleep(0.04)
    return found


def wait_until_saved(file: Path, want: str) -> None:
    """Wait until a file holds this text; while an editor saves, it may be away, or hold a part of it."""
    found = ""

    def saved() -> bool:
        nonlocal found
        with suppress(FileNotFoundError):
            found = file.read_text(encoding="utf-8")
        return found == want

    try:
        until(f"{want!r} in {file.name}", saved)
    except AssertionError as error:
        raise AssertionError(f"{error}; the file holds {found!r}") from None


@contextmanager
def ended(process: int, seconds: float = 30.0) -> Iterator[None]:
    """Wait until a process is gone that is told within to end; kill it where that takes too long."""
    try:
        descriptor = os.pidfd_open(process)  # tells the end of what is no child of ours, too
    except ProcessLookupError:
        yield
        return
    try:
        yield
        if not select.select([descriptor], [], [], seconds)[0]:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    finally:
        os.close(descriptor)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a package `lineahead` of its own, which must not be what is started, and first.py."""
    folder = tmp_path / "project"
    (folder / "lineahead").mkdir(parents=True)
    (folder / "lineahead" / "__init__.py").write_text("raise SystemExit('not this one')\n")
    (folder / ".git").mkdir()
    (folder / "first.py").write_text(START)
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, and the server on the PATH."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    for name in ("CONFIG", "STATE", "DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(folder / name.lower()))
    # On standard error there are warnings only: what the tests look for is in a file.
    server = folder / "bin" / "lineahead-server"
    server.parent.mkdir()
    server.write_text(f'#!/bin/sh\nexec "{SERVER}" --log-file "{folder}/server.log" "$@"\n')
    server.chmod(0o755)
    monkeypatch.setenv("PATH", f"{server.parent}:{os.environ['PATH']}")
    return folder


class Terminal:
    """A program in a terminal of its own, driven through a tmux server of its own.

    With one server for all, a terminal that opens may meet the server that the one before it has told to end.
    """

    def __init__(self, command: list[str], folder: Path) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lineahead-")  # a socket's path must be short
        self._tmux = ["tmux", "-S", f"{self._folder.name}/socket"]
        # -D: a child that can be waited for, and that is there before and after the program.
        self._server = subprocess.Popen([*self._tmux, "-D", "-f", "/dev/null"])
        try:
            until("tmux", lambda: self._server.poll() is None and self._answers())
            self._call("set-option", "-g", "remain-on-exit", "on")
            size = ["-x", "100", "-y", "30"]
            shell = shlex.join(["env", "TERM=xterm-256color", *command])
            self._program = int(self._call("new-session", "-dPF", "#{pane_pid}", *size, "-c", str(folder), shell))
        except BaseException:
            self._end_server()
            raise

    def _answers(self) -> bool:
        """Whether the server listens already."""
        asked = [*self._tmux, "-N", "show-options", "-g"]  # -N: it starts no other one
        return subprocess.run(asked, capture_output=True, check=False).returncode == 0

    def _call(self, *arguments: str) -> str:
        done = subprocess.run([*self._tmux, "-N", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"tmux {arguments}: {done.stderr}"
        return done.stdout

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names for them."""
        for key in keys:
            self._call("send-keys", key)

    def type(self, text: str) -> None:
        """Type letter by letter, as fast as a quick person."""
        for letter in text:
            self._call("send-keys", "-l", letter)
            time.sleep(0.05)

    @property
    def screen(self) -> str:
        """What is to be seen."""
        return self._call("capture-pane", "-p")

    def shows(self, part: str, seconds: float) -> bool:
        """Whether a text is to be seen within some seconds."""
        end = time.monotonic() + seconds
        while part not in self.screen:
            if time.monotonic() > end:
                return False
            time.sleep(0.04)
        return True

    def wait_for(self, part: str) -> None:
        """Wait until a text is to be seen."""
        try:
            until(part, lambda: part in self.screen)
        except AssertionError as error:
            raise AssertionError(f"{error}; the screen:\n{self.screen}") from None

    def close(self) -> None:
        """End the program, which loses its terminal, and wait until it is gone."""
        with ended(self._program):
            self._end_server()

    def _end_server(self) -> None:
        self._server.terminate()
        self._server.wait()
        self._folder.cleanup()


@pytest.fixture
def open_terminal(home: Path) -> Iterator[Callable[[list[str], Path], Terminal]]:
    """Start a program in a terminal; it ends with the test."""
    with ExitStack() as stack:

        def start(command: list[str], folder: Path) -> Terminal:
            terminal = Terminal(command, folder)
            stack.callback(terminal.close)
            return terminal

        yield start
