"""Where the same tokens stood before: n-grams of several lengths, by one sorted array."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LENGTHS = (1, 2, 3, 5, 8, 12, 16, 24, 32)  # tokens of a context
SORTED = 3  # of those that the positions are sorted by; the longer ones are compared position by position
MOST_POSITIONS = 256  # of one context; of more an even sample is taken


class Matches(NamedTuple):
    """Where a context stood."""

    length: int
    """Which of the LENGTHS, counted from 0."""
    positions: NDArray[np.int32]
    """Of the tokens behind it; an even sample of very many."""
    scale: float
    """How many there are for each one in the sample."""


class NGrams:
    """A sequence of tokens, whose positions are found by the tokens before them."""

    def __init__(self, pieces: Sequence[NDArray[np.int32]], vocab_size: int) -> None:
        # A token that there is none of stands before the first one, so that looking back never wraps around.
        self._tokens = np.concatenate((np.full(LENGTHS[-1], vocab_size, dtype=np.int32), *pieces))
        self._base = vocab_size + 1
        self.tokens = self._tokens[LENGTHS[-1] :]
        """All pieces, one after the other."""
        key = np.zeros(len(self.tokens), dtype=np.int64)
        for back in range(1, SORTED + 1):
            key = key * self._base + self._tokens[LENGTHS[-1] - back : len(self._tokens) - back]
        order = np.argsort(key, kind="stable")
        self._keys, self._positions = key[order], order.astype(np.int32)
        self._forgotten: NDArray[np.bool_] | None = None

    def forget(self, tokens: range) -> None:
        """Let nothing that stands in this part be found any more."""
        forgotten = np.zeros(len(self.tokens), dtype=bool) if self._forgotten is None else self._forgotten.copy()
        forgotten[tokens.start : tokens.stop] = True
        self._forgotten = forgotten

    def matches(self, context: Sequence[int], skipped: range = range(0)) -> Iterator[Matches]:
        """Where the last 1, 2, 3, 5, … tokens of a context stood, as long as anywhere; not in `skipped`."""
        positions, low, scale = self._positions[:0], 0, 1.0
        for length, token in enumerate(reversed(context[-LENGTHS[-1] :]), start=1):
            if length <= SORTED:
                width = self._base ** (SORTED - length)
                low += token * width
                first, last = np.searchsorted(self._keys, (low, low + width))
                scale = 1 + (last - first) // MOST_POSITIONS
                positions = self._positions[first:last:scale]
                if skipped:
                    positions = positions[(positions < skipped.start) | (positions >= skipped.stop)]
                if self._forgotten is not None:
                    positions = positions[~self._forgotten[positions]]
            else:
                positions = positions[self._tokens[positions + (LENGTHS[-1] - length)] == token]
            if not len(positions):
                return
            if length in LENGTHS:
                yield Matches(LENGTHS.index(length), positions, float(scale))
