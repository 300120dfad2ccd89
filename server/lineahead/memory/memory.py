"""The person's own code as memory: which tokens followed the same tokens in this file, the open ones and the project.

A model of this size has seen none of a person's names, but their code repeats itself. Source of the idea: cache
language models (Kuhn and De Mori, 1990), for code Hellendoorn and Devanbu (2017).
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lineahead.engine.engine import Recall
from lineahead.engine.vocabulary import Vocabulary
from lineahead.memory.ngrams import Followers, Mixture, NGrams
from lineahead.place import Place

MOST_CHARACTERS = 6_000_000  # of all texts together: about fifteen bytes of memory each
FULL = 0.95  # of that, and reading a project stops
MOST_OF_ITSELF = 200_000  # characters before and after the cursor
MOST_PARAGRAPHS = 4_000  # whose tokens are kept
PARAGRAPH = re.compile(r"(?<=[^\n])(?=\n\n)")  # no token spans the two sides of a line end

# How much it takes to trust a context of 1, 2, 3, 5, 8, 12 tokens (`Mixture.add`), fitted on twisted and moto by
# `python tests/benchmarks/memory.py --fit`; the file at hand is asked after the project, and trusted sooner.
PROJECT_DOUBTS = (225.0, 22.5, 14.1, 4.2, 3.2, 1.3)
FILE_DOUBTS = (15.4, 7.7, 7.4, 3.9, 3.3, 1.9)


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


class ProjectMemory:
    """Texts by name; safe to use from several threads."""

    def __init__(self) -> None:
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
                self._index.ngrams.forget(
                    range(tokens.start, tokens.stop + 1)
                )  # what comes after it follows only there
        return known

    def names(self) -> list[str]:
        """The names of all texts."""
        with self._lock:
            return list(self._texts)

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
        """See `Memory.recall`: first the project without this file, then the text around the cursor's line."""
        followers = self.followers(place, vocabulary)

        def recall(tokens: Sequence[int]) -> tuple[float, NDArray[np.float32]]:
            mixture = Mixture(len(vocabulary.token_bytes))
            for behind, doubts in zip(followers(tokens), (PROJECT_DOUBTS, FILE_DOUBTS), strict=True):
                mixture.add(behind, doubts)
            return mixture.share, mixture.gained

        return recall

    def followers(self, place: Place, vocabulary: Vocabulary) -> Callable[[Sequence[int]], tuple[Followers, Followers]]:
        """What followed given tokens in the project, and in the text around the line of a place."""
        index, own = self._index, self._around(place, vocabulary)
        known = index if index and index.vocabulary is vocabulary else None
        skipped = range(0)
        if known and place.path in known.texts:
            _, span = known.texts[place.path]
            skipped = range(span.start, span.stop + 1)  # what comes after it follows only there
        return lambda tokens: (known.ngrams.followers(tokens, skipped) if known else [], own.followers(tokens))

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
        self._paragraph = lru_cache(MOST_PARAGRAPHS)(self._encode)

    def document(self, text: str) -> NDArray[np.int32]:
        """The tokens of a text, behind the one that starts a document."""
        start = self.vocabulary.document_start
        text = text.replace("\r\n", "\n").encode(errors="replace").decode()
        first = np.array([] if start is None else [start], dtype=np.int32)
        return np.concatenate((first, *map(self._paragraph, PARAGRAPH.split(text))))

    def _encode(self, text: str) -> NDArray[np.int32]:
        return np.array(self.vocabulary.encode(text), dtype=np.int32)
