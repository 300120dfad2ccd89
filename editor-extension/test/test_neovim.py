"""Neovim with EDITORS.md's configuration, the installed wheel and the bundled model."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pynvim
import pytest
from conftest import EDITORS, SERVER, START, SUGGESTED, TYPED, configuration, ended, until, wait_until_saved

PROGRAMS = {"0.12": EDITORS / "testing/usr/bin/nvim", "0.11": EDITORS / "python/bin/nvim"}
ASSIGNMENT = "X, Y = load('a')"
GHOST = """
local pieces = {}
local namespace = vim.api.nvim_get_namespaces()["nvim.lsp.inline_completion"]
for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })) do
  for _, piece in ipairs(mark[4].virt_text or {}) do pieces[#pieces + 1] = piece[1] end
end
return table.concat(pieces)
"""


class Neovim:
    """An embedded Neovim with a screen, in which first.py of the project is open."""

    def __init__(self, version: str, project: Path, home: Path) -> None:
        configured = home / "init.lua"
        configured.write_text(configuration(f"Neovim {version}"), encoding="utf-8")
        command = [str(PROGRAMS[version]), "--clean", "--embed", "-u", str(configured), str(project / "first.py")]
        self.nvim = pynvim.attach("child", argv=command)
        self.nvim.ui_attach(80, 24, rgb=True)  # without a screen it is not what a person has
        self._process = int(self.nvim.funcs.getpid())
        self._file = project / "first.py"
        self._log = home / "server.log"
        self._editors_log = home / "state" / "nvim" / "lsp.log"

    def wait_for_server(self) -> None:
        """Wait until the server is ready."""
        until("the server", lambda: "Lineahead: ready" in self.log)

    @property
    def log(self) -> str:
        """What the server wrote to its own log."""
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    @property
    def errors(self) -> list[str]:
        """The lines of the editor's own log that look like errors: all that comes on standard error does."""
        if not self._editors_log.exists():
            return []
        return [line for line in self._editors_log.read_text(encoding="utf-8").splitlines() if "[ERROR]" in line]

    @property
    def computed(self) -> int:
        """How many suggestions were computed so far."""
        return len(re.findall("computed", self.log))

    def type(self, text: str, pause: float = 0.05) -> None:
        """Type letter by letter."""
        for letter in text:
            self.nvim.input(letter)
            time.sleep(pause)

    @property
    def ghost(self) -> str:
        """The ghost text; "" for none."""
        return str(self.nvim.exec_lua(GHOST))

    def wait_for_ghost(self, want: str) -> None:
        """Wait until the ghost text is this one."""
        until(f"ghost text {want!r}", lambda: self.ghost == want)

    def save(self, want: str) -> None:
        """Save, and compare what is on disk."""
        self.nvim.input("<Esc>:w<CR>")
        wait_until_saved(self._file, want)

    def close(self) -> None:
        """End it without saving, and wait until it is gone."""
        with ended(self._process):
            self.nvim.command("call timer_start(0, {-> execute('qall!')})")
            self.nvim.close()


@pytest.fixture
def start(project: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Neovim]]:
    monkeypatch.chdir(project)
    with ExitStack() as stack:

        def open_version(version: str, logs: bool = True) -> Neovim:
            if version == "0.12":
                monkeypatch.setenv("VIMRUNTIME", str(EDITORS / "testing/usr/share/nvim/runtime"))
            editor = Neovim(version, project, home)
            stack.callback(editor.close)
            if logs:
                editor.wait_for_server()
            return editor

        yield open_version


def suggesting(start: Callable[[str], Neovim]) -> Neovim:
    """A Neovim that shows ghost text."""
    editor = start("0.12")
    editor.nvim.input("3GA")
    editor.type(TYPED)
    editor.wait_for_ghost(SUGGESTED)
    return editor


def test_ghost_text_is_accepted_by_tab_and_undone(start: Callable[[str], Neovim]) -> None:
    editor = suggesting(start)
    editor.nvim.input("<Tab>")
    until("accepted", lambda: editor.nvim.current.line == TYPED + SUGGESTED)
    editor.save(f"{START.rstrip()}\n{TYPED}{SUGGESTED}\n")
    editor.nvim.input("u")
    editor.save(START)


def test_ctrl_right_accepts_a_word(start: Callable[[str], Neovim]) -> None:
    editor = suggesting(start)
    editor.nvim.input("<C-Right>")
    until("the word", lambda: editor.nvim.current.line == f"{TYPED}ImportError")
    editor.wait_for_ghost(":")


def test_typing_into_it_keeps_it_without_a_new_inference(start: Callable[[str], Neovim]) -> None:
    editor = suggesting(start)
    time.sleep(0.3)
    before = editor.computed
    editor.type("Imp", pause=0.4)
    editor.wait_for_ghost("ortError:")
    assert editor.computed == before
    editor.type("o", pause=0)
    editor.nvim.input("<Tab>")  # before Neovim has asked again
    until("accepted", lambda: editor.nvim.current.line == TYPED + SUGGESTED)


