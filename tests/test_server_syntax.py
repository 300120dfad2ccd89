"""What is open at a place, whether text can become Python, and that nothing takes long whatever the text."""

import io
import random
import re
import tokenize
import warnings
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import pytest
from small_models import SOURCE

from lineahead import syntax
from lineahead.grammar import Verdict, verdict
from lineahead.memory.files import is_learnable
from lineahead.memory.memory import NO_MEMORY, NoMemory
from lineahead.memory.modules import defined
from lineahead.place import Place
from lineahead.reasons import Reason
from lineahead.settings import Settings
from lineahead.suggest.awaited import awaited
from lineahead.suggest.below import fit
from lineahead.suggest.candidates import Candidate
from lineahead.suggest.checks import is_astray, objection
from lineahead.suggest.ends import ends
from lineahead.suggest.fitting import closed_part, fitting
from lineahead.suggest.names import unknown_names
from lineahead.suggest.prompt import IMPORT
from lineahead.suggest.silence import silence

BACKSLASH = chr(92)
FILES = [Path(tokenize.__file__), Path(random.__file__), Path(re.__file__), Path(__file__)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_strings_comments_and_blocks_are_those_of_the_tokenizer(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    columns: list[int] = [0]
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        begin, end = (starts[row - 1] + column for row, column in (token.start, token.end) if row <= len(lines)), 0
        if token.type in (tokenize.STRING, tokenize.COMMENT):
            offset = next(iter(begin)) + len(token.string) - 1
            assert len(token.string) == 1 or Place(text, offset).in_comment_or_string, token
            end = offset + 1
            assert Place(text, end).in_comment_or_string == (token.type == tokenize.COMMENT), token
        elif token.type == tokenize.INDENT:
            columns.append(len(token.string))
        elif token.type == tokenize.DEDENT:
            columns.pop()
        elif token.type == tokenize.NEWLINE:
            below = starts[token.end[0]]
            state = syntax.state_at(text, below)
            assert [block.column for block in state.blocks] == columns, token
            assert not state.inside_statement


@pytest.mark.parametrize("seed", range(5))
def test_what_was_read_before_changes_nothing(seed: int) -> None:
    chance = random.Random(seed)
    text = SOURCE * 20
    for _ in range(60):
        at = chance.randrange(len(text))
        text = text[:at] + chance.choice(['"', "'''", "(", "\n", "x", "#", "\\\n", ")"]) + text[at:]
        starts = [found.end() for found in re.finditer("\n", text)]
        line_start = chance.choice(starts)
        again = syntax.state_at(text, line_start)
        syntax._kept = ("", ((0, syntax.State()),))
        assert again == syntax.state_at(text, line_start)


def test_a_cursor_far_down_is_judged_rightly_whatever_stands_where_reading_begins() -> None:
    block = 'def f(a):\n    """It\'s said:\n' + "    words and (words\n" * 300 + '    """\n    return a\n\n\n'
    text = block * 120
    assert len(text) > 2 * syntax.MOST_SCANNED
    for found in list(re.finditer(r"    return a", text))[::3]:
        syntax._kept = ("", ((0, syntax.State()),))
        assert not Place(text, found.end()).in_comment_or_string
        assert Place(text, found.start() - 20).in_comment_or_string


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = 1", Verdict.WHOLE),
        ("@prop", Verdict.INCOMPLETE),
        ("try:", Verdict.INCOMPLETE),
        ("match x:", Verdict.INCOMPLETE),
        ("x = a + \\", Verdict.INCOMPLETE),
        ("operations = [", Verdict.INCOMPLETE),
        ("operations =", Verdict.WRONG),
        ("x = 1 2", Verdict.WRONG),
        ("x = [1)", Verdict.WRONG),
        ("print x", Verdict.WRONG),
        ("type X = int", Verdict.WHOLE),
        ("def f[T](x: T) -> T: ...", Verdict.WHOLE),
        ("class A[T]: pass", Verdict.WHOLE),
        ("x = f'{a['b']}'", Verdict.WHOLE),
        ("try: pass\nexcept A, B: pass", Verdict.WHOLE),
        ("type X = int\nx = 1 2", Verdict.WRONG),
        ("x = " + "(" * 100_000, Verdict.WRONG),
    ],
)
def test_what_can_become_python(code: str, expected: Verdict) -> None:
    assert verdict(code) is expected


