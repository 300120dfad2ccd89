"""Every command in the READMEs is one that is run: here, by the Makefile, or by CI."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from training import config

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
READMES = (ROOT / "README.md", ROOT / "training" / "README.md", ROOT / "server" / "README.md")


def commands(path: Path) -> list[str]:
    """The lines of a README's sh blocks, without comments."""
    if not path.exists():
        return []
    blocks = re.findall(r"```sh\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def in_makefile(command: str) -> bool:
    """Whether the Makefile runs this command, under its own names for things."""
    names = {
        "python3 -m venv": "$(PYTHON) -m venv",
        ".venv/bin/": "$(BIN)/",
        "torch==2.13.0": "torch==$(TORCH_VERSION)",
    }
    for name, variable in names.items():
        command = command.replace(name, variable)
    recipe = MAKEFILE.replace(" --quiet", "")
    return command in recipe and "TORCH_VERSION := 2.13.0" in MAKEFILE


@pytest.mark.parametrize("command", sorted({command for path in READMES for command in commands(path)}))
def test_every_command_is_run_somewhere(command: str, tiny_run: Path, tiny_arguments: Callable[..., list[str]]) -> None:
    words = shlex.split(command)
    if words[0] == "make":
        assert command in CI
        assert f"{words[1]}: .venv/" in MAKEFILE
    elif words[0] == ".venv/bin/lineahead":
        command = str(Path(sys.executable).with_name("lineahead"))
        if words[1] == "evaluate":  # of projects that are not here
            words[2:] = ["server/lineahead/samples", "--places", "2"]
        subprocess.run([command, *words[1:]], cwd=ROOT, capture_output=True, check=True)
    elif words[:2] == [".venv/bin/python", "-m"] and words[2].startswith("training."):
        run_in_small(words, tiny_run, tiny_arguments)
    elif words[0] == ".venv/bin/torchrun":
        assert words[2:4] == ["-m", "training.run"]  # run with two processes in test_run
    elif words[0] == ".venv/bin/python" and words[1].startswith("tests/"):
        assert (ROOT / words[1]).exists()  # minutes long; what it does once is in test_run
    else:
        assert in_makefile(command), f"{command!r} is run nowhere"


def run_in_small(words: list[str], tiny_run: Path, tiny_arguments: Callable[..., list[str]]) -> None:
    """Run a training command with a tiny config and a finished tiny run in place of its own."""
    module, *arguments = words[2:]
    if module == "training.run":
        for name in arguments[:1]:
            config.load(name)  # the config that it names is there
        arguments = tiny_arguments(tiny_run)
    elif module in ("training.perplexity", "training.sample"):
        few = ["--tokens", "500"] if module == "training.perplexity" else []
        arguments = [str(tiny_run), *arguments[1:], *few]
    elif module == "training.export":
        arguments = [str(tiny_run)]
    else:
        arguments = ["--help"]
    done = finished(module, *arguments)
    assert done.returncode == 0, done.stderr


@cache
def finished(*command: str) -> subprocess.CompletedProcess[str]:
    """A module's process, at its end: one for all lines that come to the same small command."""
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)


def test_links_lead_somewhere() -> None:
    for path in (*READMES, *(ROOT / "editor-extension").glob("*.md")):
        if path.exists():
            for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
                assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_make_help_lists_every_target() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^([a-z-]+):.*##", MAKEFILE, re.MULTILINE)
    assert {"demo", "quick", "test", "train"} <= set(targets)
    assert all(f"make {target}" in shown for target in targets)


def test_pictures_fetch_nothing() -> None:
    pictures = subprocess.run(["git", "ls-files", "*.svg"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert pictures.stdout
    for name in pictures.stdout.split():
        assert not re.search(r"url\(.?https?:|href=.https?:", (ROOT / name).read_text(encoding="utf-8")), name


def test_the_server_s_table_names_each_module_where_it_is() -> None:
    package = ROOT / "server" / "lineahead"
    folder, named = package, set()
    for row in re.findall(r"^\| (.+?) \|", (ROOT / "server" / "README.md").read_text(encoding="utf-8"), re.MULTILINE):
        if begins := re.fullmatch(r"\*\*`(\w+)/`\*\*", row):
            folder = package / begins[1]
        for name in re.findall(r"`(\w+\.py)`", row):
            found = [path for path in (folder / name, package / name) if path.exists()]
            assert found, f"{folder.name}/{name}"
            named.add(found[0])
    modules = {path for path in package.rglob("*.py") if not path.name.startswith("__")}
    of_their_own = {"commands", "samples"}  # a command a module, which the table names without its ending
    assert {path for path in modules if path.parent.name not in of_their_own} == named - {package / "__main__.py"}
