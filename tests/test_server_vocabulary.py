"""A model's tokens out of its tokenizer.json, whichever family it is of."""

from pathlib import Path

import pytest
from scripted_engine import small_vocabulary
from small_models import SOURCE, small_tokenizer
from tokenizers import AddedToken, Tokenizer, models

from lineahead.engine import vocabulary
from lineahead.engine.errors import ModelError
from lineahead.engine.open import BUNDLED_MODEL
from training import tokenizer as training_tokenizer
from training.format import DOCUMENT_START, FIM_MIDDLE, FIM_PREFIX, FIM_SUFFIX


def test_it_is_what_training_knows(tmp_path: Path) -> None:
    small_tokenizer().save(tmp_path)
    loaded = vocabulary.load(tmp_path)
    assert list(loaded.token_bytes) == small_vocabulary().token_bytes
    assert loaded.encode(SOURCE + "<|endoftext|> é") == small_tokenizer().encode(SOURCE + "<|endoftext|> é")
    assert loaded.document_start == small_tokenizer().special(DOCUMENT_START)
    expected = tuple(small_tokenizer().special(token) for token in (FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE))
    assert loaded.fill_in_the_middle == (*expected, False)


def test_the_bundled_one_is_what_its_training_knows() -> None:
    assert list(vocabulary.load(BUNDLED_MODEL).token_bytes) == training_tokenizer.load(BUNDLED_MODEL).token_bytes()


def test_names_of_other_families_are_found(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    small_tokenizer().save(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("<|fim_", "<fim_").replace("fim_prefix|", "fim_prefix"))
    assert vocabulary.load(tmp_path).fill_in_the_middle is None  # not all three of one family
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("fim_suffix|", "fim_suffix").replace("fim_middle|", "fim_middle"))
    special = vocabulary.load(tmp_path).fill_in_the_middle
    assert special == (*(small_tokenizer().special(token) for token in (FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE)), False)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ('{"lineahead": {"marked_middle": true}}', True),
        ('{"lineahead": {"marked_middle": 1}}', False),
        ('{"lineahead": {}}', False),
        ('{"lineahead": []}', False),
        ("[1]", False),
        ("{", False),
        ("\xff", False),
        (None, False),
    ],
)
def test_the_configuration_says_whether_the_middle_is_marked(
    config: str | None, expected: bool, tmp_path: Path
) -> None:
    small_tokenizer().save(tmp_path)
    if config is not None:
        (tmp_path / "config.json").write_text(config, encoding="latin-1")
    special = vocabulary.load(tmp_path).fill_in_the_middle
    assert special is not None
    assert special.is_marked is expected


def test_another_kind_of_tokenizer_is_refused(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.BPE({"▁a": 0, "b": 1}, []))
    tokenizer.add_special_tokens([AddedToken("<s>", special=True)])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ModelError, match="expected byte-level BPE"):
        vocabulary.load(tmp_path)
