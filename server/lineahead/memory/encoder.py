"""Text → tokens, again and again: what was encoded before costs nothing."""

import re
import threading
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from lineahead.engine.vocabulary import Vocabulary

MOST_ENCODED = 2_000_000  # characters of the paragraphs whose tokens are kept: some are whole tables
PARAGRAPH = re.compile(r"(?<=[^\n])(?=\n\n)")  # no token spans the two sides of a line end


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
