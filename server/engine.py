"""The seam between suggestions and whatever runs the model: tokens in, tokens out.

An engine knows neither text nor LSP. Implementations give `greedy` a function that computes logits.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from server.vocabulary import Vocabulary

Step = Callable[[Sequence[int]], NDArray[np.float32]]
"""Takes the next tokens, remembers them, and returns the logits (V,) of what follows."""


class ModelError(Exception):
    """A model cannot be used; the message says what was expected, what was found and what to do."""


class Engine(Protocol):
    """Continues tokens greedily."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens that the engine speaks."""
        ...

    @property
    def context_window_size(self) -> int:
        """The most tokens that the model sees at once, those that it writes included."""
        ...

    def stream(self, token_ids: Sequence[int], required: bytes, stop: Callable[[], bool]) -> Iterator[int]:
        """Yield the likeliest next token, again and again.

        Takes at least one token and at most a window of them. The first tokens spell `required` (token
        healing: the last one of those may go on beyond it). Ends when `stop` says so, which is asked before
        each step, when the window is full, or when no token fits `required`.
        """
        ...


def greedy(
    step: Step,
    vocabulary: Vocabulary,
    token_ids: Sequence[int],
    required: bytes,
    stop: Callable[[], bool],
    tokens_a_step: int,
) -> Iterator[int]:
    """`Engine.stream` over logits. The prompt goes in by `tokens_a_step`, so that `stop` never waits for all of it."""
    pending = list(token_ids)
    while not stop():
        logits = step(pending[:tokens_a_step])
        pending = pending[tokens_a_step:]
        if pending:
            continue
        if required:
            candidates = vocabulary.compatible(required)
            if candidates.size == 0:
                return
            token = int(candidates[logits[candidates].argmax()])
            required = required[len(vocabulary.token_bytes[token]) :]
        else:
            token = int(logits[: len(vocabulary.token_bytes)].argmax())  # a model may have more rows than tokens
        yield token
        pending = [token]
