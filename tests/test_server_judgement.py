"""What is awaited at a place, where a suggestion may end, and how likely it is right."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import cursor

from lineahead.engine.open import BUNDLED_MODEL
from lineahead.memory.lines import Line
from lineahead.place import Place
from lineahead.suggest.awaited import MOST_CHECKED, Awaited, awaited
from lineahead.suggest.candidates import Candidate
from lineahead.suggest.ends import End, ends
from lineahead.suggest.judgement import DEFAULT, FEATURES, Evidence, Judgement, read, write
from lineahead.suggest.policy import LEAST_OF_A_WORD, gain
from training.format import JUDGEMENT

AROUND = "import os\n\ndef f(values, weights):\n    total = 1\n    ‸\n    return mean * total\n"


def named(features: tuple[float, ...]) -> dict[str, float]:
    return {name: value for name, value in zip(FEATURES, features, strict=True) if value}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (AROUND, Awaited(("mean",), ("weights", "values", "os"))),
        (AROUND.replace("‸", "mean‸"), Awaited(("mean",), ("weights", "values", "os"))),
        (AROUND.replace("values, ", "values, *, _private, "), Awaited(("mean",), ("weights", "values", "os"))),
        ("def f():\n    one = 1\n    two = 2\n    ‸\n", Awaited((), ("two", "one"))),
        ("class A:\n    one = 1\n    ‸\n", Awaited()),
        ("‸\nprint(second, first)\n", Awaited(("second", "first"), ())),
        ("print(before)\n‸\nprint(after)\n", Awaited(("after",), ())),
        ("if x:\n    ‸\n", Awaited()),
        ("call(\n    ‸\n)\nprint(y)\n", Awaited(("y",), ())),
        ("def (:\n‸\nprint(y)\n", Awaited()),
        ("x = 1\r\n‸\r\nprint(y)\r\n", Awaited(("y",), ())),
        ("#" * MOST_CHECKED + "\n‸\nprint(y)\n", Awaited()),
        ("x = " + " + ".join(["1"] * 2000) + "\n‸\nprint(y)\n", None),  # deep: judged or not, but no fault
    ],
)
def test_names_that_are_awaited(text: str, expected: Awaited | None) -> None:
    found = awaited(cursor(text))
    assert expected in (None, found)


def test_nothing_is_awaited_in_another_language() -> None:
    assert awaited(Place("\nprint(y)\n", 0, language="toml")) == Awaited()


@given(
    text=st.text("ab_ ().=\n'é", max_size=30),
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=20),
    ended=st.booleans(),
)
def test_ends_are_beginnings_of_what_was_written_and_less_likely_the_longer(
    text: str, sizes: list[int], ended: bool
) -> None:
    written, marks, length = text.encode(), [], 0
    for number, size in enumerate(sizes, start=1):
        if length < len(written):
            length = min(len(written), length + size)
            marks.append((length, -0.1 * number))
    candidate = Candidate(written[:length], tuple(marks), ended and length == len(written), -0.5)
    found = ends(Place("x = ", 4), candidate)
    assert len({end.text for end in found}) == len(found)
    for end in found:
        assert text.startswith(end.text)
        assert end.text.strip()
        assert end.log_end == (-0.5 if end.whole else 0.0)
    plain = [end for end in found if not end.whole]
    assert [end.log_probability for end in plain] == sorted((end.log_probability for end in plain), reverse=True)


def test_an_end_behind_whole_words_and_one_at_the_line() -> None:
    candidate = Candidate(b"os.path.join(a, b)", ((2, -0.1), (8, -0.2), (10, -0.3), (12, -0.4), (18, -0.9)), True, -0.7)
    found = {end.text: end for end in ends(Place("x = ", 4), candidate)}
    assert list(found) == ["os", "os.path", "os.path.join", "os.path.join(a, b)"]
    assert found["os.path"].log_probability == -0.2, "half a name behind it says nothing against it"
    assert [end.whole for end in found.values()] == [False, False, False, True]


def test_a_word_that_is_typed_is_no_operator() -> None:
    candidate = Candidate(b"in(a, b)", ((2, -0.1), (8, -0.9)), True)
    assert [end.text for end in ends(Place("os.path.jo", 10), candidate)] == ["in", "in(a, b)"]
    assert [end.text for end in ends(Place("for x ", 6), Candidate(b"in a", ((2, -0.1), (4, -0.2)), True))] == ["in a"]


def test_the_features_of_an_end() -> None:
    place = cursor(AROUND.replace("‸", "mea‸"))
    remembered = [("n = average(values)", Line((1,), 8, 3, 4)), ("sure(1)", Line((2,), 2, 1, 9))]
    evidence = Evidence(place, "n = average(weights)", remembered, awaited(place))
    whole = named(evidence.features(End("n = average(weights)", math.log(0.5), True, math.log(0.8), True)))
    assert whole == pytest.approx(
        {
            "log of the model's probability": math.log(0.5),
            "log of the length in characters": math.log(21),
            "the likeliest line begins so": 1,
            "log of the tokens behind which something else stood before": math.log(8),
            "share of the times that this stood there": 0.75,
            "to the line's end": 1,
            "log of the model's probability of that end": math.log(0.8),
            "inside a word": 1,
            "has the first undefined name": 1,
            "has the nearest unused name": 1,
        }
    )
    begins = named(evidence.features(End("n = average", math.log(0.9), False, 0.0, False)))
    assert begins["log of the tokens behind which it stood before"] == pytest.approx(math.log(8))
    assert begins["log of how often it stood there"] == pytest.approx(math.log(3))
    assert begins["log odds of the model's probability"] == pytest.approx(math.log(9))
    assert begins["lacks the nearest unused name"] == 1


def test_lines_like_those_above() -> None:
    place = cursor("x = 1\ny = 2\n‸")
    evidence = Evidence(place, "", [], Awaited())
    same = named(evidence.features(End("y = 2", -1.0, True, 0.0, True)))
    near = named(evidence.features(End("x = 1", -1.0, True, 0.0, True)))
    part = named(evidence.features(End("y = 2", -1.0, False, 0.0, True)))
    assert "the same as the line above" in same
    assert "the same as another line nearby" in near
    assert not {"the same as the line above", "the same as another line nearby"} & part.keys()


@given(log_probability=st.floats(-30, -1e-4))
def test_a_model_without_numbers_is_believed(log_probability: float) -> None:
    features = Evidence(Place("", 0), "", [], Awaited()).features(End("text", log_probability, True, -2.0, True))
    assert DEFAULT.probability(features) == pytest.approx(math.exp(log_probability), rel=1e-6)
    assert DEFAULT.rank(features) == pytest.approx(log_probability - 2.0)


def test_numbers_are_kept_with_the_model(tmp_path: Path) -> None:
    weights = tuple(float(number) for number in range(len(FEATURES)))
    judgement = Judgement(0.5, weights, weights[::-1])
    write(tmp_path, judgement, "for a test")
    assert read(tmp_path) == (judgement, "")
    saved = json.loads((tmp_path / JUDGEMENT).read_text())
    damaged: list[object] = [
        saved | {"format_version": 99},
        saved | {"features": saved["features"][::-1]},
        saved | {"right": [1.0]},
        saved | {"doubt": math.nan},
        saved | {"line": None},
        saved | {"right": [1e308, -1e308, *saved["right"][2:]]},
        saved | {"doubt": 10**400},
        [],
    ]
    for wrong in (*map(json.dumps, damaged), "[" * 200_000):
        (tmp_path / JUDGEMENT).write_text(wrong)
        found, problem = read(tmp_path)
        assert found == DEFAULT
        assert str(tmp_path / JUDGEMENT) in problem
    (tmp_path / JUDGEMENT).write_bytes(b"\xff{")
    assert read(tmp_path)[0] == DEFAULT
    (tmp_path / JUDGEMENT).unlink()
    assert read(tmp_path) == (DEFAULT, "")


def test_the_bundled_model_has_numbers_of_its_own() -> None:
    judgement, problem = read(BUNDLED_MODEL)
    assert not problem
    assert judgement != DEFAULT


@given(probability=st.floats(0, 1), threshold=st.floats(0, 0.9), length=st.integers(1, 60), whole=st.booleans())
def test_more_is_gained_the_likelier_and_the_less_one_minds(
    probability: float, threshold: float, length: int, whole: bool
) -> None:
    end = End("x." * length, -1.0, whole, 0.0, False)
    assert gain(end, probability, threshold) <= gain(end, min(1.0, probability + 0.1), threshold)
    assert gain(end, probability, min(0.95, threshold + 0.05)) <= gain(end, probability, threshold)
    if probability < threshold:
        assert gain(end, probability, threshold) <= 0


def test_the_last_letters_of_a_name_are_no_gain() -> None:
    for text, worth in (("nge", False), ("nges", True), ("e(x)", True), (".to", False)):
        assert (gain(End(text, -0.01, False, 0.0, False), 0.99, 0.25) > 0) == worth, text
    assert gain(End("x", -0.01, True, 0.0, False), 0.99, 0.25) > 0, "with it, the line is whole"
    assert LEAST_OF_A_WORD == 4


def test_a_bracket_that_stays_open_does_not_hide_the_name_before_it() -> None:
    tokens = Candidate(b"frobnicate_widget(alpha, beta, 3)", ((18, -0.1), (25, -0.2), (31, -0.3), (33, -1.8)), True)
    found = {end.text: end.log_probability for end in ends(Place("x = ", 4), tokens)}
    assert found == {"frobnicate_widget": -0.1, "frobnicate_widget(alpha, beta, 3)": -1.8}


def test_names_that_are_typed_are_not_awaited_any_more() -> None:
    place = cursor("def f(basket):\n    total = basket.‸\n    return count\n")
    assert awaited(place) == Awaited(("count",), ("basket",))
    found = named(Evidence(place, "", [], awaited(place)).features(End("size", -1.0, False, 0.0, False)))
    assert "lacks the nearest unused name" not in found
    assert "lacks the first undefined name" in found
