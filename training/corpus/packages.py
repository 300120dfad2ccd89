"""Python packages as sources: the running environment's own, and wheels that pip downloads."""

import importlib.metadata
import re
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from email.message import Message
from email.parser import BytesParser
from functools import partial
from pathlib import Path

from packaging.utils import InvalidWheelFilename, NormalizedName, canonicalize_name, parse_wheel_filename
from packaging.version import Version
from tqdm import tqdm

from training import format
from training.corpus import licences
from training.corpus.documents import Candidate, Found
from training.errors import InputError

PIP = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input")
OURSELVES = "lineahead"

# Folders of the standard library that are no code of it: other people's packages, and syntax of all ages.
_NOT_THE_LIBRARY = {"site-packages", "dist-packages", "__pycache__", "lib2to3/tests/data"}
_REQUIREMENT = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:==\s*([A-Za-z0-9.!+_]+))?$")
_LICENCE_FILE = re.compile(r"\.dist-info/(licenses/)?(LICEN[CS]E|COPYING)[^/]*$", re.IGNORECASE)


def environment(read_limit: int) -> Found:
    """The Python code of the running interpreter: the standard library and each installed distribution."""
    library = Path(sysconfig.get_paths()["stdlib"])
    files = [(path, path.relative_to(library), "python", "PSF-2.0") for path in library_files()]
    by_name: dict[NormalizedName, importlib.metadata.Distribution] = {}
    for distribution in importlib.metadata.distributions():
        name = canonicalize_name(distribution.metadata["Name"] or "")
        if name and name != OURSELVES:
            by_name.setdefault(name, distribution)  # the first on the path is the one that is imported
    for name, distribution in sorted(by_name.items()):
        licence = _installed_licence(distribution)
        files += [(path, relative, name, licence) for path, relative in _installed_files(distribution)]
    return Found(
        len(files),
        (read(path, relative.as_posix(), name, licence, read_limit) for path, relative, name, licence in files),
    )


def read(path: Path, shown: str, project: str, licence: str, read_limit: int) -> Candidate:
    """One file; never more than `read_limit` bytes of it, which is enough to see that it is too long."""
    try:
        with path.open("rb") as file:
            return Candidate(file.read(read_limit), shown, project, licence)
    except OSError:
        return Candidate(b"", shown, project, licence, dropped="unreadable")


def library_files() -> list[Path]:
    """The Python files of the standard library."""
    library = Path(sysconfig.get_paths()["stdlib"])

    def enters(folder: Path) -> bool:
        return not {folder.name, folder.relative_to(library).as_posix()} & _NOT_THE_LIBRARY

    return sorted(format.python_files(library, enters))


def _installed_files(distribution: importlib.metadata.Distribution) -> list[tuple[Path, Path]]:
    """Paths, and paths relative to the folder of packages, of a distribution's Python files."""
    listed = distribution.files
    if listed is not None:
        relatives = {Path(file) for file in listed if file.suffix == ".py" and ".." not in file.parts}
        return [(Path(str(distribution.locate_file(path))), path) for path in sorted(relatives)]
    top_level = (distribution.read_text("top_level.txt") or distribution.metadata["Name"]).split()
    root = Path(str(distribution.locate_file("")))
    paths: set[Path] = set()
    for name in top_level:
        paths.update((root / name).rglob("*.py"))
        paths.update(path for path in [root / f"{name}.py"] if path.is_file())
    return [(path, path.relative_to(root)) for path in sorted(paths)]


def _installed_licence(distribution: importlib.metadata.Distribution) -> str:
    names = [file for file in distribution.files or () if _LICENCE_FILE.search(file.as_posix())]
    texts = (Path(str(distribution.locate_file(name))) for name in names)
    return licences.of_metadata(
        distribution.metadata,  # type: ignore[arg-type]  # a Message, whatever its stub says
        (path.read_text(encoding="utf-8", errors="replace") for path in texts if path.is_file()),
    )


def list_at(file: str) -> Path:
    """Where the list of packages is: `training/corpora/wide.txt` is found from any working folder."""
    beside = Path(__file__).parents[2] / file
    return Path(file) if Path(file).exists() or not beside.exists() else beside


