"""Where the lines of a document begin, kept while it changes: a key costs no look at all of its text.

Lines end as the protocol has it, which knows three ends and not those of `str.splitlines`; a column behind the end of a
line is its end, and a line behind the last one the end of the text.
"""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from lsprotocol import types
from numpy.typing import NDArray
from pygls.workspace import PositionCodec, TextDocument

LOOKED_AT = 1_000_000  # characters at once: they take four bytes each


@dataclass(frozen=True)
class Lines:
    """A text, and the offsets behind its line ends, ascending, in characters."""

    text: str
    breaks: NDArray[np.int64]

    def offset(self, position: types.Position, codec: PositionCodec) -> int:
        """The offset of a position in a client's units."""
        if position.line > len(self.breaks):
            return len(self.text)
        start = int(self.breaks[position.line - 1]) if position.line else 0
        end = int(self.breaks[position.line]) if position.line < len(self.breaks) else len(self.text)
        line = self.text[start : min(end, start + position.character)].rstrip("\r\n")
        if line.isascii():
            return start + len(line)
        before = np.concatenate(([0], np.cumsum(_units(line, codec))))  # of each character, and behind the last
        return start + min(len(line), int(np.searchsorted(before, position.character)))

    def position(self, offset: int, codec: PositionCodec) -> types.Position:
        """The position of an offset, in a client's units."""
        line = int(np.searchsorted(self.breaks, offset, side="right"))
        before = self.text[int(self.breaks[line - 1]) if line else 0 : offset]
        return types.Position(line, len(before) if before.isascii() else int(_units(before, codec).sum()))

    def replaced(self, start: int, end: int, new: str) -> "Lines":
        """With other characters from `start` to `end`; only there, and just before, line ends are looked for."""
        text = "".join((self.text[:start], new, self.text[end:]))
        above = self.breaks[: np.searchsorted(self.breaks, start - 1, side="right")]
        below = self.breaks[np.searchsorted(self.breaks, end, side="right") :] + (start + len(new) - end)
        return Lines(text, np.concatenate((above, _breaks(text, max(0, start - 1), start + len(new)), below)))


_known: WeakKeyDictionary[TextDocument, Lines] = WeakKeyDictionary()


def lines_of(document: TextDocument) -> Lines:
    """The lines of an open document as it is now."""
    known = _known.get(document)
    if known is None or known.text is not document.source:
        text = document.source
        _known[document] = known = Lines(text, _breaks(text, 0, len(text)))
    return known


def change(document: TextDocument, part: types.TextDocumentContentChangePartial) -> None:
    """Change a part of an open document."""
    lines, codec = lines_of(document), document.position_codec
    start = lines.offset(part.range.start, codec)
    _known[document] = lines = lines.replaced(start, max(start, lines.offset(part.range.end, codec)), part.text)
    document._source = lines.text


def _breaks(text: str, start: int, end: int) -> NDArray[np.int64]:
    """The offsets behind the line ends that end with one of the characters from `start` to `end`."""
    found = [np.zeros(0, dtype=np.int64)]
    for begin in range(start, end, LOOKED_AT):
        stop = min(begin + LOOKED_AT, end)
        codes = _codes(text[begin : stop + 1])
        ends = (codes == ord("\n")) | (codes == ord("\r"))
        ends[:-1] &= (codes[:-1] != ord("\r")) | (codes[1:] != ord("\n"))  # the two together are one
        found.append(np.flatnonzero(ends[: stop - begin]) + begin + 1)
    return np.concatenate(found)


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype="<u4")


def _units(text: str, codec: PositionCodec) -> NDArray[np.int64]:
    """How many of a client's units each character takes."""
    larger = {types.PositionEncodingKind.Utf8: (0x80, 0x800, 0x10000), types.PositionEncodingKind.Utf32: ()}
    codes, units = _codes(text), np.ones(len(text), dtype=np.int64)
    for least in larger.get(types.PositionEncodingKind(codec.encoding or "utf-16"), (0x10000,)):
        units += codes >= least
    return units
