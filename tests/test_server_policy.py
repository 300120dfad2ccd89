"""Policy: what is suggested where, when it is silent, what it never says."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_engine import ScriptedEngine
from small_models import SOURCE

from lineahead.engine.engine import Engine, Token
from lineahead.memory.memory import ProjectMemory
from lineahead.place import Place
from lineahead.settings import Settings
from lineahead.suggest.candidates import MAX_BYTES
from lineahead.suggest.ends import HALF
from lineahead.suggest.fitting import before_closers, closed_part, fitting
from lineahead.suggest.policy import Suggestion, complete

KNOWN_NAMES = "total = items = a = b = c = d = x = y = z = f = g = h = one = two = yes = value = path = item\n"
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.text("ab_ \t\n\r().'é例𝔘")


def complete_line(
    text: str, offset: int, engine: Engine, stop: Callable[[], bool] = lambda: False
) -> Suggestion | None:
    """The one suggestion at an offset, where all short names are defined elsewhere."""
    answer = complete(Place(text, offset, context=KNOWN_NAMES), Settings(max_lines=1), engine, stop)
    return answer.suggestions[0] if answer.suggestions else None


@given(cut=st.integers(0, len(SOURCE)))
def test_every_line_is_continued_exactly_from_every_cut(cut: int) -> None:
    rest = SOURCE[cut:].partition("\n")[0]
    suggestion = complete_line(SOURCE[:cut], cut, ScriptedEngine(SOURCE[cut:]))
    expected = "" if rest == ")" else rest.rstrip()  # a lone closing bracket is not worth a suggestion
    typed = SOURCE[:cut].rpartition("\n")[2]
    if typed.isspace() and rest[:1].isspace():  # the person may have said already where the line begins
        assert (suggestion.text if suggestion else expected) == expected
    else:
        assert (suggestion.text if suggestion else "") == expected


@given(text=TEXTS, script=st.text("ab() \t\r\n=.'é\x0c\u2028"), offset=st.integers(0, 200))
def test_a_suggestion_is_part_of_one_line_and_never_blank(text: str, script: str, offset: int) -> None:
    suggestion = complete_line(text, min(offset, len(text)), ScriptedEngine(script))
    if suggestion is not None:
        assert script.startswith(suggestion.text)
        assert suggestion.text.splitlines() == [suggestion.text.rstrip()]
        assert suggestion.text.strip()


@pytest.mark.parametrize(
    ("text", "script", "expected"),
    [
        ("total = |", "sum(items)\nprint(total)", "sum(items)"),
        ("x = 1|\ny = 2", "0\n", "0"),
        ("x = 1|\r\ny = 2", "0\r\n", "0"),
        ("x = 1|", "", None),
        ("x = 1|", "   \n", None),
        ("print('|", "hello')   # \n", "hello')   #"),
        ("def f():\n|", "    return 1\n", "    return 1"),
        # Right of the cursor
        ("to|tal", "x", None),
        ("x|_y", "x", None),
        ("a = | + b", "c", None),
        ("print(|)", "total)", "total"),
        ("print(|)", "total", "total"),
        ("print(|)  ", "total)\n", "total"),
        ("if f(|):", "x):", "x"),
        ("if f(|)", "value) and y:", "value"),
        ("f(g(|))", "1))", "1"),
        ("f(|)", "g(1), h(')'))", "g(1), h(')')"),
        ('x["|"]', 'key"]', "key"),
        ("x = {|}", "1: [2]}", "1: [2]"),
        ("f(a|, )", ".path, ", ".path"),
    ],
)
def test_when_and_what(text: str, script: str, expected: str | None) -> None:
    suggestion = complete_line(text.replace("|", "", 1), text.index("|"), ScriptedEngine(script))
    assert (suggestion and suggestion.text) == expected


@pytest.mark.parametrize(
    ("line", "rest", "expected"),
    [("a)", "", "a)"), ("", ")", ""), (r"a\"b" + '", c)', '"', r"a\"b"), ("a]", ")", "a]"), ("a:", ":", "a")],
)
def test_closers_are_not_repeated(line: str, rest: str, expected: str) -> None:
    assert before_closers(line, rest) == expected


def test_it_names_the_word_that_it_goes_on_from() -> None:
    for text, writes, word in (("x\nself.valu", "es\n", "valu"), ("x\n", "y\n", ""), ("x = ", "y\n", "")):
        suggestion = complete_line(text, len(text), ScriptedEngine(writes))
        assert suggestion
        assert (suggestion.text, suggestion.word) == (writes.strip(), word)


def test_a_request_that_was_stopped_says_nothing() -> None:
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    assert complete_line("total = ", 8, ScriptedEngine("sum(items)\n"), stop) is None


def test_a_line_that_goes_on_and_on_is_cut_behind_a_word() -> None:
    suggestion = complete_line("x = ", 4, ScriptedEngine("".join(f"{number}, " for number in range(100, 200))))
    assert suggestion is not None
    assert MAX_BYTES / 2 < len(suggestion.text) <= MAX_BYTES
    assert re.search(r"\b1\d\d,\Z", suggestion.text)
    assert complete_line("x = ", 4, ScriptedEngine("1" * 1000)) is None


@pytest.mark.parametrize("drawn", ["=" * 70, "-*" * 35, "- " * 35, "." * 70, " not" * 17])
def test_a_drawn_line_takes_no_longer_than_another(drawn: str) -> None:
    """A pattern that tries every way to cut a run of operators would take years here; pytest's timeout is the guard."""
    assert HALF.sub("", f'print("{drawn}"') == f'print("{drawn}"'
    assert HALF.sub("", f"a{drawn}") == "a"


