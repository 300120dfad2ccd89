"""What followed the same tokens before, mixed into what a model thinks of the next one.

Contexts come from three sources (elsewhere in the project; the same folder, or files that are edited, too; this file),
and are interleaved by length: each longer context corrects what the shorter ones said, by as much as it is trusted. How
much that is, a small gate says, fitted on projects that are never measured: the interpolation of Witten and Bell
(1991), with what the model itself thinks as further evidence. A context that was seen often without surprises is
trusted; less so where the model is sure, more so where the model gives the same answer.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lineahead.engine.engine import Prediction, Recalled
from lineahead.memory.ngrams import LENGTHS
from training import format

NOTHING = np.zeros(0, dtype=np.int32)
SOURCES = ("elsewhere", "folder", "file")
FEATURES = (
    "log of how often it was seen, for each different follower",
    "log of how often it was seen",
    "one follower only",
    "share of the likeliest follower",
    "the model's first choice is the same",
    "log of the model's probability of it",
    "probability of the model's first choice",
    "entropy of the model",
    "probability of the model's first choice, where it is another one",
)
MOST_WEIGHT = 1e6  # of a number: more is damage, and NaN is not less
FORMAT_VERSION = 1


class Context(NamedTuple):
    """What stood behind the same tokens in one source."""

    source: int
    length: int
    """Of the tokens, as an index of LENGTHS."""
    total: float
    """How often they were seen."""
    token_ids: NDArray[np.int32]
    """What followed, each once."""
    counts: NDArray[np.int64]


def context(source: int, length: int, followers: NDArray[np.int32], scale: float) -> Context:
    """Count what stood behind the same tokens."""
    token_ids, counts = np.unique(followers, return_counts=True)
    return Context(source, length, len(followers) * scale, token_ids, counts)


def features(seen: Context, model: Prediction) -> tuple[float, ...]:
    """The FEATURES of a context."""
    different = len(seen.token_ids)
    top = int(seen.counts.argmax())
    likeliest, share = int(seen.token_ids[top]), float(seen.counts[top] / seen.counts.sum())
    sure = float(model.probabilities[model.first])
    agrees = likeliest == model.first
    return (
        math.log1p(seen.total) - math.log1p(different),
        0.3 * math.log1p(seen.total),
        float(different == 1),
        share,
        float(agrees),
        math.log(float(model.probabilities[likeliest]) + 0.001) / 3,
        sure,
        model.entropy / 5,
        0.0 if agrees else sure,
    )


@dataclass(frozen=True)
class Gate:
    """How much each context is trusted, from 0 to 1."""

    doubts: tuple[tuple[float, ...], ...]
    """By source and length: what it takes."""
    weights: tuple[tuple[float, ...], ...]
    """By source: of each feature."""

    def trust(self, seen: Context, model: Prediction) -> float:
        """The weight of a context against all shorter ones and the model."""
        evidence = math.log(seen.total) - math.log(len(seen.token_ids)) - self.doubts[seen.source][seen.length]
        weights = self.weights[seen.source]
        if any(weights):
            evidence += sum(map(float.__mul__, weights, features(seen, model)))
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, evidence))))


# Witten and Bell's, for a model that has no gate of its own: fitted on twisted and moto, without features.
_DOUBTS = (5.4, 3.1, 2.6, 1.4, 1.2, 0.3, 0.3, 0.3, 0.3), (2.7, 2.0, 2.0, 1.4, 1.2, 0.6, 0.6, 0.6, 0.6)
DEFAULT = Gate((_DOUBTS[0], _DOUBTS[0], _DOUBTS[1]), ((0.0,) * len(FEATURES),) * len(SOURCES))


def mix(seen: Iterable[Context], gate: Gate, model: Prediction) -> Recalled:
    """What contexts, the shortest one first, make of what a model predicts."""
    trusted = [(gate.trust(one, model), one) for one in seen]
    left = 1.0  # of the probability, for what comes before
    token_ids: list[NDArray[np.int32]] = []
    gains: list[NDArray[np.float64]] = []
    for trust, one in reversed(trusted):
        token_ids.append(one.token_ids)
        gains.append(one.counts * (left * trust / one.counts.sum()))
        left *= 1 - trust
    if not token_ids:
        return Recalled(1.0, NOTHING, np.zeros(0, dtype=np.float32))
    return Recalled(left, np.concatenate(token_ids), np.concatenate(gains).astype(np.float32))


def read(folder: Path) -> tuple[Gate, str]:
    """The gate in a model's folder, and what is wrong with it, where something is: then the default one."""
    path = folder / format.GATE
    if not path.exists():
        return DEFAULT, ""
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        if saved["format_version"] != FORMAT_VERSION or saved["lengths"] != list(LENGTHS):
            raise ValueError(f"format version {saved['format_version']}, lengths {saved['lengths']}")
        gate = Gate(_table(saved["doubts"], len(LENGTHS)), _table(saved["weights"], len(FEATURES)))
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
        return DEFAULT, f"{path}: expected the gate of version {FORMAT_VERSION}, found {error!r}; using the default one"
    return gate, ""


def write(folder: Path, gate: Gate, about: str) -> None:
    """Write a gate into a model's folder, and how it came to be."""
    saved = {"format_version": FORMAT_VERSION, "about": about, "lengths": list(LENGTHS), "sources": list(SOURCES),
             "features": list(FEATURES), "doubts": gate.doubts, "weights": gate.weights}  # fmt: skip
    (folder / format.GATE).write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")
    if (folder / format.HASHES).exists():
        format.write_hashes(folder)


def _table(rows: Sequence[Sequence[float]], columns: int) -> tuple[tuple[float, ...], ...]:
    table = tuple(tuple(float(number) for number in row) for row in rows)
    if [len(row) for row in table] != [columns] * len(SOURCES) or not np.less(np.abs(table), MOST_WEIGHT).all():
        raise ValueError(f"{len(table)} rows of {[len(row) for row in table]} numbers")
    return table
