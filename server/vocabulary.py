"""A model's tokens: text → token ids, the bytes of each token, and which tokens fit bytes that are given."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

DOCUMENT_START = "<|startoftext|>"  # as in training/tokenizer.py


class Vocabulary:
    """The tokens of one model, with tables that make `compatible` a search instead of a walk over all of them."""

    def __init__(
        self, encode: Callable[[str], list[int]], token_bytes: Sequence[bytes], document_start: int | None
    ) -> None:
        self.encode = encode
        """Token ids of a text, without special tokens."""
        self.token_bytes = token_bytes
        """The bytes of each token; b"" for special ones, at which a suggestion ends."""
        self.document_start = document_start
        """The token that starts a document, None where the model knows none."""
        order = [token for token in sorted(range(len(token_bytes)), key=token_bytes.__getitem__) if token_bytes[token]]
        self._sorted = [token_bytes[token] for token in order]
        self._order = np.array(order, dtype=np.int64)
        self._last_break = np.array([max(each.rfind(b"\n"), each.rfind(b"\r")) for each in self._sorted])
        self._token_of = dict(zip(self._sorted, order, strict=True))

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
