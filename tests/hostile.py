"""A repository that means harm, made in an empty folder: `python tests/hostile.py FOLDER [--files N] [--remove]`.

Links out of it, pipes, devices, foreign owners, folders without an end, giant lines, characters that nobody sees,
modules that stand in the way of others, files in every encoding. What is executed writes its name into `executed`
beside it.
"""

import argparse
import codecs
import contextlib
import os
import socket
import stat
import sys
import time
from encodings.aliases import aliases
from pathlib import Path

TRAPS = (
    "lineahead/__init__",
    "lineahead/__main__",
    "server/__init__",
    "server/__main__",
    "training/__init__",
    "training/format",
    *("venv", "logging", "sitecustomize", "usercustomize", "encodings", "numpy", "onnxruntime", "pygls", "conftest"),
    *("setup", "subprocess", "ssl", "pip", "ensurepip", "tokenizers", "pathspec", "asyncio"),
)
LEVELS = 1_500
KNOWN = "def measured_columns(table):\n    return frobnicate_quuxly(table, width=80)\n"  # read before the many


class Hostile:
    """The repository, and what stands beside it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "repository"
        self.outside = folder / "outside"
        self.executed = folder / "executed"

    def build(self, files: int = 100_000, levels: int = LEVELS) -> None:
        """Make all of it."""
        self.outside.mkdir(parents=True)
        (self.outside / "credentials.txt").write_text("outside_quuxly_zorb = 'hunter2'\n")
        (self.outside / "module.py").write_text("outside_quuxly_zorb = 'hunter2'\n")
        self.root.mkdir()
        self._write("zy/known.py", KNOWN)
        self._links()
        self._special_files()
        self._traps()
        self._texts()
        self._names()
        self._git()
        self._owners()
        self._many(files)
        self._deep(levels)

    def remove(self) -> None:
        """Remove the repository: `shutil.rmtree` cannot."""
        waiting, folders = [self.root], []
        while waiting:
            folders.append(folder := waiting.pop())
            with contextlib.suppress(OSError):
                folder.chmod(0o700)
            for path in folder.iterdir():
                if path.is_dir() and not path.is_symlink():
                    waiting.append(path)
                else:
                    path.unlink()
        for folder in reversed(folders):
            folder.rmdir()

    def _write(self, name: str, content: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode(errors="surrogatepass") if isinstance(content, str) else content)
        return path

    def _links(self) -> None:
        targets = {
            "zero": "/dev/zero",
            "random": "/dev/random",
            "tty": "/dev/tty",
            "stdin": "/dev/stdin",
            "descriptor": "/proc/self/fd/0",
            "memory": "/proc/self/mem",
            "passwd": "/etc/passwd",
            "secret": str(self.outside / "credentials.txt"),
            "loop": "loop.py",
            "nowhere": "/no/where",
        }
        for name, target in targets.items():
            (self.root / f"{name}.py").symlink_to(target)
        (self.root / "linked").symlink_to(self.outside)
        (self.root / "up").symlink_to("..")
        (self.root / "disk").symlink_to("/")
        (self.root / "itself").symlink_to(".")

    def _special_files(self) -> None:
        os.mkfifo(self.root / "pipe.py")
        (self.root / "folder.py").mkdir()
        (self.root / "waiting").mkdir()
        os.mkfifo(self.root / "waiting" / ".gitignore")
        with socket.socket(socket.AF_UNIX) as listening, contextlib.suppress(OSError):  # where the path is too long
            listening.bind(str(self.root / "socket.py"))
        with contextlib.suppress(PermissionError):
            os.mknod(self.root / "device.py", stat.S_IFCHR | 0o666, os.makedev(1, 5))  # zeroes without an end

    def _traps(self) -> None:
        trap = f"open({str(self.executed)!r}, 'a').write(__file__ + '\\n')\n"
        for name in TRAPS:
            self._write(f"{name}.py", trap)
        self._write("pyproject.toml", '[build-system]\nrequires = []\nbuild-backend = "venv"\nbackend-path = ["."]\n')
        self._write("pip.conf", "[global]\nindex-url = http://127.0.0.1:9/\n")
        self._write("pyvenv.cfg.py", trap)
        self._write(".vscode/settings.json", '{"lineahead.interpreter": "./venv.py", "lineahead.log": "/tmp/log"}')
        self._write(".env", "PASSWORD=hunter2\n")
        self._write("x.pth", "import venv\n")

    def _texts(self) -> None:
        texts = {
            "one_line": "x = [" + "1, " * 90_000 + "]\n",
            "ten_megabytes": "x = 1\n" * 1_700_000,
            "open": "(" * 290_000,
            "signs": "x = " + "-" * 250_000 + "1\n",
            "sums": "x = " + " + ".join("y" * 60_000) + "\n",
            "branches": "if x:\n    pass\n" + "elif x:\n    pass\n" * 15_000,
            "nested": "".join(" " * depth + "if x:\n" for depth in range(99)) + " " * 99 + "pass\n",
            "imports": "from a import (\n" * 18_000,
            "quotes": "'\"" * 140_000,
            "blanks": " " * 290_000,
            "backslashes": "\\\n" * 140_000,
            "nulls": "x = 1\x00\n" * 1_000,
            "bidirectional": "is_admin = 0  # \u202e\u2066 if is_admin \u2069\u2066\nis_\u0430dmin = 1\nx\u200b = 1\n",
            "surrogate": "x = '\ud800'\n",
            "token": "frobnicate_token = 'AKIAIOSFODNN7EXAMPLE'\n",
        }
        for name, text in texts.items():
            self._write(f"texts/{name}.py", text)
        for encoding in sorted({*aliases.values(), "no_such_thing", "../../x", "rot13", "\x00"}):
            line = f"# -*- coding: {encoding} -*-\nname = 'é'\n"
            with contextlib.suppress(LookupError, UnicodeError, TypeError, ValueError, AttributeError):
                codecs.lookup(encoding)
                line_bytes = line.encode(encoding)
                self._write(f"encodings_of_text/{encoding}_so.py", line_bytes)
            self._write(f"encodings_of_text/{encoding.replace('/', '-').replace(chr(0), '0')}.py", line)

    def _names(self) -> None:
        for name in ("a\nb", "-rf", "%41", "#", "?", "x" * 250, " ", "\u202ey", "~root", "$(touch x)", ";", "&"):
            self._write(f"names/{name}.py", "x = 1\n")
        with contextlib.suppress(OSError):
            Path(os.fsdecode(os.fsencode(self.root / "names") + b"/\xff\xfe.py")).write_text("x = 1\n")

    def _git(self) -> None:
        self._write(".git/HEAD", "ref: refs/heads/main\n")
        self._write(".git/config", f"[core]\n\tfsmonitor = {sys.executable} venv.py\n\thooksPath = .\n")
        (self.root / ".git" / "info").mkdir()
        os.mkfifo(self.root / ".git" / "info" / "exclude")
        self._write(".gitignore", "ignored.py\n" + "*a" * 50 + "b\n" + "**/a*/" * 40 + "\n" + "!" * 1000 + "\n")
        self._write("ignored.py", "frobnicate_ignored = 'hunter2'\n")
        self._write("texts/.gitignore", "x" * 1_000_000)

    def _owners(self) -> None:
        for mode in (0o000, 0o200, 0o4777):
            self._write(f"modes/{mode:o}/x.py", "x = 1\n").chmod(mode)
            (self.root / "modes" / f"{mode:o}").chmod(mode or 0o000)
        with contextlib.suppress(PermissionError):
            os.chown(self._write("foreign/x.py", "x = 1\n"), 65_534, 65_534)
            os.chown(self.root / "foreign", 65_534, 65_534)

    def _many(self, files: int) -> None:
        for number in range(files):
            if number % 1_000 == 0:
                folder = self.root / "zz" / str(number)
                folder.mkdir(parents=True)
            with (folder / f"file_{number}.py").open("w") as file:
                file.write(f"VALUE_{number} = {number}\n")

    def _deep(self, levels: int) -> None:
        folder = self.root / "very"
        folder.mkdir()
        with contextlib.suppress(OSError):  # a path has an end
            for _ in range(levels):
                folder = folder / "d"
                folder.mkdir()


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--remove", action="store_true", help="remove it again, instead")
    options = parser.parse_args()
    started = time.monotonic()
    hostile = Hostile(options.folder)
    if options.remove:
        hostile.remove()
    else:
        hostile.build(options.files)
    print(f"{hostile.root}: {time.monotonic() - started:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
