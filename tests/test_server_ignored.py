"""What the project ignores is neither learned nor completed, by typing or by name, as long as it is ignored."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from raw_client import RawClient

from lineahead.memory.files import why_left_out
from lineahead.reasons import EXPLANATIONS, Reason
from training import ignored as module
from training.ignored import Ignored

OPTIONS = {"confidence": 0.0, "debounce": 0}
KNOWN = "def measured_columns(table):\n    return frobnicate_quuxly(table, width=80)\n\n\n" * 3
LAST = "    return frobnicate_"
TEXT = f"{KNOWN}def main(table):\n{LAST}"


def write(path: Path, text: str = TEXT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def client(tmp_path: Path) -> Iterator[RawClient]:
    write(tmp_path / ".gitignore", "local_settings.py\nsecrets/\n")
    client = RawClient(options=OPTIONS, root=tmp_path)
    client.wait_ready()
    yield client
    client.close()


def why(client: RawClient, uri: str, explicit: bool) -> str:
    """Why nothing is suggested at the end of TEXT; "" where something is. The document is asked about anew."""
    if client.ghost(uri, 13, len(LAST), explicit):
        return ""
    return str(client.ask("workspace/executeCommand", {"command": "lineahead.whyNothing", "arguments": []})["result"])


@pytest.mark.slow
@pytest.mark.parametrize("explicit", [False, True])
def test_an_ignored_file_is_not_completed_and_told_why(client: RawClient, tmp_path: Path, explicit: bool) -> None:
    for name in ("local_settings.py", "secrets/prod.py", "app/local_settings.py"):
        client.open((tmp_path / name).as_uri(), TEXT)
        assert EXPLANATIONS[Reason.IGNORED] in why(client, (tmp_path / name).as_uri(), explicit), name
    for uri in ((tmp_path / "settings.py").as_uri(), "untitled:local_settings.py"):
        client.open(uri, TEXT)
        assert why(client, uri, explicit) == "", uri


@pytest.mark.slow
def test_a_notebook_that_is_ignored(client: RawClient, tmp_path: Path) -> None:
    for name, ignored in (("secrets/work.ipynb", True), ("work.ipynb", False)):
        cell, uri = f"vscode-notebook-cell:/{name}#a", (tmp_path / name).as_uri()
        notebook = {"uri": uri, "notebookType": "jupyter-notebook", "version": 1,
                    "cells": [{"kind": 2, "document": cell}]}  # fmt: skip
        item = {"uri": cell, "languageId": "python", "version": 1, "text": TEXT}
        client.tell("notebookDocument/didOpen", {"notebookDocument": notebook, "cellTextDocuments": [item]})
        assert (EXPLANATIONS[Reason.IGNORED] in why(client, cell, explicit=True)) == ignored, name


@pytest.mark.slow
def test_a_gitignore_that_changes_counts_for_what_was_learned_too(client: RawClient, tmp_path: Path) -> None:
    known, asking, number = write(tmp_path / "app" / "known.py", KNOWN), tmp_path / "asking.py", 0
    client.tell("workspace/didChangeWatchedFiles", {"changes": [{"uri": known.as_uri(), "type": 1}]})

    def learned() -> bool:
        nonlocal number
        number += 1
        client.open(asking.as_uri(), f"def main_{number}(table):\n    return frobnicate_")
        texts = client.ghost(asking.as_uri(), 1, len("    return frobnicate_"), explicit=True)
        client.tell("textDocument/didClose", {"textDocument": {"uri": asking.as_uri()}})
        return any(text.startswith("quuxly") for text in texts)

    def wait_for(value: bool) -> None:
        deadline = time.monotonic() + 60
        while learned() is not value:
            assert time.monotonic() < deadline, f"learned stays {not value}"
            time.sleep(0.05)

    wait_for(True)
    client.open(known.as_uri(), TEXT)  # half written: what is on the disk stays known
    for patterns, explanation in (("app/\n", EXPLANATIONS[Reason.IGNORED]), ("", "")):
        ignore = write(tmp_path / ".gitignore", patterns)
        client.tell("workspace/didChangeWatchedFiles", {"changes": [{"uri": ignore.as_uri(), "type": 2}]})
        assert explanation in why(client, known.as_uri(), explicit=True)
        assert bool(explanation) == bool(why(client, known.as_uri(), explicit=False))
        wait_for(not explanation)


def test_a_folder_that_is_ignored_itself_is_a_project_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / ".git" / "HEAD")
    write(tmp_path / ".gitignore", "*\n")
    project = tmp_path / "work"
    write(project / ".gitignore", "made.py\n")
    assert not Ignored(project).ignores(project / "own.py")
    assert Ignored(project).ignores(project / "made.py")
    assert Ignored(tmp_path).ignores(project / "own.py")


NAMES = st.sampled_from(["a", "b", "src", "x.py", "y.py", "*", "**", "*.py", "?", "[ab]", "s*", "a*"])
PATTERNS = st.builds(
    lambda negated, rooted, names, folder: "!" * negated + "/" * rooted + "/".join(names) + "/" * folder,
    st.booleans(), st.booleans(), st.lists(NAMES, min_size=1, max_size=3), st.booleans(),
)  # fmt: skip
GITIGNORES = st.lists(PATTERNS | st.sampled_from(["*", "!*/", "!*.py", "# x", "", "/*"]), max_size=6)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    for above in ("", "a", "src", "src/a", "src/b/a", "a/b/src"):
        for name in ("x.py", "y.py", "b.txt"):
            write(folder / above / name)
    return folder


@pytest.mark.slow
@given(top=GITIGNORES, below=GITIGNORES)
@example(top=["*", "!*/", "!*.py"], below=[])
@example(top=["*", "!*/", "!x.py"], below=[])
@example(top=["*", "!src", "!src/x.py"], below=["!y.py"])
@example(top=["src/**", "!src/x.py"], below=[])
@example(top=["\ufeffx.py"], below=["\ufeff!x.py"])
def test_what_git_itself_says(repository: Path, top: list[str], below: list[str]) -> None:
    for folder, lines in (("", top), ("src", below)):
        (repository / folder / ".gitignore").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    files = sorted(str(path.relative_to(repository)) for path in repository.rglob("*.py"))
    command = ["git", "-c", "core.excludesFile=/dev/null", "check-ignore", "--no-index", "--stdin"]
    said = subprocess.run(command, input="\n".join(files), cwd=repository, capture_output=True, text=True, check=False)
    assert said.returncode in (0, 1), said.stderr
    ignored = Ignored(repository)
    assert {file for file in files if ignored.ignores(repository / file)} == set(said.stdout.split())


@pytest.mark.parametrize(
    ("config", "file"),
    [
        ("", ".config/git/ignore"),
        ("[user]\n\tname = me\n[core]\n\texcludesfile = ~/.gitignore_global\n", ".gitignore_global"),
        ('[core]\n  excludesFile = "{home}/my ignored"\n', "my ignored"),
    ],
)
def test_what_a_person_ignores_in_all_repositories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str, file: str
) -> None:
    home, repository = tmp_path / "home", tmp_path / "repository"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    write(home / "own.gitconfig", config.replace("{home}", home.as_posix()))
    (home / ".gitconfig").symlink_to(home / "own.gitconfig")  # as people who share theirs have it
    write(home / file, "scratch/\n*.tmp.py\n")
    write(tmp_path / "elsewhere", "*.py\n")
    write(repository / ".git" / "config", f"[core]\n\texcludesFile = {tmp_path / 'elsewhere'}\n")
    write(repository / ".gitignore", "!kept.tmp.py\n")
    module._everywhere.cache_clear()
    try:
        names = ("scratch/x.py", "app/x.tmp.py", "kept.tmp.py", "app.py")
        assert [name for name in names if Ignored(repository).ignores(repository / name)] == list(names[:2])
        assert not Ignored(tmp_path / "none").ignores(tmp_path / "none" / "x.tmp.py")  # no repository
    finally:
        module._everywhere.cache_clear()


def test_a_file_of_no_folder_is_left_out_as_its_own_repository_says(tmp_path: Path) -> None:
    write(tmp_path / "repository" / ".git" / "HEAD")
    write(tmp_path / "repository" / ".gitignore", "secrets/\n")
    other = [tmp_path / "other"]
    assert why_left_out(tmp_path / "repository" / "secrets" / "prod.py", other, ()) is Reason.IGNORED
    assert why_left_out(tmp_path / "repository" / "app.py", other, ()) is None
    assert why_left_out(tmp_path / "repository" / "app.py", other, ("app.py",)) is Reason.EXCLUDED
