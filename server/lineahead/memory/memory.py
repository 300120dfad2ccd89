"""The person's own code as memory: which tokens followed the same tokens in this file, the open ones and the project.

A model of this size has seen none of a person's names, but their code repeats itself. Source of the idea: cache
language models (Kuhn and De Mori, 1990), for code Hellendoorn and Devanbu (2017).
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import PurePath
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lineahead.engine.engine import Recall
from lineahead.engine.vocabulary import Vocabulary
from lineahead.memory.mixture import DEFAULT, Context, Gate, context, mix
from lineahead.memory.ngrams import NGrams
from lineahead.place import Place

MOST_CHARACTERS = 6_000_000  # of all texts together: about fifteen bytes of memory each
FULL = 0.95  # of that, and reading a project stops
MOST_OF_ITSELF = 200_000  # characters before and after the cursor
MOST_ENCODED = 2_000_000  # characters of the paragraphs whose tokens are kept: some are whole tables
PARAGRAPH = re.compile(r"(?<=[^\n])(?=\n\n)")  # no token spans the two sides of a line end


class Memory(Protocol):
    """What is known beyond the model."""

    def recall(self, place: Place, vocabulary: Vocabulary) -> Recall | None:
        """What this code says about the next token at a place; None if it never says anything."""
        ...

    def knows(self, word: str) -> bool:
        """Whether a word stands in any of the texts."""
        ...


class NoMemory:
    """What a person who switched the memory off has."""

    def recall(self, _place: Place, _vocabulary: Vocabulary) -> None:
        """Nothing is known."""

    def knows(self, _word: str) -> bool:
        """No word is known."""
        return False


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

    def near(self, name: str) -> NDArray[np.bool_]:
        """Which of the texts, in their order, are in the same folder as one of this name."""
        folder = str(PurePath(name).parent)
        return np.array([str(PurePath(other).parent) == folder for other in self.texts], dtype=bool)


class ProjectMemory:
    """Texts by name; safe to use from several threads."""

    def __init__(self, gate: Gate = DEFAULT) -> None:
        self.gate = gate
        """How much it is trusted: the model's own."""
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._characters = 0
        self._lock, self._indexing = threading.Lock(), threading.Lock()
        self._encoder: Encoder | None = None
        self._index: Index | None = None
        self._own: list[tuple[Vocabulary, str, str, NGrams]] = []  # of the line asked about, and the one ahead

    def remember(self, name: str, text: str) -> None:
        """Keep a text under a name, instead of the one before; the oldest ones go where there are too many.

        It is recalled from after the next `index`.
        """
        text = text.replace("\r\n", "\n")
        with self._lock:
            self._characters += len(text) - len(self._texts.pop(name, ""))
            self._texts[name] = text
            while self._characters > MOST_CHARACTERS:
                self._characters -= len(self._texts.popitem(last=False)[1])

    def forget(self, name: str) -> bool:
        """Drop a text, at once; returns whether it was there."""
        with self._lock:
            known = name in self._texts
            self._characters -= len(self._texts.pop(name, ""))
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
        return self._all()

    def tokens(self, text: str, vocabulary: Vocabulary | None) -> int:
        """How many tokens a text has; 0 without a vocabulary."""
        return len(self._encoder_of(vocabulary).document(text)) if vocabulary else 0

    @property
    def is_full(self) -> bool:
        """Whether another text would push an older one out."""
        return self._characters > MOST_CHARACTERS * FULL

    def __len__(self) -> int:
        return len(self._texts)

    def _all(self) -> list[tuple[str, str]]:
        with self._lock:
            return list(reversed(self._texts.items()))

    def knows(self, word: str) -> bool:
        """See `Memory.knows`."""
        whole = re.compile(rf"\b{re.escape(word)}\b")
        return any(word in text and whole.search(text) for _, text in self._all())

    def index(self, vocabulary: Vocabulary) -> None:
        """Let `recall` know what is remembered now. A megabyte of new text takes half a second, known text little."""
        with self._indexing:
            encoder, known = self._encoder_of(vocabulary), self._index
            kept = known if known and known.vocabulary is vocabulary else None
            texts: dict[str, tuple[str, range]] = {}
            pieces: list[NDArray[np.int32]] = []
            length = 0
            for name, text in self._all():
                before, span = kept.texts.get(name, ("", range(0))) if kept else ("", range(0))
                same = kept and before == text
                tokens = kept.ngrams.tokens[span.start : span.stop] if kept and same else encoder.document(text)
                texts[name] = text, range(length, length + len(tokens))
                pieces.append(tokens)
                length += len(tokens)
            index = Index(vocabulary, NGrams(pieces, len(vocabulary.token_bytes)), texts)
            with self._lock:
                for name in texts.keys() - self._texts.keys():  # forgotten meanwhile
                    _, span = texts[name]
                    index.ngrams.forget(range(span.start, span.stop + 1))
                self._index = index

    def recall(self, place: Place, vocabulary: Vocabulary) -> Recall:
        """See `Memory.recall`."""
        contexts, gate = self.contexts(place, vocabulary), self.gate
        return lambda tokens, prediction: mix(contexts(tokens), gate, prediction)

    def contexts(self, place: Place, vocabulary: Vocabulary) -> Callable[[Sequence[int]], Iterator[Context]]:
        """What followed given tokens elsewhere in the project, in this folder and in this file, by length."""
        index, own = self._index, self._around(place, vocabulary)
        known = index if index and index.vocabulary is vocabulary else None
        skipped = range(0)
        if known and place.path in known.texts:
            _, span = known.texts[place.path]
            skipped = range(span.start, span.stop + 1)  # what comes after it follows only there
        near = known.near(place.path) if known else np.zeros(0, dtype=bool)

        def contexts(tokens: Sequence[int]) -> Iterator[Context]:
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
        before = (place.context + place.before[-MOST_OF_ITSELF:]).rstrip(
            "\r\n"
        )  # or a line end would end at the cursor
        after = place.after[:MOST_OF_ITSELF]
        for known in self._own:
            if known[:3] == (vocabulary, before, after):
                return known[3]
        encoder = self._encoder_of(vocabulary)
        pieces = [encoder.document(after), encoder.document(before)]  # what ends at the cursor has no follower
        own = NGrams(pieces, len(vocabulary.token_bytes))
        self._own = [(vocabulary, before, after, own), *self._own[:1]]
        return own

    def _encoder_of(self, vocabulary: Vocabulary) -> "Encoder":
        encoder = self._encoder
        if encoder is None or encoder.vocabulary is not vocabulary:
            self._encoder = encoder = Encoder(vocabulary)
        return encoder


class Encoder:
    """Text → tokens by paragraphs, which are kept: a change costs no more than its own."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._known: OrderedDict[str, NDArray[np.int32]] = OrderedDict()  # by paragraph, the latest ones last
        self._size = 0  # of these paragraphs, in characters
        self._lock = threading.Lock()

    def document(self, text: str) -> NDArray[np.int32]:
        """The tokens of a text, behind the one that starts a document."""
        start = self.vocabulary.document_start
        text = text.replace("\r\n", "\n").encode(errors="replace").decode()
        first = np.array([] if start is None else [start], dtype=np.int32)
        return np.concatenate((first, *map(self._paragraph, PARAGRAPH.split(text))))

    def _paragraph(self, text: str) -> NDArray[np.int32]:
        with self._lock:
            if (known := self._known.pop(text, None)) is not None:
                self._known[text] = known
                return known
        tokens = np.array(self.vocabulary.encode(text), dtype=np.int32)
        with self._lock:
            self._size += len(text) if text not in self._known else 0
            self._known[text] = tokens
            while self._size > MOST_ENCODED:
                oldest, _ = self._known.popitem(last=False)
                self._size -= len(oldest)
        return tokens
