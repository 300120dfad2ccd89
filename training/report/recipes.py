"""What recipes of training are worth: bits per byte of the same files under the runs of each, with intervals.

Shapes: R runs of a recipe, F files of all projects, P projects, S bootstrap samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import InputError
from training.report import marks
from training.report.measures import SAMPLES, Estimate, estimate

WIDER = 0.5  # per cent of bits that a wider corpus must save, as the fourth hypothesis was stated
MEAN = 1.0  # per cent that the mean of three runs must save against one of them, as the fifth one was


@dataclass(frozen=True)
class Recipe:
    """What was measured of the runs of one recipe."""

    name: str
    bits: NDArray[np.float64]
    """(R, F)."""
    validation: NDArray[np.float64]
    """(R,): bits per byte of the validation windows; nan for a vocabulary that they are not in."""


@dataclass(frozen=True)
class Recipes:
    """Recipes on the same files; the others are held against the first."""

    recipes: tuple[Recipe, ...]
    size: NDArray[np.float64]
    """(F,): bytes."""
    project: NDArray[np.int64]
    """(F,): the number of each file's project."""
    projects: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """A recipe in the table."""

    name: str
    runs: int
    bits: float
    """Per byte: the mean over projects and runs."""
    difference: Estimate | None
    """Per cent of the first recipe's bits; None for the first."""
    validation: float
    """Bits per byte; nan where they were not measured."""

    def validation_text(self) -> str:
        """As tables have it."""
        return "" if np.isnan(self.validation) else f"{self.validation:.4f}"


def recipes(results: dict[str, Any]) -> Recipes:
    """Order results by recipe; raises InputError for runs that saw other files."""
    found = results["recipes"]
    projects = tuple(sorted(found[0]["runs"][0]["projects"]))
    tables = [
        [
            [(name, file["file"], file["bytes"], file["bits"]) for name in projects for file in run["projects"][name]]
            for run in recipe["runs"]
        ]
        for recipe in found
    ]
    first = [row[:3] for row in tables[0][0]]
    if any([row[:3] for row in run] != first for recipe in tables for run in recipe):
        raise InputError("expected the same files under each run; measure all of them with one command")
    ordered = tuple(
        Recipe(
            recipe["name"],
            np.array([[row[3] for row in run] for run in runs], dtype=np.float64),
            np.array([run["validation"] for run in recipe["runs"]], dtype=np.float64),
        )
        for recipe, runs in zip(found, tables, strict=True)
    )
    numbers = np.array([projects.index(row[0]) for row in first])
    return Recipes(ordered, np.array([row[2] for row in first], dtype=np.float64), numbers, projects)


def drawn(found: Recipes, seed: int = 0) -> list[NDArray[np.float64]]:
    """Bits per byte of each recipe's runs, mean over projects (1 + S, R): first as measured, then with each project's
    files drawn anew, the same ones for all runs."""
    generator = np.random.default_rng(seed)
    counts = np.ones((1 + SAMPLES, len(found.size)))
    for number in range(len(found.projects)):
        files = np.flatnonzero(found.project == number)
        counts[1:, files] = generator.multinomial(len(files), np.full(len(files), 1 / len(files)), size=SAMPLES)
    of = np.eye(len(found.projects))[found.project]  # (F, P)
    size = counts * found.size @ of
    return [np.stack([(counts * bits @ of / size).mean(1) for bits in recipe.bits], axis=1) for recipe in found.recipes]


def change(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> Estimate:
    """Per cent of another recipe's bits, both from `drawn`; where both have as many runs, pairs are drawn anew, too."""
    paired = ours.shape == theirs.shape
    ours, theirs = (marks.mean_over_pairs(runs) if paired else runs.mean(1) for runs in (ours, theirs))
    changed = 100 * (ours / theirs - 1)
    return estimate(changed[0], changed[1:])


def rows(found: Recipes, every: list[NDArray[np.float64]]) -> list[Row]:
    """A row a recipe, from what was `drawn`."""
    return [
        Row(
            recipe.name,
            values.shape[1],
            float(values[0].mean()),
            change(values, every[0]) if number else None,
            float(recipe.validation.mean()),
        )
        for number, (recipe, values) in enumerate(zip(found.recipes, every, strict=True))
    ]


def wider_verdict(found: Estimate) -> str:
    """What is said of the fourth hypothesis: per cent of bits that a wider corpus adds."""
    if found.value <= -WIDER and found.high < 0:
        return "holds"
    return "is not decided" if found.low < -WIDER else "fails"


def mean_verdict(means: Sequence[Estimate], longer: Estimate) -> str:
    """What is said of the fifth one: per cent that a mean adds to one run's bits, on each corpus, and to those of a
    run of as many tokens."""
    if all(found.value <= -MEAN for found in means) and longer.value <= -MEAN / 2:
        return "holds" if max(found.high for found in (*means, longer)) < 0 else "is not decided"
    return "fails"
