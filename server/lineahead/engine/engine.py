"""The seam between suggestions and whatever runs the model: tokens in, tokens out.

An engine knows neither text nor LSP. `onnx` and `torch` are the two there are; both hand `decoding.decode` a function
that computes logits.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from lineahead.engine.vocabulary import Vocabulary

Stop = Callable[[], bool]
"""Asked before each step: true ends the generation."""
Draft = Callable[[Sequence[int]], Sequence[int]]
"""Guesses the next tokens from all tokens so far; wrong guesses cost time, and never change what is written."""


class Prediction(NamedTuple):
    """What a model thinks of the next token."""

    probabilities: NDArray[np.float32]
    """(V,)"""
    first: int
    """The likeliest token."""
    entropy: float
    """In nats."""


class Recalled(NamedTuple):
    """What is known of the next token from elsewhere."""

    share: float
    """Of the probability: what stays with the model."""
    token_ids: NDArray[np.int32]
    """(N,): which tokens get something of the rest; one may come several times."""
    gains: NDArray[np.float32]
    """(N,): how much."""


Recall = Callable[[Sequence[int], Prediction], Recalled]
"""What is known of the next token from elsewhere, given all tokens so far and what the model thinks."""


@dataclass(frozen=True)
class Sampling:
    """How to draw tokens, instead of taking the likeliest."""

    temperature: float = 0.8
    """Divides the logits; must be positive."""
    top_p: float = 0.95
    """Only the likeliest tokens that have this much of the probability together are drawn from."""
    seed: int = 0
    """The same seed draws the same tokens."""


@dataclass(frozen=True)
class Request:
    """What an engine is asked to continue, and how."""

    token_ids: Sequence[int]
    """At least one token, at most a window of them."""
    required: bytes = b""
    """What the first tokens spell (token healing); the last one of those may go on beyond it."""
    sampling: Sampling | None = None
    """None: the likeliest token, always."""
    draft: Draft | None = None
    recall: Recall | None = None
    given: Sequence[int] = ()
    """Tokens that are written first, however unlikely; they spell what is required, the last one may go on beyond."""


class Beginning(NamedTuple):
    """Tokens that a request may be asked to begin with."""

    log_probability: float
    """Of all of them together."""
    token_ids: tuple[int, ...]


class Token(NamedTuple):
    """One token that was written."""

    id: int
    log_probability: float
    """In nats, among the tokens that were allowed here; at temperature 1, whatever it was sampled with. Of
    required bytes it says nothing (0), only of those beyond."""
    beyond: tuple[float, ...] = ()
    """Of the token that goes on beyond required bytes: the log probability that the text goes on with its first 1, 2, …
    bytes beyond, by whichever tokens."""
    others: tuple[Beginning, ...] = ()
    """What may be written instead of all tokens up to this one."""


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

    def stream(self, request: Request, stop: Stop) -> Iterator[Token]:
        """Yield the next token, again and again.

        Ends when `stop` says so, when the window is full, when no token fits what is required, or when another stream
        of this engine has begun. Raises ModelError where the model computes no numbers.
        """
        ...

    def log_probabilities(self, token_ids: Sequence[int]) -> list[float]:
        """The log probability, in nats, of each token but the first, given those before it; at most a window."""
        ...


def within(seconds: float, stop: Stop) -> Stop:
    """Stop when `stop` says so, and when the time is over, counted from now."""
    end = time.monotonic() + seconds
    return lambda: stop() or time.monotonic() >= end
