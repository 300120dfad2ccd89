"""LSP ↔ policy: register, map positions, cancel, load in the background. Nothing else."""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import version

from lsprotocol import types
from pygls.exceptions import PyglsError
from pygls.lsp.server import LanguageServer
from pygls.workspace import PositionCodec

from server.engine import Engine, within
from server.errors import ModelError
from server.policy import Suggestion, complete_line

logger = logging.getLogger(__name__)

TIME_BUDGET = 2.0  # seconds; who waits longer has typed on
READY = "Lineahead: ready"  # logged to the client once the model is there
PROGRESS_TOKEN = "lineahead/loading"
Requested = types.CompletionParams | types.InlineCompletionParams


class LineaheadServer(LanguageServer):
    """pygls's server and what lives across requests: the engine, its one thread, the newest request of each kind."""

    def __init__(self, load: Callable[[], Engine]) -> None:
        super().__init__("lineahead", version("lineahead"))
        self._load = load
        self._loading: Future[Engine] | None = None
        self._generating = ThreadPoolExecutor(max_workers=1, thread_name_prefix="generate")
        self._newest: dict[tuple[type[Requested], str], threading.Event] = {}

    @property
    def is_loading(self) -> bool:
        """Whether the model is still on its way."""
        return self._loading is not None and not self._loading.done()

    async def load(self) -> None:
        """Load the model on a thread of its own, and tell the person if that fails."""
        self._loading = _in_background(self._load)
        progress = asyncio.create_task(self._show_progress(self._loading))
        try:
            await asyncio.wrap_future(self._loading)
            logger.info(READY)
            self.window_log_message(types.LogMessageParams(types.MessageType.Info, READY))
        except ModelError as error:
            logger.error("%s", error)
            self._tell(f"Lineahead has no model, and suggests nothing: {error}")
        except Exception as error:
            logger.exception("the model cannot be loaded")
            self._tell(f"Lineahead has no model, and suggests nothing: loading it failed ({error!r}).")
        await progress

    def _tell(self, message: str) -> None:
        self.window_show_message(types.ShowMessageParams(types.MessageType.Error, message))

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

    async def suggest(self, params: Requested) -> Suggestion | None:
        """Ask the policy, on the engine's thread; a newer request of the same kind in the same document wins.

        Never raises because a suggestion failed: it logs. Cancellation stops the engine and goes on upwards.
        """
        if self._loading is None or not self._loading.done() or self._loading.exception():
            return None
        stop = threading.Event()
        key = (type(params), params.text_document.uri)
        if stale := self._newest.get(key):
            stale.set()
        self._newest[key] = stop
        try:
            document = self.workspace.get_text_document(params.text_document.uri)
            text = document.source
            offset = min(document.offset_at_position(params.position), len(text))
            arguments = (text, offset, self._loading.result(), within(TIME_BUDGET, stop.is_set))
            return await asyncio.get_running_loop().run_in_executor(self._generating, complete_line, *arguments)
        except Exception:
            logger.exception("no suggestion")
            return None
        finally:
            stop.set()
            if self._newest.get(key) is stop:
                del self._newest[key]


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


def create_server(load: Callable[[], Engine]) -> LineaheadServer:
    """A server that loads its engine with `load` once a client is there."""
    server = LineaheadServer(load)

    @server.feature(types.INITIALIZED)
    async def initialized(ls: LineaheadServer, _params: types.InitializedParams) -> None:
        await ls.load()

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=["."]))
    async def completion(ls: LineaheadServer, params: types.CompletionParams) -> types.CompletionList:
        suggestion = await ls.suggest(params)
        items = [completion_item(suggestion, params.position, ls.workspace.position_codec)] if suggestion else []
        # Incomplete: another character may mean another line, so that the client asks again.
        return types.CompletionList(is_incomplete=True, items=items)

    # Without the options pygls announces nothing.
    @server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
    async def inline_completion(
        ls: LineaheadServer, params: types.InlineCompletionParams
    ) -> types.InlineCompletionList:
        suggestion = await ls.suggest(params)
        here = types.Range(params.position, params.position)
        items = [types.InlineCompletionItem(suggestion.text, range=here)] if suggestion else []
        return types.InlineCompletionList(items)

    return server


def completion_item(suggestion: Suggestion, cursor: types.Position, codec: PositionCodec) -> types.CompletionItem:
    """An item that replaces the word at the cursor by itself and the suggestion: clients filter by that word."""
    start = types.Position(cursor.line, cursor.character - codec.client_num_units(suggestion.word))
    text = suggestion.word + suggestion.text
    return types.CompletionItem(
        label=text.strip(),
        kind=types.CompletionItemKind.Text,
        detail="lineahead",
        filter_text=text,
        text_edit=types.TextEdit(types.Range(start, cursor), text),
    )
