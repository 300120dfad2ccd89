"""Helix and Vim in a terminal, with EDITORS.md's configurations, the installed wheel and the bundled model."""

from collections.abc import Callable
from pathlib import Path

from conftest import EDITORS, START, SUGGESTED, TYPED, Terminal, configuration, until

Open = Callable[[list[str], Path], Terminal]


def ask(terminal: Terminal, *keys: str) -> None:
    """Press the keys that ask for a suggestion until it is to be seen: nothing says when the server is ready."""

    def asked() -> bool:
        terminal.press(*keys)
        try:
            terminal.wait_for(SUGGESTED, seconds=1)
        except AssertionError:
            return False
        return True

    until(f"{SUGGESTED!r} on the screen", asked)


def save(terminal: Terminal, file: Path) -> None:
    """Save, and compare what is on disk."""
    terminal.press("Escape")
    terminal.type(":w")
    terminal.press("Enter")
    wanted = f"{START.rstrip()}\n{TYPED}{SUGGESTED}\n"
    until(f"{wanted!r} on disk", lambda: file.read_text(encoding="utf-8") == wanted, 5)


def test_helix(open_terminal: Open, project: Path, home: Path) -> None:
    settings = home / "config" / "helix"
    settings.mkdir(parents=True)
    (settings / "languages.toml").write_text(configuration("Helix"), encoding="utf-8")
    helix = open_terminal([str(EDITORS / "testing/usr/bin/hx"), "first.py:3"], project)
    helix.wait_for("import json")
    helix.press("i")
    helix.type(TYPED)
    ask(helix, "C-x")
    helix.press("Tab", "Enter")
    save(helix, project / "first.py")


def test_vim_with_ale(open_terminal: Open, project: Path, home: Path) -> None:
    (home / ".vimrc").write_text(configuration("Vim with ALE"), encoding="utf-8")
    vim = open_terminal(["vim", "+3", "first.py"], project)
    vim.wait_for("import json")
    vim.press("A")
    vim.type(TYPED)
    ask(vim, "C-x", "C-o")
    vim.press("C-n", "C-y")
    save(vim, project / "first.py")
