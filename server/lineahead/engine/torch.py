"""The engine that runs checkpoints as they are, through PyTorch. The only module that imports torch or training."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lineahead.engine.decoding import Limits, decode, in_common
from lineahead.engine.engine import Request, Stop, Token
from lineahead.engine.errors import ModelError
from lineahead.engine.sampling import log_probabilities_of
from lineahead.engine.vocabulary import Vocabulary
from training import checkpoint, format
from training.errors import InputError

LONGEST_SLIDE = 4096  # tokens written beyond the window: an end, for callers that have none


class TorchEngine:
    """A language model of `training.models` on one thread: on more, any other load makes each small product wait.

    Where the model has a cache, a request that begins with the tokens of the one before it computes only what is new.
    Where it has none, or the window is full and slides, the whole window is computed for each token.
    """

    def __init__(self, model: Any, vocabulary: Vocabulary) -> None:
        self._model = model
        self._vocabulary = vocabulary
        self._cache = model.new_cache() if hasattr(model, "new_cache") else None
        self._context: list[int] = []  # the tokens of the last request, and what was written after them
        self._streams = 0

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens of the model."""
        return self._vocabulary

    @property
    def context_window_size(self) -> int:
        """The most tokens that the model sees at once."""
        return int(self._model.context_window_size)

    def stream(self, request: Request, stop: Stop) -> Iterator[Token]:
        """Continue tokens; see `Engine.stream`. The window slides instead of being full; drafts are not used.

        A new stream ends the one before.
        """
        window = self.context_window_size
        assert 0 < len(request.token_ids) <= window, f"{len(request.token_ids)} tokens in a window of {window}"
        torch.set_num_threads(1)  # here, since each thread has its own setting
        self._streams = mine = self._streams + 1
        reused = in_common(request.token_ids[:-1], self._context[: self._cached])
        limits = Limits(window + LONGEST_SLIDE, tokens_a_step=window, computed=reused)
        request = replace(request, draft=None)
        return decode(self._step, self._vocabulary, request, lambda: mine != self._streams or stop(), limits)

    def log_probabilities(self, token_ids: Sequence[int]) -> list[float]:
        """Score tokens; see `Engine.log_probabilities`. Ends the stream that is under way."""
        self._streams += 1
        rows = len(token_ids) - 1
        return log_probabilities_of(self._step(0, token_ids[:-1], rows), token_ids[1:]) if rows > 0 else []

    @property
    def _cached(self) -> int:
        return self._cache.length if self._cache is not None else 0

    @torch.inference_mode()
    def _step(self, position: int, tokens: Sequence[int], rows: int) -> NDArray[np.float32]:
        self._context[position:] = tokens
        if self._cache is not None:
            self._cache.length = min(self._cache.length, position)  # the rest is of another text
        if self._cache is not None and len(self._context) <= self.context_window_size:
            logits, _ = self._model(torch.tensor([self._context[self._cache.length :]]), cache=self._cache)
        else:
            logits, _ = self._model(torch.tensor([self._context[-self.context_window_size :]]))
        last: NDArray[np.float32] = logits[0, -rows:].float().numpy()
        return last


def load(folder: Path) -> TorchEngine:
    """Open a checkpoint folder. Raises ModelError where `training.checkpoint.load` refuses it."""
    try:
        opened = checkpoint.load(folder)
    except InputError as error:
        raise ModelError(str(error)) from None
    tokenizer = opened.tokenizer
    vocabulary = Vocabulary(tokenizer.encode, tokenizer.token_bytes(), tokenizer.special(format.DOCUMENT_START))
    engine = TorchEngine(opened.model, vocabulary)
    next(engine.stream(Request([0]), lambda: False))  # so that the first suggestion does not pay for warming up
    return engine
