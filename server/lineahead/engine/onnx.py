"""The engine that ships: runs a checkpoint's model.onnx with ONNX Runtime, on one thread.

Keys and values stay in buffers between requests. A request that begins with the tokens of the one before it
computes only what is new: `training/graph.py` says what the graph takes.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineahead.engine import vocabulary as vocabularies
from lineahead.engine.decoding import Limits, decode, in_common
from lineahead.engine.engine import Request, Stop, Token
from lineahead.engine.errors import ModelError
from lineahead.engine.sampling import log_probabilities_of
from lineahead.engine.vocabulary import Vocabulary
from training import format

onnxruntime = format.onnxruntime()

MOST_CACHED = 2**29  # numbers in all keys and values: 2 GB
PREFILL_TOKENS = 64  # of a prompt in one step: 7 ms of the bundled model, as fast as more, in less memory


class OnnxEngine:
    """A decoder with its key-value buffers; one stream at a time, a new one ends the one before."""

    def __init__(self, session: Any, vocabulary: Vocabulary) -> None:
        self._session, self._vocabulary = session, vocabulary
        self._binding = session.io_binding()
        self._binding.bind_output("logits")  # the first of the outputs
        caches = [cache for cache in session.get_inputs() if cache.name.startswith("past_")]
        _check_sizes([cache.shape for cache in caches])
        for cache in caches:
            buffer = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(cache.shape, dtype=np.float32))
            self._binding.bind_ortvalue_input(cache.name, buffer)
            self._binding.bind_ortvalue_output(cache.name.replace("past_", "present_"), buffer)
            self._window = int(cache.shape[2])
        self._computed: list[int] = []  # the tokens whose keys and values are in the buffers
        self._streams = 0
        self.reused = 0
        """Tokens of the last prompt that were in the buffers already."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens of the model."""
        return self._vocabulary

    @property
    def context_window_size(self) -> int:
        """The most tokens that the model sees at once."""
        return self._window

    def stream(self, request: Request, stop: Stop) -> Iterator[Token]:
        """Continue tokens; see `Engine.stream`."""
        count = len(request.token_ids)
        assert 0 < count <= self._window, f"{count} tokens in a window of {self._window}"
        self._streams = mine = self._streams + 1
        self.reused = in_common(request.token_ids[:-1], self._computed)
        limits = Limits(self._window, PREFILL_TOKENS, self.reused)
        return decode(self._step, self._vocabulary, request, lambda: mine != self._streams or stop(), limits)

    def log_probabilities(self, token_ids: Sequence[int]) -> list[float]:
        """Score tokens; see `Engine.log_probabilities`. Ends the stream that is under way."""
        self._streams += 1
        scores: list[float] = []
        for start in range(0, len(token_ids) - 1, PREFILL_TOKENS):
            tokens = token_ids[start : min(start + PREFILL_TOKENS, len(token_ids) - 1)]
            scores += log_probabilities_of(
                self._step(start, tokens, len(tokens)), token_ids[start + 1 :][: len(tokens)]
            )
        return scores

    def _step(self, position: int, tokens: Sequence[int], rows: int) -> NDArray[np.float32]:
        total, bind = position + len(tokens), self._binding.bind_cpu_input
        bind("token_ids", np.array([tokens], dtype=np.int64))
        bind("rows", np.arange(len(tokens) - rows, len(tokens)))
        bind("last_position", np.array([total - 1], dtype=np.int32))
        bind("total", np.array([total], dtype=np.int32))
        self._binding.bind_output("logits")  # anew: their shape changes with `rows`
        self._computed[position:] = []  # until they are there
        self._session.run_with_iobinding(self._binding)
        self._computed[position:] = tokens
        logits: NDArray[np.float32] = self._binding.get_outputs()[0].numpy()[0]
        return logits


def _check_sizes(shapes: list[list[object]]) -> None:
    """Raise ModelError for buffers that no model of this kind needs, before they are asked for."""
    for shape in shapes:
        if len(shape) != 4 or not all(isinstance(size, int) and size > 0 for size in shape):
            raise ModelError(f"expected keys and values of four sizes, found {shape}")
    total = sum(math.prod(size for size in shape if isinstance(size, int)) for shape in shapes)
    if total > MOST_CACHED:
        raise ModelError(
            f"its keys and values would take {4 * total:,} bytes, and at most {4 * MOST_CACHED:,} are asked for"
        )


def load(folder: Path) -> OnnxEngine:
    """Open a checkpoint folder with a model.onnx and a tokenizer.json. Raises ModelError for what cannot be used."""
    vocabulary = vocabularies.load(folder)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised, and told once
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # no CPU when idle
    try:
        session = onnxruntime.InferenceSession(folder / format.GRAPH, options, providers=["CPUExecutionProvider"])
        rows = next(output.shape[-1] for output in session.get_outputs() if output.name == "logits")
        if rows < len(vocabulary.token_bytes):
            raise ModelError(
                f"{folder}: the tokenizer has {len(vocabulary.token_bytes):,} tokens, the model only {rows:,}: they do "
                "not belong together; copy the folder again from its source"
            )
        engine = OnnxEngine(session, vocabulary)
        next(engine.stream(Request([0]), lambda: False))  # finds values that are no numbers, and warms up
    except ModelError as error:
        raise ModelError(f"{folder}: {error}") from None
    except Exception as error:  # the library's exceptions have no common class of their own
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{folder / format.GRAPH}: expected a graph as `python -m training.export` writes it; found one that is "
            f"truncated or foreign ({reason}). Export or copy it again"
        ) from None
    return engine
