"""Byte-level BPE of our own, trained on the corpus.

Any text round-trips, byte for byte. Text that happens to spell a special token is encoded as
ordinary characters, so no source file can forge one.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as HuggingFaceTokenizer

from training import format
from training.errors import InputError
from training.files import write_atomically
from training.format import SPECIAL_TOKENS

Pattern = Literal["line", "word"]
PATTERNS: dict[Pattern, str] = {
    # Merges may cross blanks inside a line: line ends with the indentation after them are one piece,
    # the rest of the line is another.
    "line": r"[\r\n]+[ \t]*|[^\r\n]+",
    # Merges stop at words: line ends with indentation; letters with one blank before them; digits by
    # threes; runs of other characters; blanks.
    "word": r"[\r\n]+[ \t]*| ?[\p{L}_]+|\p{N}{1,3}| ?[^\s\p{L}\p{N}_]+|[^\S\r\n]+",
}
LONGEST_TOKEN = 24  # characters; longer tokens are seldom whole in what a person means to type


class BPETokenizer:
    """Byte-level BPE, kept in the `tokenizers` library's own format (tokenizer.json)."""

    def __init__(self, tokenizer: HuggingFaceTokenizer) -> None:
        format.mark_control_tokens(tokenizer)
        self._tokenizer = tokenizer

    @property
    def vocab_size(self) -> int:
        """Number of token ids."""
        return int(self._tokenizer.get_vocab_size())

    def special(self, token: str) -> int | None:
        """The id of a special token, None where the vocabulary lacks it."""
        token_id: int | None = self._tokenizer.token_to_id(token)
        return token_id

    def encode(self, text: str) -> list[int]:
        """Token ids of one text."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def encode_batch(self, texts: Sequence[str]) -> list[NDArray[Any]]:
        """Token ids of each text, in parallel."""
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]

    @cached_property
    def _token_bytes(self) -> list[bytes]:
        special = {token_id for token_id, added in self._tokenizer.get_added_tokens_decoder().items() if added.special}
        return format.token_bytes(self._tokenizer.get_vocab(), special, self.vocab_size)

    def token_bytes(self) -> list[bytes]:
        """The bytes of each token; b"" for special ones."""
        return self._token_bytes

    def decode(self, token_ids: Iterable[int]) -> str:
        """The text of token ids; halves of characters become U+FFFD."""
        return b"".join(self._token_bytes[token_id] for token_id in token_ids).decode("utf-8", errors="replace")

    def save(self, folder: Path) -> None:
        """Write tokenizer.json."""
        write_atomically(folder / format.TOKENIZER, lambda path: self._tokenizer.save(str(path)))


def train(texts: Iterator[str], vocab_size: int, pattern: Pattern) -> BPETokenizer:
    """Learn merges from texts. Ids: special tokens first, then the 256 bytes, then merges by frequency."""
    smallest = len(SPECIAL_TOKENS) + 256
    if vocab_size < smallest:
        raise InputError(
            f"tokenizer.vocab_size: expected at least {smallest} (special tokens and bytes), found {vocab_size}"
        )
    tokenizer = HuggingFaceTokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERNS[pattern]), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS],
        initial_alphabet=sorted(format.byte_alphabet()),
        max_token_length=LONGEST_TOKEN,
        min_frequency=2,
        show_progress=True,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return BPETokenizer(tokenizer)
