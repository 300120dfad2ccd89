"""The person's own code as memory: which tokens followed the same tokens in this file, the open ones and the project.

A model of this size has seen none of a person's names, but their code repeats itself. Source of the idea: cache
language models (Kuhn and De Mori, 1990), for code Hellendoorn and Devanbu (2017).
"""

import re
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import PurePath
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lineahead.engine.engine import Recall
from lineahead.engine.vocabulary import Vocabulary
from lineahead.memory.encoder import Encoder
from lineahead.memory.lines import Line, lines
from lineahead.memory.mixture import DEFAULT, Context, Gate, context, mix
from lineahead.memory.modules import exports
from lineahead.memory.ngrams import LENGTHS, NGrams
from lineahead.place import MOST_OF_A_WORD, Place

MOST_CHARACTERS = 6_000_000  # of all texts together: about fifteen bytes of memory each
FULL = 0.95  # of that, and reading a project stops
MOST_EDITED = 8  # texts that the person works on together: as near as those of the same folder
MOST_OF_ITSELF = 200_000  # characters before and after the cursor
TAIL = re.compile(r"""\w*[\s)\]}:,"']*\Z""")


class Memory(Protocol):
    """What is known beyond the model."""

    def recall(self, place: Place, vocabulary: Vocabulary) -> Recall | None:
        """What this code says about the next token at a place; None if it never says anything."""
        ...

    def lines(self, place: Place, vocabulary: Vocabulary, context: Sequence[int], required: bytes) -> list[Line]:
        """The lines that stood behind the same tokens before, as `lines` finds them."""
        ...

    def knows(self, word: str) -> bool:
        """Whether a word stands in any of the texts."""
        ...

    def exports(self, module: str, importer: str) -> frozenset[str] | None:
        """The names that `from MODULE import …` finds in a file of this path; None where that is not known."""
        ...


class NoMemory:
    """What a person who switched the memory off has."""

    def recall(self, _place: Place, _vocabulary: Vocabulary) -> None:
        """Nothing is known."""

    def lines(self, *_: object) -> list[Line]:
        """No line is known."""
        return []

    def knows(self, _word: str) -> bool:
        """No word is known."""
        return False

    def exports(self, _module: str, _importer: str) -> frozenset[str] | None:
        """No module is known."""
        return None


NO_MEMORY = NoMemory()


