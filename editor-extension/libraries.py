"""The libraries' wheels for one platform, which the larger .vsix for machines without a network holds.

    python3 libraries.py linux-x64

downloads into wheel/libraries what requirements.txt names, for each Python that the server runs on. Needs pip and
`packaging`; any platform's wheels can be fetched on any other.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement

HERE = Path(__file__).parent
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


@dataclass(frozen=True)
class Platform:
    """What a requirement's marker asks of a machine, and which wheels run on it."""

    system: str
    machine: str
    tags: tuple[str, ...]


def _linux(machine: str) -> Platform:
    """Any distribution with glibc 2.28 or newer, which ONNX Runtime needs."""
    glibc = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014", "manylinux_2_5", "manylinux1")
    return Platform("linux", machine, tuple(f"{tag}_{machine}" for tag in glibc))


PLATFORMS = {
    "linux-x64": _linux("x86_64"),
    "linux-arm64": _linux("aarch64"),
    "darwin-arm64": Platform("darwin", "arm64", ("macosx_14_0_arm64",)),  # pip takes older ones, too
    "win32-x64": Platform("win32", "AMD64", ("win_amd64",)),
}
"""By the names that vsce gives to its targets."""


def requirements_for(locked: str, platform: Platform, python: str) -> Iterator[str]:
    """The locked lines that a Python on a platform needs, without their markers: pip's own are about this machine."""
    environment = {
        "sys_platform": platform.system,
        "platform_machine": platform.machine,
        "python_version": python,
        "python_full_version": f"{python}.0",
    }
    for line in locked.replace("\\\n", " ").splitlines():
        pinned, *hashes = line.split(" --hash")
        requirement = Requirement(pinned)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            yield f"{requirement.name}{requirement.specifier} {' '.join(f'--hash{each}' for each in hashes)}"


def download(platform: Platform, python: str, folder: Path) -> None:
    """Fetch the wheels for one Python; raises CalledProcessError if there is none of a library."""
    locked = (HERE / "requirements.txt").read_text(encoding="utf-8")
    with TemporaryDirectory() as scratch:
        wanted = Path(scratch, "requirements.txt")
        wanted.write_text("\n".join(requirements_for(locked, platform, python)), encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        wheels = ["--only-binary=:all:", "--no-deps", "--require-hashes", "--python-version", python]
        tags = [word for tag in platform.tags for word in ("--platform", tag)]
        subprocess.run([*pip, *wheels, *tags, "--dest", folder, "--requirement", wanted], check=True)


def main() -> None:
    """Read the command line, and fetch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("platform", choices=PLATFORMS)
    parser.add_argument("--pythons", nargs="+", default=PYTHONS, metavar="3.X")
    options = parser.parse_args()
    folder = HERE / "wheel" / "libraries"
    for python in options.pythons:
        download(PLATFORMS[options.platform], python, folder)
    wheels = list(folder.glob("*.whl"))
    size = sum(wheel.stat().st_size for wheel in wheels)
    print(f"{len(wheels)} wheels for {options.platform}, {size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
