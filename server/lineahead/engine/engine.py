"""The seam between suggestions and whatever runs the model: tokens in, tokens out.

An engine knows neither text nor LSP. Implementations give `decode` a function that computes logits.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count, takewhile
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from lineahead.engine.errors import ModelError
from lineahead.engine.vocabulary import Vocabulary

BRANCHES = 3  # of a beginning that spells what is required, and
MOST_BRANCHES = 16  # so many beginnings in all: each costs a step
MORE_BRANCHES = 3  # once it is spelled, to see what else it may be, unless that is
NEGLIGIBLE = 0.15  # of what has been seen
MOST_ENDS = 64  # tokens behind one beginning: the others are too unlikely to count
TINY = 1e-300

Stop = Callable[[], bool]
"""Asked before each step: true ends the generation."""
Draft = Callable[[Sequence[int]], Sequence[int]]
"""Guesses the next tokens from all tokens so far; wrong guesses cost time, and never change what is written."""
Recall = Callable[[Sequence[int]], tuple[float, NDArray[np.float32]]]
"""What is known of the next token from elsewhere, given all tokens so far: the share of the probability that stays with
the model, and what each token (V,) gets of the rest."""


class Token(NamedTuple):
    """One token that was written."""

    id: int
    log_probability: float
    """In nats, among the tokens that were allowed here; at temperature 1, whatever it was sampled with. Of
    required bytes it says nothing (0), only of those beyond."""
    beyond: tuple[float, ...] = ()
    """Of the token that goes on beyond required bytes: the log probability that the text goes on with its first 1, 2, …
    bytes beyond, by whichever tokens."""


@dataclass(frozen=True)
class Sampling:
    """How to draw tokens, instead of taking the likeliest."""

    temperature: float = 0.8
    """Divides the logits; must be positive."""
    top_p: float = 0.95
    """Only the likeliest tokens that have this much of the probability together are drawn from."""
    seed: int = 0
    """The same seed draws the same tokens."""


class Engine(Protocol):
    """Continues tokens."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens that the engine speaks."""
        ...

    @property
    def context_window_size(self) -> int:
        """The most tokens that the model sees at once, those that it writes included."""
        ...

    def stream(
        self,
        token_ids: Sequence[int],
        required: bytes,
        stop: Stop,
        sampling: Sampling | None = None,
        draft: Draft | None = None,
        recall: Recall | None = None,
    ) -> Iterator[Token]:
        """Yield the next token, again and again: the likeliest, or a drawn one.

        Takes at least one token and at most a window of them. The first tokens spell `required` (token
        healing: the last one of those may go on beyond it). Ends when `stop` says so, when the window is full,
        when no token fits `required`, or when another stream of this engine has begun.
        Raises ModelError where the model computes no numbers.
        """
        ...

    def log_probabilities(self, token_ids: Sequence[int]) -> list[float]:
        """The log probability, in nats, of each token but the first, given those before it; at most a window."""
        ...


Step = Callable[[int, Sequence[int], int], NDArray[np.float32]]
"""step(position, tokens, rows): forget what follows the first `position` tokens, compute these after them, and
return the logits (rows, V) behind the last `rows` of them."""


def decode(
    step: Step,
    vocabulary: Vocabulary,
    token_ids: Sequence[int],
    required: bytes,
    stop: Stop,
    *,
    window: int,
    tokens_a_step: int,
    computed: int = 0,
    sampling: Sampling | None = None,
    draft: Draft | None = None,
    recall: Recall | None = None,
) -> Iterator[Token]:
    """`Engine.stream` over logits.

    The first `computed` tokens need no computing. The prompt goes in by `tokens_a_step`, so that `stop` never
    waits for all of it. Drafted tokens are computed together with the last known one; those that agree with what
    is chosen are kept, at the price of one step.
    """
    tokens, known = list(token_ids), list(token_ids[:computed])
    random = np.random.default_rng(sampling.seed) if sampling else None

    def rows(sequence: Sequence[int], count: int = 1) -> Iterator[NDArray[np.float32]]:
        """The logits (V,) behind the last `count` tokens, one after the other, with what is recalled mixed in."""
        position = min(in_common(known, sequence), len(sequence) - count)
        found = step(position, sequence[position:], count)
        known[:] = sequence
        for place, row in enumerate(found, start=len(sequence) - count + 1):
            row = row[: len(vocabulary.token_bytes)]  # a model may have more rows than tokens
            yield _mixed(row, *recall(sequence[:place])) if recall else row

    while len(tokens) - len(known) > tokens_a_step:
        if stop():
            return
        end = len(known) + tokens_a_step
        step(len(known), tokens[len(known) : end], 1)
        known[:] = tokens[:end]
    if required:
        spelled = _spell(lambda path: next(rows([*tokens, *path])), vocabulary, required, stop, window - len(tokens))
        for token in spelled[:-1] if sampling else spelled:  # the last one may go on beyond: it is drawn
            required = required[len(vocabulary.token_bytes[token.id]) :]
            tokens.append(token.id)
            yield token
        if not spelled:
            return
    while len(tokens) <= window and not stop():
        drafted = list(draft(tokens))[: window - len(tokens)] if draft and not required else []
        for row, guess in zip(rows([*tokens, *drafted], 1 + len(drafted)), [*drafted, None], strict=True):
            candidates = vocabulary.compatible(required) if required else None
            if candidates is not None and candidates.size == 0:
                return
            place, log_probability = _choose(row if candidates is None else row[candidates], sampling, random)
            token_id = place if candidates is None else int(candidates[place])
            required = required[len(vocabulary.token_bytes[token_id]) :]
            tokens.append(token_id)
            yield Token(token_id, log_probability)
            if token_id != guess:
                break


