"""The engine that runs checkpoints as they are, through PyTorch. The only module that imports torch or training."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from server.engine import ModelError, Step, greedy
from server.vocabulary import DOCUMENT_START, Vocabulary
from training import checkpoint
from training.errors import InputError

PREFILL_TOKENS = 128  # of a prompt in one step


class TorchEngine:
    """A language model of `training.models` on one thread: on more, any other load makes each small product wait."""

    def __init__(self, model: Any, vocabulary: Vocabulary) -> None:
        self._model = model
        self._vocabulary = vocabulary
        if hasattr(model, "lm_head"):  # the logits of a prompt's other positions would be a third of its price
            model.lm_head.register_forward_pre_hook(lambda _, hidden: (hidden[0][:, -1:],))

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens of the model."""
        return self._vocabulary

    @property
    def context_window_size(self) -> int:
        """The most tokens that the model sees at once."""
        return int(self._model.context_window_size)

    def stream(self, token_ids: Sequence[int], required: bytes, stop: Callable[[], bool]) -> Iterator[int]:
        """Continue tokens; see `Engine.stream`. A model without a cache slides its window instead of filling it."""
        window = self.context_window_size
        assert 0 < len(token_ids) <= window, f"{len(token_ids)} tokens in a window of {window}"
        torch.set_num_threads(1)  # here, since each thread has its own setting
        if not hasattr(self._model, "new_cache"):
            return greedy(self._slide(), self._vocabulary, token_ids, required, stop, tokens_a_step=window)
        tokens = greedy(self._extend_cache(), self._vocabulary, token_ids, required, stop, PREFILL_TOKENS)
        return islice(tokens, window - len(token_ids) + 1)

    def _extend_cache(self) -> Step:
        """Each token is computed once."""
        cache = self._model.new_cache()
        return lambda token_ids: self._logits(token_ids, cache=cache)

    def _slide(self) -> Step:
        """The whole window is computed for each token."""
        context: list[int] = []

        def step(token_ids: Sequence[int]) -> NDArray[np.float32]:
            context.extend(token_ids)
            return self._logits(context[-self.context_window_size :])

        return step

    @torch.inference_mode()
    def _logits(self, token_ids: Sequence[int], **cache: Any) -> NDArray[np.float32]:
        logits, _ = self._model(torch.tensor([token_ids]), **cache)
        last: NDArray[np.float32] = logits[0, -1].float().numpy()
        return last


def load(folder: Path) -> TorchEngine:
    """Open a checkpoint folder. Raises ModelError where `training.checkpoint.load` refuses it."""
    try:
        found = checkpoint.load(folder)
    except InputError as error:
        raise ModelError(str(error)) from None
    tokenizer = found.tokenizer
    vocabulary = Vocabulary(tokenizer.encode, tokenizer.token_bytes(), tokenizer.special(DOCUMENT_START))
    engine = TorchEngine(found.model, vocabulary)
    next(engine.stream([0], b"", lambda: False))  # so that the first suggestion does not pay for warming up
    return engine
