"""What a suggestion does with what stands below its line."""

from pathlib import Path

import pytest
from places import cursor

import lineahead
from lineahead.place import LINE, Place
from lineahead.suggest.below import Fit, fit
from lineahead.syntax import in_comment_or_string

SOURCES = sorted(Path(lineahead.__file__).parent.rglob("*.py"))
NOTHING = Fit()
MENDS, LACKS_HEADER, CUTS_OFF = Fit(mends=True), Fit(lacks_header=True), Fit(cuts_off=True)


@pytest.mark.parametrize(
    ("text", "inserted", "expected"),
    [
        # a header is missing
        ("def f(x):\n    ‸\n        return 1\n", "if x:", MENDS),
        ("def f(x):\n    ‸\n        return 1\n", "if x:  # note", MENDS),
        ("def f(x):\n    ‸\n        return 1\n", "x += 1", LACKS_HEADER),
        ("def f(x):\n    ‸\n\n\n        return 1\n", "x += 1", LACKS_HEADER),
        ("def f(x):\r\n    ‸\r\n        return 1\r\n", "x += 1", LACKS_HEADER),
        ("def f(x):\n    if ‸:\n        return 1\n", "x", MENDS),
        ("‸\n    return 1\n", "def f():", MENDS),
        ("‸\n    return 1\n", "x = ':'", LACKS_HEADER),
        ("‸\n    return 1\n", "x = 1  # so:", LACKS_HEADER),
        ("x = 1 + \\\n    2\n‸\n    3\n", "y = x + \\", MENDS),
        # nor is one where there is one
        ("def f(x):\n    ‸\n    return 1\n", "x += 1", NOTHING),
        ("def f(x):\n    ‸\n    return 1\n", "if x:", NOTHING),
        ("def f(x):\n    ‸\n", "return 1", NOTHING),
        ("def f(x):\n    ‸", "return 1", NOTHING),
        # a bracket or a string is missing
        ("‸\n    1,\n)\n", "x = f(", MENDS),
        ("‸\n    1,\n)\n", "x = [", NOTHING),
        ("‸\n    1,\n)\n", "x = 2", LACKS_HEADER),
        ("x = f(\n    ‸\n    2,\n)\n", "1,", MENDS),
        ('def f():\n    ‸\n    Sum two numbers.\n    """\n', '"""', MENDS),
        ('def f():\n    ‸\n    Sum two numbers.\n    """\n', "x = 1", NOTHING),
        ("try:\n    f()\n‸\n    pass\n", "except OSError:", MENDS),
        ("try:\n    f()\n‸\n    pass\n", "if x:", NOTHING),
        ("x = f(\n    ‸\n    2,\n)\n", "1", NOTHING),
        ('‸\n    Words.\n"""\n', 'TEXT = """', MENDS),
        # what is below would not run
        ("def f(x):\n    ‸\n    return 1\n", "return x", CUTS_OFF),
        ("def f(x):\n    ‸\n    return 1\n", "raise OSError", CUTS_OFF),
        ("for x in y:\n    ‸\n    f(x)\n", "continue", CUTS_OFF),
        ("for x in y:\n    ‸\n    f(x)\n", "break", CUTS_OFF),
        ("for x in y:\n    con‸\n    f(x)\n", "tinue", CUTS_OFF),
        ("for x in y:\n    f(x)\n    ‸\nz = 1\n", "continue", NOTHING),
        ("for x in y:\n    ‸\n    f(x)\n", "breakfast()", NOTHING),
        ("def f(x):\n    if x:\n        ‸\n    return 1\n", "return x", NOTHING),
        ("def f(x):\n    return ‸\n    return 1\n", "x", NOTHING),  # the person wrote it
        ("def f(x):\n    ‸\n    return 1\n", "if x:\n        return 2", NOTHING),
        ('"""Words.\n\n‸\nmore.\n"""\n', "return x", NOTHING),
        ("# words that\n# ‸\n# more.\n", "return x", NOTHING),
        # what is below is broken, and not for the line's sake
        ("def f(x):\n    ‸\n    y = = 1\n", "x += 1", NOTHING),
        ("def f(x):\n    ‸\n    y = = 1\n", "z = 1", NOTHING),
    ],
)
def test_what_a_whole_line_does(text: str, inserted: str, expected: Fit) -> None:
    assert fit(cursor(text), inserted, whole=True) == expected


def test_the_beginning_of_a_line_may_still_become_anything_but_what_it_begins_with() -> None:
    assert fit(cursor("def f(x):\n    ‸\n        return 1\n"), "x", whole=False) == NOTHING
    assert fit(cursor("def f(x):\n    ‸\n        return 1\n"), "if x:", whole=False) == NOTHING
    assert fit(cursor("def f(x):\n    ‸\n    return 1\n"), "return x", whole=False) == CUTS_OFF


def test_other_languages_are_not_looked_at() -> None:
    text = "f:\n  ‸\n    x: 1\n"
    place = cursor(text, language="yaml")
    assert fit(place, "return x", whole=True) == NOTHING


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_line_of_good_code_clashes_with_what_is_below(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for match in LINE.finditer(text):
        line = match[0].rstrip("\r\n")
        column = len(line) - len(line.lstrip())
        if not line.strip() or in_comment_or_string(text, match.start(), match.start() + column):
            continue
        place = Place(text[: match.start() + column] + text[match.start() + len(line) :], match.start() + column)
        found = fit(place, line.strip(), whole=True)
        assert not found.cuts_off, line
        assert not found.lacks_header, line
