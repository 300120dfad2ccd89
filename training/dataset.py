"""Documents → a prepared folder: tokenizer, memory-mapped token files, and a JSON that says what is in them.

A prepared corpus is kept under a name derived from the settings that made it, so runs with the same
corpus and tokenizer share it. It appears by one rename, whole or not at all; what was found of each text before a
stop is kept beside it.
"""

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from training import tokenizer
from training.corpus import corpus
from training.corpus.corpus import CorpusConfig
from training.corpus.documents import Document
from training.corpus.judged import forget
from training.corpus.tally import CorpusReport
from training.errors import InputError
from training.format import DOCUMENT_END, DOCUMENT_START
from training.tokenizer import Tokenizer, TokenizerConfig

FORMAT_VERSION = 1
SPLITS = ("train", "validation")
DOCUMENTS_A_BATCH = 64  # encoded together, in parallel; bounds memory


@dataclass(frozen=True)
class TokenFile:
    """One split: a memory-mapped array of token ids, and the bytes of text that they stand for."""

    tokens: NDArray[Any]
    text_bytes: int
    digest: str


@dataclass(frozen=True)
class Dataset:
    """A prepared corpus."""

    folder: Path
    tokenizer: Tokenizer
    splits: dict[str, TokenFile]
    report: dict[str, Any]


def prepare(corpus_config: CorpusConfig, tokenizer_config: TokenizerConfig, data_folder: Path) -> Dataset:
    """Open the prepared corpus for these settings, or make it first."""
    settings = _settings(corpus_config, tokenizer_config)
    folder = folder_for(corpus_config, tokenizer_config, data_folder)
    name = folder.name
    if folder.exists():
        print(f"corpus: using {folder} as prepared before (delete the folder to make it anew)")
        return load(folder)
    for left_over in data_folder.glob(f"{name}.partial-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    partial = data_folder / f"{name}.partial-{os.getpid()}"
    partial.mkdir(parents=True)
    judged = judged_for(folder)
    try:
        _build(corpus_config, tokenizer_config, partial, settings, judged)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    forget(judged)
    return load(folder)


def folder_for(corpus_config: CorpusConfig, tokenizer_config: TokenizerConfig, data_folder: Path) -> Path:
    """Where the prepared corpus for these settings is, or will be."""
    settings = json.dumps(_settings(corpus_config, tokenizer_config), sort_keys=True)
    return data_folder / hashlib.blake2b(settings.encode(), digest_size=6).hexdigest()


def judged_for(folder: Path) -> Path:
    """What is kept of the way to a prepared corpus."""
    return folder.with_name(f"{folder.name}.judged.jsonl")


def _settings(corpus_config: CorpusConfig, tokenizer_config: TokenizerConfig) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "corpus": dataclasses.asdict(corpus_config),
        "tokenizer": tokenizer.settings_of(tokenizer_config),
    }


def load(folder: Path) -> Dataset:
    """Open a prepared folder; the token files are mapped, not read."""
    try:
        about = json.loads((folder / "dataset.json").read_text())
        version = about["settings"]["format_version"]
        if version != FORMAT_VERSION:
            raise InputError(f"{folder}: expected format version {FORMAT_VERSION}, found {version}; delete the folder")
        splits = {}
        for split in SPLITS:
            entry = about["splits"][split]
            tokens = np.memmap(folder / f"{split}.bin", dtype=entry["dtype"], mode="r")
            if len(tokens) != entry["tokens"]:
                raise InputError(
                    f"{folder}/{split}.bin: expected {entry['tokens']:,} tokens, found {len(tokens):,}; "
                    "delete the folder"
                )
            splits[split] = TokenFile(tokens, entry["text_bytes"], entry["digest"])
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder}: not a prepared corpus ({error}); delete the folder to make it anew") from None
    return Dataset(folder, tokenizer.load(folder), splits, about["report"])


def _build(
    corpus_config: CorpusConfig, tokenizer_config: TokenizerConfig, folder: Path, settings: dict[str, Any], judged: Path
) -> None:
    report = CorpusReport()
    spool = folder / "documents.jsonl"
    with closing(corpus.read_documents(corpus_config, report, judged)) as read:  # its bar ends before an error is told
        documents, train_bytes = _spool(read, spool)
    stride = tokenizer.stride(tokenizer_config, train_bytes)
    sample = islice((document.text for document in _read(spool) if document.split == "train"), 0, None, stride)
    trained = tokenizer.train(tokenizer_config, sample)
    trained.save(folder)
    entries = _tokenise(_read(spool), documents, trained, folder, report)
    spool.unlink()
    if corpus_config.split == "stream":
        entries = _cut_stream(folder, entries, corpus_config.validation_share, trained)
    print(report.table())
    _describe(folder, settings, entries, report)


