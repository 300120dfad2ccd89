"""The process that started the server: when it is gone, so is the server, even if a pipe to it stays open."""

import os
import sys
import threading
import time

SECONDS = 1.0  # between looks


def leave_with(process_id: int) -> None:
    """End this process, from whatever it is doing, soon after another one has ended.

    One that is not there to begin with is none of this machine's, as where the client is in a container.
    """
    if is_alive(process_id):
        threading.Thread(target=_watch, args=(process_id,), name="parent", daemon=True).start()


def _watch(process_id: int) -> None:
    while is_alive(process_id):
        time.sleep(SECONDS)
    os._exit(1)  # the event loop may hang in a pipe that nobody reads


def is_alive(process_id: int) -> bool:
    """Whether a process is there."""
    if sys.platform == "win32":
        return _is_alive_on_windows(process_id)
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except OverflowError:
        return False
    except PermissionError:  # somebody else's
        return True
    return process_id > 0


def _is_alive_on_windows(process_id: int) -> bool:
    import ctypes

    synchronise, timed_out = 0x0010_0000, 0x102
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    handle = kernel.OpenProcess(synchronise, False, process_id)
    if not handle:
        return False
    try:
        return bool(kernel.WaitForSingleObject(handle, 0) == timed_out)
    finally:
        kernel.CloseHandle(handle)
