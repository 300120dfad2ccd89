"""How a line may go on: what the model writes, what stood there before, and other ways that are nearly as likely."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import islice

from lineahead.engine.drafts import repeat_of_context
from lineahead.engine.engine import Beginning, Draft, Engine, Recall, Request, Sampling
from lineahead.engine.vocabulary import Vocabulary
from lineahead.memory.lines import Line
from lineahead.suggest.prompt import HEALED_BYTES, Prompt

MAX_TOKENS = 64
MAX_BYTES = 120  # of a line
DRAFTED_TOKENS = 6  # of a line that stood there before
LINE_END = re.compile(rb"[\r\n]")
SURE = -1e-4  # the log of the highest probability that is told apart from certainty
MOST_OTHER_WAYS = 5
LEAST_LIKELY = -7.0  # the log of the probability of a beginning that is gone on with
DRAWN = 2  # lines, where all that is likely is known


@dataclass(frozen=True)
class Candidate:
    """The rest of a line, or of a few lines."""

    text: bytes
    """Behind the bytes that the model wrote again."""
    marks: tuple[tuple[int, float], ...] = ()
    """After each token, and inside the first: a length of `text`, and the log of its probability up to there."""
    ended: bool = False
    """Whether the last line was ended, instead of cut off by a limit."""
    end: float = 0.0
    """The log of the probability that it ends there."""
    others: tuple[tuple[int, Beginning], ...] = field(default=(), repr=False)
    """Where else it might have gone, each with the length of the `text` that it shares."""


@dataclass(frozen=True)
class Writer:
    """Asks an engine to go on behind one prompt."""

    asked: Prompt
    engine: Engine
    recall: Recall | None
    stop: Callable[[], bool]
    lines: int = 1
    """How many at most."""

    def likeliest(self, before: Sequence[Line] = ()) -> Candidate:
        """What is written where each token is the likeliest; the lines that stood there before save time."""
        draft = _repeat_of(before[0].token_ids, len(self.asked.token_ids)) if before else repeat_of_context
        return self._write(draft=draft)

    def spelled(self, line: Line) -> str:
        """What a line that stood there before adds to the text."""
        text = self.engine.vocabulary.spelling(line.token_ids)
        return text[len(self.asked.required) :].decode("utf-8", errors="replace")

    def again(self, line: Line) -> Candidate:
        """A line that stood there before."""
        return self._write(Beginning(math.nan, line.token_ids), only=True)

    def other_ways(self, candidate: Candidate) -> Iterator[Candidate]:
        """What else may be written, the likeliest beginnings first: they part from what is known at an unsure token."""
        ways = [_Way(candidate, length, other) for length, other in candidate.others]
        heapify(ways)
        for _ in range(MOST_OTHER_WAYS):
            if not ways or ways[0].beginning.log_probability < LEAST_LIKELY or self.stop():
                return
            way = heappop(ways)
            found = way.ends_here(self.asked.required, self.engine.vocabulary) if self.lines == 1 else None
            if found is None:
                found = self._write(way.beginning)
                for length, other in found.others:
                    heappush(ways, _Way(found, length, other))
            yield found

    def drawn(self) -> Iterator[Candidate]:
        """Lines that are drawn by their probability."""
        for seed in range(DRAWN):
            if not self.stop():
                yield self._write(sampling=Sampling(seed=seed))

    def _write(
        self,
        beginning: Beginning | None = None,
        only: bool = False,
        draft: Draft = repeat_of_context,
        sampling: Sampling | None = None,
    ) -> Candidate:
        """What an engine writes up to the end of the last line, or of the beginning alone."""
        given = beginning.token_ids if beginning else ()
        request = Request(self.asked.token_ids, self.asked.required, sampling, draft, self.recall, given)
        length, token_bytes = len(self.asked.required), self.engine.vocabulary.token_bytes
        written, log_probability, ended, end = b"", 0.0, False, 0.0
        marks: list[tuple[int, float]] = []
        others: list[tuple[int, Beginning]] = []
        tokens = self.engine.stream(request, self.stop)
        for number, token in enumerate(islice(tokens, MAX_TOKENS + HEALED_BYTES)):
            piece = token_bytes[token.id]
            others += [(max(0, len(written) - length), other) for other in token.others]
            new = (written + piece)[length:].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            ends_line = not piece or new.count(b"\n") >= self.lines
            if only and number >= len(given):
                ended, end = True, token.log_probability if ends_line else _rest(token.log_probability)
                break
            if ends_line:
                ended, piece = True, LINE_END.split(piece)[0]
                if not piece:
                    end = token.log_probability
                    break
            written += piece
            if len(written) > length:
                marks += [(beyond, log_probability + sure) for beyond, sure in enumerate(token.beyond[:-1], start=1)]
            log_probability += token.log_probability
            if len(written) > length:
                marks.append((len(written) - length, log_probability))
            if number + 1 == len(given) and beginning and not math.isnan(beginning.log_probability):
                # It is known from the search for spellings, which sees all of them.
                more = beginning.log_probability - log_probability
                marks = [(length, before + more) for length, before in marks]
                log_probability += more
            if ended or len(new) - new.rfind(b"\n") > MAX_BYTES:
                break
        if not written.startswith(self.asked.required):  # the vocabulary could not spell it
            return Candidate(b"")
        return Candidate(written[length:], tuple(marks), ended, end, tuple(others))


@dataclass(frozen=True)
class _Way:
    """A beginning, and what it parts from."""

    candidate: Candidate
    shared: int
    beginning: Beginning

    def __lt__(self, other: "_Way") -> bool:
        return self.beginning.log_probability > other.beginning.log_probability

    def ends_here(self, required: bytes, vocabulary: Vocabulary) -> Candidate | None:
        """The line that ends where this way parts; None where it goes on."""
        last = vocabulary.token_bytes[self.beginning.token_ids[-1]]
        if last and not last.startswith((b"\n", b"\r")):
            return None
        marks = tuple(mark for mark in self.candidate.marks if mark[0] <= self.shared)
        if not marks:
            return Candidate(b"")
        end = self.beginning.log_probability - marks[-1][1]
        return Candidate(self.candidate.text[: self.shared], marks, True, min(0.0, end))


def _rest(log_probability: float) -> float:
    """The log of the probability of anything else."""
    return math.log(-math.expm1(min(log_probability, SURE)))


def _repeat_of(line: Sequence[int], start: int) -> Draft:
    """Guesses that a line is written again from a position on; as for any text where it is not."""

    def draft(tokens: Sequence[int]) -> Sequence[int]:
        written = tokens[start:]
        if len(written) < len(line) and tuple(written) == tuple(line[: len(written)]):
            return line[len(written) : len(written) + DRAFTED_TOKENS]
        return repeat_of_context(tokens)

    return draft
