"""What commands open to measure suggestions: a model with its fitted numbers, and texts."""

import sys
from collections.abc import Iterable
from pathlib import Path

from lineahead.engine.engine import Engine
from lineahead.engine.open import load_engine
from lineahead.engine.vocabulary import Vocabulary
from lineahead.memory import mixture
from lineahead.memory.files import MOST_BYTES, is_learnable, read_folders
from lineahead.memory.memory import ProjectMemory
from lineahead.memory.mixture import Gate
from lineahead.suggest import judgement
from lineahead.suggest.judgement import Judgement


def open_model(folder: Path) -> tuple[Engine, Gate, Judgement]:
    """A model with its own gate and judgement; what is wrong with these goes to standard error. Raises ModelError."""
    engine = load_engine(folder)
    (gate, problem), (judges, another) = mixture.read(folder), judgement.read(folder)
    for told in filter(None, (problem, another)):
        print(told, file=sys.stderr)
    return engine, gate, judges


def learned(folders: list[Path], gate: Gate, vocabulary: Vocabulary) -> ProjectMemory:
    """The memory of the code in some folders."""
    memory = ProjectMemory(gate)
    read_folders(folders, memory)
    memory.index(vocabulary)
    return memory


def learnable(files: Iterable[Path]) -> dict[Path, str]:
    """The texts of those files that a memory would learn from."""
    files = [file for file in files if 0 < file.stat().st_size <= MOST_BYTES]
    texts = {file: file.read_text(encoding="utf-8", errors="replace") for file in files}
    return {file: text for file, text in texts.items() if is_learnable(file.name, text)}
