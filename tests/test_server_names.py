"""New names in statements that pyflakes cannot read, and how much of a long document it is given at all."""

import ast

import pyflakes.checker
import pytest
from places import EverythingIsKnown, cursor
from scripted_engine import ScriptedEngine

from lineahead.memory.memory import NO_MEMORY
from lineahead.place import Place
from lineahead.reasons import Reason
from lineahead.settings import Settings
from lineahead.suggest import names
from lineahead.suggest.checks import objection
from lineahead.suggest.guesses import LOOPED_OVER, looped_over
from lineahead.suggest.names import unknown_names
from lineahead.suggest.policy import complete

BRANCHES = "if x:\n    y = 1\n" + "elif x:\n    y = 1\n" * 700
SUM = "y = (x +\n" + "    1 +\n" * 700 + "    "
FILES = {
    "a branch": ("x = 1\n" + BRANCHES, "elif {}:"),
    "a term": ("x = 1\n" + SUM, "{})"),
    "below branches": ("x = 1\n" + BRANCHES, "print({})"),
    "below a sum": ("x = 1\n" + SUM + "1)\n", "print({})"),
    "in a branch": ("x = 1\n" + BRANCHES + "else:\n    ", "y = {}"),
}


def judged(text: str, line: str) -> Reason | None:
    return objection(Place(text, len(text)), line, True, NO_MEMORY)


@pytest.mark.parametrize("kind", FILES)
def test_new_names_are_judged_where_pyflakes_gives_up(kind: str) -> None:
    text, line = FILES[kind]
    assert judged(text, line.format("x")) is None
    assert judged(text, line.format("frobnicated")) is Reason.UNKNOWN_NAME
    assert judged(text, line.format("[each for each in (x, x)]")) is None
    assert judged(text, line.format("[other for each in (x, x)]")) is Reason.UNKNOWN_NAME


