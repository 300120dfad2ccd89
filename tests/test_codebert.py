"""CodeBERT's tokenizer, re-indexed: exact mappings, exact round trips, and what happens to tokens never seen."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks import tokenising
from hypothesis import given
from hypothesis import strategies as st
from small_models import SOURCE

from training import checkpoint, codebert, dataset, prompts, run, sample, tokenizer
from training.codebert import CodeBERTTokenizer
from training.corpus import corpus
from training.corpus.documents import Document
from training.errors import InputError
from training.format import DOCUMENT_END, DOCUMENT_START, PADDING
from training.models.bigram import BigramConfig, BigramLanguageModel
from training.tokenizer import TokenizerConfig

BYTES = "".join(map(chr, range(1, 256)))  # of Latin-1: every byte of UTF-8 that ASCII and two-byte letters have


@pytest.fixture(scope="module")
def reindexed(codebert_folder: Path) -> CodeBERTTokenizer:
    return codebert.reindexed(str(codebert_folder), iter([SOURCE, BYTES]))


def test_both_mappings_are_exact(reindexed: CodeBERTTokenizer) -> None:
    ours = np.arange(reindexed.vocab_size)
    assert np.array_equal(reindexed.from_codebert[reindexed.to_codebert], ours)
    assert (np.diff(reindexed.to_codebert) > 0).all()
    unseen = np.setdiff1d(np.arange(len(reindexed.from_codebert)), reindexed.to_codebert)
    assert (reindexed.from_codebert[unseen] == reindexed.special("<unk>")).all()


def test_ids_are_those_of_transformers_under_other_numbers(reindexed: CodeBERTTokenizer, codebert_folder: Path) -> None:
    theirs = codebert.open_codebert(str(codebert_folder))
    for text in (SOURCE, *prompts.EXAMPLES.values()):
        expected = theirs(text, add_special_tokens=False)["input_ids"]
        assert reindexed.to_codebert[reindexed.encode(text)].tolist() == expected
    assert [reindexed.to_codebert[reindexed.special(token) or 0] for token in ("<s>", "</s>", "<unk>")] == [0, 2, 3]


def test_the_vocabulary_is_what_corpus_and_prompts_use(codebert_folder: Path) -> None:
    small = codebert.reindexed(str(codebert_folder), iter(["x"]))
    used = {token for text in ("x", *prompts.EXAMPLES.values()) for token in small.encode(text)}
    assert small.vocab_size == len(used) + 3
    assert small.special("<unk>") not in used


def test_texts_round_trip(reindexed: CodeBERTTokenizer) -> None:
    for text in (SOURCE, BYTES, *prompts.EXAMPLES.values()):
        token_ids = reindexed.encode(text)
        assert reindexed.decode(token_ids) == text
        assert b"".join(reindexed.token_bytes()[token] for token in token_ids) == text.encode()


@pytest.fixture(scope="module")
def complete(codebert_folder: Path) -> CodeBERTTokenizer:
    """With all of CodeBERT's tokens, so that no text has an unknown one."""
    opened = codebert.open_codebert(str(codebert_folder)).backend_tokenizer
    tokenizer = CodeBERTTokenizer(opened, np.arange(opened.get_vocab_size()))
    tokenizer.token_bytes()  # made once, and too slow for the first example
    return tokenizer


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.text(" \t\n(<s>/unk_1é", max_size=40))
def test_any_text_round_trips_where_its_tokens_are_known(complete: CodeBERTTokenizer, text: str) -> None:
    assert complete.decode(complete.encode(text)) == text


def test_unseen_tokens_become_unknown_and_show(codebert_folder: Path) -> None:
    small = codebert.reindexed(str(codebert_folder), iter(["x = 1\n"]))
    token_ids = small.encode("x = zebra\n")
    assert small.special("<unk>") in token_ids
    assert small.decode(token_ids).startswith("x =")
    assert "\ufffd" in small.decode(token_ids)