@dataclass(frozen=True)
class Index:
    """The tokens of all texts, one text after the other."""

    vocabulary: Vocabulary
    ngrams: NGrams
    texts: dict[str, tuple[str, range]]
    """The text of a name as it was then, and which tokens are its own."""

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Where each text begins, in their order."""
        return np.array([span.start for _, span in self.texts.values()], dtype=np.int64)

    def own(self, name: str) -> range:
        """The tokens of a text and the one behind, which follows only there."""
        if name not in self.texts:
            return range(0)
        _, span = self.texts[name]
        return range(span.start, span.stop + 1)

    def forget(self, name: str, characters: range) -> None:
        """Let what stands in this part of a text be found no more."""
        text, span = self.texts[name]
        lengths = [len(self.vocabulary.token_bytes[token]) for token in self.ngrams.tokens[span.start : span.stop]]
        ends = np.cumsum(lengths, dtype=np.int64)
        first, last = (len(text[:end].encode(errors="replace")) for end in (characters.start, characters.stop))
        start, stop = np.searchsorted(ends, first, side="right"), np.searchsorted(ends, last, side="left") + 1
        self.ngrams.forget(range(span.start + int(start), span.start + int(stop)))

    def near(self, name: str, edited: Collection[str]) -> NDArray[np.bool_]:
        """Which of the texts, in their order, are in the same folder as one of this name, or were edited lately."""
        folder = str(PurePath(name).parent)
        near = [other in edited or str(PurePath(other).parent) == folder for other in self.texts]
        return np.array(near, dtype=bool)


class ProjectMemory:
    """Texts by name; safe to use from several threads."""

    def __init__(self, gate: Gate = DEFAULT) -> None:
        self.gate = gate
        """How much it is trusted: the model's own."""
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._unfinished: dict[str, range] = {}  # characters of some texts, which may yet become others
        self._edited: deque[str] = deque(maxlen=MOST_EDITED)
        self._characters = 0
        self._lock, self._indexing = threading.Lock(), threading.Lock()
        self._encoder: Encoder | None = None
        self._index: Index | None = None
        self._own: list[tuple[Vocabulary, str, str, NGrams]] = []  # of the line asked about, and the one ahead

    def remember(self, name: str, text: str, written: int | None = None) -> None:
        """Keep a text under a name, instead of the one before; the oldest ones go where there are too many.

        It is recalled from after the next `index`. The line of number `written` is being written: it may end in half a
        word, and elsewhere it need not end there.
        """
        text = text.replace("\r\n", "\n")
        with self._lock:
            self._unfinished.pop(name, None)
            if written is not None:
                self._unfinished[name] = unfinished(text, written)
            self._characters += len(text) - len(self._texts.pop(name, ""))
            self._texts[name] = text
            while self._characters > MOST_CHARACTERS:
                oldest, removed = self._texts.popitem(last=False)
                self._characters -= len(removed)
                self._unfinished.pop(oldest, None)

    def edits(self, name: str) -> None:
        """Note that a person edits the text of this name."""
        with self._lock:
            if name in self._edited:
                self._edited.remove(name)
            self._edited.append(name)

    def forget(self, name: str) -> bool:
        """Drop a text, at once; returns whether it was there."""
        with self._lock:
            known = name in self._texts
            self._characters -= len(self._texts.pop(name, ""))
            self._unfinished.pop(name, None)
            if self._index and name in self._index.texts:
                _, tokens = self._index.texts[name]
                # What comes after it follows only there.
                self._index.ngrams.forget(range(tokens.start, tokens.stop + 1))
        return known

    def names(self) -> list[str]:
        """The names of all texts."""
        with self._lock:
            return list(self._texts)

    def texts(self) -> list[tuple[str, str]]:
        """All texts by name, the latest ones first."""
        with self._lock:
            return list(reversed(self._texts.items()))

    def tokens(self, text: str, vocabulary: Vocabulary | None) -> int:
        """How many tokens a text has; 0 without a vocabulary."""
        return len(self._encoder_of(vocabulary).document(text)) if vocabulary else 0

    @property
    def is_full(self) -> bool:
        """Whether another text would push an older one out."""
        return self._characters > MOST_CHARACTERS * FULL

    @property
    def size(self) -> int:
        """The characters of all texts."""
        return self._characters

    def __len__(self) -> int:
        return len(self._texts)

    def knows(self, word: str) -> bool:
        """See `Memory.knows`."""
        whole = re.compile(rf"\b{re.escape(word)}\b")
        return any(word in text and whole.search(text) for _, text in self.texts())

    def exports(self, module: str, importer: str) -> frozenset[str] | None:
        """See `Memory.exports`."""
        with self._lock:
            texts = dict(self._texts)
        return exports(module, importer, texts, texts.__getitem__)

    def index(self, vocabulary: Vocabulary) -> None:
        """Let `recall` know what is remembered now. A megabyte of new text takes half a second, known text little."""
        with self._indexing:
            encoder, known = self._encoder_of(vocabulary), self._index
            kept = known if known and known.vocabulary is vocabulary else None
            texts: dict[str, tuple[str, range]] = {}
            pieces: list[NDArray[np.int32]] = []
            length = 0
            with self._lock:
                now, unfinished = list(reversed(self._texts.items())), dict(self._unfinished)
            for name, text in now:
                before, span = kept.texts.get(name, ("", range(0))) if kept else ("", range(0))
                same = kept and before == text
                tokens = kept.ngrams.tokens[span.start : span.stop] if kept and same else encoder.document(text)
                texts[name] = text, range(length, length + len(tokens))
                pieces.append(tokens)
                length += len(tokens)
            index = Index(vocabulary, NGrams(pieces, len(vocabulary.token_bytes)), texts)
            for name, characters in unfinished.items():
                index.forget(name, characters)
            with self._lock:
                for name in texts.keys() - self._texts.keys():  # forgotten meanwhile
                    _, span = texts[name]
                    index.ngrams.forget(range(span.start, span.stop + 1))
                self._index = index

    def recall(self, place: Place, vocabulary: Vocabulary) -> Recall:
        """See `Memory.recall`."""
        contexts, gate = self.contexts(place, vocabulary), self.gate
        return lambda tokens, prediction: mix(contexts(tokens), gate, prediction)

    def lines(self, place: Place, vocabulary: Vocabulary, context: Sequence[int], required: bytes) -> list[Line]:
        """See `Memory.lines`."""
        index, own = self._index, self._around(place, vocabulary)
        sources = [(own, range(0))]
        if index and index.vocabulary is vocabulary:
            sources.append((index.ngrams, index.own(place.path)))
        return lines(sources, vocabulary.without_mark(context, LENGTHS[-1]), required, vocabulary)

    def contexts(self, place: Place, vocabulary: Vocabulary) -> Callable[[Sequence[int]], Iterator[Context]]:
        """What followed given tokens elsewhere in the project, nearby and in this file, by length."""
        index, own = self._index, self._around(place, vocabulary)
        known = index if index and index.vocabulary is vocabulary else None
        skipped = known.own(place.path) if known else range(0)
        near = known.near(place.path, list(self._edited)) if known else np.zeros(0, dtype=bool)

        def contexts(tokens: Sequence[int]) -> Iterator[Context]:
            tokens = vocabulary.without_mark(tokens, LENGTHS[-1])
            elsewhere = known.ngrams.matches(tokens, skipped) if known else ()
            for project, file in zip_longest(elsewhere, own.matches(tokens)):
                if known and project:
                    followers = known.ngrams.tokens[project.positions]
                    here = near[np.searchsorted(known.starts, project.positions, side="right") - 1]
                    for source, part in ((0, followers[~here]), (1, followers[here])):
                        if len(part):
                            yield context(source, project.length, part, project.scale)
                if file:
                    yield context(2, file.length, own.tokens[file.positions], file.scale)

        return contexts

    def _around(self, place: Place, vocabulary: Vocabulary) -> NGrams:
        """The text before and after the cursor's line, which stays the same while that line is typed."""
        before = place.context + place.before[-MOST_OF_ITSELF:]
        before = before.rstrip("\r\n")  # or a line end would end at the cursor
        after = place.after[:MOST_OF_ITSELF]
        for known in self._own:
            if known[:3] == (vocabulary, before, after):
                return known[3]
        encoder = self._encoder_of(vocabulary)
        pieces = [encoder.document(after), encoder.document(before)]  # what ends at the cursor has no follower
        own = NGrams(pieces, len(vocabulary.token_bytes))
        self._own = [(vocabulary, before, after, own), *self._own[:1]]
        return own

    def _encoder_of(self, vocabulary: Vocabulary) -> Encoder:
        encoder = self._encoder
        if encoder is None or encoder.vocabulary is not vocabulary:
            self._encoder = encoder = Encoder(vocabulary)
        return encoder


def unfinished(text: str, line: int) -> range:
    """The characters at the end of a line that may yet become others: its last word, closers, and the line's end.

    >>> unfinished("import os\\nprint(os.path.ex)\\n", 1)
    range(24, 28)
    """
    start = 0
    for _ in range(line):
        start = text.find("\n", start) + 1
        if not start:
            return range(0)
    end = text.find("\n", start) + 1 or len(text)
    tail = TAIL.search(text, max(start, end - MOST_OF_A_WORD), end)
    return range(tail.start(), end) if tail and text[start:end].strip() else range(0)
