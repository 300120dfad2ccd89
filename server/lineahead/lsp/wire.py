"""The bytes that a client sends, before pygls reads them: what is no message ends the connection with a reason.

pygls passes over header lines that it does not know and waits for one that it does, for ever.
"""

import logging
import re
from typing import BinaryIO

logger = logging.getLogger(__name__)

LONGEST_HEADER = 4_096  # bytes
LONGEST_MESSAGE = 256_000_000  # bytes
HEADER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n]*\r?\n")
LENGTH = re.compile(rb"(?i:content-length):[ \t]*(\d{1,12})[ \t]*\r?\n")


class Input:
    """A binary stream as pygls reads it; its end, once something is wrong with it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._length = 0

    def readline(self) -> bytes:
        """A header line, spelled as pygls expects it; b"" at the end."""
        line = self._stream.readline(LONGEST_HEADER)
        if not line.strip():
            return line
        if length := LENGTH.fullmatch(line):
            self._length = int(length[1])
            if 0 < self._length <= LONGEST_MESSAGE:
                return b"Content-Length: %d\r\n" % self._length
        elif HEADER.fullmatch(line) and not line.lower().startswith(b"content-length"):
            return line
        logger.error(
            "expected a header of the Language Server Protocol, with a message of at most %d bytes; found %r: the "
            "connection is ended", LONGEST_MESSAGE, line[:80],
        )  # fmt: skip
        return b""

    def read(self, size: int) -> bytes:
        """A message of so many bytes; fewer at the end."""
        return self._stream.read(size)
