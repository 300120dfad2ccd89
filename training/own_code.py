"""A person's own code as something to learn from, and a little general code, so that other code is not forgotten."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from training import format
from training.corpus import packages
from training.corpus.corpus import CorpusConfig, limits_of, position_of
from training.corpus.documents import Document
from training.corpus.filters import Duplicates, judge, judge_path
from training.corpus.tally import CorpusReport
from training.errors import InputError
from training.ignored import Ignored

HELD_OUT_SHARE = 0.1  # of a person's code, in whole files
LEAST_HELD_OUT = 5_000  # bytes: some two windows to measure on
LEAST_BYTES = 20_000  # of code to learn from; for less the server's memory does as much
GENERAL_MEASURED = 80_000  # bytes of the standard library that say what was forgotten
GENERAL, OWN = "library", "own code"  # the sources of the documents


@dataclass(frozen=True)
class OwnCode:
    """What a model is adapted with, and measured on."""

    documents: list[Document]
    """Training: own and general code. Validation: own code alone."""
    held_out: list[Path]
    """The person's files that are not trained on."""
    general: list[Path]
    """Files of the standard library that are not trained on here."""
    report: CorpusReport


def gather(folders: Sequence[Path], general_share: float) -> OwnCode:
    """Read a person's code, whatever its licence, and general code of `general_share` times its size.

    Whole files are held out, by a hash of their paths. Raises InputError where there is too little.
    """
    report = CorpusReport()
    own = {path: text for folder in folders for path, text in _read(folder, report)}
    sizes = {path: len(text.encode()) for path, text in own.items()}
    held_out = _held_out(sizes, folders)
    learned = sum(size for path, size in sizes.items() if path not in held_out)
    if learned < LEAST_BYTES:
        raise InputError(
            f"expected at least {LEAST_BYTES:,} bytes of Python code to learn from in "
            f"{', '.join(map(str, folders))}, beside the files to measure on; found {learned:,} in "
            f"{len(own) - len(held_out)} files (left out: {report.reasons() or 'none'})"
        )
    measured, mixed_in = _general(int(general_share * learned))
    documents = [
        Document(text, str(path), path.parent.name, "own", OWN, "validation" if path in held_out else "train")
        for path, text in own.items()
    ]
    documents += [Document(text, str(path), "python", "PSF-2.0", GENERAL, "train") for path, text in mixed_in]
    for document in documents:
        report.keep(document, len(document.text.encode()))
    return OwnCode(documents, held_out, measured, report)


def _read(folder: Path, report: CorpusReport) -> Iterator[tuple[Path, str]]:
    """The files of a folder that are good to learn from, with their texts; what git ignores there is not looked at."""
    config, ignored = CorpusConfig(), Ignored(folder)
    limits, duplicates = limits_of(config), Duplicates(config.near_duplicate_threshold)

    def enters(path: Path) -> bool:
        return format.holds_own_code(path) and not ignored.ignores(path, is_folder=True)

    for path in format.python_files(folder, enters):
        if ignored.ignores(path):
            report.drop(OWN, "ignored", 0)
            continue
        relative = path.relative_to(folder).as_posix()
        reason = "secrets" if format.holds_secrets(path.name) else judge_path(relative)
        text = ""
        if not reason:
            try:
                text = format.read_source(path, config.max_bytes, below=folder)
                verdict = judge(text, limits)
                reason = verdict.reason or duplicates.reason(verdict)
            except (OSError, ValueError):
                reason = "unreadable"
        if reason:
            report.drop(OWN, reason, len(text.encode()))
        else:
            yield path, text


def _held_out(sizes: dict[Path, int], folders: Sequence[Path]) -> list[Path]:
    """Files of about HELD_OUT_SHARE of all bytes, and of LEAST_HELD_OUT bytes where one file more is enough for that:
    those whose paths hash lowest, but for files that are too large."""
    wanted = max(HELD_OUT_SHARE * sum(sizes.values()), LEAST_HELD_OUT)
    chosen, held = [], 0
    for path in sorted(filter(_can_be_listed, sizes), key=lambda path: position_of(_name(path, folders))):
        if held + sizes[path] / 2 <= wanted:
            chosen.append(path)
            held += sizes[path]
    if held < LEAST_HELD_OUT:
        others = [path for path in sizes if path not in chosen and _can_be_listed(path)]
        chosen += sorted(others, key=lambda path: sizes[path])[:1]
    return chosen


def _can_be_listed(path: Path) -> bool:
    """Whether a line of a text file can name it: so the server's command is told what to measure."""
    return str(path).isprintable()


def folder_of(path: Path, folders: Iterable[Path]) -> Path:
    """The first of these folders that a file lies in."""
    return next(folder for folder in folders if path.is_relative_to(folder))


def _name(path: Path, folders: Iterable[Path]) -> str:
    return path.relative_to(folder_of(path, folders)).as_posix()


def _general(size: int) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Files of the standard library: those that measure what is forgotten, and others of `size` bytes to mix in."""
    limits = limits_of(CorpusConfig())
    measured: list[Path] = []
    mixed_in: list[tuple[Path, str]] = []
    bytes_measured = bytes_mixed_in = 0
    for path in sorted(packages.library_files(), key=lambda path: position_of("/".join(path.parts[-2:]))):
        try:
            text = format.read_source(path, limits.max_bytes)
        except (OSError, ValueError):
            continue
        if judge(text, limits).reason:
            continue
        if bytes_measured < GENERAL_MEASURED:
            measured.append(path)
            bytes_measured += len(text.encode())
        elif bytes_mixed_in < size:
            mixed_in.append((path, text))
            bytes_mixed_in += len(text.encode())
        else:
            break
    return measured, mixed_in
