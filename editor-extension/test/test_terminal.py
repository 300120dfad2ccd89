"""Helix, Vim and Emacs in a terminal, with EDITORS.md's configurations, the installed wheel and the bundled model."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import EDITORS, START, SUGGESTED, TYPED, Terminal, configuration, until, wait_until_saved

Open = Callable[[list[str], Path], Terminal]


def wait_for_server(home: Path) -> None:
    """Wait until the server is ready."""
    log = home / "server.log"
    until("the server", lambda: log.is_file() and "Lineahead: ready" in log.read_text(encoding="utf-8"))


def accept(terminal: Terminal, home: Path, ask: tuple[str, ...], choose: str, take: str) -> None:
    """Ask once the server is ready, choose until the suggestion stands in the line, and take it.

    An editor may ask by itself as well, and its list start anew: what was chosen is looked at before it is taken.
    """
    wait_for_server(home)

    def asked() -> bool:
        terminal.press(*ask)
        return terminal.shows(SUGGESTED, seconds=10)

    def chosen() -> bool:
        terminal.press(choose)
        return terminal.shows(TYPED + SUGGESTED, seconds=2)

    until(f"a list with {SUGGESTED!r}", asked)
    until(f"{SUGGESTED!r} in the line", chosen)
    terminal.press(take)


def save(terminal: Terminal, file: Path, inserting: str) -> None:
    """Leave the mode whose name the screen shows, save, and compare what is on disk."""
    terminal.press("Escape")
    # A key that follows Escape at once is taken for Alt and that key.
    until("another mode", lambda: inserting not in terminal.screen)
    terminal.type(":w")
    terminal.press("Enter")
    wait_until_saved(file, f"{START.rstrip()}\n{TYPED}{SUGGESTED}\n")


def test_helix(open_terminal: Open, project: Path, home: Path) -> None:
    settings = home / "config" / "helix"
    settings.mkdir(parents=True)
    (settings / "languages.toml").write_text(configuration("Helix"), encoding="utf-8")
    helix = open_terminal([str(EDITORS / "testing/usr/bin/hx"), "first.py:3"], project)
    helix.wait_for("import json")
    helix.press("i")
    helix.type(TYPED)
    accept(helix, home, ("C-x",), "Tab", "Enter")
    save(helix, project / "first.py", " INS ")


def test_vim_with_ale(open_terminal: Open, project: Path, home: Path) -> None:
    (home / ".vimrc").write_text(configuration("Vim with ALE"), encoding="utf-8")
    vim = open_terminal(["vim", "+3", "first.py"], project)
    vim.wait_for("import json")
    vim.press("A")
    vim.type(TYPED)
    accept(vim, home, ("C-x", "C-o"), "C-n", "C-y")
    save(vim, project / "first.py", "-- INSERT --")


@pytest.fixture
def emacs(open_terminal: Open, project: Path, home: Path) -> Terminal:
    """Emacs with lsp-mode, first.py open, the cursor in its last line and the server ready."""
    settings = home / ".emacs.d"
    settings.mkdir()
    packages = EDITORS / "testing/usr/share/emacs/site-lisp/elpa-src"
    # Where the packages are that a person has installed; compiling them to machine code would take minutes.
    (settings / "early-init.el").write_text(
        f'(setq package-directory-list (list "{packages}") native-comp-deferred-compilation nil)\n', encoding="utf-8"
    )
    (settings / "init.el").write_text(configuration("Emacs with lsp-mode"), encoding="utf-8")
    emacs = open_terminal(["emacs", "-nw", "+3", "first.py"], project)
    emacs.wait_for("Select action:")  # whether to import the project
    emacs.press("i")
    wait_for_server(home)
    emacs.wait_for("LSP[lineahead")
    return emacs


def test_emacs_shows_ghost_text_which_tab_accepts(emacs: Terminal, project: Path) -> None:
    emacs.type("except Imp")
    emacs.wait_for(TYPED + SUGGESTED)
    assert "Warning" not in emacs.screen
    emacs.press("Tab", "C-x", "C-s")
    wait_until_saved(project / "first.py", f"{START.rstrip()}\n{TYPED}{SUGGESTED}\n")


def test_emacs_takes_ghost_text_away(emacs: Terminal, project: Path) -> None:
    emacs.type(TYPED)
    emacs.wait_for(TYPED + SUGGESTED)
    emacs.press("C-g")
    until("no ghost text", lambda: SUGGESTED not in emacs.screen)
    emacs.press("C-x", "C-s")
    wait_until_saved(project / "first.py", f"{START.rstrip()}\n{TYPED}\n")