def test_bytes_that_are_no_text_end_the_line() -> None:
    engine = ScriptedEngine("yesterday é no\n")
    half = [byte for byte in "yesterday é no".encode() if byte != 0xA9]
    tokens = (Token(engine.vocabulary.token_bytes.index(bytes([byte])), 0.0) for byte in half)
    engine.stream = lambda *_, **__: tokens  # type: ignore[method-assign]
    answer = complete(Place("", 0, language="text"), Settings(enable={"*": True}), engine)
    assert [suggestion.text for suggestion in answer.suggestions] == ["yesterday"]


def test_an_engine_that_cannot_spell_the_prefix_is_not_shown() -> None:
    engine = ScriptedEngine("y\n")
    spell = engine.stream
    engine.stream = lambda request, stop: spell(replace(request, required=b"other"), stop)  # type: ignore[method-assign]
    assert complete_line("x = ", 4, engine) is None


@pytest.mark.parametrize(
    ("before", "line", "shown"),
    [
        ("x = ", "f(a, [1, 2])", "f(a, [1, 2])"),
        ("x = ", "f(a, [1,", "f"),
        ("x = ", "(", ""),
        ("x = f(", "a, b)", "a, b)"),
        ("x = f(", "a, g(", "a, g"),
        ('print("a ', 'word")', 'word")'),
        ('print("a ', "word's end\")", "word's end\")"),
        ("x = ", "f'{a}'", "f'{a}'"),
        ("x = ", "f'{a}", ""),
        ("    ", '"""Say it."""', '"""Say it."""'),
        ("    ", '"""Say', ""),
        ("x = 1", "  # don't (", "  # don't ("),
        ("    Return the ", "object's name", "object's name"),
        ("x = ", r"'it\'s'", r"'it\'s'"),
    ],
)
def test_brackets_and_quotes_that_stay_open_are_not_suggested(before: str, line: str, shown: str) -> None:
    assert closed_part(before, line) == shown


@pytest.mark.parametrize(
    ("line", "writes", "shown"),
    [
        ("body text n", 'ot null")', "ot null"),
        ("body text n", 'ot null"', "ot null"),
        ("body text n", 'ot "null"', 'ot "null"'),
        ('body "text n', 'ot null"', 'ot null"'),
        ("body text n", 'ot null."""', 'ot null."""'),
        ("body text n", 'ot null. """ + "a"', 'ot null. """ + "a"'),
        ("body text n", "ot one's own", "ot one's own"),
        ("body text n", 'ot 5" wide', 'ot 5" wide'),
    ],
)
def test_a_quote_in_a_text_of_several_lines_that_closes_nothing_is_not_suggested(
    line: str, writes: str, shown: str
) -> None:
    above = 'x = """A table.\n\n'
    place = Place(above + line, len(above + line))
    assert fitting(place, writes, True)[0] == shown


@pytest.mark.parametrize(
    ("before", "line", "shown"),
    [
        ('def f():\n    """Say it.\n    ', '"""', '"""'),
        ("text = '''\n", "it ends.'''", "it ends.'''"),
        ('def f():\n    """Say it.\n\n    To say it (and you ', "should do so before any,", "should do so before any,"),
        ('def f():\n    """Say it.\n\n    Do ', "not say 'it\"s", "not say 'it\"s"),
        ('f("""\n    text""", ', "item(1)", "item(1)"),
        ('f("""\n    text""", ', "yes + item(1", "yes + item"),
        ('f("""\n    text', '""", yes + item(1', '""", yes + item'),
    ],
)
def test_a_text_that_began_above_may_be_gone_on_with_and_closed(before: str, line: str, shown: str) -> None:
    suggestion = complete_line(before, len(before), ScriptedEngine(line + "\n"))
    assert suggestion
    assert suggestion.text == shown


BLOCK = "    shelf = open_shelf(name)\n    shelf.sort(by_title)\n    shelf.close(quietly)\n"
BEGUN = "def tidy(name):\n    shelf = open_shelf(name)\n    "


@pytest.mark.parametrize(
    ("text", "below", "lines"),
    [
        (BEGUN, "", 2),
        (BEGUN, "\n\n\ndef other():\n    pass\n", 2),
        (BEGUN, "\n    print(shelf)\n", 1),  # it is not the end of the block
        (BEGUN + "shelf.", "", 1),  # the line has begun
        ("def tidy(name):\n    drawer = open_drawer(other)\n    ", "", 1),  # it stood nowhere
    ],
)
def test_several_lines_where_the_text_repeats_itself(text: str, below: str, lines: int) -> None:
    engine, memory = (
        ScriptedEngine(BLOCK.partition("\n    ")[2].removeprefix(text.rpartition("    ")[2])),
        ProjectMemory(),
    )
    memory.remember("other.py", f"def other(name):\n{BLOCK}")
    memory.index(engine.vocabulary)
    answer = complete(Place(text + below, len(text), path="this.py"), Settings(), engine, memory=memory)
    assert [suggestion.text.count("\n") + 1 for suggestion in answer.suggestions] == [lines]
