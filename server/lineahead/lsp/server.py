"""What lives across requests: settings, the engine and its one thread, the newest answers, the numbers."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from importlib.metadata import version
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol
from pygls.workspace import TextDocument

from lineahead import settings
from lineahead.engine.engine import Engine
from lineahead.engine.errors import ModelError
from lineahead.lsp.answers import Answering
from lineahead.lsp.background import in_background, show_progress
from lineahead.lsp.project import Remembering, name_of
from lineahead.lsp.statistics import Statistics
from lineahead.place import LINE, Place
from lineahead.reasons import Reason
from lineahead.suggest.policy import Answer
from lineahead.suggest.surprise import bits_per_byte, surprise

logger = logging.getLogger(__name__)

KEPT_AFTER = 30.0  # seconds after which an accepted suggestion is looked for
READY = "Lineahead: ready"  # logged to the client once the model is there
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
        """Messages as objects; parameters may be left out."""
        if "jsonrpc" in data and "method" in data:
            data.setdefault("params", None)
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
        self._snoozed_until = 0.0
        self._problems: set[str] = set()
        self._failure = ""
        self.settings = settings.Settings()
        self.statistics = Statistics()
        self.remembering = Remembering(self, lambda: self._engine.vocabulary if self._has_engine else None)
        self.answering = Answering(self.remembering.memory, self.tell_problem)

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log what a client did wrong; pygls would put it before the person."""
        logger.error("%s: %r", getattr(source, "__name__", source), error)

    @property
    def is_loading(self) -> bool:
        """Whether the model is still on its way."""
        return self._loading is not None and not self._loading.done()

    @property
    def _has_engine(self) -> bool:
        return self._loading is not None and self._loading.done() and not self._loading.exception()

    @property
    def _engine(self) -> Engine:
        assert self._loading is not None
        return self._loading.result()

    async def load(self) -> None:
        """Load the model on a thread of its own, and tell the person if that fails."""
        self._failure = ""
        self.answering.clear()
        folder = self.settings.model
        self._loading = loading = in_background(lambda: self._load(folder))
        self.tell_status()
        progress = asyncio.create_task(show_progress(self, loading, "loading the model"))
        try:
            await asyncio.wrap_future(loading)
            if self.settings.memory:
                self.remembering.index()  # what was read before belongs to another model
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

    def tell_problem(self, problem: str) -> None:
        """Show a problem to the person, once."""
        if problem not in self._problems:
            self._problems.add(problem)
            logger.warning("%s", problem)
            self.tell(f"Lineahead: {problem}", types.MessageType.Warning)

    def read_settings(self, raw: object) -> bool:
        """Take a client's settings, report each bad one once; returns whether another model is wanted."""
        before = self.settings
        self.settings, problems = settings.read(raw)
        for problem in problems:
            self.tell_problem(problem)
        if self.settings != before:
            self.answering.clear()
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
        self.answering.forget(uri)
        if self.settings.memory:
            self.remembering.closed(uri)

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
            path=name_of(document),
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
        text = self.workspace.get_text_document(uri).source
        lines = await asyncio.get_running_loop().run_in_executor(self.answering.thread, surprise, text, self._engine)
        mean = bits_per_byte(lines)
        ranked = sorted((each for each in lines if each.text.strip()), key=lambda each: -each.bits_per_byte)
        shown = [
            {"line": each.line, "text": each.text, "bits": each.bits, "bitsPerByte": each.bits_per_byte}
            for each in ranked
        ]
        return {"bitsPerByte": mean, "perplexity": 2**mean, "lines": shown}

    async def answer(self, params: Requested) -> tuple[Place, Answer]:
        """Ask the policy; returns the place that was asked about, too.

        Never raises because a suggestion failed: it logs.
        """
        started = time.perf_counter()
        place, computed, found = Place("", 0), False, Answer(reason=Reason.FAILED)
        try:
            place = self.place(params)
            if self.state()[0] in ("failed", "loading", "snoozed"):
                found = Answer(reason=Reason(self.state()[0]))
            else:
                if self.settings.memory:
                    self.remembering.read_open(except_for=params.text_document.uri)
                uri, kind = params.text_document.uri, type(params).__name__
                computed, found = await self.answering.answer(kind, uri, place, self.settings, self._engine)
        except Exception:
            logger.exception("no suggestion")
        milliseconds = 1000 * (time.perf_counter() - started)
        self.statistics.answered(found, milliseconds, computed)
        shown, how = found.reason or "shown", "computed" if computed else "reused"
        logger.info("completed in %.0f ms: %s, %s", milliseconds, shown, how)
        if computed:
            self.tell_status()
        return place, found

    def accept(self, name: str) -> None:
        """Count an accepted suggestion, and after a while whether it is still there."""
        if offered := self.statistics.accept(name):

            def look_again() -> None:
                if offered.document in self.workspace.text_documents:
                    self.statistics.kept += offered.line in self.workspace.text_documents[offered.document].source

            asyncio.get_running_loop().call_later(KEPT_AFTER, look_again)
