"""What names alone tell, where the model is not sure."""

import pytest
from places import cursor
from scripted_engine import ScriptedEngine

from lineahead.memory.memory import NO_MEMORY
from lineahead.settings import Settings
from lineahead.suggest.guesses import MOST_SEARCHED, ONLY_ATTRIBUTE, ONLY_NAME, guess, only_attribute, only_name
from lineahead.suggest.policy import complete

A_CLASS = "class A:\n    def __init__(self, limiter):\n        self.limiter = limiter\n\n    def run(self):\n        "


@pytest.mark.parametrize(
    ("line", "lacks"),
    [
        ("self.lim‸", "iter"),
        ("return self.l‸", "imiter"),
        ("f(self.r‸)", "un"),
        ("self.limiter‸", None),
        ("self.‸", None),
        ("self.x‸", None),
        ("self._‸", "_init__"),
        ("other.lim‸", None),
        ("myself.lim‸", None),
        ("self.lim‸x", None),
        ("'self.lim‸'", None),
        ("# self.lim‸", None),
        ("self.limit = self.lim‸", None),
    ],
)
def test_the_one_attribute_of_self_that_goes_on_so(line: str, lacks: str | None) -> None:
    place = cursor(A_CLASS + line)
    assert (only_attribute(place) if place.is_code else None) == lacks
    assert (guess(place, NO_MEMORY) is None) == (lacks is None)


BOUND = "threshold = 3\n'thresher'\nx.threading = 1\n\n\ndef f(values):\n    "


@pytest.mark.parametrize(
    ("line", "below", "lacks"),
    [
        ("return thr‸", "", "eshold"),
        ("return t‸", "", None),  # too little is typed
        ("return ab‸", "", "s"),
        ("return isin‸", "", "stance"),
        ("return pr‸", "", None),  # `print`, `property`
        ("return x.thr‸", "", None),
        ("thr‸", "", None),  # a new one, it seems
        ("thr‸", "\n    return 1\n", "eshold"),
        ("isin‸", "\n    return 1\n", None),
        ("def thr‸", "", None),
        ("def g(thr‸", "", None),
        ("for thr‸", "", None),
        ("with x as thr‸", "", None),
        ("import thr‸", "", None),
        ("from thr‸", "", None),
        ("return [y for y in val‸", "", "ues"),
        ("return 'thr‸'", "", None),
        ("return thresholds + thr‸", "", None),
        ("return thr‸ee", "", None),
    ],
)
def test_the_one_name_that_goes_on_so(line: str, below: str, lacks: str | None) -> None:
    place = cursor(BOUND + line + below)
    assert (only_name(place) if place.is_code else None) == lacks


def test_long_texts_are_not_searched() -> None:
    place = cursor("threshold = 3\n" + "x = 1\n" * (MOST_SEARCHED // 6) + "y = thr‸")
    assert only_name(place) is None


def test_a_name_is_suggested_where_nothing_else_is_sure() -> None:
    def shown(text: str, writes: str, confidence: float = 0.3) -> list[tuple[str, float]]:
        answer = complete(cursor(text), Settings(confidence=confidence), ScriptedEngine(writes))
        return [(suggestion.text, suggestion.confidence) for suggestion in answer.suggestions]

    assert shown(A_CLASS + "self.lim‸", "?\n") == [("iter", ONLY_ATTRIBUTE[False])]
    assert shown(A_CLASS + "self.lim‸\n        return 1\n", "?\n") == [("iter", ONLY_ATTRIBUTE[True])]
    assert shown(A_CLASS + "self.lim‸", "?\n", confidence=0.9) == []
    assert [text for text, _ in shown(A_CLASS + "self.lim‸", "iter.wait()\n")] == ["iter.wait()"]
    assert shown(BOUND + "return thr‸", "?\n") == [("eshold", ONLY_NAME[False])]
    assert shown(BOUND + "return val‸", "?\n") == []  # three letters are typed as soon as read
