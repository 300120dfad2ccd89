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


def header(line: bytes, most: int = LONGEST_MESSAGE) -> bytes:
    """A header line, spelled as pygls expects it. Raises ValueError for what is none, or announces more than `most`."""
    length = LENGTH.fullmatch(line)
    if length and 0 < int(length[1]) <= most:
        return b"Content-Length: %d\r\n" % int(length[1])
    if HEADER.fullmatch(line) and not line.lower().startswith(b"content-length"):
        return line
    raise ValueError(
        "expected a header of the Language Server Protocol, "
        f"with a message of at most {most:,} bytes; found {line[:80]!r}"
    )


class Input:
    """A binary stream as pygls reads it; its end, once something is wrong with it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.read = stream.read

    def readline(self) -> bytes:
        """A header line; b"" at the end."""
        line = self._stream.readline(LONGEST_HEADER)
        try:
            return header(line) if line.strip() else line
        except ValueError as error:
            logger.error("%s: the connection is ended", error)
            return b""
