"""What lives across requests: settings, the engine and its one thread, the newest answers, the numbers."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException, PyglsError
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol
from pygls.workspace import TextDocument

from server import settings
from server.engine import Engine, within
from server.errors import ModelError
from server.policy import Answer, complete
from server.reasons import Reason
from server.replay import save
from server.reuse import reuse
from server.silence import LINE, Place
from server.statistics import Statistics
from server.surprise import bits_per_byte, surprise

logger = logging.getLogger(__name__)

TIME_BUDGET = 2.0  # seconds; who waits longer has typed on
READY = "Lineahead: ready"  # logged to the client once the model is there
PROGRESS_TOKEN = "lineahead/loading"
STATUS = "lineahead/status"
NOTEBOOKS = types.NotebookDocumentSyncOptions(
    [types.NotebookDocumentFilterWithCells(cells=[types.NotebookCellLanguage("python")])]
)
Requested = types.CompletionParams | types.InlineCompletionParams
Load = Callable[[str], Engine]
"""Opens the engine in a folder, the default one for ""."""

# The protocol knows three line ends; pygls also splits at form feeds and U+2028, after which its positions are wrong.
TextDocument.lines = property(lambda document: tuple(LINE.findall(document.source)))  # type: ignore[assignment,method-assign]


class Protocol(LanguageServerProtocol):
    """pygls's protocol, which leaves a request without an answer if its parameters are not what they should be."""

    def structure_message(self, data: dict[str, Any]) -> Any:
        """Messages as objects."""
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if "method" in data and isinstance(data.get("id"), int | str):
                self._send_response(data["id"], error=error.to_response_error())
            raise


