"""What the results mean: bits per byte with intervals, a scaling relation, and the training that a memory replaces."""

from dataclasses import dataclass
from typing import Any, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from training.errors import InputError

CONDITIONS = ("alone", "constants", "gate", "gate, nothing below")
ALONE, CONSTANTS, GATE, ABOVE = range(4)
SAMPLES = 2_000
LEVEL = 95  # per cent


@dataclass(frozen=True)
class Measured:
    """The same lines of some projects under several checkpoints and CONDITIONS; P projects, M checkpoints."""

    projects: tuple[str, ...]
    tokens: NDArray[np.float64]
    """(M,): what each checkpoint was trained on."""
    size: list[NDArray[np.float64]]
    """Of each project (files,): bytes."""
    bits: list[NDArray[np.float64]]
    """Of each project (files, M, conditions)."""
    lines: int
    """Of all projects."""


@dataclass(frozen=True)
class Estimate:
    """A value and the ends of its interval."""

    value: float
    low: float
    high: float


def measured(results: dict[str, Any]) -> Measured:
    """Order results by project; raises InputError where the checkpoints did not see the same lines."""
    models = sorted(results["models"], key=lambda model: int(model["tokens"]))
    projects = tuple(sorted(models[0]["projects"]))
    seen = [[(file["file"], file["lines"], file["bytes"]) for name in projects for file in model["projects"][name]]
            for model in models]  # fmt: skip
    if any(other != seen[0] for other in seen[1:]):
        raise InputError("expected the same lines under each checkpoint; measure all of them with one command")
    bits = [
        [
            [[file["bits"][condition] for condition in CONDITIONS] for file in model["projects"][name]]
            for model in models
        ]
        for name in projects
    ]
    return Measured(
        projects,
        np.array([model["tokens"] for model in models], dtype=np.float64),
        [np.array([file["bytes"] for file in models[0]["projects"][name]], dtype=np.float64) for name in projects],
        [np.array(project, dtype=np.float64).transpose(1, 0, 2) for project in bits],
        sum(lines for _, lines, _ in seen[0]),
    )


def bits_per_byte(found: Measured) -> NDArray[np.float64]:
    """(P, M, conditions)."""
    return np.stack([bits.sum(0) / size.sum() for bits, size in zip(found.bits, found.size, strict=True)])


def resampled(found: Measured, samples: int = SAMPLES, seed: int = 0) -> NDArray[np.float64]:
    """Bits per byte with each project's files drawn anew: (samples, P, M, conditions); all columns share the draws."""
    generator = np.random.default_rng(seed)
    drawn = []
    for bits, size in zip(found.bits, found.size, strict=True):
        counts = generator.multinomial(len(size), np.full(len(size), 1 / len(size)), size=samples).astype(np.float64)
        drawn.append(np.einsum("sf,fmc->smc", counts, bits) / (counts @ size)[:, None, None])
    return np.stack(drawn, axis=1)


def estimate(value: SupportsFloat, samples: NDArray[np.float64]) -> Estimate:
    """A value with the middle LEVEL per cent of its bootstrap samples (samples,)."""
    rest = (100 - LEVEL) / 2
    low, high = np.percentile(samples, [rest, 100 - rest])
    return Estimate(float(value), float(low), float(high))


def exponent(tokens: NDArray[np.float64], bits: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit bits (…, M) = A · tokens^(−α) by least squares in logarithms; returns α (…) and log A (…)."""
    x, y = np.log(tokens), np.log(bits)
    alpha = -((x - x.mean()) * (y - y.mean(-1, keepdims=True))).sum(-1) / ((x - x.mean()) ** 2).sum()
    return alpha, y.mean(-1) + alpha * x.mean()


def worth(tokens: NDArray[np.float64], alone: NDArray[np.float64], reached: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many times the last checkpoint's tokens the fit to `alone` (…, M) asks for to reach some bits (…)."""
    alpha, log_a = exponent(tokens, alone)
    return np.asarray(np.exp((log_a - np.log(reached)) / alpha - np.log(tokens[-1])))
