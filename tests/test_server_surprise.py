"""How surprising lines are: over any windows, all the text's bits, each on its line."""

import math
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_engine import ScriptedEngine

from lineahead.engine.open import BUNDLED_MODEL, load_engine
from lineahead.suggest.surprise import bits_per_byte, surprise

USUAL = "import os\n\nfor name in os.listdir(folder):\n    print(name)\n"


@given(st.text("ab \n\réé()", max_size=300), st.integers(2, 40))
def test_each_token_counts_once(text: str, window: int) -> None:
    engine = ScriptedEngine("", window)
    lines = list(chain.from_iterable(surprise(text, engine)))
    assert [line.line for line in lines] == list(range(len(lines)))
    assert "\n".join(line.text for line in lines) == text.replace("\r\n", "\n")
    tokens = len(engine.vocabulary.encode(text.replace("\r\n", "\n")))
    assert sum(line.bits for line in lines) * math.log(2) == pytest.approx(tokens)


def test_the_odd_line_is_the_surprising_one() -> None:
    engine = load_engine(BUNDLED_MODEL)
    usual = list(chain.from_iterable(surprise(USUAL, engine)))
    assert 0 < bits_per_byte(usual) < 4
    odd = list(chain.from_iterable(surprise(USUAL.replace("    print(name)\n", "    qz9!wv~~kx\n"), engine)))
    assert max(odd, key=lambda line: line.bits_per_byte).text == "    qz9!wv~~kx"
    assert [line.bits for line in odd[:3]] == pytest.approx([line.bits for line in usual[:3]], rel=1e-3)
    long = surprise(USUAL * 200, engine)
    assert 0 < len(next(long)) < 800, "window by window: it can be left off"
