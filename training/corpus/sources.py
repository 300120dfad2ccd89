"""Where documents come from: what each kind of source string means, and folders of code."""

from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

from packaging.utils import canonicalize_name

from training import format
from training.corpus import licences, packages, tables
from training.corpus.documents import Candidate, Found
from training.errors import InputError

KINDS = (
    '"environment", a folder, a .csv file or URL, a .parquet, .jsonl or .jsonl.gz file, "packages:FILE", "hub:DATASET"'
)
PROJECT_MARKERS = (".git", "pyproject.toml", "setup.py")


def check(source: str) -> None:
    """Raise InputError for what cannot be a source, before any work is done."""
    if tables.is_url(source) and source.endswith((".parquet", ".jsonl", ".jsonl.gz")):
        raise InputError(f"corpus.sources: only CSV is read from a URL; download {source} and give the file's path")
    if source == "environment" or source.startswith(("packages:", "hub:")) or tables.is_url(source):
        return
    if not Path(source).exists():
        raise InputError(f"corpus.sources: expected {KINDS}; found {source!r}, and there is no such file or folder")
    if Path(source).is_file() and not source.endswith((".csv", ".csv.gz", ".parquet", ".jsonl", ".jsonl.gz")):
        raise InputError(f"corpus.sources: expected {KINDS}; found the file {source!r}")


def find(source: str, content_column: str, downloads: Path, read_limit: int) -> Found:
    """What a source holds. Files longer than `read_limit` bytes are cut: they are too long anyway."""
    if source == "environment":
        return packages.environment(read_limit)
    if source.startswith("packages:"):
        return packages.from_list(source.removeprefix("packages:"), downloads, read_limit)
    if source.startswith("hub:"):
        return tables.hub(source.removeprefix("hub:"), content_column)
    if tables.is_url(source) or source.endswith((".csv", ".csv.gz")):
        return tables.csv_file(source, content_column)
    if source.endswith(".parquet"):
        return tables.parquet(source, content_column)
    if source.endswith((".jsonl", ".jsonl.gz")):
        return tables.jsonl(source, content_column)
    return folder(Path(source), read_limit)


def folder(root: Path, read_limit: int) -> Found:
    """The Python files under a folder: one project, or a folder of projects."""
    root = root.resolve()
    unread: list[OSError] = []
    files = sorted(format.python_files(root, skipped=unread.append))
    name = canonicalize_name(root.name)
    dropped = (Candidate(b"", str(error.filename), name, licences.UNKNOWN, dropped="unreadable") for error in unread)
    return Found(len(files) + len(unread), chain(_folder_candidates(root, files, read_limit), dropped))


def _folder_candidates(root: Path, files: list[Path], read_limit: int) -> Iterator[Candidate]:
    project_of = cache(lambda parent: _project_folder(root, parent))
    licence_of = cache(_folder_licence)
    for path in files:
        project = project_of(path.parent)
        shown = path.relative_to(project).as_posix()
        yield packages.read(path, shown, canonicalize_name(project.name), licence_of(project), read_limit)


def _project_folder(root: Path, parent: Path) -> Path:
    """The project that a folder belongs to.

    The outermost folder below the root that looks like a repository or package: what lies deeper (examples,
    fixtures, parts of a monorepo) shares code with it and must not go the other way of the split. Failing that,
    the root if it looks like one itself; failing that, the root's subfolder.
    """
    below = [
        root.joinpath(*parent.relative_to(root).parts[: depth + 1])
        for depth in range(len(parent.relative_to(root).parts))
    ]
    marked = next((candidate for candidate in below if _is_project(candidate)), None)
    if marked is not None:
        return marked
    return root if not below or _is_project(root) or (root / "__init__.py").exists() else below[0]


def _is_project(folder: Path) -> bool:
    return any((folder / marker).exists() for marker in PROJECT_MARKERS)


def _folder_licence(project: Path) -> str:
    for path in sorted(project.iterdir()):
        if licences.FILE_NAME.fullmatch(path.name) and path.is_file():
            licence = licences.of_text(path.read_text(encoding="utf-8", errors="replace"))
            if licence != licences.UNKNOWN:
                return licence
    return licences.UNKNOWN
