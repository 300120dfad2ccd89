"""What came of many places, in numbers: shares, characters, calibration, with their intervals, and two pictures."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lineahead.suggest.policy import ONE_WORD

KINDS = ("inside", "start")
LONG = 12  # characters: more than a name
SAMPLES = 1000  # of the bootstrap
BINS = 10  # of the calibration


@dataclass(frozen=True)
class Outcome:
    """What came of one place."""

    file: str
    kind: str
    exact: bool
    """Whether the first suggestion of an explicit request is the whole rest of the line."""
    shown: str
    """What is shown unasked; "" for nothing."""
    right: bool
    """Whether the line goes on with what is shown."""
    right_characters: int
    wrong_characters: int
    confidence: float
    reason: str
    milliseconds: float


MEASURES: dict[str, Callable[[Sequence[Outcome]], float]] = {
    "exact, asked for": lambda outcomes: share(outcome.exact for outcome in outcomes),
    "shown": lambda outcomes: share(bool(outcome.shown) for outcome in outcomes),
    "right as far as shown": lambda outcomes: share(outcome.right for outcome in outcomes if outcome.shown),
    "one word only": lambda outcomes: share(
        ONE_WORD.fullmatch(outcome.shown) is not None for outcome in outcomes if outcome.shown
    ),
    f"right, {LONG} characters or more": lambda outcomes: share(
        outcome.right_characters >= LONG for outcome in outcomes
    ),
    "characters right, a place": lambda outcomes: mean([outcome.right_characters for outcome in outcomes]),
    "characters wrong, a place": lambda outcomes: mean([outcome.wrong_characters for outcome in outcomes]),
    "calibration error": lambda outcomes: calibration_error([outcome for outcome in outcomes if outcome.shown]),
}


def share(truths: object) -> float:
    """How many of some truth values are true, from 0 to 1."""
    return mean([float(bool(truth)) for truth in truths])  # type: ignore[attr-defined]


def mean(numbers: Sequence[float]) -> float:
    """The mean; not a number of none."""
    return float(np.mean(numbers)) if len(numbers) else float("nan")


def calibration_error(outcomes: Sequence[Outcome]) -> float:
    """The mean difference between confidence and share of right ones, over bins of like confidence."""
    if not outcomes:
        return float("nan")
    bins = np.minimum((np.array([outcome.confidence for outcome in outcomes]) * BINS).astype(int), BINS - 1)
    error = 0.0
    for number in np.unique(bins):
        inside = [outcome for outcome, where in zip(outcomes, bins, strict=True) if where == number]
        error += len(inside) * abs(mean([o.confidence for o in inside]) - share(o.right for o in inside))
    return error / len(outcomes)


def interval(outcomes: Sequence[Outcome], measure: Callable[[Sequence[Outcome]], float]) -> tuple[float, float]:
    """The 95 % interval of a measure, by drawing files."""
    by_file: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_file.setdefault(outcome.file, []).append(outcome)
    groups, draw = list(by_file.values()), random.Random(0)
    values = [measure([o for group in draw.choices(groups, k=len(groups)) for o in group]) for _ in range(SAMPLES)]
    known = [value for value in values if not np.isnan(value)]
    low, high = np.percentile(known or [np.nan], [2.5, 97.5])
    return float(low), float(high)


def table(outcomes: list[Outcome]) -> str:
    """All measures, by kind of place, with their intervals."""
    rows = ["| | inside a line | at a line's start | all |", "| --- | --- | --- | --- |"]
    parts = [*([o for o in outcomes if o.kind == kind] for kind in KINDS), outcomes]
    rows.append("| places | " + " | ".join(str(len(part)) for part in parts) + " |")
    for name, measure in MEASURES.items():
        cells = []
        for part in parts:
            low, high = interval(part, measure)
            cells.append(f"{measure(part):.3f} ({low:.3f} … {high:.3f})")
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    times = [np.percentile([o.milliseconds for o in part], [50, 95]) for part in parts]
    rows.append(
        "| milliseconds, median / 95th percentile | " + " | ".join(f"{a:.0f} / {b:.0f}" for a, b in times) + " |"
    )
    reasons = Counter(o.reason for o in outcomes if o.reason)
    return "\n".join(
        [*rows, "", "silent: " + ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())]
    )


def draw(outcomes: Sequence[Outcome], file: Path) -> None:
    """Draw how often suggestions of like confidence are right, and what a person sees who asks for more of it.

    Raises ModuleNotFoundError where matplotlib is missing.
    """
    from matplotlib.figure import Figure  # slow to import, and part of the training extra

    shown = sorted((o for o in outcomes if o.shown), key=lambda o: -o.confidence)
    figure = Figure(figsize=(9, 4), layout="constrained")
    reliability, trade_off = figure.subplots(1, 2)
    bins = [[o for o in shown if min(int(o.confidence * BINS), BINS - 1) == number] for number in range(BINS)]
    said = [mean([o.confidence for o in inside]) for inside in bins if inside]
    happened = [share(o.right for o in inside) for inside in bins if inside]
    reliability.plot([0, 1], [0, 1], color="grey", linewidth=1)
    reliability.scatter(said, happened, s=[400 * len(inside) / len(shown) for inside in bins if inside])
    reliability.set(xlabel="confidence", ylabel="right as far as shown", xlim=(0, 1), ylim=(0, 1), title="reliability")
    counts = range(1, len(shown) + 1)
    right = np.cumsum([o.right for o in shown]) / counts
    trade_off.plot([count / len(outcomes) for count in counts], right)
    trade_off.set(xlabel="places with a suggestion", ylabel="right as far as shown", xlim=(0, 1), ylim=(0, 1),
                  title="the surest ones first")  # fmt: skip
    for axes in (reliability, trade_off):
        axes.grid(alpha=0.3)
    figure.savefig(file, dpi=120)
