"""Work behind the protocol's back: on a thread of its own, with progress shown by the client."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count
from queue import SimpleQueue
from typing import Any, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException, PyglsError
from pygls.lsp.server import LanguageServer

logger = logging.getLogger(__name__)

NUMBERS = count()
Result = TypeVar("Result")


class Background:
    """One daemon thread, which, unlike an executor's, does not hold up the end of the process.

    One thread and not one for each piece of work: each would have memory of its own that malloc keeps.
    """

    def __init__(self, name: str) -> None:
        self._work: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = SimpleQueue()
        self._busy, self._lock = 0, threading.Lock()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is under way or waits, for so long at most; returns whether that is so."""
        end = time.monotonic() + seconds
        while self._busy and time.monotonic() < end:
            time.sleep(0.005)
        return not self._busy

    def submit(self, work: Callable[[], Result]) -> "Future[Result]":
        """Run `work` once what was submitted before is done."""
        future: Future[Result] = Future()
        future.set_running_or_notify_cancel()  # from here on it cannot be cancelled
        with self._lock:
            self._busy += 1
        future.add_done_callback(self._done)
        self._work.put((work, future))
        return future

    def _done(self, _future: "Future[Any]") -> None:
        with self._lock:
            self._busy -= 1

    def _run(self) -> None:
        while True:
            work, future = self._work.get()
            try:
                future.set_result(work())
            except Exception as error:
                future.set_exception(error)
            del work, future  # or they stay until there is more to do


async def show_progress(server: LanguageServer, work: "Future[Any]", title: str) -> None:
    """Show that work is under way until it is over, where the client can."""
    window = server.client_capabilities.window
    if window is None or not window.work_done_progress:
        return
    token = f"lineahead/{next(NUMBERS)}"
    try:
        await server.work_done_progress.create_async(token)
    except (PyglsError, JsonRpcException) as error:
        logger.warning("the client refused progress reports: %s", error)
        return
    server.work_done_progress.begin(token, types.WorkDoneProgressBegin(f"Lineahead: {title}"))
    await asyncio.wait([asyncio.wrap_future(work)])
    message = "failed" if work.exception() else "ready"
    server.work_done_progress.end(token, types.WorkDoneProgressEnd(message=message))
