"""The engine that runs checkpoints as they are, through PyTorch. The only module that imports torch or training."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lineahead.engine.decoding import Limits, Step, decode
from lineahead.engine.engine import Request, Stop, Token
from lineahead.engine.errors import ModelError
from lineahead.engine.sampling import log_probabilities_of
from lineahead.engine.vocabulary import Vocabulary
from training import checkpoint, format
from training.errors import InputError

LONGEST_SLIDE = 4096  # tokens written beyond the window: an end, for callers that have none


class TorchEngine:
    """A language model of `training.models` on one thread: on more, any other load makes each small product wait.

    It computes the whole window for each token, and slides it where it is full: plain, and slow.
    """

    def __init__(self, model: Any, vocabulary: Vocabulary) -> None:
        self._model = model
        self._vocabulary = vocabulary

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens of the model."""
        return self._vocabulary

    @property
    def context_window_size(self) -> int:
        """The most tokens that the model sees at once."""
        return int(self._model.context_window_size)

    def stream(self, request: Request, stop: Stop) -> Iterator[Token]:
        """Continue tokens; see `Engine.stream`. The window slides instead of being full; drafts are not used."""
        window = self.context_window_size
        assert 0 < len(request.token_ids) <= window, f"{len(request.token_ids)} tokens in a window of {window}"
        torch.set_num_threads(1)  # here, since each thread has its own setting
        limits = Limits(window + LONGEST_SLIDE, tokens_a_step=window)
        return decode(self._stepper(), self._vocabulary, replace(request, draft=None), stop, limits)

    def log_probabilities(self, token_ids: Sequence[int]) -> list[float]:
        """Score tokens; see `Engine.log_probabilities`."""
        rows = len(token_ids) - 1
        return log_probabilities_of(self._stepper()(0, token_ids[:-1], rows), token_ids[1:]) if rows > 0 else []

    def _stepper(self) -> Step:
        context: list[int] = []

        @torch.inference_mode()
        def step(position: int, tokens: Sequence[int], rows: int) -> NDArray[np.float32]:
            context[position:] = tokens
            shown = context[-self.context_window_size :]
            logits, _ = self._model(torch.tensor([shown]))
            last: NDArray[np.float32] = logits[0, -rows:].float().numpy()
            return last

        return step


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