def write(documents: Sequence[Document], trained: Tokenizer, folder: Path, report: CorpusReport) -> Dataset:
    """Make a prepared corpus of documents that are at hand, into an empty folder; `report` takes their tokens."""
    trained.save(folder)
    entries = _tokenise(iter(documents), len(documents), trained, folder, report)
    _describe(folder, {"format_version": FORMAT_VERSION}, entries, report)
    return load(folder)


def _tokenise(
    documents: Iterator[Document], count: int, trained: Tokenizer, folder: Path, report: CorpusReport
) -> dict[str, dict[str, Any]]:
    """Write the token files of both splits; returns what is in them."""
    writers = {split: _TokenWriter(folder / f"{split}.bin", trained) for split in SPLITS}
    with tqdm(total=count, desc="tokens", unit="doc") as progress:
        while batch := list(islice(documents, DOCUMENTS_A_BATCH)):
            for document, token_ids in zip(batch, trained.encode_batch([d.text for d in batch]), strict=True):
                written = writers[document.split].write(token_ids)
                report.add_tokens(document, written)
            progress.update(len(batch))
    return {split: writer.close() for split, writer in writers.items()}


def _describe(folder: Path, settings: dict[str, Any], entries: dict[str, Any], report: CorpusReport) -> None:
    about = {"settings": settings, "splits": entries, "report": report.as_dict()}
    (folder / "dataset.json").write_text(json.dumps(about, indent=1))


def _spool(documents: Iterator[Document], path: Path) -> tuple[int, int]:
    """Write documents to disk, since they are read twice; return their number and the bytes of training text."""
    count = train_bytes = 0
    with path.open("w", encoding="utf-8") as file:
        for document in documents:
            file.write(json.dumps(dataclasses.asdict(document)) + "\n")
            count += 1
            train_bytes += len(document.text.encode()) if document.split == "train" else 0
    return count, train_bytes


def _read(path: Path) -> Iterator[Document]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield Document(**json.loads(line))


class _TokenWriter:
    """Appends documents' token ids to a file, between the start and end tokens where the tokenizer has them."""

    def __init__(self, path: Path, trained: Tokenizer) -> None:
        self._file = path.open("wb")
        self._dtype = np.dtype("<u2" if trained.vocab_size <= 2**16 else "<u4")
        self._lengths = tokenizer.byte_lengths(trained)
        self._before, self._after = (
            np.array([] if token is None else [token], dtype=np.int32)
            for token in (trained.special(DOCUMENT_START), trained.special(DOCUMENT_END))
        )
        self._tokens = self._text_bytes = 0
        self._digest = hashlib.blake2b(digest_size=16)

    def write(self, token_ids: NDArray[Any]) -> int:
        row = np.concatenate((self._before, token_ids, self._after)).astype(self._dtype)
        self._file.write(row.tobytes())
        self._digest.update(row.tobytes())
        self._tokens += len(row)
        self._text_bytes += int(self._lengths[row].sum())
        return len(row)

    def close(self) -> dict[str, Any]:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return {
            "dtype": self._dtype.str,
            "tokens": self._tokens,
            "text_bytes": self._text_bytes,
            "digest": self._digest.hexdigest(),
        }


def _cut_stream(
    folder: Path, entries: dict[str, dict[str, Any]], validation_share: float, trained: Tokenizer
) -> dict[str, dict[str, Any]]:
    """Cut the whole token stream in two, the way the course does: its last part is for validation."""
    whole = folder / "whole.bin"
    (folder / "train.bin").rename(whole)
    lengths = tokenizer.byte_lengths(trained)
    tokens = np.memmap(whole, dtype=entries["train"]["dtype"], mode="r")
    cut = round(len(tokens) * (1 - validation_share))
    parts = {"train": tokens[:cut], "validation": tokens[cut:]}
    for split, part in parts.items():
        part.tofile(folder / f"{split}.bin")
        text_bytes = sum(int(lengths[chunk].sum()) for chunk in np.array_split(part, max(1, len(part) // 2**20)))
        digest = hashlib.blake2b(part.tobytes(), digest_size=16).hexdigest()
        entries[split] |= {"tokens": len(part), "text_bytes": text_bytes, "digest": digest}
    whole.unlink()
    return entries
