"""A model's tokens: text → token ids, the bytes of each token, and which tokens fit bytes that are given."""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from lineahead.engine.errors import ModelError
from training import format


class FillInTheMiddle(NamedTuple):
    """The tokens that announce the text before the cursor, after it, and between."""

    prefix: int
    suffix: int
    middle: int
    is_marked: bool = False
    """Whether the middle's stands before the line end that precedes the cursor's line."""


class Vocabulary:
    """The tokens of one model, with tables that make `compatible` a search instead of a walk over all of them."""

    def __init__(
        self,
        encode: Callable[[str], list[int]],
        token_bytes: Sequence[bytes],
        document_start: int | None,
        fill_in_the_middle: FillInTheMiddle | None = None,
    ) -> None:
        self.encode = encode
        """Token ids of a text, without special tokens."""
        self.token_bytes = token_bytes
        """The bytes of each token; b"" for special ones, at which a suggestion ends."""
        self.document_start = document_start
        """The token that starts a document, None where the model knows none."""
        self.fill_in_the_middle = fill_in_the_middle
        """The tokens for text on both sides of the cursor, None where the model knows none."""
        order = [token for token in sorted(range(len(token_bytes)), key=token_bytes.__getitem__) if token_bytes[token]]
        self._sorted = [token_bytes[token] for token in order]
        self._order = np.array(order, dtype=np.int64)
        self._last_break = np.array([max(token.rfind(b"\n"), token.rfind(b"\r")) for token in self._sorted])
        self._token_of = dict(zip(self._sorted, order, strict=True))

    def without_mark(self, token_ids: Sequence[int], most: int) -> Sequence[int]:
        """The last tokens of a prompt, at most so many, as a text has them: without the mark of the cursor's line."""
        special = self.fill_in_the_middle
        last = token_ids[-most - 1 :]
        if special is None or not special.is_marked:
            return last[-most:]
        return [token for token in last if token != special.middle][-most:]

    def spelling(self, token_ids: Iterable[int]) -> bytes:
        """The bytes of some tokens together."""
        return b"".join(self.token_bytes[token] for token in token_ids)

    def compatible(self, required: bytes) -> NDArray[np.int64]:
        """The tokens that start with `required`, or that it starts with; none that adds a line break to it.

        Whoever asks for the rest of a line stands on that line: blank lines are no answer.
        """
        length = len(required)
        first = bisect_left(self._sorted, required)
        last = bisect_right(self._sorted, required, lo=first, key=lambda token: token[:length])
        longer = self._order[first:last][self._last_break[first:last] < length]
        heads = (self._token_of.get(required[:end]) for end in range(1, length))
        shorter = [token for token in heads if token is not None]
        return np.concatenate((np.array(shorter, dtype=np.int64), longer))


def load(folder: Path) -> Vocabulary:
    """The vocabulary in a folder's tokenizer.json, of byte-level BPE. Raises ModelError where there is none."""
    path = folder / format.TOKENIZER
    if not path.exists():
        raise ModelError(
            f"{folder}: expected a {format.TOKENIZER} beside the graph, found none; copy it from its source"
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise ModelError(f"{path}: not a tokenizer that can be read ({error}); copy it again from its source") from None
    format.mark_control_tokens(tokenizer)
    tokenizer.no_truncation()
    special = {token_id for token_id, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    try:
        table = format.token_bytes(tokenizer.get_vocab(), special, tokenizer.get_vocab_size())
    except (KeyError, IndexError):
        raise ModelError(
            f"{path}: expected byte-level BPE, found another kind of tokenizer; take another model"
        ) from None
    fill_in_the_middle = None
    for names in format.FILL_IN_THE_MIDDLE:
        ids = [token_id for token_id in map(tokenizer.token_to_id, names) if token_id is not None]
        if len(ids) == len(names):
            prefix, suffix, middle = ids
            fill_in_the_middle = FillInTheMiddle(prefix, suffix, middle, _marks_middle(folder))
            break

    def encode(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    return Vocabulary(encode, table, tokenizer.token_to_id(format.DOCUMENT_START), fill_in_the_middle)


def _marks_middle(folder: Path) -> bool:
    """See `format.marks_middle`; of a folder, whose config.json need not be there, nor be one."""
    try:
        return format.marks_middle(json.loads((folder / format.CONFIG).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return False
