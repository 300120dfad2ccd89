"""Measured results, as JSON files that say what made them; those that are older than their code are refused."""

import hashlib
import json
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from training.errors import InputError
from training.files import write_text_atomically

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "results"
MEMORY = "memory.json"
MIDDLES = "middles.json"
RECIPES = "recipes.json"
VARIATIONS = "variations.json"
LATER = "later.json"
INFILLING = "infilling.json"
ALL = (MEMORY, MIDDLES, RECIPES, VARIATIONS, LATER, INFILLING)
PACKAGES = ("numpy", "onnxruntime", "tokenizers", "torch")


def sha256(path: Path) -> str:
    """Of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sha256_of_text(path: Path) -> str:
    """Of a text, whatever line ends the checkout gave it."""
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def sha256_of_tree(folder: Path) -> str:
    """Of the names and contents of all Python files below a folder."""
    lines = (f"{path.relative_to(folder).as_posix()} {sha256_of_text(path)}\n" for path in sorted(folder.rglob("*.py")))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def write(path: Path, *, command: str, date: str, code: Sequence[str], **measured: Any) -> None:
    """Write results, and what made them; `code` names files relative to the repository's root."""
    made_by = {
        "command": command,
        "date": date,
        "code": {name: sha256_of_text(ROOT / name) for name in code},
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}},
    }
    write_text_atomically(path, json.dumps({"made_by": made_by, **measured}, indent=1) + "\n")


def read(path: Path, root: Path = ROOT) -> dict[str, Any]:
    """Read results; raises InputError where they are missing, damaged, or not of the code as it is now."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        made_by = found["made_by"]
        command, code = made_by["command"], dict(made_by["code"])
    except FileNotFoundError:
        raise InputError(f"{path}: no such results; training/report/README.md says how to make them") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: expected results as JSON, found {error!r}; make them again") from None
    changed = [
        name for name, digest in code.items() if not (root / name).exists() or sha256_of_text(root / name) != digest
    ]
    if changed or not code:
        what = ", ".join(changed) or "no code is named that made them"
        raise InputError(f"{path}: older than {what}; make them again: {command}")
    return found
