"""What a checkpoint folder is made of, for all who write or read one: standard library only.

The one module of this package that the server imports.
"""

import os
from typing import Any


def onnxruntime() -> Any:
    """The library onnxruntime, imported with its telemetry off.

    From 1.30 on it looks its maker's collector up in the network some seconds after it was imported, and leaves an
    identifier in the home folder. The variable must be there before the import: the library's own call comes too late.
    Every import of the library goes through here.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    return onnxruntime