def test_tab_is_tab_where_nothing_fits_any_more(start: Callable[[str], Neovim]) -> None:
    editor = suggesting(start)
    editor.type("Q", pause=0)
    editor.nvim.input("<Tab>")
    until("blanks", lambda: editor.nvim.current.line.startswith(f"{TYPED}Q "))
    assert editor.nvim.current.line.strip() == f"{TYPED}Q"


def test_tab_indents_a_new_line_whatever_was_shown_above(start: Callable[[str], Neovim]) -> None:
    editor = suggesting(start)
    editor.nvim.input("<CR><Tab>")  # before Neovim has asked again
    until("an indentation", lambda: editor.nvim.current.line in ("    ", "\t"))
    assert editor.nvim.current.buffer[2] == TYPED


@pytest.mark.parametrize("typed", ["X, Y", "X, Y =", "X, Y = "])
def test_an_assignment_gets_one_operator(start: Callable[[str], Neovim], typed: str) -> None:
    editor = start("0.12")
    editor.nvim.current.buffer[:] = ["def load(path):", "    return open(path)", "", "", *2 * [ASSIGNMENT], ""]
    editor.nvim.input("GA")
    editor.type(typed)
    until("ghost text", lambda: editor.ghost)
    further = ASSIGNMENT[len(typed)]
    editor.type(further, pause=0)
    editor.nvim.input("<Tab>")  # before Neovim has asked again
    until("accepted", lambda: len(editor.nvim.current.line) > len(typed + further))
    assert ASSIGNMENT.startswith(editor.nvim.current.line)


def test_blanks_behind_an_operator_bring_no_second_one(start: Callable[[str], Neovim]) -> None:
    editor = start("0.12")
    editor.nvim.current.buffer[:] = (
        ["def load(path):", "    return open(path).read().split()", "", ""] + 2 * [ASSIGNMENT] + [""]
    )
    editor.nvim.input("GA")
    editor.type("X, Y = ", pause=0)
    editor.nvim.input("<Tab>")  # before anything is shown: blanks
    until("ghost text", lambda: editor.ghost)
    assert not editor.ghost.strip().startswith("=")
    editor.nvim.input("<Tab>")
    until("accepted", lambda: editor.nvim.current.line.strip() != "X, Y =")
    assert editor.nvim.current.line.count("=") == 1


def test_silence_inside_a_word(start: Callable[[str], Neovim]) -> None:
    editor = start("0.12")
    editor.nvim.input("3Gihello<Esc>hi")
    editor.type("x")
    until("the server's answer", lambda: "mid-word" in editor.log)
    assert editor.ghost == ""
    editor.nvim.input("<Esc>A<Tab>")  # Tab is Tab where nothing is suggested
    until("a tab", lambda: editor.nvim.current.line.startswith("helxlo") and len(editor.nvim.current.line) > 6)


@pytest.mark.parametrize(("options", "seen"), [("", False), ("--log-level info", True)])
def test_what_is_said_in_passing_looks_like_no_error(
    start: Callable[..., Neovim], home: Path, options: str, seen: bool
) -> None:
    """Where nobody asks for more, standard error is left to warnings."""
    (home / "bin/lineahead-server").write_text(f'#!/bin/sh\nexec "{SERVER}" {options} "$@"\n')
    editor = start("0.12", logs=False)

    def suggested() -> bool:
        editor.nvim.input("<Esc>3GS")
        editor.type(TYPED)
        with suppress(AssertionError):
            until("ghost text", lambda: editor.ghost, seconds=3)
        return bool(editor.ghost)

    until("ghost text", suggested)
    editor.nvim.input("<Tab>")
    until("accepted", lambda: editor.nvim.current.line == TYPED + SUGGESTED)
    if seen:
        until("an error", lambda: editor.errors)
    assert all("INFO lineahead" in line for line in editor.errors)
    assert bool(editor.errors) == seen


def test_completion_without_ghost_text(start: Callable[[str], Neovim]) -> None:
    editor = start("0.12")
    editor.nvim.input("3GA")
    editor.type(TYPED)
    editor.nvim.input("<C-x><C-o>")  # a single one is put in at once
    until("accepted", lambda: editor.nvim.current.line == TYPED + SUGGESTED)


def test_popup_of_an_older_neovim(start: Callable[[str], Neovim]) -> None:
    editor = start("0.11")
    editor.nvim.input("3GA")
    editor.type(TYPED)
    editor.nvim.input("<C-Space>")
    until("the popup", lambda: editor.nvim.funcs.pumvisible())
    items = editor.nvim.funcs.complete_info(["items"])["items"]
    assert [each["abbr"] for each in items] == [SUGGESTED]
    editor.nvim.input("<C-n><C-y>")
    editor.save(f"{START.rstrip()}\n{TYPED}{SUGGESTED}\n")
