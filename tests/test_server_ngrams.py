"""N-grams by sorting equal n-grams by walking; what is mixed stays a probability."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineahead.memory import ngrams
from lineahead.memory.ngrams import LENGTHS, Mixture, NGrams

VOCABULARY = 5
tokens = st.lists(st.integers(0, VOCABULARY - 1), max_size=40)


def arrays(*pieces: list[int]) -> list[np.ndarray[tuple[int], np.dtype[np.int32]]]:
    return [np.array(piece, dtype=np.int32) for piece in pieces]


def walked(sequence: list[int], context: list[int], skipped: range) -> list[list[int]]:
    """What `followers` gives, found without any index."""
    followers = []
    for length in LENGTHS:
        last = context[-length:]
        places = [
            position
            for position in range(length, len(sequence))
            if len(last) == length and position not in skipped and sequence[position - length : position] == last
        ]
        if not places:
            break
        followers.append(sorted(sequence[position] for position in places))
    return followers


@given(first=tokens, second=tokens, context=tokens, start=st.integers(0, 40), size=st.integers(0, 10))
def test_followers_are_those_that_a_walk_finds(
    first: list[int], second: list[int], context: list[int], start: int, size: int
) -> None:
    skipped = range(start, start + size)
    followers = NGrams(arrays(first, second), VOCABULARY).followers(context, skipped)
    assert [sorted(tokens.tolist()) for tokens in followers] == walked(first + second, context, skipped)


def test_longer_contexts_are_followed_too() -> None:
    line = [1, 2, 3, 4, 1, 2, 2, 3, 3, 4, 4, 1, 0]
    followers = NGrams(arrays([*line, 2, *line, 3]), VOCABULARY).followers(line)
    assert len(followers) == len(LENGTHS)
    assert followers[-1].tolist() == [2, 3]


def test_of_very_many_places_an_even_sample_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngrams, "MOST_PLACES", 100)
    (followers, *_) = NGrams(arrays([1, 2] * 600 + [1, 3] * 300), VOCABULARY).followers([1])
    assert len(followers) <= 100
    assert np.bincount(followers)[2] == pytest.approx(2 * np.bincount(followers)[3], abs=2)


@given(
    followers=st.lists(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=9), max_size=len(LENGTHS)),
    doubts=st.lists(st.floats(0.1, 300), min_size=len(LENGTHS), max_size=len(LENGTHS)),
)
def test_what_is_mixed_is_a_probability(followers: list[list[int]], doubts: list[float]) -> None:
    mixture = Mixture(VOCABULARY)
    mixture.add(arrays(*followers), doubts)
    assert 0 <= mixture.share <= 1
    assert mixture.share + mixture.gained.sum() == pytest.approx(1)
    assert set(np.flatnonzero(mixture.gained)) <= {token for group in followers for token in group}


def test_trust_grows_with_what_is_seen_and_falls_with_surprises() -> None:
    def share(*followers: list[int]) -> float:
        mixture = Mixture(VOCABULARY)
        mixture.add(arrays(*followers), (10.0, 10.0))
        return mixture.share

    assert share() == 1
    assert share([1]) == pytest.approx(10 / 11)
    assert share([1, 1, 1]) < share([1])
    assert share([1, 2, 3]) > share([1, 1, 1])
    assert share([1], [1]) < share([1])