STATEMENTS = """\
return {} | return lambda: {} | return [each for each in {}] | yield {} | x = yield {} | yield from {} | await {} |
x = await {} | return await {} | raise {} | raise x from {} | assert {} | for a in {}: | async for a in {}: |
while {}: | if {}: | with {}: | with x as a, {}: | async with {} as a: | x = {} | x += {} | x: {} = 1 | x[{}] = 1 |
{}.a = 1 | @{} | @{}(x) | def g(a={}): | def g(a: {}): | class A({}): | match {}: | global x; {} | print(*{}, **{}) |
{} if x else 1 | f"{{}}" | print(rf'a {{}:>8}') | x.a(F"{{}!r}", x)
"""
PLACES = {
    "the first statement of a function": "async def f(x):\n    ",
    "a later one": "async def f(x):\n    x.a()\n    ",
    "a block in it": "async def f(x):\n    x.a()\n    if x:\n        x.b()\n        ",
    "a loop in it": "async def f(x):\n    x.a()\n    for _ in x:\n        ",
    "where the file begins with the future": "from __future__ import annotations\n\n\nasync def f(x):\n    x.a()\n    ",
    "right behind the future": "x = 1\nfrom __future__ import annotations\n",
    "a method": "class A:\n    a = 1\n\n    async def f(self, x):\n        self.a()\n        ",
    "a case in it": "async def f(x):\n    x.a()\n    match x:\n        case 1:\n            x.b()\n            ",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("statement", [each.strip() for each in STATEMENTS.split("|")])
def test_new_names_are_judged_in_each_statement(place: str, statement: str) -> None:
    assert judged(PLACES[place], statement.replace("{}", "x")) is not Reason.UNKNOWN_NAME
    assert judged(PLACES[place], statement.replace("{}", "frobnicated")) is Reason.UNKNOWN_NAME


@pytest.mark.parametrize("kind", ["a branch", "a term"])
def test_pyflakes_does_give_up_there(kind: str) -> None:
    text, line = FILES[kind]
    tree = ast.parse(text + line.format("x") + ("\n    pass" if line.endswith(":") else ""))
    with pytest.raises(RecursionError):
        pyflakes.checker.Checker(tree)


@pytest.mark.parametrize(
    "binding",
    [
        "(lambda new: new)(1)",
        "[new for new in x]",
        "(new := 1) + new",
        "{new: other for new, other in x}",
    ],
)
def test_what_a_name_is_bound_by(binding: str) -> None:
    assert judged(*(part.format(binding) for part in FILES["a term"])) is None


OVER_ITSELF = """\
for tree in |tree:
|for tree in tree:
y = [tree for tree in |tree]
"""
TOO_LATE = """\
for tree in enumerate(|tree):
for index, tree in |tree:
y = {tree: 1 for tree in |tree.children}
tree = |tree
tree = |tree + 1
tree: int = |tree
a, tree = |tree, a
tree = other = |tree()
def f(tree=|tree):
with open(|tree) as tree:
if (tree := |tree):
class tree(|tree):
while tree := |tree.parent:
"""
IN_TIME = """\
y = [tree for tree in x if |tree]
y = [leaf for tree in x for leaf in |tree]
for tree in x: print(|tree)
tree = 1; print(|tree)
tree = lambda n: |tree(n - 1)
def tree(n): return |tree(n - 1)
class Tree: parent: "|Tree"
with open(x) as tree, |tree.a:
if (tree := x) and |tree:
import tree; |tree.a()
x.a(tree=|tree)
x.tree = |tree
x.a(tree, |tree)
x.a("tree", |tree)
"""


@pytest.mark.parametrize(
    ("statement", "known"),
    [
        *((statement, False) for statement in TOO_LATE.splitlines()),
        *((statement, known) for statement in OVER_ITSELF.splitlines() for known in (False, True)),
    ],
)
def test_a_line_uses_no_name_that_it_is_about_to_bind(statement: str, known: bool) -> None:
    before, _, inserted = statement.partition("|")
    text = f"{'tree = ' * known}x = a = other = 1\n{before}"
    assert objection(Place(text, len(text)), inserted, True, EverythingIsKnown()) is Reason.UNKNOWN_NAME


@pytest.mark.parametrize("statement", TOO_LATE.splitlines())
def test_a_line_uses_a_name_of_before_that_it_is_about_to_bind_anew(statement: str) -> None:
    before, _, inserted = statement.partition("|")
    text = f"tree = x = a = other = 1\n{before}"
    assert objection(Place(text, len(text)), inserted, True, EverythingIsKnown()) is None


@pytest.mark.parametrize("statement", IN_TIME.splitlines())
def test_a_line_uses_names_that_it_has_bound_or_that_the_person_used(statement: str) -> None:
    before, _, inserted = statement.partition("|")
    text = f"x = a = other = 1\n{before}"
    assert objection(Place(text, len(text)), inserted, True, EverythingIsKnown()) is None


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        ("def f(trees):\n    for tree", " in trees"),
        ("def f(trees):\n    for tree ", "in trees"),
        ("def f(trees):\n    for tree i", "n trees"),
        ("def f(trees):\n    for tree in", " trees"),
        ("def f(trees):\n    for tree in ", "trees"),
        ("def f(trees):\n    for tree in t", "rees"),
        ("def f(cities):\n    for city", " in cities"),
        ("def f(dishes):\n    for dish", " in dishes"),
        ("def f(trees):\n    for tre", None),
        ("def f(cls):\n    for cl", None),
        ("def f(trees):\n    for tree,", None),
        ("def f(trees):\n    for tree  in ", None),
        ("def f(trees):\n    for tree is ", None),
        ("def f(trees):\n    for", None),
        ("def f(trees):\n    # for tree", None),
        ("async def f(self, entries: list[str], *, x=()):\n    async for entry in ", "entries"),
        ("class A:\n    def f(self, boxes):\n        if boxes:\n            for box in ", "boxes"),
        ("def f(\n    a,\n    trees=(1, 2),\n):\n    for tree in ", "trees"),
        ("def f(trees):\n    for tree in trees", None),  # there is nothing to add
        ("def f(trees):\n    for tree in x", None),
        ("def f(trees):\n    for tree in x.", None),
        ("def f(trees):\n    for tree in enumerate(", None),
        ("def f(trees):\n    x = [tree for tree in ", None),
        ("def f(trees):\n    for index, tree in ", None),
        ("def f(trees):\n    def g(x):\n        for tree in ", None),
        ("def f(trees):\n    pass\n\n\nfor tree in ", None),
        ('def f(trees):\n    """for tree in ', None),
        ("def f(tree):\n    for tree in ", None),
        ("for tree in ", None),
    ],
)
def test_what_a_loop_lacks_of_the_argument_that_it_runs_over(text: str, lacks: str | None) -> None:
    assert looped_over(Place(text, len(text))) == lacks


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("for plant|s in plants:", True),
        ("for plants in |plants:", True),
        ("wet = [plants |for plants in plants]", True),
        ("async for |plants in plants:", True),
        ("for plants in plants|:", False),  # the person wrote it
        ("for plant| in plants:", False),
        ("for plants in |plants.values():", False),
        ("for plants in |plants[1:]:", False),
        ("for plants in |plants_of(plants):", False),
        ("for plant, plants in |plants:", False),
        ("print(|'for plants in plants')", True),  # words like these are rare enough
    ],
)
def test_a_loop_does_not_run_over_its_own_variable(line: str, refused: bool) -> None:
    header = "def water(plants, plants_of):\n    plant = 1\n    "
    text, offset = header + line.partition("|")[0] + "\n        print(plants)\n", len(header) + line.index("|")
    assert unknown_names(Place(text, offset), line.partition("|")[2]) == ({"plants"} if refused else set())


