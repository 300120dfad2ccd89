"""How likely a suggestion is right: what the model says, corrected by what else is known, with fitted numbers.

Two logistic models over the same evidence, fitted on projects that are never measured: one says how likely a line goes
on with a text, one which of several whole lines is the likeliest. A model without numbers of its own is believed as it
is.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lineahead.memory.lines import Line
from lineahead.memory.mixture import MOST_WEIGHT
from lineahead.place import Place
from lineahead.suggest.awaited import Awaited
from lineahead.suggest.below import fit
from lineahead.suggest.ends import End
from training import format

FEATURES = (
    "log odds of the model's probability",
    "log of the model's probability",
    "log of the length in characters",
    "the likeliest line begins so",
    "log of the tokens behind which it stood before",
    "share of the times that it stood there",
    "log of how often it stood there",
    "log of the tokens behind which something else stood before",
    "share of the times that this stood there",
    "to the line's end",
    "log of the model's probability of that end",
    "at a line's start",
    "inside a word",
    "in a comment or string",
    "has the first undefined name",
    "lacks the first undefined name",
    "has another undefined name",
    "has the nearest unused name",
    "lacks the nearest unused name",
    "the same as the line above",
    "the same as another line nearby",
    "square of the log odds of the model's probability",
    "log odds of the model's probability, to the line's end",
    "log odds of the model's probability, by the share of the times that it stood there",
    "log of the tokens behind which it stood before, by that share",
    "mends what is below",
    "lacks the header of what is below",
    "cuts off what is below",
)
FORMAT_VERSION = 1
LEAST, MOST = -50.0, -1e-4  # of the log of a probability
NEARBY = 40  # lines
MOST_NEARBY = 5_000  # characters
NAME = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class Evidence:
    """What is known at a place, beside what the model says of a text."""

    place: Place
    likeliest: str
    """The line that the model writes."""
    remembered: Sequence[tuple[str, Line]]
    """The lines that stood behind the same text before, the likeliest first."""
    awaited: Awaited

    @cached_property
    def _nearby(self) -> list[str]:
        lines = (self.place.context + self.place.before)[-MOST_NEARBY:].splitlines()[-NEARBY:]
        return [line.strip() for line in lines if line.strip()]

    @cached_property
    def _awaited(self) -> tuple[list[str], list[str]]:
        """The names that are awaited and not typed yet."""
        typed = set(NAME.findall(self.place.line_before.removesuffix(self.place.word_before)))
        undefined, unused = ([name for name in names if name not in typed] for names in self.awaited)
        return undefined, unused

    @cached_property
    def _where(self) -> tuple[float, float, float]:
        typed = self.place.line_before
        return float(not typed.strip()), float(bool(self.place.word_before)), float(self.place.in_comment_or_string)

    def features(self, end: End) -> tuple[float, ...]:
        """The FEATURES of a text that may be suggested."""
        log_probability = max(LEAST, min(MOST, end.log_probability))
        log_odds = log_probability - math.log(-math.expm1(log_probability))
        first_line = end.text.partition("\n")[0]
        agreed = next((line for text, line in self.remembered if text.startswith(first_line)), None)
        other = None if agreed or not self.remembered else self.remembered[0][1]
        matched, share = (math.log(agreed.matched), agreed.seen / agreed.of) if agreed else (0.0, 0.0)
        names = set(NAME.findall(self.place.word_before + end.text))
        undefined, unused = self._awaited
        whole = (self.place.line_before + end.text).strip() if end.whole else ""
        return (
            log_odds,
            log_probability,
            math.log1p(len(end.text)),
            float(self.likeliest.startswith(end.text)),
            matched,
            share,
            math.log(agreed.seen) if agreed else 0.0,
            math.log(other.matched) if other else 0.0,
            other.seen / other.of if other else 0.0,
            float(end.whole),
            max(LEAST, end.log_end),
            *self._where,
            float(bool(undefined) and undefined[0] in names),
            float(bool(undefined) and undefined[0] not in names),
            float(not names.isdisjoint(undefined[1:])),
            float(bool(unused) and unused[0] in names),
            float(bool(unused) and unused[0] not in names),
            float(bool(whole) and self._nearby[-1:] == [whole]),
            float(bool(whole) and whole in self._nearby[:-1]),
            log_odds * log_odds,
            log_odds * end.whole,
            log_odds * share,
            matched * share,
            *map(float, fit(self.place, end.text, end.whole)),
        )


@dataclass(frozen=True)
class Judgement:
    """The fitted numbers of both models."""

    doubt: float
    """What it takes to believe that a line goes on with a text."""
    right: tuple[float, ...]
    """The weight of each feature for that."""
    line: tuple[float, ...]
    """The weight of each feature for a whole line against others."""

    def probability(self, features: Sequence[float]) -> float:
        """How likely the line goes on with a text of these features."""
        evidence = sum(map(float.__mul__, self.right, features)) - self.doubt
        return 1 / (1 + math.exp(-max(LEAST, min(-LEAST, evidence))))

    def rank(self, features: Sequence[float]) -> float:
        """The higher the likelier, among whole lines at the same place."""
        return sum(map(float.__mul__, self.line, features))


def _only(*features: str) -> tuple[float, ...]:
    """The weights of a model that looks at some features alone."""
    return tuple(float(name in features) for name in FEATURES)


DEFAULT = Judgement(
    0.0,
    _only("log odds of the model's probability"),
    _only("log of the model's probability", "log of the model's probability of that end"),
)


def read(folder: Path) -> tuple[Judgement, str]:
    """The judgement in a model's folder, and what is wrong with it, where something is: then the default one."""
    path = folder / format.JUDGEMENT
    if not path.exists():
        return DEFAULT, ""
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        if saved["format_version"] != FORMAT_VERSION or saved["features"] != list(FEATURES):
            raise ValueError(f"format version {saved['format_version']}, other features")
        numbers = [float(saved["doubt"])], [*map(float, saved["right"])], [*map(float, saved["line"])]
        if [len(row) for row in numbers[1:]] != [len(FEATURES)] * 2 or not all(
            abs(number) < MOST_WEIGHT for row in numbers for number in row
        ):
            raise ValueError(f"{len(numbers[1])} and {len(numbers[2])} numbers")
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
        return DEFAULT, f"{path}: expected version {FORMAT_VERSION} of its numbers, found {error!r}; doing without"
    return Judgement(numbers[0][0], tuple(numbers[1]), tuple(numbers[2])), ""


def write(folder: Path, judgement: Judgement, about: str) -> None:
    """Write a judgement into a model's folder, and how it came to be."""
    saved = {"format_version": FORMAT_VERSION, "about": about, "features": list(FEATURES), "doubt": judgement.doubt,
             "right": judgement.right, "line": judgement.line}  # fmt: skip
    (folder / format.JUDGEMENT).write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")
    if (folder / format.HASHES).exists():
        format.write_hashes(folder)
