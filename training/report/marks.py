"""What a mark for the missing lines is worth: pairs of models, with and without it, on the same lines of some projects.

Shapes: P pairs, F files of all projects, S bootstrap samples.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import InputError
from training.report.measures import SAMPLES

CONDITIONS = ("nothing below", "with what is below")
ALONE, BELOW = range(2)
MEMORY = ("with the memory", "without")
"""Under which lines were asked for that are right to their end."""


@dataclass(frozen=True)
class Marks:
    """What was measured of P pairs."""

    names: tuple[tuple[str, str], ...]
    """(P,) of the model with the mark, and of the one without."""
    nats: NDArray[np.float64]
    """(2, P, F, 1 + conditions): tokens of lines, and nats under CONDITIONS."""
    exact: NDArray[np.float64]
    """(2, P, F', 1 + memory): places inside lines, and how many were right under MEMORY."""
    left_to_right: NDArray[np.float64]
    """(2, P): bits per byte of the validation windows when the runs ended."""
    steps: int
    """Of each run."""
    tokens: int
    """Of each run."""
    projects: tuple[str, ...]


def marks(results: dict[str, Any]) -> Marks:
    """Order results by pair; raises InputError for models that saw other lines, or were not trained alike."""
    models = {model["name"]: model for model in results["models"]}
    names = tuple((with_mark, without) for with_mark, without in results["pairs"])
    ordered = [[models[pair[side]] for pair in names] for side in range(2)]
    first = ordered[0][0]
    if any(model["progress"]["tokens"] != first["progress"]["tokens"] for side in ordered for model in side):
        raise InputError("expected models that went on for the same number of tokens")
    nats = _table(ordered, "lines", ("tokens",), "nats", CONDITIONS)
    exact = _table(ordered, "places", ("places",), "exact", MEMORY)
    left_to_right = [[model["evaluation"]["validation_bits_per_byte"] for model in side] for side in ordered]
    return Marks(
        names, nats, exact, np.array(left_to_right), first["progress"]["steps"], first["progress"]["tokens"],
        tuple(sorted(first["lines"])),
    )  # fmt: skip


def _table(
    ordered: list[list[dict[str, Any]]], part: str, counts: tuple[str], values: str, columns: tuple[str, ...]
) -> NDArray[np.float64]:
    """One part of all models (2, P) as (2, P, files, 1 + columns)."""
    rows = [
        [
            [
                (project, file["file"], *(file[count] for count in counts), *(file[values][name] for name in columns))
                for project, files in sorted(model[part].items())
                for file in files
            ]
            for model in side
        ]
        for side in ordered
    ]
    seen = [[row[:3] for row in model] for side in rows for model in side]
    if any(other != seen[0] for other in seen[1:]):
        raise InputError(f"expected the same {part} under each model; measure all of them with one command")
    return np.array([[[row[2:] for row in model] for model in side] for side in rows], dtype=np.float64)


def rates(tables: NDArray[np.float64], seed: int = 0) -> NDArray[np.float64]:
    """(…, F, 1 + columns) → each column by the first (1 + S, …, columns).

    First as measured, then with files drawn anew, the same ones for all models.
    """
    generator, files = np.random.default_rng(seed), tables.shape[-2]
    draws = generator.multinomial(files, np.full(files, 1 / files), size=SAMPLES)
    total = np.einsum("sf,...fc->s...c", np.vstack([np.ones((1, files)), draws]), tables)
    return np.asarray(total[..., 1:] / total[..., :1])


def mean_over_pairs(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(1 + S, P, …) → (1 + S, …): first as measured; the samples draw pairs anew, too."""
    generator, pairs = np.random.default_rng(1), values.shape[1]
    draws = np.vstack([np.ones((1, pairs)), generator.multinomial(pairs, np.full(pairs, 1 / pairs), size=SAMPLES)])
    return np.asarray(np.einsum("sp,sp...->s...", draws / pairs, values))
