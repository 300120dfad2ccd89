"""What a checkpoint folder is made of and what counts as code, for all who write or read them: standard library only.

The one module of this package that the server imports.
"""

import math
import os
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

# The files of a checkpoint folder.
CONFIG, WEIGHTS, GRAPH = "config.json", "model.safetensors", "model.onnx"
TOKENIZER, TOKENIZER_CONFIG = "tokenizer.json", "tokenizer_config.json"
VOCABULARY = "vocabulary.json"  # only beside a tokenizer whose ids were numbered anew
CARD, PROVENANCE = "README.md", "provenance.json"  # the same facts, for people and for machines

DOCUMENT_START, DOCUMENT_END, PADDING = "<|startoftext|>", "<|endoftext|>", "<|pad|>"
FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE = "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"
SPECIAL_TOKENS = (DOCUMENT_START, DOCUMENT_END, PADDING, FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE)
FILL_IN_THE_MIDDLE = (  # prefix, suffix, middle in the families of models: ours and Qwen's, StarCoder's and SmolLM's
    (FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE),
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
)

NOT_WRITTEN_HERE = frozenset({"node_modules", "site-packages", "__pycache__", "build", "dist", "venv", "env"})
"""Names of folders whose code was downloaded or made by a program."""


def onnxruntime() -> Any:
    """The library onnxruntime, imported with its telemetry off.

    From 1.30 on it looks its maker's collector up in the network some seconds after it was imported, and leaves an
    identifier in the home folder. The variable must be there before the import: the library's own call comes too late.
    Every import of the library goes through here.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    return onnxruntime


@cache
def byte_alphabet() -> dict[str, int]:
    """The byte that each character of a byte-level vocabulary stands for (as GPT-2 chose them)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(others)}


def bytes_of(token: str) -> bytes:
    """The bytes that a token of a byte-level vocabulary stands for; raises KeyError for one of another kind."""
    alphabet = byte_alphabet()
    return bytes(alphabet[character] for character in token)


def token_bytes(vocabulary: Mapping[str, int], special_ids: Container[int], size: int) -> list[bytes]:
    """The bytes of tokens 0 … size − 1; b"" for special ones and for ids that no token has.

    Raises KeyError or IndexError where the vocabulary (token → id) is not of byte-level BPE.
    """
    table = [b""] * size
    for token, token_id in vocabulary.items():
        if token_id not in special_ids:
            table[token_id] = bytes_of(token)
    return table


def byte_lengths(table: Iterable[bytes]) -> list[int]:
    """How many bytes of text each token stands for, from `token_bytes`; 0 for special ones."""
    return [len(token) for token in table]


def bits_per_byte(nats: float, text_bytes: int) -> float:
    """The negative log likelihood of a whole text (a sum, in nats) as bits per byte; NaN for a text of no bytes."""
    return nats / math.log(2) / text_bytes if text_bytes else math.nan


def is_own_code(folder_name: str) -> bool:
    """Whether a folder may, by its name, hold code that its owner wrote."""
    return folder_name not in NOT_WRITTEN_HERE and not folder_name.startswith(".")


def holds_own_code(folder: Path) -> bool:
    """Whether a folder may hold code that its owner wrote: no downloads, no products, no virtual environment."""
    return is_own_code(folder.name) and not (folder / "pyvenv.cfg").exists()


def python_files(
    root: Path, enters: Callable[[Path], bool] = holds_own_code, most_folders: int | None = None
) -> Iterator[Path]:
    """The files `*.py` in a folder and, by name, in the folders below that `enters` lets in; links are not followed.

    `most_folders` stops the walk, so that a whole disk is no project.
    """
    for parent, folders, names in islice(os.walk(root), most_folders):
        folders[:] = sorted(name for name in folders if enters(Path(parent, name)))
        yield from (Path(parent, name) for name in sorted(names) if name.endswith(".py"))
