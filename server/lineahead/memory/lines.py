"""The lines that followed the same tokens before: what a plain lookup would suggest."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lineahead.engine.vocabulary import Vocabulary
from lineahead.memory.ngrams import LENGTHS, NGrams

MOST_LINES = 3
MOST_FOLLOWED = 32  # places: of more, an even sample
MOST_TOKENS = 48  # of a line


class Line(NamedTuple):
    """The rest of a line as it stood elsewhere."""

    token_ids: tuple[int, ...]
    """They spell what is required first; without the line end."""
    matched: int
    """The tokens before it that are the same here, at least."""
    seen: int
    """How often it followed them."""
    of: int
    """How often anything that spells what is required followed them."""

    def is_told(self, tokens: int, share: float) -> bool:
        """Whether so many tokens before it are the same, and it followed them in such a share of the times."""
        return self.matched >= tokens and self.seen >= share * self.of


def lines(
    sources: Iterable[tuple[NGrams, range]], context: Sequence[int], required: bytes, vocabulary: Vocabulary
) -> list[Line]:
    """The lines that followed the longest beginnings of a context and spell what is required, the likeliest first.

    Each source comes with the tokens that are not looked at.
    """
    found: dict[int, Counter[tuple[int, ...]]] = {}
    for source, skipped in sources:
        for match in source.matches(context, skipped):
            step = -(-len(match.positions) // MOST_FOLLOWED)
            for position in match.positions[::-step]:
                line = _line(source.tokens, int(position), required, vocabulary)
                if line:
                    found.setdefault(match.length, Counter())[line] += 1
    chosen: dict[bytes, Line] = {}
    for length in sorted(found, reverse=True):
        total = found[length].total()
        for token_ids, seen in found[length].most_common(MOST_LINES):
            chosen.setdefault(vocabulary.spelling(token_ids), Line(token_ids, LENGTHS[length], seen, total))
        if len(chosen) >= MOST_LINES:
            break
    return list(chosen.values())[:MOST_LINES]


def _line(tokens: NDArray[np.int32], position: int, required: bytes, vocabulary: Vocabulary) -> tuple[int, ...] | None:
    """The tokens from a position up to the line's end; None if they do not spell what is required and more."""
    line: list[int] = []
    left = required
    for token in tokens[position : position + MOST_TOKENS].tolist():
        text = vocabulary.token_bytes[token]
        if left:
            common = min(len(left), len(text))
            if not text or left[:common] != text[:common]:
                return None
            if b"\n" in text[common:]:
                return None
            left = left[common:]
        elif not text or b"\n" in text:
            break
        line.append(token)
    else:
        return None  # too long, or the end of everything
    return tuple(line) if not left and len(vocabulary.spelling(line)) > len(required) else None
