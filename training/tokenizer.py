"""Text ↔ tokens: byte-level BPE of our own, trained on the corpus; or CodeBERT's (see `codebert.py`).

Any text round-trips, byte for byte. Text that happens to spell a special token is encoded as
ordinary characters, so no source file can forge one.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as HuggingFaceTokenizer

from training.errors import InputError

DOCUMENT_START, DOCUMENT_END, PADDING = "<|startoftext|>", "<|endoftext|>", "<|pad|>"
FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE = "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"
SPECIAL_TOKENS = (DOCUMENT_START, DOCUMENT_END, PADDING, FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE)

PATTERNS = {
    # Merges may cross blanks inside a line: line ends with the indentation after them are one piece,
    # the rest of the line is another.
    "line": r"[\r\n]+[ \t]*|[^\r\n]+",
    # Merges stop at words: line ends with indentation; letters with one blank before them; digits by
    # threes; runs of other characters; blanks.
    "word": r"[\r\n]+[ \t]*| ?[\p{L}_]+|\p{N}{1,3}| ?[^\s\p{L}\p{N}_]+|[^\S\r\n]+",
}
LONGEST_TOKEN = 24  # characters; longer tokens are seldom whole in what a person means to type


@dataclass(frozen=True)
class TokenizerConfig:
    """How text becomes tokens."""

    kind: str = "bpe"
    """"bpe": trained on the corpus. "codebert": CodeBERT's, re-indexed to the tokens that the corpus uses.
    "checkpoint": the one in a checkpoint folder, as it is."""
    vocab_size: int = 16_384
    """Entries of the BPE, special tokens included."""
    pattern: str = "line"
    """Where merges stop: "word", or "line" (tokens may span blanks within a line)."""
    sample_bytes: int = 16_000_000
    """The BPE learns from an even sample of the training documents of about this size."""
    folder: str = ""
    """Where CodeBERT's vocab.json and merges.txt are (empty: microsoft/codebert-base of the Hugging Face hub), or
    the checkpoint."""


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


class BPETokenizer:
    """Byte-level BPE, kept in the `tokenizers` library's own format (tokenizer.json)."""

    def __init__(self, tokenizer: HuggingFaceTokenizer) -> None:
        tokenizer.encode_special_tokens = True  # "<|endoftext|>" in a source file is just characters
        self._tokenizer = tokenizer

    @property
    def vocab_size(self) -> int:
        """Number of token ids."""
        return int(self._tokenizer.get_vocab_size())

    def special(self, token: str) -> int | None:
        """The id of a special token, None where the vocabulary lacks it."""
        found: int | None = self._tokenizer.token_to_id(token)
        return found

    def encode(self, text: str) -> list[int]:
        """Token ids of one text."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def encode_batch(self, texts: Sequence[str]) -> list[NDArray[Any]]:
        """Token ids of each text, in parallel."""
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]

    @cached_property
    def _token_bytes(self) -> list[bytes]:
        byte_of = {character: byte for byte, character in byte_alphabet().items()}
        special = {token_id for token_id, added in self._tokenizer.get_added_tokens_decoder().items() if added.special}
        table = [b""] * self.vocab_size
        for token, token_id in self._tokenizer.get_vocab().items():
            if token_id not in special:
                table[token_id] = bytes(byte_of[character] for character in token)
        return table

    def token_bytes(self) -> list[bytes]:
        """The bytes of each token; b"" for special ones."""
        return self._token_bytes

    def decode(self, token_ids: Iterable[int]) -> str:
        """The text of token ids; halves of characters become U+FFFD."""
        return b"".join(self._token_bytes[token_id] for token_id in token_ids).decode("utf-8", errors="replace")

    def save(self, folder: Path) -> None:
        """Write tokenizer.json."""
        self._tokenizer.save(str(folder / "tokenizer.json"))


def byte_alphabet() -> dict[int, str]:
    """The printable character that stands for each byte in a byte-level vocabulary (as GPT-2 chose them)."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    alphabet = {byte: chr(byte) for byte in printable}
    others = (byte for byte in range(256) if byte not in alphabet)
    return alphabet | {byte: chr(256 + place) for place, byte in enumerate(others)}


def settings_of(config: TokenizerConfig) -> dict[str, Any]:
    """The settings that make this kind of tokenizer what it is, as plain data."""
    if config.kind not in SETTINGS:
        raise InputError(f"tokenizer.kind: expected one of {', '.join(SETTINGS)}; found {config.kind!r}")
    if config.kind == "checkpoint":  # whichever copy of the folder it comes from
        return {"kind": config.kind, "vocabulary": fingerprint(load(Path(config.folder)))}
    everything = dataclasses.asdict(config)
    return {"kind": config.kind, **{name: everything[name] for name in SETTINGS[config.kind]}}


def stride(config: TokenizerConfig, train_bytes: int) -> int:
    """`train` wants every how manieth training document: a sample for merges, all where tokens are looked up."""
    return 1 if config.kind == "codebert" else max(1, round(train_bytes / config.sample_bytes))


def train(config: TokenizerConfig, texts: Iterator[str]) -> Tokenizer:
    """Learn a vocabulary from texts."""
    settings_of(config)
    if config.kind == "codebert":
        from training import codebert  # builds on this module

        return codebert.reindexed(config.folder, texts)
    if config.kind == "checkpoint":
        return load(Path(config.folder))
    return train_bpe(config, texts)


def train_bpe(config: TokenizerConfig, texts: Iterator[str]) -> BPETokenizer:
    """Learn merges from texts. Ids: special tokens first, then the 256 bytes, then merges by frequency."""
    if config.pattern not in PATTERNS:
        raise InputError(f"tokenizer.pattern: expected one of {', '.join(PATTERNS)}; found {config.pattern!r}")
    smallest = len(SPECIAL_TOKENS) + 256
    if config.vocab_size < smallest:
        raise InputError(
            f"tokenizer.vocab_size: expected at least {smallest} (special tokens and bytes), found {config.vocab_size}"
        )
    tokenizer = HuggingFaceTokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERNS[config.pattern]), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocab_size,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS],
        initial_alphabet=sorted(byte_alphabet().values()),
        max_token_length=LONGEST_TOKEN,
        min_frequency=2,
        show_progress=True,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return BPETokenizer(tokenizer)


def load(folder: Path) -> Tokenizer:
    """Open the tokenizer in a checkpoint folder: the re-indexed one where there is a vocabulary.json."""
    path = folder / "tokenizer.json"
    if not path.exists():
        raise InputError(f"{folder}: expected a tokenizer.json beside the weights, found none")
    try:
        found = HuggingFaceTokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise InputError(f"{path}: not a tokenizer that can be read ({error}); copy it again from its source") from None
    if (folder / "vocabulary.json").exists():
        from training import codebert  # builds on this module

        return codebert.load(folder, found)
    return BPETokenizer(found)


def fingerprint(tokenizer: Tokenizer) -> str:
    """A digest of the tokens in their order: models keep it, so that no other vocabulary is taken for theirs."""
    digest = hashlib.blake2b(digest_size=8)
    for token in tokenizer.token_bytes():
        digest.update(len(token).to_bytes(4) + token)
    return digest.hexdigest()
