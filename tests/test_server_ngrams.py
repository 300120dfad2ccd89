"""N-grams by sorting equal n-grams by walking; what is mixed stays a probability."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineahead.engine.open import BUNDLED_MODEL
from lineahead.engine.sampling import predict
from lineahead.memory import ngrams
from lineahead.memory.mixture import (
    DEFAULT,
    FEATURES,
    SOURCES,
    Context,
    Gate,
    context,
    mix,
    read,
    write,
)
from lineahead.memory.ngrams import LENGTHS, NGrams
from training.format import GATE

VOCABULARY = 5
tokens = st.lists(st.integers(0, VOCABULARY - 1), max_size=40)


def arrays(*pieces: list[int]) -> list[np.ndarray[tuple[int], np.dtype[np.int32]]]:
    return [np.array(piece, dtype=np.int32) for piece in pieces]


def walked(sequence: list[int], context: list[int], skipped: range) -> list[list[int]]:
    """What stood behind the last tokens of a context, found without any index."""
    behind = []
    for length in LENGTHS:
        last = context[-length:]
        positions = [
            position
            for position in range(length, len(sequence))
            if len(last) == length and position not in skipped and sequence[position - length : position] == last
        ]
        if not positions:
            break
        behind.append(sorted(sequence[position] for position in positions))
    return behind


def followers(index: NGrams, context: list[int], skipped: range = range(0)) -> list[list[int]]:
    return [index.tokens[match.positions].tolist() for match in index.matches(context, skipped)]


@given(first=tokens, second=tokens, context=tokens, start=st.integers(0, 40), size=st.integers(0, 10))
def test_what_follows_is_what_a_walk_finds(
    first: list[int], second: list[int], context: list[int], start: int, size: int
) -> None:
    skipped = range(start, start + size)
    index = NGrams(arrays(first, second), VOCABULARY)
    assert [sorted(one) for one in followers(index, context, skipped)] == walked(first + second, context, skipped)
    index.forget(skipped)
    assert [sorted(one) for one in followers(index, context)] == walked(first + second, context, skipped)


def test_longer_contexts_are_followed_too() -> None:
    line = [1, 2, 3, 4, 1, 2, 2, 3, 3, 4, 4, 1, 0] * 3
    found = followers(NGrams(arrays([*line, 2, *line, 3]), VOCABULARY), line)
    assert len(found) == len(LENGTHS)
    assert found[-1] == [2, 3]


def test_of_very_many_an_even_sample_is_taken_and_says_of_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngrams, "MOST_POSITIONS", 100)
    index = NGrams(arrays([1, 2] * 600 + [1, 3] * 300), VOCABULARY)
    match = next(index.matches([1]))
    assert len(match.positions) <= 100
    assert len(match.positions) * match.scale == pytest.approx(900, rel=0.02)
    behind = np.bincount(index.tokens[match.positions])
    assert behind[2] == pytest.approx(2 * behind[3], abs=2)


contexts = st.lists(
    st.builds(
        lambda source, length, behind: context(source, length, np.array(behind, dtype=np.int32), 1.0),
        st.integers(0, len(SOURCES) - 1),
        st.integers(0, len(LENGTHS) - 1),
        st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=9),
    ),
    max_size=6,
)
numbers = st.floats(-9, 9)


def table(columns: int) -> st.SearchStrategy[tuple[tuple[float, ...], ...]]:
    return st.tuples(*[st.tuples(*[numbers] * columns)] * len(SOURCES))


@given(contexts, table(len(LENGTHS)), table(len(FEATURES)), st.integers(0, VOCABULARY - 1))
def test_what_is_mixed_is_a_probability(
    seen: list[Context], doubts: tuple[tuple[float, ...], ...], weights: tuple[tuple[float, ...], ...], first: int
) -> None:
    probabilities = np.full(VOCABULARY, 0.1, dtype=np.float32)
    probabilities[first] += np.float32(0.5)
    thinks = predict(np.log(probabilities))
    assert thinks.first == first
    assert thinks.entropy == pytest.approx(-np.sum(probabilities * np.log(probabilities)), abs=1e-4)
    recalled = mix(seen, Gate(doubts, weights), thinks)
    assert 0 <= recalled.share <= 1
    assert recalled.share + recalled.gains.sum() == pytest.approx(1, abs=1e-5)
    assert set(recalled.token_ids.tolist()) <= {int(token) for one in seen for token in one.token_ids}
    # One after the other, as the definition has it.
    expected = probabilities.astype(np.float64)
    for one in seen:
        trust = Gate(doubts, weights).trust(one, thinks)
        expected *= 1 - trust
        np.add.at(expected, one.token_ids, trust * one.counts / one.counts.sum())
    mixed = recalled.share * probabilities
    np.add.at(mixed, recalled.token_ids, recalled.gains)
    assert mixed == pytest.approx(expected, abs=1e-5)


def test_trust_grows_with_what_is_seen_and_falls_with_surprises() -> None:
    def share(*behind: list[int]) -> float:
        seen = [context(2, length, one, 1.0) for length, one in enumerate(arrays(*behind))]
        return mix(seen, DEFAULT, predict(np.zeros(VOCABULARY, dtype=np.float32))).share

    assert share() == 1
    assert share([1, 1, 1]) < share([1])
    assert share([1, 2, 3]) > share([1, 1, 1])
    assert share([1], [1]) < share([1])


def test_a_gate_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read(tmp_path) == (DEFAULT, "")
    gate = Gate(((0.5,) * len(LENGTHS),) * len(SOURCES), ((-1.25,) * len(FEATURES),) * len(SOURCES))
    write(tmp_path, gate, "by hand")
    assert read(tmp_path) == (gate, "")
    saved = json.loads((tmp_path / GATE).read_text())
    text = [["x"] * len(LENGTHS)] * len(SOURCES)
    changes: list[dict[str, object]] = [
        {"format_version": 9}, {"doubts": [[1.0]]}, {"weights": None}, {"lengths": [1]}, {"doubts": text}
    ]  # fmt: skip
    wrongs: list[object] = [{}, [], *({**saved, **change} for change in changes)]
    for wrong in wrongs:
        (tmp_path / GATE).write_text(json.dumps(wrong))
        found, problem = read(tmp_path)
        assert found == DEFAULT
        assert "expected the gate of version" in problem
    (tmp_path / GATE).write_bytes(b"\xff{")
    assert read(tmp_path)[1]


def test_the_bundled_model_has_its_gate() -> None:
    gate, problem = read(BUNDLED_MODEL)
    assert not problem
    assert gate != DEFAULT
