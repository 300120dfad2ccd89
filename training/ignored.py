"""What a project leaves out: its .gitignore files, and the setting `exclude`.

Here and in the server's memory alike: what is ignored is neither learned from nor trained on.
"""

import os
import re
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from pathlib import Path

from pathspec import GitIgnoreSpec

from training import format

EXCLUDES_FILE = re.compile(r"""\s*excludesFile\s*=\s*"?([^"\s#;][^"#;]*?)"?\s*""", re.IGNORECASE)
MOST_BYTES = 100_000  # of a .gitignore
MOST_PATTERNS = 500
MOST_STARS = 3  # in a name, as many `**`, and one more in all: the time a pattern takes is multiplied by each
LONGEST_NAME, DEEPEST = 100, 64  # of what is matched at all: longer names and deeper folders are no person's


class Ignored:
    """What the .gitignore files of a folder, of those below and of its repository above leave out, as git reads them.

    They are read again where they have changed; a pattern that git would not take is no pattern. A folder that is
    ignored itself, as in a home folder under version control, is a project of its own.
    """

    def __init__(self, folder: Path, exclude: tuple[str, ...] = ()) -> None:
        self._exclude = exclude
        self._top = repository_of(folder)
        self._is_repository = _exists(self._top / ".git")
        if self._top != folder and self._is_named_by_git(folder, is_folder=True):
            self._top = folder

    def ignores(self, path: Path, is_folder: bool = False) -> bool:
        """Whether a file or folder, or a folder that it is in, is left out."""
        return excluded(path, self._exclude) or self._is_named_by_git(path, is_folder)

    def is_out_of_reach(self, path: Path) -> bool:
        """Whether a path is deeper, or a name in it longer, than what is matched: it is left out."""
        parts = path.relative_to(self._top).parts if path.is_relative_to(self._top) else ()
        return len(parts) > DEEPEST or any(len(part) > LONGEST_NAME for part in parts)

    def _is_named_by_git(self, path: Path, is_folder: bool) -> bool:
        if not path.is_relative_to(self._top):
            return False
        if self.is_out_of_reach(path):
            return True
        parts = path.relative_to(self._top).parts
        last = len(parts)
        return any(self._is_named(parts[:depth], is_folder or depth < last) for depth in range(1, last + 1))

    def _is_named(self, parts: tuple[str, ...], is_folder: bool) -> bool:
        """What the nearest file says that says something."""
        for depth in range(len(parts) - 1, -1, -1):
            patterns = _patterns_in(self._top.joinpath(*parts[:depth]))
            said = _says(_spec(patterns), "/".join(parts[depth:]), is_folder) if patterns else None
            if said is not None:
                return said
        return self._is_repository and bool(_says(_spec(_everywhere()), "/".join(parts), is_folder))


def repository_of(folder: Path) -> Path:
    """The folder with the repository that a folder is in; itself where it is in none."""
    return next((above for above in (folder, *folder.parents) if _exists(above / ".git")), folder)


def excluded(path: Path, patterns: Sequence[str]) -> bool:
    """Whether the setting `exclude` names a path: globs as in .gitignore, each of which may begin at any folder.

    >>> excluded(Path("/home/me/work/generated/api.py"), ["generated/"]), excluded(Path("/home/me/a.py"), ["b.py"])
    (True, False)
    """
    if not patterns:
        return False
    spec = _spec(tuple(patterns))
    parts = [part[:LONGEST_NAME] for part in (path.parts[1:] if path.anchor else path.parts)][-DEEPEST:]
    return any(spec.match_file("/".join(parts[start:])) for start in range(len(parts)))


def _says(spec: GitIgnoreSpec, path: str, is_folder: bool) -> bool | None:
    """What the last pattern says that names a path itself. A folder that the path is in was asked before.

    The library alone weighs all patterns that match a path or what it is in, and lets `*` win over a later `!*/`.
    """
    for pattern in reversed(spec.patterns):
        if pattern.include is not None and pattern.regex and _names(pattern.regex, path, is_folder):
            return bool(pattern.include)
    return None


def _names(regex: re.Pattern[str], path: str, is_folder: bool) -> bool:
    """Whether a pattern's regular expression matches all of a path: it has a group for the slash behind a folder."""
    itself = regex.search(path)
    if itself and itself.lastgroup is None:
        return True
    return is_folder and any(found.lastgroup and found.end() == len(path) + 1 for found in regex.finditer(path + "/"))


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except (OSError, ValueError):
        return False
    return True


def _patterns_in(folder: Path) -> tuple[str, ...]:
    """The lines of a folder's .gitignore and, where a repository begins, of what it excludes for this person alone."""
    own = _lines(folder / ".git" / "info" / "exclude") if _exists(folder / ".git" / "info" / "exclude") else ()
    return (*own, *_lines(folder / ".gitignore"))


@cache
def _everywhere() -> tuple[str, ...]:
    """What this person ignores in all repositories, as git's configuration was when it was first asked for.

    Only the person's own configuration is read: a repository's may name any file.
    """
    try:
        home = Path.home()
    except RuntimeError:  # nobody's
        return ()
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "git"
    file = folder / "ignore"
    for config in (folder / "config", home / ".gitconfig"):  # where a person has links of their own
        for line in _lines(_real(config)):
            if named := EXCLUDES_FILE.fullmatch(line):
                file = home / named[1].removeprefix("~/")
    return _lines(_real(file))


def _real(file: Path) -> Path:
    return Path(os.path.realpath(file))  # which, unlike resolve(), never raises


def _lines(file: Path) -> tuple[str, ...]:
    try:
        status = file.lstat()
    except (OSError, ValueError):
        return ()
    return _read(file, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=2_000)
def _read(file: Path, _changed: int, _size: int) -> tuple[str, ...]:
    try:
        text = format.read_regular(file, MOST_BYTES).decode("utf-8-sig", errors="replace")
    except OSError:
        return ()
    return tuple(text.splitlines()[:MOST_PATTERNS])


@lru_cache(maxsize=2_000)
def _spec(patterns: tuple[str, ...]) -> GitIgnoreSpec:
    return GitIgnoreSpec.from_lines(_sound(patterns))


def _sound(patterns: Iterable[str]) -> list[str]:
    """The patterns that can be matched, and in little time whatever they are matched with."""
    kept = []
    for line in patterns:
        # To the library, `a/**/` is `a/`; to git, the folders in it.
        pattern = f"{line}*/" if line.endswith("/**/") else line
        stars = [len(re.findall(r"\*+", name)) for name in pattern.split("/")]
        if max(stars) > MOST_STARS or pattern.count("**") > MOST_STARS or sum(stars) > MOST_STARS + 1:
            continue
        try:
            GitIgnoreSpec.from_lines([pattern])
        except (ValueError, re.error):
            continue
        kept.append(pattern)
    return kept
