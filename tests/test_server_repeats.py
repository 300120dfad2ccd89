"""What a suggestion does not say again, and what it says in functions only."""

import pytest
from places import EverythingIsKnown, cursor

from lineahead.memory.memory import NO_MEMORY
from lineahead.place import Place
from lineahead.reasons import Reason
from lineahead.suggest.checks import objection
from lineahead.suggest.repeats import repeats_definition, repeats_import, repeats_neighbours


@pytest.mark.parametrize(
    ("before", "line", "after", "repeats"),
    [
        ("    x.", "clear()", "\n\n    x.clear()\n", True),
        ("    x.", "clear()", "\n    y.clear()\n    x.clear()\n", False),
        ("    x.", "clear()", "", False),
        ("a()\na()\na", "()", "", True),
        ("a()\na", "()", "", False),
        ("a()\na()\n", "a()", "\n", True),
        ("", "a()", "\r\na()", True),
    ],
)
def test_a_repeat_of_the_lines_around_is_not_suggested(before: str, line: str, after: str, repeats: bool) -> None:
    assert repeats_neighbours(Place(before + after, len(before)), line) == repeats
    assert (objection(Place(before + after, len(before)), line, True, EverythingIsKnown()) is Reason.REPEAT) == repeats


@pytest.mark.parametrize(
    ("text", "inserted", "repeats"),
    [
        ("def tidy(name):\n    ‸\n    return shelf\n", "def tidy(name):", True),
        ("def tidy(name):\n    ‸\n    return shelf\n", "def tidy(name, quietly=True):", True),
        ("async def tidy(name):\n    ‸\n    return shelf\n", "async def tidy(name):", True),
        ("def tidy(\n    name,\n):\n    x = 1\n    def ti‸\n    return shelf\n", "dy(name):", True),
        ("class A:\n    def tidy(self):\n        if x:\n            ‸\n        return 1\n", "def tidy(self):", True),
        ("def tidy(name):\n    ‸", "def tidy(name):", True),
        ("def tidy(name):\n    def tidy‸\n    return shelf\n", "(name):", False),  # the person wrote it
        ("def tidy(name):\n    ‸\n    return shelf\n", "def tidy_up(name):", False),
        ("def tidy(name):\n    ‸\n    return shelf\n", "tidy(name)", False),
        ("class A:\n    def tidy(self):\n        return 1\n\n    ‸\n", "def tidy_up(self):", False),
        ("if x:\n    def tidy(name):\n        return 1\nelse:\n    ‸\n", "def tidy(name):", False),
    ],
)
def test_no_function_is_begun_again_inside_itself(text: str, inserted: str, repeats: bool) -> None:
    place = cursor(text)
    assert repeats_definition(place, inserted) == repeats
    assert (objection(place, inserted, False, NO_MEMORY) is Reason.REPEAT) == repeats


@pytest.mark.parametrize(
    ("text", "inserted", "repeats"),
    [
        ("class E: pass\n\n\nclass F: pass\n\n\nclass ‸\n", "F:", True),
        ("def load(path):\n    return 1\n\n\ndef save(path):\n    pass\n\n\n‸\n", "def load(path):", True),
        ("def load(\n    path,\n):\n    return 1\n\n\n‸\n", "def load():", True),
        ("async def load():\n    pass\n\n\n‸\n", "class load:", True),
        ("class A:\n    ‸\n\n    def tidy(self):\n        pass\n", "def tidy(self):", True),
        ("class A:\n    x = 1\n\n    def ti‸\n\n    def tidy(self):\n        pass\n", "dy(self):", True),
        ("class A:\n    def tidy‸\n\n    def tidy(self):\n        pass\n", "(self, x):", False),  # the person wrote it
        ("class A:\n    def tidy(self):\n        pass\n\n\nclass B:\n    ‸\n", "def tidy(self):", False),
        ("if x:\n    def tidy():\n        pass\nelse:\n    ‸\n", "def tidy():", False),
        (
            "class A:\n    @property\n    def x(self):\n        pass\n\n    @x.setter\n    ‸\n",
            "def x(self, to):",
            False,
        ),
        ("class A:\n    ‸\n\n    @overload\n    def tidy(self):\n        pass\n", "def tidy(self, x):", False),
        ("class A:\n    ‸\n\n    @x.setter\n    def x(self, to):\n        pass\n", "def x(self):", False),
        ("class A:\n    @property\n    def x(self):\n        pass\n\n    @property\n    ‸\n", "def x(self):", True),
        ("class A:\n    @property\n    def x(self):\n        pass\n\n    ‸\n", "def x(self):", True),
        ("@overload\n@final\ndef tidy(x: int): ...\n‸\n", "def tidy(x):", False),
        ("@typing.overload\ndef tidy(x: int): ...\n@cache\n‸\n", "def tidy(x):", False),
        ("@fixture\ndef cat():\n    pass\n\n\n@fixture\n‸\n", "def cat():", True),
        ("@fixture\ndef cat():\n    pass\n\n\n@fixture\n‸\n", "def cats():", False),
        ("@fixture\n‸\n\n\n@fixture\ndef cat():\n    pass\n", "def cat():", True),
        ("@cat.register\n‸\n\n\ndef cat(x):\n    pass\n", "def cat():", False),
        ("def _(x):\n    pass\n\n\n‸\n", "def _(y):", False),
        ("def tidy():\n    pass\n\n\n‸\n", "def tidy_up():", False),
        ("def tidy():\n    pass\n\n\n‸\n", "tidy()", False),
    ],
)
def test_nothing_is_defined_twice_in_a_block(text: str, inserted: str, repeats: bool) -> None:
    assert repeats_definition(cursor(text), inserted) == repeats
    assert (objection(cursor(text), inserted, True, EverythingIsKnown()) is Reason.REPEAT) == repeats


