"""Logits → a token: what is recalled mixed in, the likeliest or a drawn one."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lineahead.engine.engine import Prediction, Recall, Sampling
from lineahead.engine.errors import ModelError


def predict(logits: NDArray[np.float32]) -> Prediction:
    """What logits (V,) say, which must be finite."""
    first = int(logits.argmax())
    shifted = logits - logits[first]
    probabilities: NDArray[np.float32] = np.exp(shifted)
    total = float(probabilities.sum())
    probabilities /= np.float32(total)
    return Prediction(probabilities, first, math.log(total) - float(np.dot(probabilities, np.maximum(shifted, -1e4))))


def mixed(logits: NDArray[np.float32], tokens: Sequence[int], recall: Recall) -> NDArray[np.float32]:
    """Logits (V,) of the model's probabilities with what is recalled behind `tokens` mixed in."""
    if not np.isfinite(logits.max()):  # `choose` says what is wrong with a model's numbers
        return logits
    prediction = predict(logits)
    recalled, probabilities = recall(tokens, prediction), prediction.probabilities
    probabilities *= np.float32(recalled.share)
    np.add.at(probabilities, recalled.token_ids, recalled.gains)
    probabilities += np.finfo(np.float32).tiny  # a logarithm for all
    np.log(probabilities, out=probabilities)
    return probabilities


def choose(
    logits: NDArray[np.float32], sampling: Sampling | None, random: np.random.Generator | None
) -> tuple[int, float]:
    """An index into logits (N,), and the log of its probability."""
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
    index = int(order[min(drawn, kept - 1)])
    return index, float(shifted[index]) - log_total


def runner_up(logits: NDArray[np.float32], first: int) -> int:
    """The index of the likeliest of logits (N,) but for one."""
    kept = logits[first]
    logits[first] = -np.inf
    second = int(logits.argmax())
    logits[first] = kept
    return second


def log_probabilities_of(logits: NDArray[np.float32], tokens: Sequence[int]) -> list[float]:
    """The log probability, in nats, of one token a row of logits (N, V)."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    chosen = shifted[np.arange(len(tokens)), list(tokens)] - np.log(np.exp(shifted).sum(axis=-1))
    scores: list[float] = chosen.tolist()
    return scores
