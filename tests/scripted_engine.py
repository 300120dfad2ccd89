"""Engines without a model: one writes a given text, one (run as a server) never comes to an end by itself.

`python tests/scripted_engine.py FOLDER` is a language server over `EndlessEngine`.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from small_models import small_tokenizer

from lineahead.engine.engine import Request, Stop, Token
from lineahead.engine.vocabulary import Vocabulary
from lineahead.lsp.handlers import create_server
from training.format import DOCUMENT_END, DOCUMENT_START

UNLIKELY = -20.0  # the log of the probability of what is not written


def small_vocabulary() -> Vocabulary:
    tokenizer = small_tokenizer()
    return Vocabulary(tokenizer.encode, tokenizer.token_bytes(), tokenizer.special(DOCUMENT_START))


class ScriptedEngine:
    """Writes `script` after whatever it is asked, spelling the required bytes first; then the document's end."""

    def __init__(self, script: str, window: int = 256) -> None:
        self._script = script
        self.context_window_size = window
        self.vocabulary = small_vocabulary()

    def stream(self, request: Request, stop: Stop) -> Iterator[Token]:
        assert request.token_ids
        end = small_tokenizer().special(DOCUMENT_END)
        assert end is not None
        again = [self.vocabulary.token_bytes.index(bytes([byte])) for byte in request.required]
        script = [*again, *self.vocabulary.encode(self._script)]
        for token in [*(request.given or script), end]:
            if stop():
                return
            yield Token(token, UNLIKELY if request.given else 0.0)

    def log_probabilities(self, token_ids: Sequence[int]) -> list[float]:
        return [-1.0] * (len(token_ids) - 1)


class EndlessEngine(ScriptedEngine):
    """Says in `folder` that it has started, waits until it is stopped, and says that it was."""

    def __init__(self, folder: Path) -> None:
        super().__init__("")
        self._folder = folder

    def stream(self, request: Request, stop: Stop) -> Iterator[Token]:
        number = len(list(self._folder.glob("started-*")))
        (self._folder / f"started-{number}").touch()
        while not stop():
            time.sleep(0.005)
        (self._folder / f"stopped-{number}").touch()
        yield from ()


if __name__ == "__main__":
    create_server(lambda _: EndlessEngine(Path(sys.argv[1]))).start_io()
