"""Any text round-trips; nothing in a text is ever taken for a special token; the patterns split as they say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_models import SOURCE, small_tokenizer
from tokenizers import AddedToken
from tokenizers import Tokenizer as HuggingFaceTokenizer

from lineahead.engine import vocabulary
from training import bpe, tokenizer
from training.bpe import Pattern
from training.errors import InputError
from training.format import SPECIAL_TOKENS
from training.tokenizer import TokenizerConfig


@pytest.mark.parametrize("pattern", bpe.PATTERNS)
@given(text=st.text(st.characters(exclude_categories=["Cs"])) | st.text(" \t\r\n(ab_1.<|endoftext|>é"))
def test_any_text_round_trips(pattern: Pattern, text: str) -> None:
    trained = small_tokenizer(pattern)
    token_ids = trained.encode(text)
    assert trained.decode(token_ids) == text
    assert b"".join(trained.token_bytes()[token] for token in token_ids) == text.encode()
    assert [ids.tolist() for ids in trained.encode_batch([text, text])] == [token_ids, token_ids]


@pytest.mark.parametrize("special", SPECIAL_TOKENS)
def test_text_cannot_forge_special_tokens(special: str) -> None:
    trained = small_tokenizer()
    token_ids = trained.encode(f"x = '{special}'\n")
    assert trained.special(special) not in token_ids
    assert trained.decode(token_ids) == f"x = '{special}'\n"


def test_special_tokens_come_first_and_have_no_bytes() -> None:
    trained = small_tokenizer()
    assert [trained.special(token) for token in SPECIAL_TOKENS] == list(range(len(SPECIAL_TOKENS)))
    assert [trained.token_bytes()[token] for token in range(len(SPECIAL_TOKENS))] == [b""] * len(SPECIAL_TOKENS)
    assert all(trained.token_bytes()[len(SPECIAL_TOKENS) :])
    assert trained.special("<|no such token|>") is None


def test_line_pattern_merges_across_blanks_but_not_across_lines() -> None:
    tokens = small_tokenizer("line").token_bytes()
    assert any(b" " in token.strip() for token in tokens)
    assert all(token.strip(b"\r\n\t ") == b"" for token in tokens if b"\n" in token)
    assert max(len(token) for token in tokens) <= bpe.LONGEST_TOKEN


def test_word_pattern_stops_at_words() -> None:
    tokens = small_tokenizer("word").token_bytes()
    assert not any(b" " in token.strip() for token in tokens)


def test_line_pattern_needs_fewer_tokens() -> None:
    assert len(small_tokenizer("line").encode(SOURCE)) < len(small_tokenizer("word").encode(SOURCE))


def test_saved_tokenizer_is_the_same(tmp_path: Path) -> None:
    trained = small_tokenizer()
    trained.save(tmp_path)
    again = tokenizer.load(tmp_path)
    text = "def f():\n\treturn '<|endoftext|>'\n"
    assert again.encode(text) == trained.encode(text)
    assert again.token_bytes() == trained.token_bytes()


def test_missing_or_damaged_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a tokenizer\.json"):
        tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match="not a tokenizer that can be read"):
        tokenizer.load(tmp_path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (TokenizerConfig(vocab_size=100), r"vocab_size: expected at least 262"),
    ],
)
def test_bad_settings_are_named(config: TokenizerConfig, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tokenizer.train(config, iter(["text"]))


@pytest.mark.parametrize("load", [tokenizer.load, vocabulary.load])
def test_a_control_token_is_no_text_whatever_its_flag(tmp_path: Path, load: Callable[[Path], Any]) -> None:
    """As in Qwen's tokenizers, whose tokens for files and for filling in the middle are not flagged."""
    small = HuggingFaceTokenizer.from_str(small_tokenizer()._tokenizer.to_str())
    ordinary = small.get_vocab_size()
    small.add_tokens([AddedToken(name, special=False, normalized=False) for name in ("<|file_sep|>", "<tool_call>")])
    small.save(str(tmp_path / "tokenizer.json"))
    opened = load(tmp_path)
    table = opened.token_bytes() if callable(opened.token_bytes) else opened.token_bytes
    assert table[ordinary:] == [b"", b""]
    for name in ("<|file_sep|>", "<tool_call>", "<|fim_prefix|>"):
        assert b"".join(table[token] for token in opened.encode(f"x = '{name}'")) == f"x = '{name}'".encode()