def in_common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two sequences have in common at their beginning."""
    length = min(len(first), len(second))
    if first[:length] == second[:length]:  # nearly always, and a hundred times as fast
        return length
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


class End(NamedTuple):
    """Tokens that spell what is required."""

    surprise: float
    """Minus the log of their probability."""
    path: tuple[int, ...]
    beyond: bytes
    """What the last of them adds to it."""


def _spell(
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
        candidates = vocabulary.compatible(rest)
        if len(path) > room or not candidates.size:
            continue
        logits = row(path)
        likeliest, log_probability = _choose(logits, None, None)
        allowed = logits[candidates]
        if branches >= MOST_BRANCHES:
            beginnings.clear()
        for rank, place in enumerate(np.argsort(-allowed, kind="stable")[:MOST_ENDS].tolist()):
            surprising = surprise + float(logits[likeliest] - allowed[place]) - log_probability
            longer = (*path, int(candidates[place]))
            text = vocabulary.token_bytes[longer[-1]]
            if len(text) >= len(rest):
                ends.append(End(surprising, longer, text[len(rest) :]))
            elif rank < BRANCHES:
                heappush(beginnings, (surprising, longer))
    if best is None or stop():
        return []
    beyond = _beyond(best.beyond, ends, _share(beginnings))
    spelled = [Token(token, 0.0) for token in best.path[:-1]]  # what is required is certain
    return [*spelled, Token(best.path[-1], beyond[-1] if beyond else 0.0, beyond)]


def _share(found: Sequence[tuple[float, object] | End]) -> float:
    """The probability of all beginnings, or ends, together."""
    return sum(math.exp(-each[0]) for each in found)


def _beyond(text: bytes, ends: Sequence[End], unknown: float) -> tuple[float, ...]:
    """`Token.beyond` of the likeliest end: ends that say less have no say, and what is unknown is against it."""
    found: list[float] = []
    for length in range(1, len(text) + 1):
        agreed = _share([end for end in ends if end.beyond.startswith(text[:length])])
        decided = _share([end for end in ends if len(end.beyond) >= length or not text.startswith(end.beyond)])
        found.append(min(found[-1] if found else 0.0, math.log(max(agreed, TINY) / max(decided + unknown, TINY))))
    return tuple(found)


def _mixed(logits: NDArray[np.float32], share: float, gained: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits (V,) of the model's probabilities times `share`, with `gained` added."""
    with np.errstate(invalid="ignore"):  # `_choose` says what is wrong with a model's numbers
        mixed: NDArray[np.float32] = np.exp(logits - logits.max())
        mixed *= share / mixed.sum()
    mixed += gained
    mixed += np.finfo(np.float32).tiny  # a logarithm for all
    np.log(mixed, out=mixed)
    return mixed


def _choose(
    logits: NDArray[np.float32], sampling: Sampling | None, random: np.random.Generator | None
) -> tuple[int, float]:
    """A place in logits (N,), and the log of its probability."""
    likeliest = int(logits.argmax())
    if not math.isfinite(logits[likeliest]):
        raise ModelError("the model computes values that are no numbers: expected finite weights; copy it again")
    shifted = logits - logits[likeliest]
    log_total = math.log(float(np.exp(shifted).sum()))
    if sampling is None or random is None:
        return likeliest, -log_total
    weights = np.exp(shifted.astype(np.float64) / sampling.temperature)
    order = np.argsort(-weights, kind="stable")
    cumulative = np.cumsum(weights[order])
    kept = int(np.searchsorted(cumulative, sampling.top_p * cumulative[-1])) + 1
    drawn = int(np.searchsorted(cumulative[:kept], random.random() * cumulative[:kept][-1]))
    place = int(order[min(drawn, kept - 1)])
    return place, float(shifted[place]) - log_total


def log_probabilities_of(logits: NDArray[np.float32], tokens: Sequence[int]) -> list[float]:
    """The log probability, in nats, of one token a row of logits (N, V)."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    chosen = shifted[np.arange(len(tokens)), list(tokens)] - np.log(np.exp(shifted).sum(axis=-1))
    found: list[float] = chosen.tolist()
    return found


def within(seconds: float, stop: Stop) -> Stop:
    """Stop when `stop` says so, and when the time is over, counted from now."""
    end = time.monotonic() + seconds
    return lambda: stop() or time.monotonic() >= end
