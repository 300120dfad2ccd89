"""Prepared corpora: what is in the token files is what was read, and they appear whole or not at all."""

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training import dataset, tokenizer
from training.corpus import corpus
from training.corpus.corpus import CorpusConfig
from training.corpus.workers import Workers
from training.dataset import Dataset
from training.errors import InputError
from training.format import DOCUMENT_END, DOCUMENT_START, SPECIAL_TOKENS
from training.tokenizer import TokenizerConfig

TOKENIZER = TokenizerConfig(vocab_size=600)
pytestmark = pytest.mark.slow  # corpora are filtered in processes


@pytest.fixture(scope="module")
def stream_config(code_folder: Path) -> CorpusConfig:
    return CorpusConfig(sources=(str(code_folder),), split="stream", validation_share=0.1)


@pytest.fixture(scope="module")
def prepared_once(stream_config: CorpusConfig, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return dataset.prepare(stream_config, TOKENIZER, tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def prepared(prepared_once: Dataset, tmp_path: Path) -> Dataset:
    """A copy of its own for each test, to damage and to move."""
    return dataset.load(shutil.copytree(prepared_once.folder, tmp_path / prepared_once.folder.name))


def test_the_token_stream_is_the_documents_in_order(stream_config: CorpusConfig, prepared: Dataset) -> None:
    stream = np.concatenate([prepared.splits["train"].tokens, prepared.splits["validation"].tokens])
    start, end = (prepared.tokenizer.special(token) for token in (DOCUMENT_START, DOCUMENT_END))
    starts = np.flatnonzero(stream == start)
    texts = []
    for begin, stop in zip(starts, [*starts[1:], len(stream)], strict=True):
        assert stream[stop - 1] == end
        texts.append(prepared.tokenizer.decode(stream[begin + 1 : stop - 1].tolist()))
    assert texts == [document.text for document in corpus.read_documents(stream_config)]


def test_a_stream_is_cut_where_the_share_says(prepared: Dataset) -> None:
    train, validation = (prepared.splits[split] for split in dataset.SPLITS)
    assert len(validation.tokens) == pytest.approx(0.1 * (len(train.tokens) + len(validation.tokens)), abs=1)
    lengths = np.array([len(token) for token in prepared.tokenizer.token_bytes()])
    for file in (train, validation):
        assert file.text_bytes == lengths[file.tokens].sum()


def test_projects_stay_on_their_side(code_folder: Path, tmp_path: Path) -> None:
    projects = tmp_path / "projects"
    shutil.copytree(code_folder, projects)
    for folder in projects.iterdir():
        (folder / "pyproject.toml").touch()
    config = CorpusConfig(sources=(str(projects),), validation_share=0.5)
    expected = dict.fromkeys(dataset.SPLITS, 0)
    for document in corpus.read_documents(config):
        expected[document.split] += len(document.text.encode())
    prepared = dataset.prepare(config, TOKENIZER, tmp_path / "data")
    assert {split: file.text_bytes for split, file in prepared.splits.items()} == expected
    assert all(expected.values())


def test_a_prepared_corpus_is_used_again(
    stream_config: CorpusConfig, prepared: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(corpus, "read_documents")
    again = dataset.prepare(stream_config, TOKENIZER, tmp_path)
    assert again.splits["train"].digest == prepared.splits["train"].digest
    assert isinstance(again.splits["train"].tokens, np.memmap)


def test_the_same_settings_give_the_same_tokens(
    stream_config: CorpusConfig, prepared: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> None:
    again = dataset.prepare(stream_config, TOKENIZER, tmp_path_factory.mktemp("again"))
    assert again.splits["train"].digest == prepared.splits["train"].digest


def test_a_failure_leaves_nothing_half_done(
    stream_config: CorpusConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_over = tmp_path / "an-earlier-crash"
    left_over.mkdir()
    monkeypatch.setattr(tokenizer, "train", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space left"):
        dataset.prepare(stream_config, TOKENIZER, tmp_path)
    (judged,) = (path for path in tmp_path.iterdir() if path != left_over)
    assert judged.name.endswith(".judged.jsonl")


def test_no_text_is_judged_again_after_a_stop(
    stream_config: CorpusConfig, prepared_once: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tokenizer, "train", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            dataset.prepare(stream_config, TOKENIZER, tmp_path)
    (judged,) = tmp_path.iterdir()
    lines = judged.read_text().splitlines()
    judged.write_text("\n".join(lines)[:-9])  # the last one was cut short
    asked: list[str] = []
    texts = Workers.map

    def count(self: Workers[Any, Any], items: Iterable[tuple[Any, str]]) -> Iterator[Any]:
        for context, text, result in texts(self, items):
            asked.append(text)
            yield context, text, result

    monkeypatch.setattr(Workers, "map", count)
    again = dataset.prepare(stream_config, TOKENIZER, tmp_path)
    assert len([text for text in asked if text]) == 1
    assert again.report == prepared_once.report
    assert {split: file.digest for split, file in again.splits.items()} == {
        split: file.digest for split, file in prepared_once.splits.items()
    }
    assert list(tmp_path.iterdir()) == [again.folder]


def test_what_a_crash_left_is_cleared_away(stream_config: CorpusConfig, prepared: Dataset, tmp_path: Path) -> None:
    prepared.folder.rename(tmp_path / f"{prepared.folder.name}.partial-1")
    again = dataset.prepare(stream_config, TOKENIZER, tmp_path)
    assert list(tmp_path.iterdir()) == [again.folder]


def test_damage_is_named(prepared: Dataset) -> None:
    with (prepared.folder / "train.bin").open("ab") as file:
        file.write(b"\0\0")
    with pytest.raises(InputError, match=r"train\.bin: expected .* tokens, found"):
        dataset.load(prepared.folder)
    about = prepared.folder / "dataset.json"
    other_version = json.loads(about.read_text())
    other_version["settings"]["format_version"] = 99
    about.write_text(json.dumps(other_version))
    with pytest.raises(InputError, match="expected format version 1, found 99"):
        dataset.load(prepared.folder)
    about.write_text("{")
    with pytest.raises(InputError, match="not a prepared corpus"):
        dataset.load(prepared.folder)


def test_the_report_counts_every_token(prepared: Dataset) -> None:
    counted = sum(entry["tokens"] for entry in prepared.report["kept"])
    assert counted == sum(len(file.tokens) for file in prepared.splits.values())
    projects = sum(entry["documents"] for entry in prepared.report["projects"])
    assert projects == sum(entry["documents"] for entry in prepared.report["kept"])


def test_large_vocabularies_take_four_bytes(tmp_path: Path, prepared: Dataset) -> None:
    class Large:
        vocab_size = 2**16 + 1

        def token_bytes(self) -> list[bytes]:
            return [b"x"] * self.vocab_size

        def special(self, token: str) -> int | None:
            return SPECIAL_TOKENS.index(token)

    writer = dataset._TokenWriter(tmp_path / "tokens.bin", Large())  # type: ignore[arg-type]
    writer.write(np.array([2**16]))
    assert writer.close()["dtype"] == "<u4"
    assert np.fromfile(tmp_path / "tokens.bin", dtype="<u4").tolist() == [0, 2**16, 1]
