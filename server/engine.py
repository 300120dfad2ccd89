"""The seam between suggestions and whatever runs the model: tokens in, tokens out.

An engine knows neither text nor LSP. Implementations give `decode` a function that computes logits.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from server.errors import ModelError
from server.vocabulary import Vocabulary

Stop = Callable[[], bool]
"""Asked before each step: true ends the generation."""
Draft = Callable[[Sequence[int]], Sequence[int]]
"""Guesses the next tokens from all tokens so far; wrong guesses cost time, and never change what is written."""


class Token(NamedTuple):
    """One token that was written."""

    id: int
    log_probability: float
    """In nats, among the tokens that were allowed here; at temperature 1, whatever it was sampled with."""


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
) -> Iterator[Token]:
    """`Engine.stream` over logits.

    The first `computed` tokens need no computing. The prompt goes in by `tokens_a_step`, so that `stop` never
    waits for all of it. Drafted tokens are computed together with the last known one; those that agree with what
    is chosen are kept, at the price of one step.
    """
    tokens, position = list(token_ids), computed
    random = np.random.default_rng(sampling.seed) if sampling else None
    while len(tokens) <= window and not stop():
        if len(tokens) - position > tokens_a_step:
            step(position, tokens[position : position + tokens_a_step], 1)
            position += tokens_a_step
            continue
        drafted = list(draft(tokens))[: window - len(tokens)] if draft and not required else []
        logits = step(position, [*tokens[position:], *drafted], 1 + len(drafted))
        position = len(tokens)
        for row, guess in zip(logits, [*drafted, None], strict=True):
            candidates = vocabulary.compatible(required) if required else None
            if candidates is not None and candidates.size == 0:
                return
            # A model may have more rows than tokens.
            allowed = row[: len(vocabulary.token_bytes)] if candidates is None else row[candidates]
            place, log_probability = _choose(allowed, sampling, random)
            token = place if candidates is None else int(candidates[place])
            required = required[len(vocabulary.token_bytes[token]) :]
            tokens.append(token)
            yield Token(token, log_probability)
            if token != guess:
                break
            position += 1


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
