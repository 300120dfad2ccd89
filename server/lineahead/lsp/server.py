"""What lives across requests: settings, the engine, the project, the newest answers, the numbers."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams

from lineahead import settings
from lineahead.engine.engine import Engine
from lineahead.engine.errors import ModelError
from lineahead.engine.open import BUNDLED_MODEL
from lineahead.lsp import requests
from lineahead.lsp.answers import Answers
from lineahead.lsp.background import Background, show_progress
from lineahead.lsp.project import Project
from lineahead.lsp.pygls_mended import Protocol, Server
from lineahead.lsp.requests import Asked, Completion, key_of
from lineahead.lsp.scoped import ScopedSettings
from lineahead.lsp.showing import Showing
from lineahead.lsp.state import State
from lineahead.lsp.statistics import Statistics
from lineahead.memory import mixture
from lineahead.place import Place
from lineahead.reasons import Reason
from lineahead.suggest import judgement
from lineahead.suggest.policy import Answer
from lineahead.suggest.surprise import Line, report, surprise

logger = logging.getLogger(__name__)

READY = "Lineahead: ready"  # logged to the client once the model is there
STATUS = "lineahead/status"
NOTEBOOKS = types.NotebookDocumentSyncOptions(
    [types.NotebookDocumentFilterWithCells(cells=[types.NotebookCellLanguage("python")])]
)
MOST_CHARACTERS = 1_000_000  # of a document that is looked at for surprises: some minutes
NOTHING_ASKED = Asked(Place("", 0), types.Range(types.Position(0, 0), types.Position(0, 0)))
SILENT = {State.LOADING: Reason.LOADING, State.FAILED: Reason.FAILED, State.SNOOZED: Reason.SNOOZED}
Load = Callable[[str], Engine]
"""Opens the engine in a folder, the default one for ""."""


class LineaheadServer(Server):
    """A language server and what lives across its requests."""

    def __init__(self, load: Load, default_model: Path = BUNDLED_MODEL) -> None:
        super().__init__("lineahead", version("lineahead"), protocol_cls=Protocol, notebook_document_sync=NOTEBOOKS)
        self._load, self._default_model = load, default_model
        self._loader = Background("load")
        self._loading: Future[Engine] | None = None
        self._failure = ""
        self._snoozed_until = 0.0
        self._problems: set[str] = set()
        self.settings = settings.Settings()
        self.fixed: dict[str, Any] = {}
        """Settings that no client changes."""
        self.statistics = Statistics()
        self.showing = Showing()
        self.scoped = ScopedSettings(self, self._read_scoped)
        self.asked_last: Completion | None = None
        """The last request for a suggestion."""
        self.project = Project(
            self,
            vocabulary=lambda: self._engine.vocabulary if self._has_engine else None,
            is_enabled=lambda language: self.settings.is_enabled(language),
            forgotten=lambda: self._answers.clear(),
        )
        self._answers = Answers(self.project, self.tell_problem)

    @property
    def is_loading(self) -> bool:
        """Whether the model is still on its way."""
        return self._loading is not None and not self._loading.done()

    def stop_work(self) -> bool:
        """Stop what is being computed; returns whether something is left that nothing can interrupt."""
        return not self._answers.stop() or self.is_loading

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
        self._answers.clear()
        folder = self.settings.model
        self._loading = loading = self._loader.submit(lambda: self._load(folder))
        self.tell_status()
        progress = asyncio.create_task(show_progress(self, loading, "loading the model"))
        try:
            await asyncio.wrap_future(loading)
            model = Path(folder).expanduser() if folder else self._default_model
            gate, problem = mixture.read(model)
            self._answers.judgement, another = judgement.read(model)
            for told in filter(None, (problem, another)):
                self.tell_problem(told)
            self.project.trust(gate)
            self.project.index()  # what was read before belongs to another model
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

    def read_settings(self, raw: object) -> None:
        """Take a client's settings, and report each bad one once."""
        before = self.settings
        changed, problems = settings.read(raw)
        self.settings = replace(changed, **self.fixed)
        self.statistics.on = self.settings.statistics != "off"
        for problem in problems:
            self.tell_problem(problem)
        if self.settings != before:
            self.scoped.clear()
            self._answers.clear()

    def _read_scoped(self, raw: object) -> settings.Settings:
        """Settings of one document: what holds for all of them is not its own to say."""
        scoped, problems = settings.read(raw)
        for problem in problems:
            self.tell_problem(problem)
        return replace(scoped, **{name: getattr(self.settings, name) for name in settings.GENERAL})

    def settings_of(self, uri: str) -> settings.Settings:
        """The settings that hold for a document."""
        return self.scoped.of(uri) or self.settings

    async def ask_for_settings(self, uris: list[str] | None = None) -> None:
        """Ask the client for the settings of some documents, or of all that are open."""
        opened = [document.uri for document in self.workspace.text_documents.values()]
        await self.scoped.ask(opened if uris is None else uris)
        for uri in opened if uris is None else uris:
            self._answers.forget(uri)

    async def change_settings(self, raw: object) -> None:
        """Take a client's settings while running: load another model, read or forget the project."""
        model = self.settings.model
        self.read_settings(raw)
        unread = self.project.switch(self.settings.memory, self.settings.exclude)
        if self.settings.model != model:
            await self.load()
        else:
            self.tell_status()
        await self.ask_for_settings()
        if unread:
            await self.project.read()

    async def candidates(self, params: types.InlineCompletionParams) -> list[dict[str, object]]:
        """The rest of the line as one would get it by asking, however unsure: texts and their probabilities."""
        asked = requests.read(self.workspace, params)
        state, _ = self.state()
        if asked is None or state in SILENT:
            return []
        _, answer = await self._answers.answer(
            "candidates", params.text_document.uri, asked, self.settings_of(params.text_document.uri), self._engine
        )
        return [{"text": shown.text, "confidence": round(shown.confidence, 4)} for shown in answer.suggestions]

    def snooze(self, minutes: float) -> None:
        """Be silent for so many minutes; 0 ends that."""
        self._snoozed_until = time.monotonic() + 60 * minutes if minutes else 0.0
        self.tell_status()

    def state(self) -> tuple[State, str]:
        """The state, and what to tell a person about it."""
        if self._failure:
            return State.FAILED, self._failure
        if self._loading is None or self.is_loading:
            return State.LOADING, "The model is loading."
        if time.monotonic() < self._snoozed_until:
            return State.SNOOZED, f"Silent for {(self._snoozed_until - time.monotonic()) / 60:.0f} minutes more."
        if not any(self.settings.enable.values()):
            return State.OFF, "Switched off by the setting lineahead.enable."
        return State.READY, "Suggesting while you type."

    def status(self) -> dict[str, object]:
        """What a client may show in its status bar."""
        state, message = self.state()
        times = self.statistics.milliseconds
        default = "bundled" if self._default_model == BUNDLED_MODEL else str(self._default_model)
        return {
            "state": state,
            "message": message,
            "model": self.settings.model or default,
            "milliseconds": round(times[-1], 1) if times else None,
        }

    def tell_status(self) -> None:
        """Send the status to the client."""
        self.protocol.notify(STATUS, self.status())

    def forget(self, uri: str) -> None:
        """Drop what is kept for a document."""
        self._answers.forget(uri)
        self.showing.forget(uri)
        self.scoped.forget(uri)
        self.project.closed(uri)

    async def perplexity(self, uri: str) -> dict[str, object]:
        """How surprising an open document is to the model, its most surprising lines first."""
        state, message = self.state()
        if state in (State.FAILED, State.LOADING):
            raise RuntimeError(f"Lineahead is not ready: {message}")
        document = self.workspace.text_documents.get(key_of(uri))
        if document is None:
            raise JsonRpcInvalidParams(f"lineahead.perplexity: expected a document that is open, found {uri}")
        if len(document.source) > MOST_CHARACTERS:
            raise JsonRpcInvalidParams(
                f"lineahead.perplexity: expected at most {MOST_CHARACTERS:,} characters, found {len(document.source):,}"
            )
        lines: list[Line] = []
        windows = surprise(document.source, self._engine)
        # By the window: completions come in between, and a request that is cancelled ends here.
        while more := await asyncio.wrap_future(self._answers.thread.submit(lambda: next(windows, None))):
            lines += more
        return report(lines)

    def lists(self, uri: str, context: types.CompletionContext | None) -> bool:
        """Whether a list of completions has suggestions: what is ghost text already comes only when asked for."""
        text_document = self.client_capabilities.text_document
        has_ghost_text = text_document is not None and text_document.inline_completion is not None
        match self.settings_of(uri).completion_list:
            case "whenAsked" if has_ghost_text:
                # A list that is gone on with was ours: what is not listed is never told to be incomplete.
                return context is None or context.trigger_kind != types.CompletionTriggerKind.TriggerCharacter
            case "never":
                return False
        return True

    async def answer(self, params: Completion) -> tuple[Asked, Answer]:
        """Ask the policy; returns what was asked about, too.

        Never raises because a suggestion failed: it logs.
        """
        started, self.asked_last = time.perf_counter(), params
        asked, computed, answer = NOTHING_ASKED, False, Answer(reason=Reason.FAILED)
        try:
            asked = requests.read(self.workspace, params) or NOTHING_ASKED
            state, _ = self.state()
            if state in SILENT:
                answer = Answer(reason=SILENT[state])
            elif asked is NOTHING_ASKED:
                answer = Answer(reason=Reason.NOT_OPEN)
            else:
                uri, kind = params.text_document.uri, type(params).__name__
                self.project.stands_at(uri, params.position.line)
                self.project.read_open(except_for=uri)
                scoped = self.settings_of(uri)
                computed, answer = await self._answers.answer(kind, uri, asked, scoped, self._engine)
        except Exception:
            logger.exception("no suggestion")
        milliseconds = 1000 * (time.perf_counter() - started)
        self.statistics.answered(answer, milliseconds, computed)
        shown, how = answer.reason or "shown", "computed" if computed else "reused"
        logger.info("completed in %.0f ms: %s, %s", milliseconds, shown, how)
        if computed:
            self.tell_status()
        return asked, answer
