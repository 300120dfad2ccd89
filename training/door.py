"""The door of every command of this package: Ctrl+C is a line and an exit code at any moment, and `| head` no error.

A command imports this first, since what it needs beside takes seconds to import, and enters here last:
`sys.exit(door.enter(main))`.
"""

import io
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

STOPPED, FAILED, UNREAD = 130, 2, 141  # exit codes
NOTHING_BEGUN = b"stopped before anything was begun\n"
AT_ONCE = 0.5  # seconds within which pressing it again is the same
SOON = 0.6  # seconds until it is pressed again where Python lost it


class _Interrupt:
    """What Ctrl+C calls while a command runs."""

    came = -math.inf
    """When, by the monotonic clock."""

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        before, self.came = self.came, time.monotonic()
        if self.came - before > AT_ONCE:  # a wrapper may pass on what the terminal has sent, too
            raise KeyboardInterrupt

    def unraisable(self, error: "UnraisableHookArgs") -> None:
        """What Python calls for an exception that nobody can catch, as in `__del__`, in place of printing it.

        After Ctrl+C such exceptions come from objects that were half made; one that is Ctrl+C itself would be lost.
        """
        if self.came < 0:
            sys.__unraisablehook__(error)
        elif issubclass(error.exc_type, KeyboardInterrupt):
            threading.Timer(SOON, _press_again).start()


def _press_again() -> None:
    """Press Ctrl+C from another thread, in such a way that the main one wakes from what it waits for."""
    if sys.platform == "win32":
        signal.raise_signal(signal.SIGINT)
    else:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def enter(main: Callable[[], int]) -> int:
    """Run a command whose imports are done; returns its exit code. Ctrl+C is ignored from then on: all is done."""
    interrupt, code = _Interrupt(), STOPPED
    is_ours = signal.getsignal(signal.SIGINT) is _stop_at_once
    try:
        if is_ours:
            signal.signal(signal.SIGINT, interrupt)
            sys.unraisablehook = interrupt.unraisable  # to the process's end, where objects are deleted too
        code, stopped = to_its_reader(main), False
    except (KeyboardInterrupt, Exception) as error:
        stopped = isinstance(error, KeyboardInterrupt) or interrupt.came > 0  # C code raises others in its place
        if not stopped:
            raise
    finally:
        if is_ours:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    if stopped:
        print("stopped; what was written before is whole", file=sys.stderr)
    return code


def to_its_reader(main: Callable[[], int]) -> int:
    """Run a command as long as somebody reads what it writes, which `| head` does not to the end; its exit code.

    What a terminal cannot show is written as `?`.
    """
    for stream in filter(None, (sys.stdout, sys.stderr)):  # none where it was closed
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        try:
            return main()
        finally:
            if sys.stdout:
                sys.stdout.flush()
    except OSError as error:  # of writing: each command knows what its own files may come to
        if sys.stdout:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is left to write
        if isinstance(error, BrokenPipeError):
            return UNREAD
        print(f"error: {error}", file=sys.stderr)
        return FAILED


def _stop_at_once(_signal: int, _frame: FrameType | None) -> None:
    """End while modules are imported: an exception would go through C code, some of which takes it for another."""
    os.write(2, NOTHING_BEGUN)
    os._exit(STOPPED)


def _is_command() -> bool:
    """Whether this process is `python -m training.…`, rather than somebody who imports a part of it."""
    specification = getattr(sys.modules.get("__main__"), "__spec__", None)
    return specification is not None and specification.name.partition(".")[0] == "training"


# Where SIGINT is ignored, as in a shell's background, it stays ignored.
if _is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _stop_at_once)
