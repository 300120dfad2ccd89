"""Lines that may go on a text: the likeliest, those that stood there before, and what is nearly as likely."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lineahead.engine.decoding import Limits, decode
from lineahead.engine.engine import Request, Token
from lineahead.engine.vocabulary import Vocabulary
from lineahead.memory.lines import Line, lines
from lineahead.memory.ngrams import LENGTHS, NGrams
from lineahead.suggest.candidates import Candidate, Writer
from lineahead.suggest.prompt import Prompt

TOKENS = [b"", b"\n", b"a", b"b", b"ab", b"x", b"\n  "]
VOCABULARY = Vocabulary(lambda _: [], TOKENS, 0)


class TableEngine:
    """A model that looks at the last token alone; counts its steps."""

    vocabulary = VOCABULARY
    context_window_size = 60

    def __init__(self, chances: Sequence[Sequence[float]]) -> None:
        self._logits = np.log(np.array(chances, dtype=np.float32))
        self.steps = 0

    def stream(self, request: Request, stop: Callable[[], bool]) -> Iterator[Token]:
        computed: list[int] = []

        def step(position: int, tokens: Sequence[int], rows: int) -> NDArray[np.float32]:
            self.steps += 1
            computed[position:] = tokens
            return self._logits[computed[-rows:]]

        return decode(step, VOCABULARY, request, stop, Limits(self.context_window_size, 64))

    def log_probabilities(self, token_ids: Sequence[int]) -> list[float]:
        raise NotImplementedError


def chances(**likely: dict[int, float]) -> list[list[float]]:
    """The table of a model: after each token named, the chances of some; all else is next to impossible."""
    table = np.full((len(TOKENS), len(TOKENS)), 1e-6)
    table[:, 1] = 1.0
    for name, row in likely.items():
        table[int(name[1:])] = 1e-6
        for token, chance in row.items():
            table[int(name[1:]), token] = chance
    found: list[list[float]] = (table / table.sum(1, keepdims=True)).tolist()
    return found


def writer(table: list[list[float]], required: bytes = b"", lines: int = 1) -> Writer:
    return Writer(Prompt([5], required), TableEngine(table), None, lambda: False, lines)


def test_other_ways_part_where_it_was_unsure_and_come_by_their_probability() -> None:
    table = chances(t5={2: 0.6, 3: 0.4}, t2={1: 0.7, 3: 0.3}, t3={1: 0.9, 5: 0.1}, t4={1: 1.0})
    asked = writer(table)
    likeliest = asked.likeliest()
    assert (likeliest.text, likeliest.ended) == (b"a", True)
    assert math.exp(likeliest.marks[-1][1]) == pytest.approx(0.6, abs=1e-3)
    assert math.exp(likeliest.end) == pytest.approx(0.7, abs=1e-3)
    others = list(asked.other_ways(likeliest))
    assert [other.text for other in others[:2]] == [b"b", b"ab"]
    assert [math.exp(other.marks[-1][1]) for other in others[:2]] == pytest.approx([0.4, 0.18], abs=1e-3)
    assert len({other.text for other in others} | {likeliest.text}) == len(others) + 1


def test_a_line_that_may_end_sooner() -> None:
    asked = writer(chances(t5={2: 1.0}, t2={3: 0.6, 1: 0.4}, t3={1: 1.0}))
    likeliest = asked.likeliest()
    assert likeliest.text == b"ab"
    ends_sooner = next(asked.other_ways(likeliest))
    assert (ends_sooner.text, ends_sooner.ended) == (b"a", True)
    assert math.exp(ends_sooner.end) == pytest.approx(0.4, abs=1e-3)


@given(first=st.floats(0.05, 0.95), second=st.floats(0.05, 0.95))
def test_a_line_that_stood_there_is_as_likely_as_the_model_says(first: float, second: float) -> None:
    asked = writer(chances(t5={2: first, 3: 1 - first}, t2={1: second, 5: 1 - second}, t3={1: 1.0}))
    again = asked.again(Line((2,), 1, 1, 1))
    assert (again.text, again.ended) == (b"a", True)
    assert math.exp(again.marks[-1][1]) == pytest.approx(first, abs=1e-3)
    if second > 0.5:
        assert math.exp(again.end) == pytest.approx(second, abs=1e-3)
    else:
        assert math.exp(again.end) >= second - 1e-3, "the model would rather go on: no more is known"


def test_a_line_that_stood_there_before_saves_steps_and_changes_nothing() -> None:
    table = chances(t5={2: 1.0}, t2={3: 1.0}, t3={4: 1.0}, t4={1: 1.0})
    plain, drafted = writer(table), writer(table)
    expected = plain.likeliest()
    found = drafted.likeliest([Line((2, 3, 4), 3, 1, 1)])
    assert found.text == expected.text == b"abab"
    assert drafted.engine.steps < plain.engine.steps  # type: ignore[attr-defined]
    wrong = writer(table)
    assert wrong.likeliest([Line((2, 2, 2), 3, 1, 1)]) == expected


def test_what_is_required_is_not_part_of_the_text() -> None:
    table = chances(t5={4: 0.7, 2: 0.3}, t4={1: 1.0}, t2={3: 0.1, 1: 0.9})
    found = writer(table, b"a").likeliest()
    assert found.text == b"b"
    assert writer(table, b"a").spelled(Line((4, 5), 1, 1, 1)) == "bx"
    assert writer(table, b"z").likeliest() == Candidate(b"")


def test_several_lines_end_at_the_last() -> None:
    table = chances(t5={2: 1.0}, t2={6: 1.0}, t6={3: 1.0}, t3={1: 1.0})
    found = writer(table, lines=2).likeliest()
    assert (found.text, found.ended) == (b"a\n  b", True)


def walked(tokens: list[int], context: list[int], required: bytes) -> set[bytes]:
    """All lines behind the longest match that has any which spell what is required, found by walking."""
    for length in reversed(LENGTHS):
        last = context[-length:]
        found = set()
        for position in range(length, len(tokens)):
            if len(last) < length or tokens[position - length : position] != last:
                continue
            line: list[int] = []
            for token in tokens[position:]:
                if not TOKENS[token] or b"\n" in TOKENS[token]:
                    break
                line.append(token)
            else:
                continue
            text = b"".join(TOKENS[token] for token in line)
            if text.startswith(required) and len(text) > len(required):
                found.add(text)
        if found:
            return found
    return set()


@given(
    tokens=st.lists(st.integers(0, len(TOKENS) - 1), max_size=40),
    context=st.lists(st.integers(0, len(TOKENS) - 1), min_size=1, max_size=6),
    required=st.sampled_from([b"", b"a", b"ab", b"x"]),
)
def test_lines_are_those_that_a_walk_finds(tokens: list[int], context: list[int], required: bytes) -> None:
    source = NGrams([np.array(tokens, dtype=np.int32)], len(TOKENS))
    found = lines([(source, range(0))], context, required, VOCABULARY)
    texts = [b"".join(TOKENS[token] for token in line.token_ids) for line in found]
    expected = walked(tokens, context, required)
    assert bool(found) == bool(expected)
    assert len(set(texts)) == len(texts)
    if found:
        assert texts[0] in expected
        assert all(0 < line.seen <= line.of for line in found)
        assert [line.matched for line in found] == sorted((line.matched for line in found), reverse=True)
