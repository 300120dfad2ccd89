"""How surprising a text is to the model, line by line."""

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from lineahead.engine.engine import Engine
from training import format


@dataclass(frozen=True)
class Line:
    """One line of a text."""

    line: int
    """Counted from 0."""
    text: str
    bits: float
    """Minus the base-2 logarithm of its probability after what comes before, its indentation included."""

    @property
    def bits_per_byte(self) -> float:
        """Comparable between lines."""
        return self.bits / self.size

    @property
    def size(self) -> int:
        """Bytes, with one line break."""
        return len(self.text.encode("utf-8", errors="replace")) + 1


def surprise(text: str, engine: Engine) -> Iterator[list[Line]]:
    """The bits of each line, window by window of the model: the lines that each window completes, at least one.

    Every token has at least half a window of text before it where there is that much.
    """
    vocabulary, window = engine.vocabulary, engine.context_window_size
    clean = text.replace("\r\n", "\n").encode("utf-8", errors="replace")
    tokens = vocabulary.encode(clean.decode())
    ends = list(accumulate(len(vocabulary.token_bytes[token]) for token in tokens))
    if vocabulary.document_start is not None:
        tokens, ends = [vocabulary.document_start, *tokens], [0, *ends]
    lines = clean.decode().split("\n")
    breaks = [index for index, byte in enumerate(clean) if byte == ord("\n")]
    bits, known, start, done = [0.0] * len(lines), 1, 0, 0
    while known < len(tokens):
        scores = engine.log_probabilities(tokens[start : start + window])
        for token, log_probability in enumerate(scores[known - start - 1 :], start=known):
            # A token may hold a line break and the next line's indentation: it belongs to that line.
            piece = vocabulary.token_bytes[tokens[token]].rstrip(b"\n")
            last = ends[token - 1] + max(0, len(piece) - 1)
            bits[bisect_left(breaks, last)] -= log_probability / math.log(2)
            known = token + 1
        start += max(1, window // 2)
        complete = bisect_left(breaks, ends[known - 1])
        if done < complete:
            yield [Line(number, lines[number], bits[number]) for number in range(done, complete)]
            done = complete
    yield [Line(number, lines[number], bits[number]) for number in range(done, len(lines))]


def bits_per_byte(lines: list[Line]) -> float:
    """The mean over all bytes of all lines; not a number for none."""
    return format.bits_per_byte(math.log(2) * sum(line.bits for line in lines), sum(line.size for line in lines))


def report(lines: list[Line]) -> dict[str, object]:
    """Plain data for a client: the means over all lines, and the lines that hold anything, most surprising first."""
    mean = bits_per_byte(lines)
    ranked = sorted((line for line in lines if line.text.strip()), key=lambda line: -line.bits_per_byte)
    shown = [
        {"line": line.line, "text": line.text, "bits": line.bits, "bitsPerByte": line.bits_per_byte} for line in ranked
    ]
    return {"bitsPerByte": mean, "perplexity": 2**mean, "lines": shown}
