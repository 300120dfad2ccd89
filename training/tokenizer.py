"""Text ↔ tokens: what a tokenizer is, and which one a config or a checkpoint names (`bpe.py`, `codebert.py`)."""

import dataclasses
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as HuggingFaceTokenizer

from training import bpe, codebert, format
from training.errors import InputError
from training.ranges import Count


@dataclass(frozen=True)
class TokenizerConfig:
    """How text becomes tokens."""

    kind: Literal["bpe", "codebert", "checkpoint"] = "bpe"
    """"bpe": trained on the corpus. "codebert": CodeBERT's, re-indexed to the tokens that the corpus uses.
    "checkpoint": the one in a checkpoint folder, as it is."""
    vocab_size: Count = 16_384
    """Entries of the BPE, special tokens included."""
    pattern: bpe.Pattern = "line"
    """Where merges stop: "word", or "line" (tokens may span blanks within a line)."""
    sample_bytes: Count = 16_000_000
    """The BPE learns from an even sample of the training documents of about this size."""
    folder: str = ""
    """Where CodeBERT's vocab.json and merges.txt are (empty: microsoft/codebert-base of the Hugging Face hub), or
    the checkpoint."""
    extra_prompts: tuple[str, ...] = ()
    """Files whose tokens a re-indexed vocabulary is to have, too (`--extra-prompt`). A BPE spells any text anyway."""


SETTINGS = {"bpe": ("vocab_size", "pattern", "sample_bytes"), "codebert": ("folder",), "checkpoint": ()}
"""The settings that each kind of tokenizer depends on."""


class Tokenizer(Protocol):
    """What the rest of the package asks of a tokenizer."""

    @property
    def vocab_size(self) -> int:
        """Number of token ids: 0 … vocab_size − 1."""
        ...

    def special(self, token: str) -> int | None:
        """The id of a special token, None where there is none."""
        ...

    def encode_batch(self, texts: Sequence[str]) -> list[NDArray[Any]]:
        """Token ids of each text, without special tokens: an array of integers for each."""
        ...

    def encode(self, text: str) -> list[int]:
        """Token ids of one text, without special tokens."""
        ...

    def token_bytes(self) -> list[bytes]:
        """The bytes of each token; b"" for special ones."""
        ...

    def decode(self, token_ids: Iterable[int]) -> str:
        """The text of token ids; halves of characters become U+FFFD."""
        ...

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files into a checkpoint folder."""
        ...


def settings_of(config: TokenizerConfig) -> dict[str, Any]:
    """The settings that make this kind of tokenizer what it is, as plain data."""
    if config.kind == "checkpoint":  # whichever copy of the folder it comes from
        return {"kind": config.kind, "vocabulary": fingerprint(load(Path(config.folder)))}
    everything = dataclasses.asdict(config)
    settings = {"kind": config.kind, **{name: everything[name] for name in SETTINGS[config.kind]}}
    if config.kind == "codebert" and config.extra_prompts:
        digests = (hashlib.blake2b(text.encode(), digest_size=8).hexdigest() for text in _extra_prompts(config))
        settings["extra_prompts"] = sorted(digests)
    return settings


def stride(config: TokenizerConfig, train_bytes: int) -> int:
    """`train` takes every n-th training document: a sample for merges, all where tokens are looked up."""
    return 1 if config.kind == "codebert" else max(1, round(train_bytes / config.sample_bytes))


def train(config: TokenizerConfig, texts: Iterator[str]) -> Tokenizer:
    """Learn a vocabulary from texts."""
    if config.kind == "codebert":
        return codebert.reindexed(config.folder, itertools.chain(texts, _extra_prompts(config)))
    if config.kind == "checkpoint":
        return load(Path(config.folder))
    return bpe.train(texts, config.vocab_size, config.pattern)


def _extra_prompts(config: TokenizerConfig) -> list[str]:
    try:
        return [Path(file).read_text(encoding="utf-8") for file in config.extra_prompts]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"tokenizer.extra_prompts: expected files of UTF-8 text; {error}") from None


def load(folder: Path) -> Tokenizer:
    """Open the tokenizer in a checkpoint folder: the re-indexed one where there is a vocabulary.json."""
    reindexed = (folder / format.VOCABULARY).exists()
    path = folder / format.CODEBERT_TOKENIZER
    if not reindexed or not path.exists():  # it was called tokenizer.json, too, once
        path = folder / format.TOKENIZER
    if not path.exists():
        raise InputError(f"{folder}: expected a {format.TOKENIZER} beside the weights, found none")
    try:
        tokenizer = HuggingFaceTokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise InputError(f"{path}: not a tokenizer that can be read ({error}); copy it again from its source") from None
    if reindexed:
        return codebert.load(folder, tokenizer)
    return bpe.BPETokenizer(tokenizer)


def byte_lengths(tokenizer: Tokenizer) -> NDArray[np.int64]:
    """How many bytes of text each token stands for (V,); 0 for special ones."""
    return np.array(format.byte_lengths(tokenizer.token_bytes()), dtype=np.int64)


def fingerprint(tokenizer: Tokenizer) -> str:
    """A digest of the tokens in their order: models keep it, so that no other vocabulary is taken for theirs."""
    digest = hashlib.blake2b(digest_size=8)
    for token in tokenizer.token_bytes():
        digest.update(len(token).to_bytes(4) + token)
    return digest.hexdigest()
