"""Tables as sources: one document a row, from CSV, Parquet, JSONL files and the Hugging Face hub."""

import gzip
import http.client
import itertools
import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

import pandas as pd
import pyarrow
import pyarrow.parquet

from training.corpus import licences
from training.corpus.documents import Candidate, Found
from training.errors import InputError

PROJECT_COLUMNS = ("repository_name", "max_stars_repo_name", "repo_name", "project")
LICENCE_COLUMNS = ("license", "licenses", "licence", "max_stars_repo_licenses")
PATH_COLUMNS = ("path", "max_stars_repo_path", "func_path_in_repository")
ROWS = 256  # read at a time: what bounds the memory
_TIMEOUT = 60  # seconds without a byte


def csv(location: str) -> Found:
    """A CSV in the course's format: no header, a document a row, in the first column. A file or a URL."""
    if not is_url(location):
        _existing(location)
    return Found(None, _csv_rows(location))


def is_url(location: str) -> bool:
    """Whether this is an address rather than a path."""
    return location.startswith(("http://", "https://"))


def _csv_rows(location: str) -> Iterator[Candidate]:
    name = Path(urlsplit(location).path).name if is_url(location) else Path(location).name
    number = 0
    try:
        # Opened here: pandas itself would first load the whole of a URL into memory.
        with _open(location) as file:
            chunks = pd.read_csv(
                file,
                header=None,
                usecols=[0],
                dtype=str,
                keep_default_na=False,  # a document that reads "NA" or "None" is a text like any other
                na_values=[""],
                chunksize=ROWS,
                encoding_errors="replace",  # so that one bad row is dropped (below) and not the whole file
                compression="gzip" if name.endswith(".gz") else None,
            )
            for chunk in chunks:
                for value in chunk[0]:
                    yield _candidate(value, f"row {number}", f"{name}:{number}", licences.UNKNOWN)
                    number += 1
            if getattr(file, "length", None):  # what an HTTP response still owes: its connection broke
                raise OSError("the connection ended before the file did")
    except pd.errors.EmptyDataError:
        return
    except (pd.errors.ParserError, http.client.HTTPException, OSError, ValueError) as error:
        raise InputError(
            f"corpus.sources: {location}: expected CSV without a header, one document a row; "
            f"after row {number}: {error}".replace("\n", " ")
        ) from None


def _open(location: str) -> BinaryIO:
    if not is_url(location):
        return Path(location).open("rb")
    try:
        return cast(BinaryIO, urllib.request.urlopen(location, timeout=_TIMEOUT))
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise InputError(
            f"corpus.sources: {location} cannot be fetched: {error}; check the address and the network"
        ) from None


def parquet(location: str, content_column: str) -> Found:
    """A Parquet file, read in batches."""
    _existing(location)
    try:
        with pyarrow.parquet.ParquetFile(location) as file:
            columns = list(file.schema_arrow.names)
            total = int(file.metadata.num_rows)
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"corpus.sources: {location}: expected a Parquet file, found: {error}") from None
    _check_column(columns, content_column, location)
    return Found(total, _records(_parquet_rows(location, columns, content_column), content_column, Path(location).name))


def _parquet_rows(location: str, columns: list[str], content_column: str) -> Iterator[dict[str, Any]]:
    wanted = {content_column, *PROJECT_COLUMNS, *LICENCE_COLUMNS, *PATH_COLUMNS}
    with pyarrow.parquet.ParquetFile(location) as file:
        for batch in file.iter_batches(batch_size=ROWS, columns=[name for name in columns if name in wanted]):
            yield from batch.to_pylist()


def jsonl(location: str, content_column: str) -> Found:
    """A file of JSON objects, one a line, gzipped or not."""
    _existing(location)
    rows = _jsonl_rows(location)
    return Found(None, _records(rows, content_column, Path(location).name))


def _jsonl_rows(location: str) -> Iterator[dict[str, Any] | None]:
    """Rows; None for a line that is no JSON object."""
    try:
        with Path(location).open("rb") as raw, gzip.open(raw) if location.endswith(".gz") else raw as file:
            for line in file:
                if line.strip():
                    yield _json_object(line)
    except (OSError, EOFError) as error:
        raise InputError(f"corpus.sources: {location}: expected JSON lines; reading failed: {error}") from None


def _json_object(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def hub(name: str, content_column: str) -> Found:
    """A data set of the Hugging Face hub, streamed: DATASET or DATASET:CONFIG."""
    try:
        import datasets
    except ImportError:
        raise InputError(
            f"corpus.sources: hub:{name} needs the package `datasets`, which is not installed; "
            "pip install 'lineahead[training,hub]'"
        ) from None
    dataset, _, config = name.partition(":")
    try:
        rows = datasets.load_dataset(dataset, config or None, split="train", streaming=True)
        first = list(itertools.islice(iter(rows), 1))
    except Exception as error:  # the library and its transports raise many kinds
        raise InputError(f"corpus.sources: hub:{name} cannot be opened: {error}".replace("\n", " ")) from None
    _check_column(list(first[0]) if first else [content_column], content_column, f"hub:{name}")
    return Found(None, _records(rows, content_column, dataset))


def _records(rows: Iterable[dict[str, Any] | None], content_column: str, name: str) -> Iterator[Candidate]:
    seen_column = False
    for number, row in enumerate(rows):
        if row is None:
            yield Candidate("", f"row {number}", f"{name}:{number}", licences.UNKNOWN, dropped="malformed")
            continue
        if not seen_column:
            _check_column(list(row), content_column, name)
            seen_column = True
        project = _first(row, PROJECT_COLUMNS)
        path = _first(row, PATH_COLUMNS)
        yield _candidate(
            row.get(content_column),
            str(path or f"row {number}"),
            str(project or f"{name}:{number}"),
            _licence(_first(row, LICENCE_COLUMNS)),
        )


def _candidate(value: object, path: str, project: str, licence: str) -> Candidate:
    if isinstance(value, str) and "\ufffd" in value:  # what could not be decoded was read as this
        return Candidate("", path, project, licence, dropped="undecodable")
    if isinstance(value, str | bytes):
        return Candidate(value, path, project, licence)
    return Candidate("", path, project, licence, dropped="empty")


def _first(row: dict[str, Any], columns: tuple[str, ...]) -> str | list[Any] | None:
    """What the first of these columns says; a row without a word has None there, or pandas' NaN."""
    values = (row.get(name) for name in columns)
    return next((value for value in values if isinstance(value, str | list) and value), None)


def _licence(value: str | list[Any] | None) -> str:
    """One licence, or several that all apply."""
    if isinstance(value, list):
        return " AND ".join(sorted({licences.normalise(str(name)) for name in value}))
    return licences.normalise(value) if value else licences.UNKNOWN


def _existing(location: str) -> None:
    if not Path(location).is_file():
        raise InputError(f"corpus.sources: expected a file at {location}; there is none")


def _check_column(columns: list[str], content_column: str, location: str) -> None:
    if content_column not in columns:
        raise InputError(
            f"corpus.content_column: {location} has no column {content_column!r}; it has {', '.join(columns) or 'none'}"
        )
