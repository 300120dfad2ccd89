"""Token healing: the likeliest tokens that spell bytes which are there already.

A prompt ends where a person stopped typing, which is seldom where a token ends. So its last tokens are taken back, and
the model spells their bytes first. A worked example: `for i in ra` is typed and `ra` taken back.

1. Of the tokens that fit, say `r` has the probability .30, `range(` .25, `range` .20 and `ra` .10, and behind `r` the
   likeliest that fits is `ange(` with .5. Greedy decoding would begin with `r`: .30 × .5 = .15 for what it spells. The
   search lengthens the likeliest beginning, again and again, until none can become likelier than a spelling that is
   complete: it opens `r`, sees .15, and ends with `range(`, .25.
2. A token that spells all and adds nothing, as `range` would behind `for i in range`, is a beginning as well: it says
   nothing yet, and what follows it may be unlikely, since the likely follower is a token with it (`range(`). Held
   against that one by its own probability it would win, and `range(` be ruled out.
3. How sure is the *text* `nge(` behind `ra`? Not .25 of what was spelled: `r` + `ange(` writes the same text, and
   `range` its beginning. So the probability of `n`, `ng`, `nge`, `nge(` is that of all spellings that agree so far,
   among those that say anything about it (`Token.beyond`).
"""

import math
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lineahead.engine.engine import Beginning, Stop, Token
from lineahead.engine.sampling import choose
from lineahead.engine.vocabulary import Vocabulary

BRANCHES = 3  # of a beginning that spells what is required, and
MOST_BRANCHES = 16  # so many beginnings in all: each costs a step
MORE_BRANCHES = 3  # once it is spelled, to see what else it may be, unless that is
NEGLIGIBLE = 0.15  # of what has been seen
MOST_OTHERS = 3  # texts told of beside the likeliest
MOST_ENDS = 64  # tokens behind one beginning: the others are too unlikely to count
TINY = 1e-300


class End(NamedTuple):
    """Tokens that spell what is required."""

    surprise: float
    """Minus the log of their probability."""
    path: tuple[int, ...]
    beyond: bytes
    """What the last of them adds to it."""


def spell(
    row: Callable[[tuple[int, ...]], NDArray[np.float32]],
    vocabulary: Vocabulary,
    required: bytes,
    stop: Stop,
    room: int,
) -> list[Token]:
    """The likeliest tokens that spell `required`, the last of which may go on beyond it; none where none do.

    The likeliest first token may lead to unlikely ones, so the likeliest of all beginnings is lengthened, again and
    again, until none of them can become likelier than what spells all; a few more then say how sure that is. After
    MOST_BRANCHES only the newest beginning is followed. `row` gives the logits (V,) behind a beginning.
    """
    every = np.arange(len(vocabulary.token_bytes))
    beginnings: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]  # minus the log of their probability, and tokens
    ends: list[End] = []
    more = MORE_BRANCHES
    for branches in count():
        best = min(ends, default=None)
        if not beginnings or stop() or (best and branches >= MOST_BRANCHES):
            break
        if best and best.surprise <= beginnings[0][0]:
            more -= 1
            if more < 0 or _share(beginnings) < NEGLIGIBLE * _share(ends):
                break
        surprise, path = heappop(beginnings)
        rest = required[sum(len(vocabulary.token_bytes[token]) for token in path) :]
        candidates = vocabulary.compatible(rest) if rest else every
        if len(path) > room or not candidates.size:
            continue
        logits = row(path)
        likeliest, log_probability = choose(logits, None, None)
        allowed = logits[candidates]
        if branches >= MOST_BRANCHES:
            beginnings.clear()
        for rank, index in enumerate(np.argsort(-allowed, kind="stable")[:MOST_ENDS].tolist()):
            surprising = surprise + float(logits[likeliest] - allowed[index]) - log_probability
            longer = (*path, int(candidates[index]))
            text = vocabulary.token_bytes[longer[-1]]
            if len(text) > len(rest) or not rest:  # one that only spells it says nothing yet
                ends.append(End(surprising, longer, text[len(rest) :]))
            elif rank < BRANCHES:
                heappush(beginnings, (surprising, longer))
    if best is None or stop():
        return []
    beyond = _beyond(best.beyond, ends, unknown := _share(beginnings))
    spelled = [Token(token, 0.0) for token in best.path[:-1]]  # what is required is certain
    sure = beyond[-1] if beyond else -best.surprise - math.log(_share(ends) + unknown)  # or a special token
    return [*spelled, Token(best.path[-1], sure, beyond, _others(best, ends, unknown))]


def _others(best: End, ends: Sequence[End], unknown: float) -> tuple[Beginning, ...]:
    """The likeliest ends that go on with another text than the best one does."""
    different = [best]
    for end in sorted(ends):
        if len(different) > MOST_OTHERS:
            break
        if not any(end.beyond.startswith(seen.beyond) or seen.beyond.startswith(end.beyond) for seen in different):
            different.append(end)
    return tuple(Beginning(_beyond(end.beyond, ends, unknown)[-1], end.path) for end in different[1:])


def _share(paths: Sequence[tuple[float, object] | End]) -> float:
    """The probability of all beginnings, or ends, together."""
    return sum(math.exp(-path[0]) for path in paths)


def _beyond(text: bytes, ends: Sequence[End], unknown: float) -> tuple[float, ...]:
    """`Token.beyond` of the likeliest end: ends that say less have no say, and what is unknown is against it."""
    sure: list[float] = []
    for length in range(1, len(text) + 1):
        agreed = _share([end for end in ends if end.beyond.startswith(text[:length])])
        decided = _share([end for end in ends if len(end.beyond) >= length or not text.startswith(end.beyond)])
        sure.append(min(sure[-1] if sure else 0.0, math.log(max(agreed, TINY) / max(decided + unknown, TINY))))
    return tuple(sure)
