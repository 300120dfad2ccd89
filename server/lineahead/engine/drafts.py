"""Guesses at what comes next, for an engine to verify in one step."""

from collections.abc import Sequence

import numpy as np

MATCHED_TOKENS = 3  # fewer match by chance: a wrong draft costs its share of a step
DRAFTED_TOKENS = 3


def repeat_of_context(tokens: Sequence[int]) -> list[int]:
    """What followed the last tokens where they stood the time before; nothing where they did not.

    Source: prompt lookup decoding (Saxena, 2023).
    """
    context = np.array(tokens, dtype=np.int32)
    last = context[-MATCHED_TOKENS:]
    starts = np.flatnonzero(context[:-MATCHED_TOKENS] == last[:1]) if len(context) > MATCHED_TOKENS else np.array([])
    for start in starts[::-1].astype(int).tolist():
        if np.array_equal(context[start : start + MATCHED_TOKENS], last):
            after = start + MATCHED_TOKENS
            drafted: list[int] = context[after : after + DRAFTED_TOKENS].tolist()
            return drafted
    return []
