"""The wheels of the larger .vsix: what each platform and each Python needs, whatever this machine is."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from libraries import PLATFORMS, requirements_for

LOCKED = """\
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:00 \\
    --hash=sha256:01
hf-xet==1.8.0 ; platform_machine == 'AMD64' or platform_machine == 'aarch64' \\
    --hash=sha256:02
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:03
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:04
pygls==2.1.1 \\
    --hash=sha256:05
"""


@pytest.mark.parametrize(
    ("platform", "python", "names"),
    [
        ("win32-x64", "3.11", ["colorama==0.4.6", "hf-xet==1.8.0", "numpy==2.4.6", "pygls==2.1.1"]),
        ("linux-arm64", "3.12", ["hf-xet==1.8.0", "numpy==2.5.5", "pygls==2.1.1"]),
        ("linux-x64", "3.14", ["numpy==2.5.5", "pygls==2.1.1"]),
        ("darwin-arm64", "3.11", ["numpy==2.4.6", "pygls==2.1.1"]),
    ],
)
def test_markers_are_those_of_the_platform(platform, python, names):
    lines = list(requirements_for(LOCKED, PLATFORMS[platform], python))
    assert [line.split()[0] for line in lines] == names
    assert not any(";" in line for line in lines)


def test_hashes_stay():
    first, *_ = requirements_for(LOCKED, PLATFORMS["win32-x64"], "3.11")
    assert first.split()[1:] == ["--hash=sha256:00", "--hash=sha256:01"]
