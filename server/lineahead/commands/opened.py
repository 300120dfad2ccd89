"""What commands open to measure suggestions: a model with its fitted numbers, and texts."""

import sys
from collections.abc import Container, Iterable
from pathlib import Path

from lineahead.engine.engine import Engine
from lineahead.engine.open import load_engine
from lineahead.engine.vocabulary import Vocabulary
from lineahead.memory import mixture
from lineahead.memory.files import MOST_BYTES, is_learnable, own_files, read_folders
from lineahead.memory.memory import ProjectMemory
from lineahead.memory.mixture import Gate
from lineahead.suggest import judgement
from lineahead.suggest.judgement import Judgement
from training import format
from training.ignored import repository_of


def open_model(folder: Path) -> tuple[Engine, Gate, Judgement]:
    """A model with its own gate and judgement; what is wrong with these goes to standard error. Raises ModelError."""
    engine = load_engine(folder)
    (gate, problem), (judges, another) = mixture.read(folder), judgement.read(folder)
    for told in filter(None, (problem, another)):
        print(told, file=sys.stderr)
    return engine, gate, judges


def learned(paths: list[Path], gate: Gate, vocabulary: Vocabulary) -> ProjectMemory:
    """The memory of the code in some folders, and in the repositories of some files."""
    memory = ProjectMemory(gate)
    read_folders([path if path.is_dir() else repository_of(path.parent) for path in paths], memory)
    memory.index(vocabulary)
    return memory


def learnable(paths: Iterable[Path], only: Container[Path] | None = None) -> dict[Path, str]:
    """The texts that a memory would learn from, of some files and of all in some folders, by path.

    `only` names the files that count, where not all do.
    """
    files = [file for path in paths for file in (sorted(own_files(path)) if path.is_dir() else [path])]
    texts = {file: _source(file) for file in files if only is None or file in only}
    return {file: text for file, text in texts.items() if text and is_learnable(file.name, text)}


def _source(file: Path) -> str:
    """A file's text, as the memory reads it; "" where it reads none."""
    try:
        return format.read_source(file, MOST_BYTES)
    except (OSError, ValueError):
        return ""