def test_the_argument_is_suggested_where_nothing_else_is_sure() -> None:
    def shown(writes: str, threshold: float = 0.3, typed: str = " in ") -> list[tuple[str, float]]:
        text = f"def f(trees):\n    for tree{typed}"
        settings = Settings(confidence=threshold)
        answer = complete(Place(text, len(text)), settings, ScriptedEngine(writes))
        return [(suggestion.text, suggestion.confidence) for suggestion in answer.suggestions]

    assert shown("tree:\n") == [("trees", LOOPED_OVER[True])]  # which is refused
    assert shown("tree:\n", threshold=LOOPED_OVER[True]) == []
    assert shown(" in tree:\n", typed="") == [(" in trees", LOOPED_OVER[False])]
    assert [text for text, _ in shown("sorted(trees):\n")] == ["sorted(trees):"]


@pytest.mark.parametrize(
    ("text", "inserted", "unknown"),
    [
        ("def f():\n    parser = 1\n    return parser\n\n\ndef main():\n    return p‸", "arser", {"parser"}),
        ("def f(wide, high):\n    return wide * high\n\n\nx = 1\nf(‸)\n", "wide, high", {"wide", "high"}),
        ("def f(wide):\n    return wide\n\n\ndef g():\n    if ‸\n", "wide:", {"wide"}),
        ("def f():\n    def g(x):\n        return x\n\n    return ‸\n", "x", {"x"}),
        ("class A:\n    size = 1\n\n    def f(self):\n        return ‸\n", "size", {"size"}),
        ("def f(wide):\n    return wide\n\n\nf(‸)\n", "wide=3", set()),
        ("def f(wide):\n    return w‸\n", "ide", set()),
        ("def f(x):\n    def g():\n        return ‸\n", "x", set()),
        ("try:\n    import json\nexcept ImportError:\n    pass\n\n\ndef f():\n    return ‸\n", "json", set()),
        ("def f():\n    global x\n    x = 1\n\n\ndef g():\n    return ‸\n", "x", set()),
        ("def f():\n    x = 1\n\n\ndef g():\n    ‸\n    return x\n", "x = 2", set()),
        ("def f(x):\n    return x\n\n\ndef g():\n    return ‸\n", "lambda x: x", set()),
        ("def f(x):\n    return x\n\n\ndef g(y):\n    return [\n        ‸\n", "x", set()),  # `for x in y` may follow
        ("def f(x):\n    return x\n\n\ndef g():\n    return x‸\n", ".y", set()),  # the person wrote it
        ("def f():\n    return json\n\n\ndef g():\n    return ‸\n", "json", set()),  # to be imported, it seems
        ("for x in y:\n    if x:\n        ‸\n    last = x\n", "print(last)", set()),
        ("def f(last):\n    return last\n\n\ndef g():\n    ‸\n", "last", set()),  # to be bound
        ("def f(last):\n    return last\n\n\ndef g():\n    ‸\n", "last.x", {"last"}),
        ("class A:\n    for x in y:\n        ‸\n        last = x\n", "print(last)", set()),
        ("def f(last):\n    return last\n\n\nfor x in y:\n    ‸\n", "print(last)", {"last"}),
    ],
)
def test_what_only_other_functions_bind_is_unknown(text: str, inserted: str, unknown: set[str]) -> None:
    assert unknown_names(cursor(text), inserted, EverythingIsKnown()) == unknown


