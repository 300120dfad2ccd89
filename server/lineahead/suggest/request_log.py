"""Requests on disk, for a person who switched that on: `save` one, and `ask_again` to see the same suggestions."""

import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from lineahead.engine.engine import Engine, Prediction, Recall, Recalled
from lineahead.engine.vocabulary import Vocabulary
from lineahead.memory.lines import Line
from lineahead.memory.memory import Memory
from lineahead.memory.ngrams import LENGTHS
from lineahead.place import Place
from lineahead.reasons import Reason
from lineahead.settings import Settings
from lineahead.suggest.judgement import DEFAULT, Judgement
from lineahead.suggest.policy import Answer, complete

HEADER = b'{"lineahead": "saved requests", "version": 1}\n'  # the first line: what else is there is somebody else's
END = b'{"end": "the log is full: nothing is saved any more; delete it to begin a new one"}\n'
MOST_BYTES = 50_000_000
# The person has said no to these files.
NEVER_SAVED = frozenset({Reason.OFF, Reason.SECRET_FILE, Reason.EXCLUDED, Reason.IGNORED})

Said = tuple[float, list[int], list[float]]
"""The share that stays with the model, the tokens that gained, and how much each."""


@dataclass(frozen=True)
class SavedMemory:
    """What the memory had to say to one request."""

    said: dict[str, Said]
    """By the tokens before, with blanks between."""
    known: frozenset[str]
    """Of the words that were suggested, the ones that stood in it."""
    remembered: tuple[Line, ...] = ()
    """The lines that stood there before."""
    exported: dict[str, list[str] | None] = field(default_factory=dict)
    """What the modules offered that were asked for."""

    def recall(self, _place: Place, vocabulary: Vocabulary) -> Recall:
        """What was said then; nothing where the model now writes what it did not write then."""

        def recall(tokens: Sequence[int], _: Prediction) -> Recalled:
            share, ids, gains = self.said.get(_context(tokens), (1.0, [], []))
            if max(ids, default=0) >= len(vocabulary.token_bytes):  # it is another model's
                share, ids, gains = 1.0, [], []
            return Recalled(share, np.array(ids, dtype=np.int32), np.array(gains, dtype=np.float32))

        return recall

    def lines(self, _place: Place, vocabulary: Vocabulary, _context: Sequence[int], _required: bytes) -> list[Line]:
        """The lines of then; none where they are another model's."""
        size = len(vocabulary.token_bytes)
        return [line for line in self.remembered if max(line.token_ids) < size]

    def knows(self, word: str) -> bool:
        """Whether a word was known then."""
        return word in self.known

    def exports(self, module: str, _importer: str) -> frozenset[str] | None:
        """What was offered then."""
        names = self.exported.get(module)
        return None if names is None else frozenset(names)


@dataclass(frozen=True)
class Recording:
    """A memory that notes what it said."""

    memory: Memory
    said: dict[str, Said] = field(default_factory=dict)
    remembered: list[Line] = field(default_factory=list)
    exported: dict[str, list[str] | None] = field(default_factory=dict)

    def recall(self, place: Place, vocabulary: Vocabulary) -> Recall | None:
        """See `Memory.recall`."""
        asked = self.memory.recall(place, vocabulary)
        if asked is None:
            return None

        def recall(tokens: Sequence[int], prediction: Prediction) -> Recalled:
            recalled = asked(tokens, prediction)
            self.said[_context(tokens)] = recalled.share, recalled.token_ids.tolist(), recalled.gains.tolist()
            return recalled

        return recall

    def lines(self, place: Place, vocabulary: Vocabulary, context: Sequence[int], required: bytes) -> list[Line]:
        """See `Memory.lines`."""
        self.remembered[:] = self.memory.lines(place, vocabulary, context, required)
        return list(self.remembered)

    def knows(self, word: str) -> bool:
        """See `Memory.knows`."""
        return self.memory.knows(word)

    def exports(self, module: str, importer: str) -> frozenset[str] | None:
        """See `Memory.exports`."""
        names = self.memory.exports(module, importer)
        self.exported[module] = None if names is None else sorted(names)
        return names


def _context(tokens: Sequence[int]) -> str:
    return " ".join(map(str, tokens[-LENGTHS[-1] :]))


def save(file: Path, place: Place, settings: Settings, answer: Answer, memory: Recording) -> None:
    """Append a request and its answer, as one line of JSON, to a file that this has begun, for nobody else to read.

    Files that are not completed are not saved. Raises OSError where that cannot be written, and where the log is full.
    """
    if answer.reason in NEVER_SAVED:
        return
    words = {
        word for suggestion in answer.suggestions for word in re.findall(r"\w+", suggestion.word + suggestion.text)
    }
    line = {
        "place": asdict(place),
        "settings": asdict(settings),
        "said": memory.said,
        "lines": memory.remembered,
        "exports": memory.exported,
        "known": sorted(filter(memory.knows, words)),
        "texts": [suggestion.text for suggestion in answer.suggestions],
        "reason": answer.reason,
    }
    _append(file, (json.dumps(line) + "\n").encode())


def _append(file: Path, line: bytes) -> None:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"):  # each where there is one
        flags |= getattr(os, name, 0)
    descriptor = os.open(file, flags, 0o600)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{file} is no regular file")
        size = status.st_size
        if not size:
            if hasattr(os, "fchmod"):
                os.fchmod(descriptor, 0o600)  # it was there, and empty
            line = HEADER + line
        elif os.read(descriptor, len(HEADER)) != HEADER:
            raise OSError(f"{file} has something else in it; name a new file")
        if size + len(line) > MOST_BYTES:
            os.lseek(descriptor, max(0, size - len(END)), os.SEEK_SET)
            if size and os.read(descriptor, len(END)) != END:
                os.write(descriptor, END)
            raise OSError(f"{file} is full, at {size:,} of {MOST_BYTES:,} bytes; delete it, or name another")
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


Again = tuple[Place, list[str], list[str]]
"""A place, the suggestions of then and those of now."""


def ask_again(file: Path, engine: Engine, judgement: Judgement = DEFAULT) -> Iterator[Again]:
    """Each saved place, the suggestions of then and those of now, for the engine that it was asked of.

    Requests that were cancelled are left out. Raises ValueError for a line that `save` did not write.
    """
    if not file.is_file():
        raise ValueError(f"{file}: expected a file that the setting `log` has written, found none")
    with file.open(encoding="utf-8", errors="replace") as log:
        for number, line in enumerate(log, start=1):
            if line.encode() in (HEADER, END):
                continue
            try:
                saved = json.loads(line)
                place, settings = Place(**saved["place"]), Settings(**saved["settings"])
                lines = tuple(Line(tuple(ids), *counts) for ids, *counts in saved.get("lines", ()))
                exported = dict(saved.get("exports", {}))
                memory = SavedMemory(dict(saved["said"]), frozenset(saved["known"]), lines, exported)
                then, reason = list(saved["texts"]), saved["reason"]
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                raise ValueError(f"{file}:{number}: expected a saved request, found something else ({error})") from None
            if reason not in ("cancelled", "timed-out"):
                answer = complete(place, settings, engine, memory=memory, judgement=judgement)
                yield place, then, [suggestion.text for suggestion in answer.suggestions]
