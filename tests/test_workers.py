"""The parallel map: order, bounds, and what happens when one side dies."""

import importlib
import io
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from training.corpus import workers
from training.corpus.workers import Workers


def test_workers_keep_the_order_and_read_no_further_than_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "CHUNK_TEXTS", 4)
    read = 0

    def items() -> Iterator[tuple[int, str]]:
        nonlocal read
        for number in range(200):
            read += 1
            yield number, "x" * number

    with Workers[int, int](len, count=2) as pool:
        for done, (number, text, length) in enumerate(pool.map(items()), start=1):
            assert (number, len(text), length) == (done - 1, done - 1, done - 1)
            assert read <= done + 5 * 4  # two chunks for each of two workers, and the one in hand
    assert done == 200


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_worker_ends_wherever_its_input_does(protocol: int) -> None:
    request = pickle.dumps((len, ["a text", "another one"] * 20), protocol)
    for end in range(len(request)):  # a parent may be killed while it sends
        answers = io.BytesIO()
        workers.serve(io.BytesIO(request[:end]), answers)
        assert answers.getvalue() == b"", end
    answers = io.BytesIO()
    workers.serve(io.BytesIO(request + request[:-1]), answers)
    assert pickle.loads(answers.getvalue()) == [6, 11] * 20


def test_long_texts_make_small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "CHUNK_LENGTH", 1000)
    chunks = list(workers._chunks((number, "x" * 400) for number in range(10)))
    assert [len(chunk) for chunk in chunks] == [3, 3, 3, 1]


def test_a_text_that_kills_its_worker_loses_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import os\n\ndef length(text):\n    return os._exit(1) if text == 'die' else len(text)\n"
    (tmp_path / "dying.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Workers[int, int](importlib.import_module("dying").length, count=1) as pool:
        assert [result for _, _, result in pool.map([(0, "1"), (1, "die"), (2, "three")])] == [1, None, 5]


def test_an_error_in_a_worker_arrives() -> None:
    with Workers[int, int](int, count=1) as pool, pytest.raises(ValueError, match="invalid literal"):
        list(pool.map([(0, "1"), (1, "one")]))


def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import time\nfrom training.corpus.workers import Workers\n"
        "pool = Workers(len, count=2)\n"
        "list(pool.map((n, 'x' * 300_000) for n in range(4)))\n"
        "print('ready', flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline().strip() == b"ready"
        children = psutil.Process(parent.pid).children()
        assert children
        parent.kill()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