@pytest.mark.parametrize(
    ("text", "inserted", "unknown"),
    [
        ("def f(parser):\n    ‸\n    sub.add(1)\n", "sub.add(0)", {"sub"}),
        ("def f(parser):\n    su‸\n    sub.add(1)\n", "b.add(0)", {"sub"}),
        ("def f(parser):\n    su‸\n    sub.add(1)\n", "b = parser.sub()", set()),
        ("def f(parser):\n    ‸\n    sub.add(1)\n", "parser.add(sub)", {"sub"}),
        ("def f(parser):\n    ‸\n        sub.add(1)\n", "for sub in parser:", set()),
        ("def f(parser):\n    ‸\n        sub.add(1)\n", "with parser as sub:", set()),
        ("def f(parser):\n    ‸\n        sub.add(1)\n", "with sub as parser:", {"sub"}),
        ("sub‸\nsub.add(1)\n", ".add(0)", {"sub"}),
        ("import ‸\n\njson.loads(1)\n", "json", set()),
        ("def f(parser):\n    ‸\n    sub.add(1)\n    sub = 1\n", "sub.add(0)", {"sub"}),
        ("def f():\n    return sub\n\n\ndef g():\n    ‸\n    sub.add(1)\n", "sub.add(0)", set()),  # to be imported
        ("def g():\n    ‸\n\n\ndef f():\n    return sub\n", "sub.add(0)", set()),
        ("def f(m):\n    (\n        sub,\n        ‸\n    ) = m\n    return sub + b\n", "b,", set()),
        ("def f(m):\n    [\n        sub,\n        b‸\n    ] = m\n    return sub + b\n", ",", set()),
        ("def f(m):\n    g(\n        ‸\n    )\n    return b\n", "b,", {"b"}),
        ("‸\nget_ipython().magic(1)\n", "get_ipython().magic(0)", set()),
        ("from m import *\n\n\ndef f():\n    ‸\n    sub.add(1)\n", "sub.add(0)", set()),
    ],
)
def test_what_is_only_used_below_is_for_this_line_to_bind(text: str, inserted: str, unknown: set[str]) -> None:
    assert unknown_names(cursor(text), inserted, EverythingIsKnown()) == unknown


A_CLASS = "class A{bases}:\n    def __init__(self):\n        self.size = 1\n\n    def f(self):\n        {line}\n{below}"


@pytest.mark.parametrize(
    ("line", "inserted", "unknown"),
    [
        ("return ‸", "self.width", {"width"}),
        ("return self.w‸", "idth", {"width"}),
        ("return self‸", ".width + 1", {"width"}),
        ("x = ‸", "self.width.of(1)", {"width"}),
        ("‸", "self.width += 1", {"width"}),
        ("‸", "print(self.width, self.size)", {"width"}),
        ("for x in ‸", "self.width:", {"width"}),
        ("return ‸", "self.size", set()),
        ("return ‸", "self.width()", set()),  # it may be written later
        ("‸", "self.width = 1", set()),
        ("‸", "self.width: int = 1", set()),
        ("‸", "self.width", set()),  # to be bound
        ("‸", "self.width, self.height = 1, 2", set()),
        ("‸", "(self.width, self.height) = 1, 2", set()),
        ("for ‸", "self.width in x:", set()),
        ("with x as ‸", "self.width:", set()),
        ("x = self.width‸", " + 1", set()),  # the person wrote it
        ("x = self.width + ‸", "self.width", set()),
        ("x = other.‸", "self.width", set()),
    ],
)
def test_what_self_has_not_is_not_read(line: str, inserted: str, unknown: set[str]) -> None:
    def found(bases: str = "", below: str = "") -> set[str]:
        place = cursor(A_CLASS.format(line=line, bases=bases, below=below))
        return unknown_names(place, inserted, EverythingIsKnown())

    assert found() == found("(object)") == unknown
    assert not found("(B)")
    mixed_in = A_CLASS.format(line=line, bases="", below="").replace("__init__", "g")
    assert not unknown_names(cursor(mixed_in), inserted, EverythingIsKnown())
    assert not found(below="\n    def __getattr__(self, name):\n        return 1\n")
    assert not found(below="\n    width = height = 1\n")


def test_self_in_a_header_of_several_lines_is_known_where_the_project_has_it() -> None:
    text = "x = 1\n\n\ndef f(\n    "
    assert objection(Place(text, len(text)), "self,", False, EverythingIsKnown()) is None


def test_of_a_long_document_one_statement_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[int] = []
    undefined = names._undefined

    def counted(code: str) -> set[str]:
        looked_at.append(len(code))
        return undefined(code)

    monkeypatch.setattr(names, "_undefined", counted)
    text = f"def measured(x):\n    return {' + '.join('x' * 30)}\n\n\n" * 1_330
    assert 195_000 < len(text) < 200_000
    for line in ("print(frobnicated)", "value = frobnicated(measured)"):
        assert unknown_names(Place(text, len(text)), line) == {"frobnicated"}
    assert looked_at
    assert sum(looked_at) < 1_000
