"""What becomes of a client's settings."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineahead.settings import Settings, camel_case, read

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
NAMES = st.sampled_from([camel_case(name) for name in Settings.__dataclass_fields__]) | st.text()


@given(JSON | st.dictionaries(NAMES, JSON))
def test_whatever_a_client_sends_gives_settings(raw: object) -> None:
    settings, problems = read(raw)
    assert 1 <= settings.max_lines <= 20
    assert 0 <= settings.debounce <= 1000
    assert 0 <= settings.confidence <= 1
    assert all(problem.startswith("lineahead") for problem in problems)


def test_good_settings_are_taken() -> None:
    raw = {"enable": {"*": True}, "maxLines": 1, "commentsAndStrings": "never", "confidence": 1, "interpreter": "x"}
    assert read(raw) == (
        Settings(enable={"*": True}, max_lines=1, comments_and_strings="never", confidence=1.0),
        [],
    )
    assert read(None) == read({}) == (Settings(), [])


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ('{"maxLines": 0}', "lineahead.maxLines: expected int from 1 to 20, found 0; using 4"),
        ('{"maxLines": true}', "lineahead.maxLines: expected int from 1 to 20, found True; using 4"),
        ('{"confidence": "high"}', "lineahead.confidence: expected float from 0 to 1, found 'high'; using 0.3"),
        ('{"enable": "yes"}', "lineahead.enable: expected an object such as"),
        (
            '{"commentsAndStrings": "sometimes"}',
            'lineahead.commentsAndStrings: expected "never", "lineEnd" or "always"',
        ),
        ('{"maxLine": 3}', "lineahead.maxLine: no such setting; there are enable, debounce,"),
        ("[]", "lineahead: expected an object with settings, found []"),
    ],
)
def test_bad_settings_are_reported_and_left_at_their_default(raw: str, problem: str) -> None:
    settings, problems = read(json.loads(raw))
    assert settings == Settings()
    assert len(problems) == 1
    assert problems[0].startswith(problem)
