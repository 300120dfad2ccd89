"""The range of a number that a person sets: in a config's dataclasses, and on command lines."""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_args


@dataclass(frozen=True)
class Range:
    """Numbers from `lowest` to `highest`; the two flags say whether these two belong to it."""

    lowest: float
    highest: float = math.inf
    with_lowest: bool = True
    with_highest: bool = True

    def __contains__(self, number: float) -> bool:
        """Whether a number is in the range; infinity and NaN never are."""
        above = number >= self.lowest if self.with_lowest else number > self.lowest
        below = number <= self.highest if self.with_highest else number < self.highest
        return above and below and math.isfinite(number)

    def __str__(self) -> str:
        least = f"{self.lowest:g} or more" if self.with_lowest else f"more than {self.lowest:g}"
        if math.isinf(self.highest):
            return least
        return f"{least}, and {'at most' if self.with_highest else 'less than'} {self.highest:g}"


Count = Annotated[int, Range(1)]
Natural = Annotated[int, Range(0)]
Threads = Annotated[int, Range(0, 512)]
Positive = Annotated[float, Range(0, with_lowest=False)]
NotNegative = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]
PositiveShare = Annotated[float, Range(0, 1, with_lowest=False)]
BelowOne = Annotated[float, Range(0, 1, with_highest=False)]


def argument(of: Any) -> Callable[[str], Any]:
    """What argparse takes as `type` for one of the types above: a number of this kind, in this range."""
    kind, allowed = get_args(of)

    def parse(text: str) -> Any:
        try:
            number = kind(text)
        except ValueError:
            number = math.nan
        if number not in allowed:
            raise argparse.ArgumentTypeError(f"expected {kind.__name__}, {allowed}; found {text!r}")
        return number

    return parse
