"""What `from MODULE import` finds in a project."""

from dataclasses import replace

import pytest
from places import cursor
from scripted_engine import ScriptedEngine

from lineahead.memory.memory import NO_MEMORY, ProjectMemory
from lineahead.memory.modules import MOST_CHARACTERS, defined, exports
from lineahead.place import Place
from lineahead.reasons import Reason
from lineahead.settings import Settings
from lineahead.suggest.guesses import ONLY_MODULE
from lineahead.suggest.imports import only_module
from lineahead.suggest.policy import complete

PROJECT = {
    "/p/quantiles.py": "import os\nfrom math import floor as down\n\n"
    "def median(values): ...\n\nclass Sketch: ...\n\nLIMIT: int = 3",
    "/p/app/__init__.py": "from .core import run\n",
    "/p/app/core.py": "try:\n    import fast\nexcept ImportError:\n    fast = None\nif fast:\n    def run(): ...\n",
    "/p/app/web/__init__.py": "",
    "/p/app/web/views.py": "a, (b, *c) = 1, (2, 3)\nfor i in []:\n    j = i\nwith open('x') as handle:\n    pass\n",
    "/p/stars.py": "from quantiles import *\n",
    "/p/lazy.py": "def __getattr__(name): ...\n",
    "/p/half.py": "def (:\n",
    "/p/one/twice.py": "x = 1\n",
    "/p/app/types.py": "SimpleType = 1\n",
    "/p/json.py": "ours = 1\n",
    "/p/binds.py": "def f():\n    global CONNECTION\n"
    "match f:\n    case [a, *b]:\n        import c\n    case {**d}:\n        pass\n",
    "/p/dynamic.py": "globals().update(x=1)\n",
    "/p/src/lib/__init__.py": "",
    "/p/src/lib/plain/deep/here.py": "x = 1\n",
    "/p/src/lib/settings.local.py": "x = 1\n",
    "/p/two/twice.py": "y = 1\n",
}


@pytest.mark.parametrize(
    ("module", "importer", "expected"),
    [
        ("quantiles", "/p/main.py", {"os", "down", "median", "Sketch", "LIMIT"}),
        ("app", "/p/main.py", {"run", "core", "web", "types"}),
        ("types", "/p/main.py", None),  # the interpreter's
        ("types", "/p/app/core.py", None),
        ("core", "/p/app/other.py", None),  # it is in a package
        ("web.views", "/p/main.py", None),
        ("json", "/p/main.py", None),  # which of the two is found depends on how it is run
        (".types", "/p/app/core.py", {"SimpleType"}),
        ("app.types", "/p/main.py", {"SimpleType"}),
        ("binds", "/p/main.py", {"f", "CONNECTION", "a", "b", "c", "d"}),
        ("dynamic", "/p/main.py", None),
        ("lib", "/p/main.py", {"plain"}),
        ("app.core", "/p/main.py", {"fast", "run"}),
        (".core", "/p/app/other.py", {"fast", "run"}),
        (".", "/p/app/other.py", {"run", "core", "web", "types"}),
        ("..core", "/p/app/web/other.py", {"fast", "run"}),
        (".web.views", "/p/app/other.py", {"a", "b", "c", "i", "j", "handle"}),
        (".core", "/p/main.py", None),
        ("stars", "/p/main.py", None),
        ("lazy", "/p/main.py", None),
        ("half", "/p/main.py", None),
        ("twice", "/p/main.py", None),
        ("one.twice", "/p/main.py", {"x"}),
        ("os", "/p/main.py", None),
        ("", "/p/main.py", None),
        ("....", "/p/main.py", None),
    ],
)
def test_names_of_a_module(module: str, importer: str, expected: set[str] | None) -> None:
    assert exports(module, importer, PROJECT, PROJECT.__getitem__) == expected


