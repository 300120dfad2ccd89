"""What `make quick` runs starts no process and trains nothing: tests/conftest.py sees to it, and says what to do."""

import multiprocessing
import os
import subprocess
from collections.abc import Callable
from typing import Any, cast

import pytest

from training import export, loop

FORBIDDEN: dict[str, Callable[[], object]] = {
    "Popen.__init__": lambda: subprocess.run(["true"], check=True),
    "BaseProcess.start": lambda: multiprocessing.get_context("spawn").Process().start(),
    "os.fork": lambda: os.fork(),
    "loop.train": lambda: loop.train(*cast(Any, [None] * 3)),
    "export.export": lambda: export.export(cast(Any, None)),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_test_that_is_not_marked_slow_is_stopped(name: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=f"{name} is called by a test that is not marked slow"):
        FORBIDDEN[name]()


@pytest.mark.slow
def test_a_slow_test_is_not() -> None:
    assert subprocess.run(["true"], check=True).returncode == 0
