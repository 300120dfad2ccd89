"""Numbers of this process, kept in memory and shown on request."""

import zlib
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field

from lineahead.reasons import EXPLANATIONS, Reason
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
class Statistics:
    """What was shown, what was accepted, how long it took."""

    computed: int = 0
    reused: int = 0
    seen: int = 0
    """What a client reported as shown; some never report."""
    accepted: int = 0
    kept: int = 0
    """Accepted, and still there half a minute later."""
    characters: int = 0
    silences: Counter[Reason] = field(default_factory=Counter)
    milliseconds: deque[float] = field(default_factory=lambda: deque(maxlen=1000))
    """Of the last computed answers."""
    last_silence: Answer | None = None
    _offered: OrderedDict[str, Offered] = field(default_factory=OrderedDict)

    def answered(self, answer: Answer, milliseconds: float, computed: bool) -> None:
        """Count an answer to a client."""
        if computed:
            self.computed += 1
            self.milliseconds.append(milliseconds)
        else:
            self.reused += 1
        if answer.reason:
            self.silences[answer.reason] += 1
        self.last_silence = answer if answer.reason else None

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
            self.accepted += length is None
            self.characters += offered.length if length is None else max(0, min(length, offered.length))
        return offered

    def why_nothing(self) -> str:
        """The reason for the last silence, in words."""
        if self.last_silence is None or self.last_silence.reason is None:
            return "The last request was answered with a suggestion." if self.milliseconds else "Nothing was asked yet."
        reason, detail = self.last_silence.reason, self.last_silence.detail
        return f"No suggestion ({reason}): {EXPLANATIONS[reason]}{f': {detail}' if detail else ''}."

    def summary(self) -> str:
        """All of it, in a few lines."""
        times = sorted(self.milliseconds)
        shown = self.computed + self.reused - sum(self.silences.values())
        lines = [
            f"{self.computed + self.reused} requests, {shown} with a suggestion, {self.reused} without a new inference",
            f"{self.accepted} accepted, {self.kept} of them still there after half a minute, "
            f"{self.characters} characters saved",
        ]
        if times:
            high = times[min(len(times) - 1, int(0.95 * len(times)))]
            lines.append(f"{times[len(times) // 2]:.0f} ms in the median, {high:.0f} ms at the 95th percentile")
        lines += [f"{count} × {reason}: {EXPLANATIONS[reason]}" for reason, count in self.silences.most_common()]
        return "\n".join(lines)
