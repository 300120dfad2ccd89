"""Numbers of this process, kept in memory and shown on request."""

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field

from server.policy import Answer
from server.reasons import EXPLANATIONS, Reason

REMEMBERED = 200  # suggestions whose acceptance can still be reported


@dataclass
class Statistics:
    """What was shown, what was accepted, how long it took."""

    computed: int = 0
    reused: int = 0
    accepted: int = 0
    characters: int = 0
    silences: Counter[Reason] = field(default_factory=Counter)
    milliseconds: deque[float] = field(default_factory=lambda: deque(maxlen=1000))
    """Of the last computed answers."""
    last_silence: Answer | None = None
    _shown: OrderedDict[str, int] = field(default_factory=OrderedDict)

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

    def show(self, text: str) -> str:
        """Remember a suggestion that goes to a client; returns the name by which it reports acceptance."""
        name = f"{self.computed}-{len(text)}-{sum(map(ord, text))}"  # the same while it stays the same
        self._shown[name] = len(text)
        while len(self._shown) > REMEMBERED:
            self._shown.popitem(last=False)
        return name

    def accept(self, name: str) -> None:
        """Count an accepted suggestion, once."""
        if (length := self._shown.pop(name, None)) is not None:
            self.accepted += 1
            self.characters += length

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
            f"{self.accepted} accepted, {self.characters} characters saved",
        ]
        if times:
            high = times[min(len(times) - 1, int(0.95 * len(times)))]
            lines.append(f"{times[len(times) // 2]:.0f} ms in the median, {high:.0f} ms at the 95th percentile")
        lines += [f"{count} × {reason}: {EXPLANATIONS[reason]}" for reason, count in self.silences.most_common()]
        return "\n".join(lines)