@pytest.mark.parametrize(
    ("above", "typed", "rest", "astray"),
    [
        ("", "bikes = load_bikes(p", "ath: Path", True),
        ("", "bikes = load_bikes(p", "ath", False),
        ("", "x = y ", "z", True),
        ("", "x = y ", "if", False),
        ("", "for x in ", "y z", True),
        ("def f(a):\n    if a:\n        x = 1\n", "    el", "if a", False),
        ("def f(a):\n    if a:\n        x = 1\n", "    el", "if a b", True),
        ("x = {\n", "    'a': 1, ", "'b'", False),
        ("x = f(\n", "    ", "b: int", True),
        ("", "x = y z ", "u", False),  # which the person wrote
        ("", "é = ü ", "ö", True),
        ("", "type X", " = int", False),
        ("", "class A[T](", "B", False),
        ("", "x = t'", "a' 'b'", False),
        ("", "print(f'{a ", "b", False),  # no grammar tells it from a text that is not closed yet
    ],
)
def test_what_nothing_could_make_right_is_not_shown_in_part(above: str, typed: str, rest: str, astray: bool) -> None:
    place = Place(above + typed, len(above + typed))
    assert is_astray(place, rest) == astray
    assert (objection(place, rest, False, NO_MEMORY) is Reason.DOES_NOT_PARSE) == astray


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_beginning_of_python_is_astray(path: Path) -> None:
    """At every seventh token of some real files: up to a token's end anything may still follow."""
    text = path.read_text(encoding="utf-8")
    starts = [0, *accumulate(map(len, text.splitlines(keepends=True)))]
    for token in list(tokenize.generate_tokens(io.StringIO(text).readline))[::7]:
        offset = starts[token.start[0] - 1] + token.start[1]
        if token.string.strip() and token.start[0] == token.end[0]:
            assert not is_astray(Place(text[:offset], offset), token.string), token


def test_files_of_a_newer_python_are_learned_and_half_written_ones_are_not() -> None:
    newer = "type Pair = tuple[int, int]\n\n\ndef first[T](items: list[T]) -> T:\n    return f'{items['a']}'\n"
    assert is_learnable("x.py", newer)
    assert not is_learnable("x.py", newer + "x = \n")
    assert not is_learnable("x.py", newer + "print 1\n")


@pytest.mark.parametrize("text", ["x = " + "1 + " * 5_000, "if x:\n    y = 1\n" + "elif x:\n    y = 1\n" * 2_000])
def test_what_is_nested_too_deeply_to_judge_is_kept(text: str) -> None:
    place = Place(text, len(text))
    assert objection(place, "new_name", True, NO_MEMORY) is None or "new_name" in unknown_names(place, "new_name")


HOSTILE = {
    "one line": "x" * 10_000_000,
    "one line of spaces": " " * 10_000_000,
    "one line of calls": "f(x), " * 1_600_000,
    "imports": "from a import (\n" * 20_000,
    "brackets": "(" * 100_000,
    "closers": ")" * 100_000,
    "brackets and lines": "(\n" * 100_000,
    "quotes": '"' * 1_000_000,
    "mixed quotes": "\"'" * 500_000,
    "backslashes": "\\" * 1_000_000,
    "joined lines": "\\\n" * 500_000,
    "comments": "#\n" * 500_000,
    "colons": "a:\n" * 300_000,
    "deeper and deeper": "".join(" " * column + "if x:\n" for column in range(1_000)),
    "decorators": "@a\n" * 100_000,
    "else": "else:\n" * 100_000,
    "lambdas": "lambda x, " * 100_000,
    "annotations": "self: " * 100_000,
    "functions": "def f(" * 100_000,
    "a long import": "from os import " + "a" * 200_000,
    "many imports": "from os import a b, " * 50_000,
    "operators": "=" * 1_000_000,
}


class KnowsOs(NoMemory):
    def exports(self, _module: str, _importer: str) -> frozenset[str] | None:
        return frozenset({"path"})


KNOWS_OS = KnowsOs()
ASKED: dict[str, Callable[[Place], object]] = {
    "in_comment_or_string": lambda place: place.in_comment_or_string,
    "silence": lambda place: silence(place, Settings()),
    "objection": lambda place: objection(place, "value = other(1)", True, NO_MEMORY),
    "self": lambda place: objection(place, "self.other(1)", True, NO_MEMORY),
    "f-strings": lambda place: objection(place, "value = " + 'f"{other}{' * 200, True, NO_MEMORY),
    "an import": lambda place: objection(place, " other", True, KNOWS_OS),
    "awaited": awaited,
    "what is below": lambda place: fit(place, "value = other(1)", whole=True),
    "ends": lambda place: ends(place, Candidate(b"= " * 60, tuple((end, -0.1) for end in range(1, 121)), True)),
    "fitting": lambda place: fitting(place, "value = other(\n", True),
    "closed_part": lambda place: closed_part(place.line_before, "value = other("),
    "word_before": lambda place: place.word_before,
    "imports of the prompt": lambda place: len(IMPORT.findall(place.before)),
}


@pytest.mark.timeout(60)  # a guard against hanging: all of it takes a few seconds
@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_holds_anything_up(name: str) -> None:
    text = HOSTILE[name]
    for before, after in (
        (text, ""),
        (text + "\n", ""),
        ("", text),
        (text, text),
        (text + "(", ")"),
        (text + "\n    ", text),
    ):
        for ask in ASKED.values():
            ask(Place(before + after, len(before)))


def test_what_the_interpreter_warns_of_in_a_persons_code_is_told_nobody() -> None:
    code = f'PATTERN = "{BACKSLASH}d+"\n\n\ndef f(given):\n    if given is 1:\n        return '
    place = Place(code, len(code))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert "given" not in unknown_names(place, "given")
        assert unknown_names(place, "nowhere") == {"nowhere"}
        awaited(place)
        assert defined(code + "1\n") == frozenset(("PATTERN", "f"))
    assert not told
