"""An ordered, bounded map over light worker processes.

Why not `multiprocessing`: its spawned workers import the program's main module again, here torch and all
(200 MB each), and outlive a parent that is killed. A worker of ours is `python -m training.corpus.workers` on a
pair of pipes: it imports the one function that it runs, and ends when its input does, however that came.
"""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Generic, Self, TypeVar

Context = TypeVar("Context")
Result = TypeVar("Result")

CHUNK_LENGTH, CHUNK_TEXTS = 262_144, 64  # big enough to pay for the pipe, small enough to keep memory low


class Workers(Generic[Context, Result]):
    """Runs one importable function over texts on all cores; use it as a context manager."""

    def __init__(self, function: Callable[[str], Result], count: int | None = None) -> None:
        self._function = function
        self._count = count or os.cpu_count() or 1
        self._processes: list[subprocess.Popen[bytes]] = []
        self._local = threading.local()
        self._threads = ThreadPoolExecutor(self._count, thread_name_prefix="corpus-worker")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(cancel_futures=True)
        for process in self._processes:
            _end(process)

    def map(self, items: Iterable[tuple[Context, str]]) -> Iterator[tuple[Context, str, Result | None]]:
        """(context, text) → (context, text, result), in order; the context stays here.

        The result is None where the text killed its worker. At most two chunks per worker are under way, so
        the input is read no faster than the output is used.
        """
        window: deque[tuple[list[tuple[Context, str]], Future[list[Result | None]]]] = deque()
        for chunk in _chunks(items):
            if len(window) >= 2 * self._count:
                yield from _finished(*window.popleft())
            window.append((chunk, self._threads.submit(self._run, [text for _, text in chunk])))
        while window:
            yield from _finished(*window.popleft())

    def _run(self, texts: list[str]) -> list[Result | None]:
        process: subprocess.Popen[bytes] | None = getattr(self._local, "process", None)
        if process is None:
            process = self._local.process = _start()
            self._processes.append(process)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            pickle.dump((self._function, texts), process.stdin)
            process.stdin.flush()
            answer = pickle.load(process.stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            self._local.process = None  # a new worker; then find the text that killed this one
            _end(process)
            return [None] if len(texts) == 1 else [result for text in texts for result in self._run([text])]
        if isinstance(answer, BaseException):
            raise answer
        results: list[Result | None] = answer
        return results


def _finished(
    chunk: list[tuple[Context, str]], future: Future[list[Result | None]]
) -> Iterator[tuple[Context, str, Result | None]]:
    for (context, text), result in zip(chunk, future.result(), strict=True):
        yield context, text, result


def _chunks(items: Iterable[tuple[Context, str]]) -> Iterator[list[tuple[Context, str]]]:
    chunk: list[tuple[Context, str]] = []
    length = 0
    for item in items:
        chunk.append(item)
        length += len(item[1])
        if length >= CHUNK_LENGTH or len(chunk) >= CHUNK_TEXTS:
            yield chunk
            chunk, length = [], 0
    if chunk:
        yield chunk


def _start() -> subprocess.Popen[bytes]:
    root = str(Path(__file__).parents[2])  # so that `training` is found from any working folder
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "training.corpus.workers"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):  # it died before us, with something unsent
        process.stdin.close()
    process.stdout.close()
    process.wait()


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer (function, items) with the list of results, until the requests end."""
    while True:
        try:
            function, items = pickle.load(requests)
        except (EOFError, pickle.UnpicklingError):  # the latter in the middle of a request: its sender was killed
            return
        try:
            answer: object = [function(item) for item in items]
        except Exception as error:
            answer = error
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; we end with our input
    # A broken pipe: the parent is gone, and nobody waits for the answer.
    with contextlib.suppress(BrokenPipeError), os.fdopen(os.dup(1), "wb") as channel:
        os.dup2(2, 1)  # whatever prints must not print into the answers
        serve(sys.stdin.buffer, channel)