def from_list(file: str, downloads: Path, read_limit: int) -> Found:
    """The Python files of the packages that `file` names, straight out of their wheels.

    A list that is not in the working folder is looked for beside this package, where our own are.

    A package that cannot be had is named on stderr and counted as "unavailable"; none at all is an error.
    """
    requirements = _read_list(list_at(file))
    downloads.mkdir(parents=True, exist_ok=True)
    missing = []
    problem = ""
    with tqdm(requirements, desc="wheels", unit="package", dynamic_ncols=True) as bar:
        for name, version in bar:
            bar.set_postfix_str(name, refresh=False)
            if wheel_of(downloads, name, version) is None:
                problem = _download(downloads, name, version) or problem
            if wheel_of(downloads, name, version) is None:
                missing.append(name)
                tqdm.write(f"packages: {name} cannot be had as a wheel: {problem}", file=sys.stderr)
    wheels = [(name, wheel_of(downloads, name, version)) for name, version in requirements if name not in missing]
    present = [(name, wheel) for name, wheel in wheels if wheel is not None]
    if not present:
        raise InputError(
            f"corpus.sources: none of the {len(requirements)} packages in {file} can be downloaded as a wheel "
            f"(the last answer: {problem}); check the network and the names, or put wheels into {downloads}"
        )
    total = len(missing) + sum(len(_members(wheel)) for _, wheel in present)
    return Found(total, _wheel_candidates(missing, present, read_limit))


def wheel_of(downloads: Path, name: str, version: str = "") -> Path | None:
    """The wheel of a package among the downloads: the newest, or the one of the version asked for."""
    wheels = []
    for path in downloads.glob("*.whl"):
        try:
            project, release, build, _ = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            continue
        if project == canonicalize_name(name) and (not version or release == Version(version)):
            wheels.append((release, build, path.name, path))
    return max(wheels)[-1] if wheels else None


def _read_list(path: Path) -> list[tuple[str, str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"corpus.sources: expected a list of package names at {path}; it is not readable: {error}"
        ) from None
    requirements: dict[tuple[str, str], None] = {}  # a set that keeps its order
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if text:
            try:
                requirements[_requirement(text)] = None
            except ValueError:
                raise InputError(
                    f"{path}:{number}: expected a package name, or name==version; found {text!r}"
                ) from None
    if not requirements:
        raise InputError(f"corpus.sources: expected package names, one a line, in {path}; found none")
    return list(requirements)


def _requirement(text: str) -> tuple[str, str]:
    """Name and version ("": any) in a line of a list; raises ValueError for anything else."""
    match = _REQUIREMENT.match(text)
    if match is None:
        raise ValueError(text)
    if match[2]:
        Version(match[2])
    return match[1], match[2] or ""


def _download(downloads: Path, name: str, version: str) -> str:
    """Have pip fetch one wheel. Returns pip's last words if it could not, "" if it could."""
    requirement = f"{name}=={version}" if version else name
    with tempfile.TemporaryDirectory(dir=downloads) as folder:  # so that a broken download is never kept
        command = [*PIP, "--no-deps", "--only-binary=:all:", "--dest", folder, requirement]
        outcome = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if outcome.returncode or not wheels:
            words = [line for line in (outcome.stderr + outcome.stdout).splitlines() if line.strip()]
            return words[-1].strip() if words else f"pip ended with {outcome.returncode}"
        for wheel in wheels:
            wheel.replace(downloads / wheel.name)
    return ""


def _members(wheel: Path) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".py")]
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{wheel}: expected a wheel, found {error}; remove the file to download it again") from None
    return sorted(members, key=lambda member: member.filename)


def _wheel_candidates(
    missing: Sequence[str], wheels: Sequence[tuple[str, Path]], read_limit: int
) -> Iterator[Candidate]:
    for name in missing:
        yield Candidate("", "", canonicalize_name(name), licences.UNKNOWN, dropped="unavailable")
    for name, wheel in wheels:
        label = "-".join(wheel.name.split("-")[:2])  # name-version: the path says which release it was
        with zipfile.ZipFile(wheel) as archive:
            licence = _wheel_licence(archive)
            candidate = partial(Candidate, project=canonicalize_name(name), licence=licence)
            for member in _members(wheel):
                shown = f"{label}/{member.filename}"
                try:
                    with archive.open(member) as file:
                        yield candidate(file.read(read_limit), shown)
                except zipfile.BadZipFile:
                    yield candidate(b"", shown, dropped="unreadable")


def _wheel_licence(archive: zipfile.ZipFile) -> str:
    names = archive.namelist()
    metadata = next((name for name in names if name.count("/") == 1 and name.endswith(".dist-info/METADATA")), None)
    message: Message = BytesParser().parsebytes(archive.read(metadata) if metadata else b"", headersonly=True)
    texts = (archive.read(name).decode("utf-8", "replace") for name in names if _LICENCE_FILE.search(name))
    return licences.of_metadata(message, texts)
