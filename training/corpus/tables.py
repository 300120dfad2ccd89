"""Tables as sources: one document a row, from CSV, Parquet, JSONL files and the Hugging Face hub."""

import codecs
import csv
import gzip
import http.client
import io
import itertools
import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

import pyarrow
import pyarrow.parquet

from training.corpus import licences
from training.corpus.documents import Candidate, Found
from training.errors import InputError

PROJECT_COLUMNS = ("repository_name", "max_stars_repo_name", "repo_name", "project")
LICENCE_COLUMNS = ("license", "licenses", "licence", "max_stars_repo_licenses")
PATH_COLUMNS = ("path", "max_stars_repo_path", "func_path_in_repository")
ROWS = 256  # read at a time: what bounds the memory
SHORT = 50  # characters: a name, a path or a number, and no document
LONGEST_FIELD = 2**31 - 1
_TIMEOUT = 60  # seconds without a byte


def csv_file(location: str, content_column: str) -> Found:
    """A CSV file or URL, in UTF-8, UTF-16 or UTF-32: a document a row.

    With a header that names the content column that one is read, with project, licence and path beside it; without
    one the first column, as in the course's file.
    """
    if not is_url(location):
        _existing(location)
    return Found(None, _csv_rows(location, content_column))


def is_url(location: str) -> bool:
    """Whether this is an address rather than a path."""
    return location.startswith(("http://", "https://"))


def _csv_rows(location: str, content_column: str) -> Iterator[Candidate]:
    name = Path(urlsplit(location).path).name if is_url(location) else Path(location).name
    number = 0
    csv.field_size_limit(LONGEST_FIELD)
    try:
        with _open(location) as raw, gzip.open(raw) if name.endswith(".gz") else raw as file:
            # One bad character drops its row (in _candidate) and not the whole file.
            text = io.TextIOWrapper(file, _encoding(file), errors="replace", newline="")
            rows = (row for row in csv.reader(text, strict=True) if row)
            first = list(itertools.islice(rows, ROWS))
            header = first[0] if first and content_column in first[0] else None
            candidates: Iterator[Candidate]
            if header is None:
                _check_first_column(first, location)
                candidates = (
                    _candidate(row[0], f"row {index}", f"{name}:{index}", licences.UNKNOWN)
                    for index, row in enumerate(itertools.chain(first, rows))
                )
            else:
                below = itertools.chain(first[1:], rows)
                records = (dict(zip(header, row, strict=False)) for row in below)
                candidates = _records(records, content_column, name)
            for candidate in candidates:
                yield candidate
                number += 1
            if getattr(raw, "length", None):  # what an HTTP response still owes: its connection broke
                raise OSError("the connection ended before the file did")
    except (csv.Error, http.client.HTTPException, OSError, EOFError, ValueError) as error:
        raise InputError(
            f"corpus.sources: {location}: expected CSV, one document a row; after row {number}: {error}".replace(
                "\n", " "
            )
        ) from None


def _encoding(file: Any) -> str:
    """UTF-8, UTF-16 or UTF-32, by the mark at the start; without one UTF-16 by the zeros in every other byte."""
    start: bytes = file.peek(64)[:64]
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):  # before the mark of UTF-16, which it begins with
        return "utf-32"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(start) > 3 and not any(start[1::2]):
        return "utf-16-le"
    return "utf-16-be" if len(start) > 3 and not any(start[0::2]) else "utf-8-sig"


def _check_first_column(rows: list[list[str]], location: str) -> None:
    """Raise InputError where another column than the first one holds the texts."""
    width = max(map(len, rows), default=0)
    lengths = [sum(len(row[column]) for row in rows if column < len(row)) for column in range(width)]
    longest = max(range(width), key=lengths.__getitem__, default=0)
    if longest and lengths[longest] > 10 * lengths[0] + SHORT * len(rows):
        title = rows[0][longest] if longest < len(rows[0]) else ""
        say = f"corpus.content_column={title}" if title.isidentifier() else "a header and corpus.content_column"
        raise InputError(
            f"corpus.sources: {location}: expected documents in the first column, found the long texts in column "
            f"{longest + 1}; say which one with {say}"
        )


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
    if value and isinstance(value, str | bytes):
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