@pytest.mark.parametrize(
    ("text", "inserted", "repeats"),
    [
        ("import json\nimport os\nimport j‸", "son", True),
        ("from pathlib import Path\nfrom pathlib import P‸", "ath", True),
        ("‸\nimport os\nimport json\n", "import json", True),
        ("import json\n\n\ndef f():\n    ‸", "import json", True),
        ("from typing import Any, A‸", "ny", True),
        ("from typing import (Any, ‸", "Any)", True),
        ("from a import b as c, ‸", "d as c", True),
        ("from a import b as c, ‸", "b", False),
        ("import a.b, ‸", "a.c", False),
        ("import os\nimport ‸", "os.path", False),
        ("def f():\n    import json\n\n\ndef g():\n    ‸", "import json", False),  # which is f's own
        ("import json\n\n\njson‸", ".load(file)", False),
    ],
)
def test_nothing_is_imported_twice(text: str, inserted: str, repeats: bool) -> None:
    assert repeats_import(cursor(text), inserted) == repeats
    assert (objection(cursor(text), inserted, True, EverythingIsKnown()) is Reason.REPEAT) == repeats


@pytest.mark.parametrize(
    ("text", "inserted", "refused"),
    [
        ("x = 1\nret‸", "urn x", True),
        ("class A:\n    def f(self):\n        pass\n\n    ret‸", "urn 1", True),
        ("for x in y:\n    ‸", "yield x", True),
        ("x = 1\ny = ‸", "yield x", True),
        ("def f():\n    x = ‸", "await g()", True),
        ("async def f():\n    def g():\n        ‸", "async with g() as x:", True),
        ("async def f():\n    x = ‸", "await g()", False),
        ("async def f():\n    ‸", "async for x in f():", False),
        ("def f():\n    if 1:\n        ‸", "return 1", False),
        ("def f(): ‸", "return 1", False),
        ("x = 1\ndef f(): ‸", "return 1", False),
        ("x = 1\nf = lambda: ‸", "(yield 1)", False),
        ("def f():\n    ‸", "x = 'await'", False),
        ("x = 1\ny = ‸", "await f()", False),  # as in a notebook
        ("    x = 1\n    ‸", "return x", False),  # of a text that is a part of another one
        ("x = 1\nreturn ‸", "x", False),  # the person wrote it
        ("def f():\n    return ‸", "(x async for x in y)", False),
        ("x = lambda: (\n    ‸", "yield 1)", False),
        ("x = (\n    ‸", "yield 1)", True),
    ],
)
def test_what_is_said_in_functions_only(text: str, inserted: str, refused: bool) -> None:
    assert (objection(cursor(text), inserted, True, EverythingIsKnown()) is Reason.DOES_NOT_PARSE) == refused


@pytest.mark.parametrize(
    ("text", "inserted", "refused"),
    [
        ('print("a", end="", e‸', 'nd="")', True),
        ('print("a", end="", e‸', "nd", True),
        ('print("a", end="", ‸)\n', 'end=""', True),
        ('print("a", end="", ‸)\n', "file=f", False),
        ("f(\n    a=1,\n    ‸\n)\n", "a=2,", True),
        ("f(\n    a=1,\n    ‸\n)\n", "b=g(a=2),", False),
        ("f(a=1, ‸", "b=g(a=2), c=3)", False),
        ("f(a=1, b=‸", "a)", False),
        ("f(a=1, ‸", "**{'a': 2})", False),
        ("def f(tree, ‸", "tree):", True),
        ("def f(tree, ‸", "tree=None", True),
        ("def f(tree, ‸", "*tree):", True),
        ("def f(tree, ‸", "leaf=lambda tree: tree):", False),
        ("class A:\n    async def f(self, ‸", "self):", True),
        ("if x := f(a=1, ‸", "a=2):", True),
        ("f(a=1)\nf(‸", "a=1, b=2)", False),
        ("x = {'a': 1, ‸", "'a': 2}", False),
        ("f(a=1, a=2, ‸", "b=3)", False),  # the person wrote it
        ("f(a=1, a=2,\n  ‸", "b=3)", False),
    ],
)
def test_no_keyword_and_no_parameter_is_given_twice(text: str, inserted: str, refused: bool) -> None:
    assert (objection(cursor(text), inserted, False, EverythingIsKnown()) is Reason.DOES_NOT_PARSE) == refused
