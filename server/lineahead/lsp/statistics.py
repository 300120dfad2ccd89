"""Numbers of this process, kept in memory and shown on request."""

import zlib
from collections import Counter, OrderedDict, deque
from dataclasses import asdict, dataclass, field
from datetime import date

from lineahead.reasons import EXPLANATIONS, Reason
from lineahead.settings import camel_case
from lineahead.suggest.policy import Answer

REMEMBERED = 200  # suggestions whose acceptance can still be reported


@dataclass(frozen=True)
class Offered:
    """A suggestion that went to a client."""

    document: str
    line: str
    """The line as it is once the suggestion is accepted, without its indentation."""
    length: int


@dataclass
class Day:
    """What happened on one day."""

    shown: int = 0
    accepted: int = 0
    kept: int = 0
    """Accepted, and still there half a minute later."""
    kept_long: int = 0
    """Accepted, and still there five minutes later."""
    characters: int = 0
    """Of what was accepted."""


@dataclass
class Statistics:
    """What was shown, what was accepted, how long it took."""

    on: bool = True
    """Whether anything is counted: the setting of that name."""
    days: dict[str, Day] = field(default_factory=dict)
    """By date, as 2026-11-25."""
    computed: int = 0
    reused: int = 0
    seen: int = 0
    """What a client reported as shown; some never report."""
    silences: Counter[Reason] = field(default_factory=Counter)
    milliseconds: deque[float] = field(default_factory=lambda: deque(maxlen=1000))
    """Of the last computed answers."""
    last_silence: Answer | None = None
    _offered: OrderedDict[str, Offered] = field(default_factory=OrderedDict)

    def answered(self, answer: Answer, milliseconds: float, computed: bool) -> None:
        """Count an answer to a client."""
        self.last_silence = answer if answer.reason else None
        if not self.on:
            return
        if computed:
            self.computed += 1
            self.milliseconds.append(milliseconds)
        else:
            self.reused += 1
        if answer.reason:
            self.silences[answer.reason] += 1

    @property
    def today(self) -> Day:
        """The numbers of this day, to be counted up; of no day where nothing is counted."""
        return self.days.setdefault(date.today().isoformat(), Day()) if self.on else Day()

    def total(self) -> Day:
        """The numbers of all days together."""
        days = [asdict(day) for day in self.days.values()]
        return Day(**{name: sum(day[name] for day in days) for name in asdict(Day())})

    def erase(self) -> None:
        """Forget all numbers."""
        self.days.clear()
        self.silences.clear()
        self.milliseconds.clear()
        self.computed = self.reused = self.seen = 0

    def offer(self, offered: Offered) -> str:
        """Remember a suggestion that goes to a client; returns the name by which the client reports on it."""
        name = f"{zlib.crc32(repr(offered).encode(errors='replace')):08x}"  # the same while it stays the same
        self._offered[name] = offered
        while len(self._offered) > REMEMBERED:
            self._offered.popitem(last=False)
        return name

    def accept(self, name: str, length: int | None = None) -> Offered | None:
        """Count an accepted suggestion, once, or the first `length` characters of it; returns it."""
        offered = self._offered.pop(name, None) if length is None else self._offered.get(name)
        if offered:
            self.today.accepted += length is None
            self.today.characters += offered.length if length is None else max(0, min(length, offered.length))
        return offered

    def percentiles(self) -> tuple[float, float] | None:
        """The milliseconds of computed answers: their median and 95th percentile."""
        times = sorted(self.milliseconds)
        return (times[len(times) // 2], times[min(len(times) - 1, int(0.95 * len(times)))]) if times else None

    def numbers(self) -> dict[str, object]:
        """All of it, for a client to draw."""
        return {
            "on": self.on,
            "days": {day: {camel_case(name): number for name, number in asdict(numbers).items()}
                     for day, numbers in self.days.items()},
            "silences": {f"{reason}": [count, EXPLANATIONS[reason]] for reason, count in self.silences.most_common()},
            "milliseconds": self.percentiles(),
        }  # fmt: skip

    def why_nothing(self) -> str:
        """The reason for the last silence, in words."""
        if self.last_silence is None or self.last_silence.reason is None:
            return "The last request was answered with a suggestion." if self.milliseconds else "Nothing was asked yet."
        reason, detail = self.last_silence.reason, self.last_silence.detail
        return f"No suggestion ({reason}): {EXPLANATIONS[reason]}{f': {detail}' if detail else ''}."

    def summary(self) -> str:
        """All of it, in a few lines."""
        if not self.on:
            return "Nothing is counted (setting lineahead.statistics)."
        total = self.total()
        shown = self.computed + self.reused - sum(self.silences.values())
        lines = [
            f"{self.computed + self.reused} requests, {shown} with a suggestion, {self.reused} without a new inference",
            f"{total.accepted} accepted, {total.kept} of them still there after half a minute, "
            f"{total.characters} characters saved",
        ]
        if times := self.percentiles():
            lines.append(f"{times[0]:.0f} ms in the median, {times[1]:.0f} ms at the 95th percentile")
        lines += [f"{count} × {reason}: {EXPLANATIONS[reason]}" for reason, count in self.silences.most_common()]
        return "\n".join(lines)
