"""Typing into a suggestion keeps it, without asking the model again."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lineahead.place import Place
from lineahead.reasons import Reason
from lineahead.suggest.policy import Answer, Suggestion
from lineahead.suggest.reuse import reuse

BEFORE, AFTER = "import os\nx = o", "\ny = 1\n"
PLACE = Place(BEFORE + AFTER, len(BEFORE))
ANSWER = Answer((Suggestion("s.path.join(a, b)", "o", 0.5), Suggestion("s.getcwd()", "o", 0.4)))


def typed(text: str) -> Place:
    return Place(BEFORE + text + AFTER, len(BEFORE + text))


@given(st.integers(0, 17))
def test_what_is_left_of_a_suggestion_is_shown(count: int) -> None:
    text = "s.path.join(a, b)"[:count]
    reused = reuse(PLACE, ANSWER, typed(text))
    if count == len("s.path.join(a, b)"):
        assert reused is None
    else:
        assert reused is not None
        assert text + reused.suggestions[0].text == "s.path.join(a, b)"
        assert len(reused.suggestions) == (2 if count <= 2 else 1)
        assert (BEFORE + text).endswith(reused.suggestions[0].word)


@given(st.text(max_size=5), st.integers(-3, 3))
def test_anything_else_is_asked_anew(text: str, shift: int) -> None:
    place = typed(text)
    place = replace(place, offset=max(0, min(len(place.text), place.offset + shift)))
    reused = reuse(PLACE, ANSWER, place)
    goes_on = any(suggestion.text.startswith(text) and suggestion.text != text for suggestion in ANSWER.suggestions)
    assert (reused is not None) == (shift == 0 and goes_on)


def test_the_same_place_has_the_same_answer() -> None:
    silent = Answer(reason=Reason.BLANK)
    assert reuse(PLACE, silent, PLACE) == silent
    assert reuse(PLACE, ANSWER, replace(PLACE, explicit=True)) is None
    assert reuse(PLACE, ANSWER, replace(PLACE, text=PLACE.text.replace("1", "2"))) is None
    assert reuse(PLACE, ANSWER, replace(PLACE, context="z = 1\n")) is None
