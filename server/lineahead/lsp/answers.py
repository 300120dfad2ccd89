"""Answers to requests: computed on the engine's one thread, reused, prepared ahead; a newer request wins."""

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lineahead.engine.engine import Engine, within
from lineahead.lsp.background import Background
from lineahead.lsp.project import Project
from lineahead.lsp.requests import Asked
from lineahead.place import Place
from lineahead.reasons import Reason
from lineahead.settings import Settings
from lineahead.suggest.judgement import DEFAULT
from lineahead.suggest.policy import Answer, complete
from lineahead.suggest.request_log import Recording, save
from lineahead.suggest.reuse import after_acceptance, reuse

logger = logging.getLogger(__name__)

STOP_SECONDS = 1.0  # for what is under way to notice that it is to stop
TIME_BUDGET = 2.0  # seconds; who waits longer has typed on


@dataclass(frozen=True)
class Kept:
    """An answer, and what it was computed from."""

    place: Place
    answer: Answer
    revision: int
    """The project's, before it was computed."""


class Answers:
    """The engine's thread, and the newest answers by document."""

    def __init__(self, project: Project, tell_problem: Callable[[str], None]) -> None:
        self.thread = Background("generate")
        """Everything that asks the engine runs here."""
        self.judgement = DEFAULT
        """How likely what the engine's model suggests is right."""
        self._project, self._tell_problem = project, tell_problem
        self._newest: dict[tuple[str, str], threading.Event] = {}  # by kind of request and document
        self._answers: dict[str, Kept] = {}
        self._ahead: dict[str, Kept] = {}
        self._stop_ahead = threading.Event()
        self._age = 0  # rises with what is dropped: what was begun before is not kept
        self._lock = threading.Lock()

    def forget(self, document: str) -> None:
        """Drop what is kept for a document, and what is on its way."""
        with self._lock:
            self._age += 1
            self._answers.pop(document, None)
            self._ahead.pop(document, None)

    def clear(self) -> None:
        """Drop what is kept for all documents, and what is on its way."""
        with self._lock:
            self._age += 1
            self._answers.clear()
            self._ahead.clear()

    def stop(self) -> bool:
        """Stop all that is under way, which takes no longer than a decoding step; returns whether it has stopped."""
        for stop in (self._stop_ahead, *self._newest.values()):
            stop.set()
        return self.thread.wait(STOP_SECONDS)

    async def answer(
        self, kind: str, document: str, asked: Asked, settings: Settings, engine: Engine
    ) -> tuple[bool, Answer]:
        """Whether an answer had to be computed, and the answer; cancelled as soon as a newer request comes.

        Raises what the engine raises. Cancellation of the task stops the engine and goes on upwards.
        """
        place, stop = asked.place, threading.Event()
        key = (kind, document)
        if stale := self._newest.get(key):
            stale.set()
        self._newest[key] = stop
        try:
            computed, answer = await self._reuse_or_compute(document, asked, settings, engine, stop)
        finally:
            stop.set()
            if self._newest.get(key) is stop:
                del self._newest[key]
        if answer.suggestions and computed and not place.explicit:
            following = after_acceptance(place, answer.suggestions[0])
            stop_ahead, age = self._stop_ahead, self._age
            self.thread.submit(lambda: self._prepare(document, following, settings, engine, stop_ahead, age))
        return computed, answer

    def _known(self, document: str, place: Place) -> Answer | None:
        """What is kept and still right: what a person types into stays; asked anew, the memory may know more by now."""
        for kept in (answers[document] for answers in (self._answers, self._ahead) if document in answers):
            if place == kept.place and kept.revision != self._project.revision:
                continue
            if same := reuse(kept.place, kept.answer, place):
                return same
        return None

    async def _reuse_or_compute(
        self, document: str, asked: Asked, settings: Settings, engine: Engine, stop: threading.Event
    ) -> tuple[bool, Answer]:
        place = asked.place
        if same := self._known(document, place):
            return False, same
        self._stop_ahead.set()
        self._stop_ahead = threading.Event()
        if not place.explicit and settings.debounce:
            await asyncio.sleep(settings.debounce / 1000)
            if stop.is_set():
                return False, Answer(reason=Reason.CANCELLED)
        if same := self._known(document, place):  # popup and ghost text ask together
            return False, same
        memory, judgement = self._project.memory, self.judgement
        revision, age = self._project.revision, self._age
        recording = Recording(memory) if settings.log else None
        ends, left_out = within(TIME_BUDGET, stop.is_set), self._project.left_out(asked.file)

        def compute() -> Answer:
            if reason := left_out():
                return Answer(reason=reason)
            return complete(place, settings, engine, ends, recording or memory, judgement)

        answer = await asyncio.wrap_future(self.thread.submit(compute))
        if recording:
            await self._save(place, settings, answer, recording)
        if answer.reason != Reason.CANCELLED:
            if age == self._age and answer.reason != Reason.TOO_LONG:  # which is found sooner than compared
                self._answers[document] = Kept(place, answer, revision)
        elif not stop.is_set():
            answer = Answer(reason=Reason.TIMED_OUT, detail=f"after {1000 * TIME_BUDGET:.0f} ms")
        return True, answer

    def _prepare(
        self, document: str, place: Place, settings: Settings, engine: Engine, stop: threading.Event, age: int
    ) -> None:
        """Compute what will be asked if the suggestion is accepted, while nobody asks for anything else."""
        revision = self._project.revision
        try:
            answer = complete(place, settings, engine, stop.is_set, self._project.memory, self.judgement)
            with self._lock:
                if not stop.is_set() and age == self._age:
                    self._ahead[document] = Kept(place, answer, revision)
        except Exception:
            logger.exception("nothing is prepared")

    async def _save(self, place: Place, settings: Settings, answer: Answer, recording: Recording) -> None:
        try:
            log = Path(settings.log).expanduser()
            await asyncio.to_thread(save, log, place, settings, answer, recording)
        except (OSError, RuntimeError) as error:  # RuntimeError: nobody's home folder
            self._tell_problem(f"lineahead.log: expected a file that can be written; {error}; nothing is saved")
