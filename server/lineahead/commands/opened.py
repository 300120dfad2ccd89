"""What commands open to measure suggestions, and how they read what they are told: numbers, paths, texts, a model."""

import argparse
import math
import os
import sys
from collections.abc import Callable, Container, Iterable
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


def number(kind: type[float], least: float, most: float = math.inf) -> Callable[[str], float]:
    """The type of an argument that is a number within bounds."""

    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            upto = f" to {most:g}" if most < math.inf else " on"
            raise argparse.ArgumentTypeError(f"expected a number from {least:g}{upto}, found {text!r}")
        return value

    return read


def named(paths: Iterable[Path]) -> list[Path]:
    """The whole paths of files and folders that somebody names. Raises OSError where there is none."""
    whole = [Path(os.path.realpath(path)) for path in paths]  # `resolve` raises a RuntimeError for a circle of links
    for path in whole:
        if not path.exists():
            raise OSError(f"{path}: expected a file or a folder, found none")
    return whole


def no_code(paths: Iterable[Path]) -> str:
    """What is said where none of some paths has anything to measure."""
    return f"expected Python files with code, found none in {', '.join(map(str, paths))}"


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

    `only` names the files that count, where not all do. Raises OSError and ValueError for a file of `paths` that cannot
    be read.
    """
    texts: dict[Path, str] = {}
    for path in paths:
        if path.is_dir():
            texts |= {file: _source(file) for file in sorted(own_files(path)) if only is None or file in only}
        elif only is None or path in only:
            texts[path] = source(path, MOST_BYTES)
    return {file: text for file, text in texts.items() if text and is_learnable(file.name, text)}


def source(file: Path, most_bytes: int) -> str:
    """The text of a file that somebody names. Raises OSError, and ValueError for what is no text, with its name."""
    try:
        return format.read_source(file, most_bytes)
    except ValueError as error:
        raise ValueError(f"{file}: expected Python text, found another encoding than it names ({error})") from None


def _source(file: Path) -> str:
    """A file's text, as the memory reads it; "" where it reads none."""
    try:
        return source(file, MOST_BYTES)
    except (OSError, ValueError):
        return ""
