"""Work behind the protocol's back: on a thread of its own, with progress shown by the client."""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count
from typing import Any, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException, PyglsError
from pygls.lsp.server import LanguageServer

logger = logging.getLogger(__name__)

NUMBERS = count()
Result = TypeVar("Result")


def in_background(work: Callable[[], Result]) -> "Future[Result]":
    """Run on a daemon thread, which, unlike an executor's, does not hold up the end of the process."""
    future: Future[Result] = Future()
    future.set_running_or_notify_cancel()  # from here on it cannot be cancelled

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


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