class LineaheadServer(LanguageServer):
    """pygls's server and what lives across requests: settings, engine, its one thread, the newest answers."""

    def __init__(self, load: Load) -> None:
        super().__init__("lineahead", version("lineahead"), protocol_cls=Protocol, notebook_document_sync=NOTEBOOKS)
        self._load = load
        self._loading: Future[Engine] | None = None
        self._generating = ThreadPoolExecutor(max_workers=1, thread_name_prefix="generate")
        self._newest: dict[tuple[type[Requested], str], threading.Event] = {}
        self._answers: dict[str, tuple[Place, Answer]] = {}
        self._snoozed_until = 0.0
        self._problems: set[str] = set()
        self._failure = ""
        self.settings = settings.Settings()
        self.statistics = Statistics()

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log what a client did wrong; pygls would put it before the person."""
        logger.error("%s: %r", getattr(source, "__name__", source), error)

    @property
    def is_loading(self) -> bool:
        """Whether the model is still on its way."""
        return self._loading is not None and not self._loading.done()

    async def load(self) -> None:
        """Load the model on a thread of its own, and tell the person if that fails."""
        self._failure = ""
        self._answers.clear()
        folder = self.settings.model
        self._loading = loading = _in_background(lambda: self._load(folder))
        self.tell_status()
        progress = asyncio.create_task(self._show_progress(loading))
        try:
            await asyncio.wrap_future(loading)
            logger.info(READY)
            self.window_log_message(types.LogMessageParams(types.MessageType.Info, READY))
        except ModelError as error:
            self._failure = str(error)
            logger.error("%s", error)
        except Exception as error:
            self._failure = f"loading it failed ({error!r})."
            logger.exception("the model cannot be loaded")
        if self._failure:
            self.tell(f"Lineahead has no model, and suggests nothing: {self._failure}", types.MessageType.Error)
        self.tell_status()
        await progress

    def tell(self, message: str, kind: types.MessageType = types.MessageType.Info) -> None:
        """Show a message to the person."""
        self.window_show_message(types.ShowMessageParams(kind, message))

    async def _show_progress(self, loading: "Future[Engine]") -> None:
        window = self.client_capabilities.window
        if window is None or not window.work_done_progress:
            return
        try:
            await self.work_done_progress.create_async(PROGRESS_TOKEN)
        except PyglsError as error:
            logger.warning("the client refused progress reports: %s", error)
            return
        self.work_done_progress.begin(PROGRESS_TOKEN, types.WorkDoneProgressBegin("Lineahead: loading the model"))
        await asyncio.wait([asyncio.wrap_future(loading)])
        message = "failed" if loading.exception() else "ready"
        self.work_done_progress.end(PROGRESS_TOKEN, types.WorkDoneProgressEnd(message=message))

    def read_settings(self, raw: object) -> bool:
        """Take a client's settings, report each bad one once; returns whether another model is wanted."""
        before = self.settings
        self.settings, problems = settings.read(raw)
        for problem in problems:
            if problem not in self._problems:
                self._problems.add(problem)
                logger.warning("%s", problem)
                self.tell(f"Lineahead: {problem}", types.MessageType.Warning)
        if self.settings != before:
            self._answers.clear()
        return self.settings.model != before.model

    def snooze(self, minutes: float) -> None:
        """Be silent for so many minutes; 0 ends that."""
        self._snoozed_until = time.monotonic() + 60 * max(0.0, minutes) if minutes else 0.0
        self.tell_status()

    def state(self) -> tuple[str, str]:
        """The state in a word, and what to tell a person about it."""
        if self._failure:
            return "failed", self._failure
        if self._loading is None or self.is_loading:
            return "loading", "The model is loading."
        if time.monotonic() < self._snoozed_until:
            return "snoozed", f"Silent for {(self._snoozed_until - time.monotonic()) / 60:.0f} minutes more."
        if not any(self.settings.enable.values()):
            return "off", "Switched off by the setting lineahead.enable."
        return "ready", "Suggesting while you type."

    def status(self) -> dict[str, object]:
        """What a client may show in its status bar."""
        state, message = self.state()
        times = self.statistics.milliseconds
        return {
            "state": state,
            "message": message,
            "model": self.settings.model or "bundled",
            "milliseconds": round(times[-1], 1) if times else None,
        }

    def tell_status(self) -> None:
        """Send the status to the client."""
        self.protocol.notify(STATUS, self.status())

    def forget(self, uri: str) -> None:
        """Drop what is kept for a document."""
        self._answers.pop(uri, None)

    def place(self, params: Requested) -> Place:
        """Where a request asks for a suggestion."""
        document = self.workspace.get_text_document(params.text_document.uri)
        text = document.source
        context = params.context
        explicit = (
            isinstance(context, types.InlineCompletionContext)
            and context.trigger_kind == types.InlineCompletionTriggerKind.Invoked
        )
        return Place(
            text=text,
            offset=min(document.offset_at_position(params.position), len(text)),
            path=document.path or "",
            language=document.language_id or "python",
            explicit=explicit,
            context=self._cells_before(document.uri),
        )

    def _cells_before(self, uri: str) -> str:
        notebook = self.workspace.get_notebook_document(cell_uri=uri)
        if notebook is None:
            return ""
        uris = [each.document for each in notebook.cells if each.kind == types.NotebookCellKind.Code]
        before = uris[: uris.index(uri)] if uri in uris else []
        return "".join(self.workspace.get_text_document(each).source.rstrip() + "\n\n" for each in before)

    async def perplexity(self, uri: str) -> dict[str, object]:
        """How surprising an open document is to the model, its most surprising lines first."""
        if self.state()[0] in ("failed", "loading"):
            raise RuntimeError(f"Lineahead is not ready: {self.state()[1]}")
        assert self._loading is not None
        text, engine = self.workspace.get_text_document(uri).source, self._loading.result()
        lines = await asyncio.get_running_loop().run_in_executor(self._generating, surprise, text, engine)
        mean = bits_per_byte(lines)
        ranked = sorted((each for each in lines if each.text.strip()), key=lambda each: -each.bits_per_byte)
        shown = [
            {"line": each.line, "text": each.text, "bits": each.bits, "bitsPerByte": each.bits_per_byte}
            for each in ranked
        ]
        return {"bitsPerByte": mean, "perplexity": 2**mean, "lines": shown}

    async def answer(self, params: Requested) -> Answer:
        """Ask the policy, on the engine's thread; a newer request of the same kind in the same document wins.

        Never raises because a suggestion failed: it logs. Cancellation stops the engine and goes on upwards.
        """
        started = time.perf_counter()
        computed, found = False, Answer(reason=Reason.FAILED)
        stop = threading.Event()
        key = (type(params), params.text_document.uri)
        if stale := self._newest.get(key):
            stale.set()
        self._newest[key] = stop
        try:
            if self.state()[0] in ("failed", "loading", "snoozed"):
                found = Answer(reason=Reason(self.state()[0]))
            else:
                computed, found = await self._reuse_or_compute(params, stop)
        except Exception:
            logger.exception("no suggestion")
        finally:
            stop.set()
            if self._newest.get(key) is stop:
                del self._newest[key]
        milliseconds = 1000 * (time.perf_counter() - started)
        self.statistics.answered(found, milliseconds, computed)
        shown, how = found.reason or "shown", "computed" if computed else "reused"
        logger.info("completed in %.0f ms: %s, %s", milliseconds, shown, how)
        if computed:
            self.tell_status()
        return found

    async def _reuse_or_compute(self, params: Requested, stop: threading.Event) -> tuple[bool, Answer]:
        uri, place = params.text_document.uri, self.place(params)
        if (last := self._answers.get(uri)) and (same := reuse(*last, place)):
            return False, same
        if not place.explicit and self.settings.debounce:
            await asyncio.sleep(self.settings.debounce / 1000)
            if stop.is_set():
                return False, Answer(reason=Reason.CANCELLED)
        if (last := self._answers.get(uri)) and (same := reuse(*last, place)):  # popup and ghost text ask together
            return False, same
        assert self._loading is not None
        arguments = (place, self.settings, self._loading.result(), within(TIME_BUDGET, stop.is_set))
        found = await asyncio.get_running_loop().run_in_executor(self._generating, complete, *arguments)
        if self.settings.log:
            self._save(place, found)
        if found.reason != Reason.CANCELLED:
            self._answers[uri] = (place, found)
        elif not stop.is_set():
            found = Answer(reason=Reason.TIMED_OUT, detail=f"after {1000 * TIME_BUDGET:.0f} ms")
        return True, found

    def _save(self, place: Place, answer: Answer) -> None:
        try:
            save(Path(self.settings.log).expanduser(), place, self.settings, answer)
        except OSError as error:
            problem = f"lineahead.log: expected a file that can be written; {error}; nothing is saved"
            logger.error("%s", problem)
            if problem not in self._problems:
                self._problems.add(problem)
                self.tell(f"Lineahead: {problem}", types.MessageType.Warning)


def _in_background(load: Callable[[], Engine]) -> "Future[Engine]":
    """Run on a daemon thread, which, unlike an executor's, does not hold up the end of the process."""
    future: Future[Engine] = Future()
    future.set_running_or_notify_cancel()  # from here on it cannot be cancelled

    def run() -> None:
        try:
            future.set_result(load())
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=run, name="load", daemon=True).start()
    return future
