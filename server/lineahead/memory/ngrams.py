"""Which tokens followed the same tokens before: n-grams of several lengths, by one sorted array."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LENGTHS = (1, 2, 3, 5, 8, 12)  # tokens of a context
SORTED = 3  # of those that the places are sorted by; the longer ones are compared place by place
MOST_PLACES = 4096  # of one context; of more an even sample is taken

Followers = list[NDArray[np.int32]]
"""What stood behind a context of each of the LENGTHS, each time; as long as there is anything."""


class NGrams:
    """A sequence of tokens, whose places are found by the tokens before them."""

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
        self._keys, self._places = key[order], order.astype(np.int32)
        self._forgotten: NDArray[np.bool_] | None = None

    def forget(self, tokens: range) -> None:
        """Let nothing that stands in this part be a follower any more."""
        forgotten = np.zeros(len(self.tokens), dtype=bool) if self._forgotten is None else self._forgotten.copy()
        forgotten[tokens.start : tokens.stop] = True
        self._forgotten = forgotten

    def followers(self, context: Sequence[int], skipped: range = range(0)) -> Followers:
        """What stood behind the last tokens of a context; places in `skipped` do not count."""
        followers: Followers = []
        places, low = self._places[:0], 0
        for length, token in enumerate(reversed(context[-LENGTHS[-1] :]), start=1):
            if length <= SORTED:
                width = self._base ** (SORTED - length)
                low += token * width
                first, last = np.searchsorted(self._keys, (low, low + width))
                places = self._places[first : last : 1 + (last - first) // MOST_PLACES]
                if skipped:
                    places = places[(places < skipped.start) | (places >= skipped.stop)]
                if self._forgotten is not None:
                    places = places[~self._forgotten[places]]
            else:
                places = places[self._tokens[places + (LENGTHS[-1] - length)] == token]
            if not len(places):
                break
            if length in LENGTHS:
                followers.append(self._tokens[places + LENGTHS[-1]])
        return followers


class Mixture:
    """What is known of the next token beside what a model thinks of it."""

    def __init__(self, vocab_size: int) -> None:
        self.share = 1.0
        """Of the probability: what stays with the model."""
        self.gained = np.zeros(vocab_size, dtype=np.float32)
        """What each token gets of the rest."""

    def add(self, followers: Followers, doubts: Sequence[float]) -> None:
        """Let each longer context correct what is known by as much as it has been seen without surprises.

        Seen N times with U different followers, it counts N / (N + doubt × U). Source: the interpolation of Witten and
        Bell (1991), with a doubt for each length.
        """
        for tokens, doubt in zip(followers, doubts, strict=False):
            counts = np.bincount(tokens, minlength=len(self.gained))
            trust = len(tokens) / (len(tokens) + doubt * np.count_nonzero(counts))
            self.share *= 1 - trust
            self.gained *= 1 - trust
            self.gained += counts * np.float32(trust / len(tokens))
