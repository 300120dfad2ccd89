"""Prompts: the very bytes before the cursor, within the budget, cut at whole lines that stay put."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_engine import small_vocabulary
from small_models import SOURCE, small_tokenizer

from lineahead.engine.vocabulary import FillInTheMiddle, Vocabulary
from lineahead.suggest.prompt import HEALED_BYTES, Prompt, build
from training.format import FIM_MIDDLE, FIM_PREFIX, FIM_SUFFIX

VOCABULARY = small_vocabulary()
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.text("ab_ \t\n\r().'é例𝔘")


def build_some(before: str, budget: int = 64) -> Prompt:
    built = build(before, VOCABULARY, budget)
    assert built is not None
    return built


def spelled(built: Prompt) -> bytes:
    return b"".join(VOCABULARY.token_bytes[token] for token in built.token_ids) + built.required


@given(text=TEXTS, budget=st.integers(2, 40))
def test_prompt_and_required_bytes_are_the_end_of_the_text(text: str, budget: int) -> None:
    built = build_some(text, budget)
    plain = text.replace("\r\n", "\n").encode()
    assert len(built.token_ids) <= budget
    assert plain.endswith(spelled(built))
    if VOCABULARY.document_start in built.token_ids:
        assert spelled(built) == plain


@given(cut=st.integers(1, len(SOURCE)))
def test_the_last_tokens_are_left_out_but_never_those_of_other_lines(cut: int) -> None:
    text = SOURCE[:cut]
    built = build_some(text, 512)
    line = text.rpartition("\n")[2]
    if line.strip():
        assert built.required.decode() == line.lstrip()[-len(built.required) :]
        assert len(built.required) >= min(HEALED_BYTES, len(line.lstrip()))
    else:  # the indentation, with the line ends before it, is still open
        assert built.required.decode() == text[len(text.rstrip()) :]


def test_the_document_start_is_said_only_where_it_is() -> None:
    start = VOCABULARY.document_start
    assert build_some("").token_ids == [start]
    assert build_some("x = 1").token_ids[0] == start
    assert start not in build_some("x = 1\n" * 100).token_ids


def test_without_a_start_token_an_empty_text_is_no_prompt() -> None:
    vocabulary = small_vocabulary()
    vocabulary.document_start = None
    assert build("", vocabulary, 64) is None
    built = build("x", vocabulary, 64)
    assert built is not None
    assert (built.token_ids, built.required) == (VOCABULARY.encode("x"), b"")  # something has to be left to go on from


def test_a_long_text_loses_whole_lines() -> None:
    text = "values = [1, 2]\nprint(values)\n" * 30
    built = build_some(text, 64)
    kept = spelled(built).decode()
    assert kept.startswith("\n")
    assert text.endswith(kept)
    assert len(kept) > 30


def test_imports_and_enclosing_headers_survive_the_cut() -> None:
    body = "".join(f"        value_{number} = {number}\n" for number in range(200))
    top = "import os\nfrom re import (\n    compile,\n)\n\n\nclass Kept:\n    def other(self):\n        return 1\n\n"
    text = f"{top}    async def here(self):\n{body}        va"
    kept = spelled(build_some(text, 256)).decode()
    outline, _, rest = kept.partition("\n        value_")
    assert outline == "\nimport os\nfrom re import (\n    compile,\n)\nclass Kept:\n    async def here(self):"
    assert text.endswith(rest)
    assert len(rest) > 100


def test_without_room_for_all_imports_the_last_ones_stay() -> None:
    text = "".join(f"import module_{number}\n" for number in range(40)) + "x = 1\n" * 200
    kept = spelled(build_some(text, 200)).decode()
    assert kept.startswith("\nimport module_3")
    assert "import module_39\n" in kept


def test_the_cut_stays_where_it_is_while_a_person_types() -> None:
    text = "import os\n" + "def f(x):\n    return os.path.join(x, 'y')\n" * 60
    typed = "    value = os.path.dirname(x)"
    prompts = [build_some(text + typed[:length], 200).token_ids for length in range(4, len(typed))]
    moved = sum(one[: len(one) // 2] != two[: len(one) // 2] for one, two in itertools.pairwise(prompts))
    assert moved <= 1


def test_a_line_without_end_is_cut_inside() -> None:
    built = build_some("é" * 5_000, 64)
    assert len(spelled(built)) >= 63


def test_typing_seldom_moves_the_cut() -> None:
    text, budget = SOURCE * 3, 64
    starts = [end - len(spelled(build_some(text[:end], budget))) for end in range(len(text) - 600, len(text))]
    moves = [(one, other) for one, other in itertools.pairwise(starts) if one != other]
    assert 1 <= len(moves) <= 600 / budget + 1
    assert all(other > one for one, other in moves)


@pytest.mark.parametrize("ending", ["\r\n", "\n"])
def test_line_ends_are_as_the_model_has_learned_them(ending: str) -> None:
    assert spelled(build_some(ending.join(["def f():", "    return"]))) == b"def f():\n    return"


def test_a_lone_surrogate_does_no_harm() -> None:
    assert spelled(build_some("x = '\ud800'")) == b"x = '?'"


def filling_in(is_marked: bool = False) -> Vocabulary:
    """The small vocabulary with its tokens for text on both sides."""
    tokenizer, vocabulary = small_tokenizer(), small_vocabulary()
    tokens = [tokenizer.special(token) for token in (FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE)]
    prefix, suffix, middle = (token for token in tokens if token is not None)
    vocabulary.fill_in_the_middle = FillInTheMiddle(prefix, suffix, middle, is_marked)
    return vocabulary


@given(cut=st.integers(1, len(SOURCE) - 60), budget=st.integers(24, 200))
def test_the_text_after_the_cursor_comes_first_in_whole_lines(cut: int, budget: int) -> None:
    vocabulary = filling_in()
    built = build(SOURCE[:cut], vocabulary, budget, SOURCE[cut:])
    assert built is not None
    assert len(built.token_ids) <= budget
    special = vocabulary.fill_in_the_middle
    assert special is not None
    if built.token_ids[0] != special.prefix:  # not even the first of those lines has room
        first = SOURCE[cut:].lstrip("\n").partition("\n")[0]
        assert len(vocabulary.encode(first)) > budget // 4 - 8
        return
    middle = built.token_ids.index(special.middle)
    assert built.token_ids[:2] == [special.prefix, special.suffix]
    suffix = b"".join(vocabulary.token_bytes[token] for token in built.token_ids[2:middle])
    assert SOURCE[cut:].encode().startswith(suffix)
    before = b"".join(vocabulary.token_bytes[token] for token in built.token_ids[middle:]) + built.required
    assert SOURCE[:cut].encode().endswith(before)


@given(cut=st.integers(1, len(SOURCE) - 60), budget=st.integers(24, 200))
def test_a_mark_stands_before_the_line_end_of_the_line_above(cut: int, budget: int) -> None:
    plain, marked = filling_in(), filling_in(is_marked=True)
    special = marked.fill_in_the_middle
    assert special is not None
    built = build(SOURCE[:cut], marked, budget, SOURCE[cut:])
    assert built is not None
    assert len(built.token_ids) <= budget
    if special.suffix not in built.token_ids:
        assert special.middle not in built.token_ids
        return
    assert built.token_ids[0] == special.suffix
    prefix, mark = built.token_ids.index(special.prefix), built.token_ids.index(special.middle)
    assert prefix < mark
    suffix, before, line = built.token_ids[1:prefix], built.token_ids[prefix:mark], built.token_ids[mark + 1 :]
    assert SOURCE[cut:].encode().startswith(marked.spelling(suffix))
    assert SOURCE[:cut].encode().endswith(marked.spelling([*before, *line]) + built.required)
    # The line end is in the token behind the mark: of what that begins with, some may be of the line above.
    whole = marked.encode(SOURCE[:cut])
    holding = max((at for at, token in enumerate(whole) if b"\n" in marked.token_bytes[token]), default=None)
    if holding is not None and marked.spelling(before).strip():
        assert (marked.spelling(line) + built.required).startswith(marked.token_bytes[whole[holding]])
        assert b"\n" not in marked.spelling(line[1:])
    # It is the only token that a prompt has more than the text.
    text = [token for token in built.token_ids[prefix + 1 :] if token != special.middle]
    assert marked.without_mark(built.token_ids, len(text)) == text
    unmarked = build(SOURCE[:cut], plain, budget + 1, SOURCE[cut:])
    assert unmarked is not None
    assert unmarked.required == built.required


def test_a_new_line_moves_the_mark_alone() -> None:
    vocabulary, after = filling_in(is_marked=True), "\n\ndef f(x):\n    return x\n"
    special = vocabulary.fill_in_the_middle
    assert special is not None
    line, ended = (build(text, vocabulary, 300, after) for text in ("a = 1\nb = 2", "a = 1\nb = 2\n"))
    assert line is not None
    assert ended is not None
    until = line.token_ids.index(special.middle)
    assert line.token_ids[:until] == ended.token_ids[:until]
    assert until < ended.token_ids.index(special.middle)


def test_typing_keeps_the_tokens_of_the_text_after_the_cursor() -> None:
    vocabulary, after = filling_in(), "\n\ndef f(x):\n    return x\n"
    prompts = [build(SOURCE[:end], vocabulary, 200, after) for end in range(100, 130)]
    special = vocabulary.fill_in_the_middle
    assert special is not None
    starts = {tuple(prompt.token_ids[: prompt.token_ids.index(special.middle)]) for prompt in prompts if prompt}
    assert len(starts) == 1


def test_no_text_after_the_cursor_is_no_suffix() -> None:
    built = build("x = 1", filling_in(), 64, "\n\n")
    assert built is not None
    assert built.token_ids[0] == VOCABULARY.document_start