@pytest.mark.parametrize(
    ("module", "importer", "expected"),
    [
        ("*", "/p/main.py", {"quantiles", "app", "stars", "lazy", "half", "json", "binds", "dynamic", "lib"}),
        ("*", "/p/quantiles.py", {"app", "stars", "lazy", "half", "json", "binds", "dynamic", "lib"}),
        ("*", "/p/tests/test_app.py", {"app", "lib"}),  # whose other modules it may not find
        ("*", "/p/app/core.py", {"app", "lib"}),
        ("app.*", "/p/main.py", {"core", "web", "types"}),
        ("lib.*", "/p/main.py", {"plain"}),
        ("lib.plain.*", "/p/main.py", {"deep"}),
        ("web.*", "/p/main.py", None),  # it is in a package
        ("app.web.*", "/p/main.py", {"views"}),
        (".*", "/p/app/web/other.py", {"views"}),
        ("..*", "/p/app/web/other.py", {"core", "web", "types"}),
        (".*", "/p/app/core.py", {"web", "types"}),
        (".web.*", "/p/app/core.py", {"views"}),
        ("quantiles.*", "/p/main.py", None),
        ("os.*", "/p/main.py", None),
        (".........*", "/p/main.py", None),
    ],
)
def test_modules_of_a_package(module: str, importer: str, expected: set[str] | None) -> None:
    assert exports(module, importer, PROJECT, PROJECT.__getitem__) == expected


def test_what_is_too_long_or_too_deep_is_not_told() -> None:
    assert defined("x = 1\n" * (MOST_CHARACTERS // 5)) is None
    assert defined("x = " + "(" * 5000) is None
    assert defined("\0") is None


@pytest.mark.parametrize(
    ("line", "writes", "reason"),
    [
        ("from quantiles import ", "mean", Reason.UNKNOWN_NAME),
        ("from quantiles import ", "median", None),
        ("from quantiles import ", "median, mean", Reason.UNKNOWN_NAME),
        ("from quantiles import ", "median as mean", None),
        ("from quantiles import mean, ", "median", None),
        ("from quan", "tiles import mean", Reason.UNKNOWN_NAME),
        ("from quantiles import mea", "n", Reason.UNKNOWN_NAME),
        ("from quantiles import (me", "an)", None),  # where one name alone goes on from what is typed
        ("from quantiles import (median, ", "mean)", Reason.UNKNOWN_NAME),
        ("from elsewhere import ", "mean", None),
        ("from quantiles ", "import *", None),
        ("from quantiles import ", "_version", None),
        ("from quantiles import ", "__doc__", None),
        ("if x: from quantiles import ", "mean", Reason.UNKNOWN_NAME),
    ],
)
def test_imports_name_what_is_there(line: str, writes: str, reason: Reason | None) -> None:
    memory = ProjectMemory()
    memory.remember("/p/quantiles.py", PROJECT["/p/quantiles.py"])
    place = Place(f"x = mean = medium = 1\n{line}", 22 + len(line), path="/p/main.py", explicit=True)
    engine = ScriptedEngine(writes + "\n")
    assert complete(place, Settings(), engine, memory=memory).reason == reason
    assert complete(place, Settings(), engine, memory=NO_MEMORY).reason is None


@pytest.mark.parametrize("explicit", [False, True])
@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("from quantiles import me", "dian"),
        ("from quantiles import os, Sk", "etch"),
        ("from quantiles import median, m", None),  # there is no other
        ("from quantiles import (me", "dian"),
        ("    from quantiles import median as m, LI", "MIT"),
        ("if x: from quantiles import LI", "MIT"),
        ("from quantiles import median", None),
        ("from quantiles import ", None),
        ("from quantiles import X", None),
        ("from os import pa", None),
        ("from quantiles import os as me", None),
        ("from quantiles import os me", None),
        ("# from quantiles import me", None),
        ("import me", None),
        ('x = """: from quantiles import me', None),
    ],
)
def test_the_one_name_of_a_module_that_goes_on_so_is_sure(line: str, shown: str | None, explicit: bool) -> None:
    memory = ProjectMemory()
    memory.remember("/p/quantiles.py", PROJECT["/p/quantiles.py"])
    place = Place(f"if x:\n{line}\n", 6 + len(line), path="/p/main.py", explicit=explicit)
    answer = complete(place, Settings(enable={"*": True}), ScriptedEngine("yz\n"), memory=memory)
    found = [suggestion.text for suggestion in answer.suggestions]
    assert found == [shown] if shown else not {"dian", "etch", "MIT"} & set(found)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("from quantiles import (\n    me‸", "dian,"),
        ("from quantiles import (\n    me‸\n)\n", "dian,"),
        ("from quantiles import (\n    median,  # the middle\n    Sk‸\n)\n", "etch,"),
        ("from quantiles import (\n    median, Sk‸\n)\n", "etch"),
        ("from quantiles import (\n    median,\n    me‸\n)\n", None),
        ("from quantiles import (\n    me‸,\n)\n", "dian"),
        ("from quantiles import median, \\\n    Sk‸\n", "etch"),
        ("def f():\n    from quantiles import (\n        me‸\n    )\n", "dian,"),
        ("f = (\n    me‸\n)\n", None),
        ("from quantiles import (\n    os as me‸\n)\n", None),
    ],
)
def test_the_one_name_of_a_module_in_a_list_of_several_lines(text: str, shown: str | None) -> None:
    memory = ProjectMemory()
    memory.remember("/p/quantiles.py", PROJECT["/p/quantiles.py"])
    answer = complete(replace(cursor(text), path="/p/main.py"), Settings(), ScriptedEngine("yz\n"), memory=memory)
    found = [suggestion.text for suggestion in answer.suggestions]
    assert found == [shown] if shown else not {"dian", "dian,"} & set(found)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("from quan‸\n", "tiles import"),
        ("from quan‸ import x\n", "tiles"),
        ("import quan‸\n", "tiles"),
        ("from ap‸\n", "p"),  # whose modules may follow
        ("from app.c‸\n", "ore import"),
        ("from app.web.v‸\n", "iews import"),
        ("from .c‸\n", None),  # it is in no package
        ("from l‸\n", None),  # or `logging`
        ("from twic‸\n", None),
        ("from quantiles‸\n", " import"),
        ("import quantiles‸\n", None),
        ("from o‸\n", None),
        ("x = 'from quan‸\n", None),
        ("# from quan‸\n", None),
        ("yield from quan‸\n", None),
        ("from jso‸\n", "n import"),
        ("from lib.pla‸\n", "in"),
        ("from tw‸\n", None),  # which is in folders that are no packages
        ("if x:\n    from quan‸\n", "tiles import"),
    ],
)
def test_the_one_module_that_goes_on_so(text: str, shown: str | None) -> None:
    memory = ProjectMemory()
    for path, code in PROJECT.items():
        memory.remember(path, code)
    assert only_module(replace(cursor(text), path="/p/main.py"), memory) == shown


