"""How the C library gives memory back: without this, what an index needed while it was made stays with the process."""

import ctypes
import sys

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # of glibc's malloc.h
LARGE = 1 << 20  # bytes: arrays of this size are returned to the system as soon as they are free
ARENAS = 2  # instead of eight for each core, each of which keeps what it once had


def return_what_is_free() -> None:
    """Tell glibc, where that is the C library; elsewhere nothing is done.

    By itself glibc raises its threshold to what was freed last, up to 32 MB; such arrays then leave holes in the heap.
    """
    if sys.platform != "linux":
        return
    try:
        library = ctypes.CDLL("libc.so.6")
        library.mallopt(M_MMAP_THRESHOLD, LARGE)
        library.mallopt(M_ARENA_MAX, ARENAS)
    except (OSError, AttributeError):  # musl has neither
        pass