def test_extra_prompts_are_in_the_vocabulary(codebert_folder: Path, tmp_path: Path) -> None:
    prompt = tmp_path / "prompt.py"
    prompt.write_text("yield from zip(@)")
    plain = TokenizerConfig("codebert", folder=str(codebert_folder))
    more = replace(plain, extra_prompts=(str(prompt),))
    known, knows_more = (tokenizer.train(config, iter(["x = 1\n"])) for config in (plain, more))
    unknown = known.special("<unk>")
    assert unknown in known.encode(prompt.read_text())
    assert knows_more.special("<unk>") not in knows_more.encode(prompt.read_text())
    assert "extra_prompts" not in tokenizer.settings_of(plain)  # what was prepared before is found again
    first = tokenizer.settings_of(more)
    prompt.write_text("other")
    assert tokenizer.settings_of(more) != first  # it is the text that counts, not its name
    with pytest.raises(InputError, match=r"tokenizer\.extra_prompts: expected files of UTF-8 text; .*nothing"):
        tokenizer.settings_of(replace(plain, extra_prompts=("nothing",)))


def test_texts_cannot_forge_document_ends(reindexed: CodeBERTTokenizer) -> None:
    token_ids = reindexed.encode("<s> x </s> <unk> <mask>")
    ends = {reindexed.special("<s>"), reindexed.special("</s>")}
    assert not ends & set(token_ids)


def test_it_has_ends_of_documents_but_nothing_to_fill_in_with(reindexed: CodeBERTTokenizer) -> None:
    assert None not in (reindexed.special(DOCUMENT_START), reindexed.special(DOCUMENT_END))
    assert [reindexed.special(token) for token in (PADDING, "<|fim_prefix|>", "<mask>")] == [None] * 3
    assert reindexed.token_bytes()[reindexed.special("</s>") or 0] == b""


def test_saved_and_loaded_it_is_the_same(reindexed: CodeBERTTokenizer, tmp_path: Path) -> None:
    reindexed.save(tmp_path)
    again = tokenizer.load(tmp_path)
    assert isinstance(again, CodeBERTTokenizer)
    assert again.encode(SOURCE) == reindexed.encode(SOURCE)
    assert again.token_bytes() == reindexed.token_bytes()


@pytest.fixture(scope="module")
def codebert_run(
    codebert_folder: Path, tiny_arguments: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a very short run with CodeBERT's tokens."""
    folder = tmp_path_factory.mktemp("runs") / "codebert"
    tokens = ("tokenizer.kind=codebert", f"tokenizer.folder={codebert_folder}")
    assert run.main(tiny_arguments(folder, *tokens, "batches.fim_rate=0.0", "loop.steps=4")) == 0
    return folder


def test_a_corpus_is_encoded_whole_and_has_no_unknown_tokens(codebert_run: Path) -> None:
    prepared = dataset.load(Path(json.loads((codebert_run / "provenance.json").read_text())["prepared"]))
    stream = np.concatenate([prepared.splits[split].tokens for split in dataset.SPLITS])
    assert prepared.tokenizer.special("<unk>") not in stream
    assert len(np.unique(stream)) >= 0.9 * prepared.tokenizer.vocab_size
    starts, ends = (np.flatnonzero(stream == prepared.tokenizer.special(token)) for token in ("<s>", "</s>"))
    assert np.array_equal(starts[1:], ends[:-1] + 1)
    document = stream[starts[0] + 1 : ends[0]].tolist()
    assert prepared.tokenizer.encode(prepared.tokenizer.decode(document)) == document


def test_a_vocabulary_of_another_model_is_refused(
    reindexed: CodeBERTTokenizer, codebert_folder: Path, tmp_path: Path
) -> None:
    model = BigramLanguageModel(reindexed.vocab_size)
    checkpoint.save_configuration(tmp_path, "bigram", BigramConfig(reindexed.vocab_size), reindexed)
    checkpoint.save_weights(tmp_path, model)
    assert checkpoint.load(tmp_path).tokenizer.vocab_size == model.vocab_size
    assert not (tmp_path / "tokenizer_config.json").exists()
    path = tmp_path / "vocabulary.json"
    about = json.loads(path.read_text())
    about["to_codebert"][-1] += 1  # as long as before, and in order
    path.write_text(json.dumps(about))
    with pytest.raises(InputError, match="not the one that the model was trained with"):
        checkpoint.load(tmp_path)
    codebert.reindexed(str(codebert_folder), iter(["x"])).save(tmp_path)
    with pytest.raises(InputError, match="not the one that the model was trained with"):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a readable vocabulary"),
        ('{"ids": [1]}', "not a readable vocabulary"),
        ('{"to_codebert": []}', "not a readable vocabulary"),
        ('{"to_codebert": [0, 3, 2]}', "expected rising ids"),
        ('{"to_codebert": [0, 2, 3, 99999]}', "expected rising ids"),
        ('{"to_codebert": [0, 2]}', "expected rising ids"),
    ],
)
def test_a_damaged_vocabulary_is_named(text: str, message: str, reindexed: CodeBERTTokenizer, tmp_path: Path) -> None:
    reindexed.save(tmp_path)
    (tmp_path / "vocabulary.json").write_text(text)
    with pytest.raises(InputError, match=message):
        tokenizer.load(tmp_path)