def test_a_module_is_suggested_where_nothing_else_is_sure() -> None:
    memory = ProjectMemory()
    memory.remember("/p/quantiles.py", "x = 1\n")
    text = "from quan"

    def shown(writes: str, confidence: float = 0.3) -> list[tuple[str, float]]:
        place, settings = Place(text, len(text), path="/p/main.py"), Settings(confidence=confidence)
        answer = complete(place, settings, ScriptedEngine(writes), memory=memory)
        return [(suggestion.text, suggestion.confidence) for suggestion in answer.suggestions]

    assert shown("?\n") == [("tiles import", ONLY_MODULE)]
    assert shown("?\n", confidence=ONLY_MODULE) == []
    assert [text for text, _ in shown("titative import x\n")] == ["titative import x"]


STATIC = "class A:\n    @classmethod\n    def f(cls):\n        pass\n\n    @staticmethod\n    def g():\n        "


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        ("class A:\n    def f(self):\n        ", None),
        (
            "class A:\n    @w(\n        1\n    )\n    async def f(\n        self,\n        x=(1, 2),\n    ):\n        ",
            None,
        ),
        ("class A:\n    def f(self):\n        if x:\n            y = 1\n        else:\n            ", None),
        ("class A:\n    def f(self):\n        def h():\n            ", None),
        ("class A:\n    def f(self):\n        call(\n            ", None),
        ("class A:\n    def f(self):\n        pass\n\n\ndef g(x):\n    ", Reason.UNKNOWN_NAME),
        ("class A:\n    def f(self):\n        pass\n\n    x = ", Reason.UNKNOWN_NAME),
        (STATIC, Reason.UNKNOWN_NAME),
        ("self = 1\n", None),
        ("with open() as self:\n    ", None),
        ("f = lambda self: ", None),
        ("# self is\n", Reason.UNKNOWN_NAME),
    ],
)
def test_self_is_suggested_where_there_is_one(before: str, reason: Reason | None) -> None:
    place = Place(before, len(before), explicit=True)
    assert complete(place, Settings(), ScriptedEngine("self.run()\n")).reason == reason