def test_a_folder_without_the_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tokenizer\.folder: expected a folder with vocab\.json and merges\.txt"):
        codebert.reindexed(str(tmp_path), iter([""]))


def test_a_folder_with_damaged_files_is_named(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text("{")
    (tmp_path / "merges.txt").write_text("")
    with pytest.raises(InputError, match="cannot be read"):
        codebert.reindexed(str(tmp_path), iter([""]))


def test_without_a_network_the_error_says_which_folder_to_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        InputError, match=r"vocab\.json and merges\.txt into a folder and give tokenizer\.folder=FOLDER"
    ):
        codebert.reindexed("", iter([""]))


def test_a_checkpoint_writes_on_from_tokens_it_never_saw(
    codebert_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt = tmp_path / "prompt.py"
    prompt.write_text("zebras = [\u2603]\n")
    assert sample.main([str(codebert_run), "--prompt-file", str(prompt), "--max-new-tokens", "5", "--seed", "1"]) == 0
    assert "never seen in training" in capsys.readouterr().err


def test_filling_in_the_middle_needs_its_tokens(
    codebert_folder: Path,
    tiny_arguments: Callable[..., list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run.main(tiny_arguments(tmp_path, "tokenizer.kind=codebert", f"tokenizer.folder={codebert_folder}")) == 2
    assert "batches.fim_rate: this tokenizer has no fill-in-the-middle tokens" in capsys.readouterr().err


def test_the_benchmark_prints_both_ways(
    codebert_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    documents = [Document(SOURCE * repeats, "", "", "", "", "train") for repeats in (1, 9)]
    monkeypatch.setattr(corpus, "read_documents", lambda _: iter(documents))
    assert tokenising.main(["--tokens", "3000", "--folder", str(codebert_folder)]) == 0
    shown = capsys.readouterr().out
    assert "times faster" in shown
    texts = [document.text for document in documents]
    whole = tokenising.our_way(texts, codebert.reindexed(str(codebert_folder), iter(texts)))
    cut = tokenising.course_way(texts, codebert.open_codebert(str(codebert_folder)))
    assert f"{len(cut) - len(whole):+,} tokens by cutting words" in shown
    assert len(cut) > len(whole)


def opened_from_hub(cache: Path) -> subprocess.CompletedProcess[str]:
    code = "from training import codebert; print(len(codebert.open_codebert('')))"
    nowhere = {"HF_HOME": str(cache), "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"}
    return subprocess.run(
        [sys.executable, "-c", code], env=os.environ | nowhere, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_without_a_network_it_comes_from_the_cache(codebert_folder: Path, tmp_path: Path) -> None:
    known = tmp_path / "hub" / ("models--" + codebert.CODEBERT.replace("/", "--"))
    snapshot = known / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (known / "refs").mkdir()
    (known / "refs" / "main").write_text(snapshot.name)
    for name in codebert.FILES:
        shutil.copy(codebert_folder / name, snapshot)
    done = opened_from_hub(tmp_path)
    assert done.stdout.split() == [str(len(codebert.open_codebert(str(codebert_folder))))], done.stderr


@pytest.mark.slow
def test_without_a_network_and_a_cache_nobody_waits(tmp_path: Path) -> None:
    done = opened_from_hub(tmp_path)
    assert "is not in the local cache" in done.stderr
    assert "Retrying" not in done.stderr
