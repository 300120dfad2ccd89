"""What a run computes with: its device, in which type, and whether models can be compiled for it."""

import ctypes
import shutil
import sys
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import nn

from training.errors import InputError
from training.processes import Processes

DeviceChoice = Literal["auto", "cpu", "cuda"]
PrecisionChoice = Literal["auto", "bfloat16", "float32"]
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # mallopt(3)


@dataclass(frozen=True)
class Compute:
    """Where a process computes, in which type, and with which others."""

    device: torch.device
    precision: torch.dtype
    processes: Processes = field(default_factory=Processes)

    def autocast(self) -> torch.autocast:
        """The context in which models compute in this precision."""
        return torch.autocast(self.device.type, dtype=self.precision, enabled=self.precision is not torch.float32)


def open_compute(device: DeviceChoice, precision: PrecisionChoice, processes: Processes) -> Compute:
    """What the settings `loop.device` and `loop.precision` come to on this machine."""
    opened = device_of(device, processes.local_rank)
    if opened.type == "cpu":
        _keep_freed_memory()
    return Compute(opened, precision_of(precision, opened), processes)


def _keep_freed_memory() -> None:
    """Let the C library keep what tensors free: fresh pages for it cost a seventh of a step's time."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 2**31 - 1)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def device_of(wanted: DeviceChoice, local_rank: int = 0) -> torch.device:
    """The device for the setting `loop.device`: "auto", "cpu" or "cuda"."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError('loop.device: "cuda" was asked for and there is none here; use "auto" or "cpu"')
    on_gpu = wanted != "cpu" and torch.cuda.is_available()
    return torch.device("cuda", local_rank) if on_gpu else torch.device("cpu")


def precision_of(wanted: PrecisionChoice, device: torch.device) -> torch.dtype:
    """The type for the setting `loop.precision`: "auto" is bfloat16 where the hardware multiplies in it."""
    if wanted != "auto":
        return torch.bfloat16 if wanted == "bfloat16" else torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # since torch 2.11
    fast = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return torch.bfloat16 if fast else torch.float32


def compiled(model: nn.Module) -> Any:
    """The model through torch.compile, or as it is where there is no compiler."""
    if not torch.cuda.is_available() and not any(map(shutil.which, ("g++", "clang++", "c++"))):
        print("loop.compile: no C++ compiler here, so the model runs as it is, about half as fast")
        return model
    return torch.compile(model, dynamic=False)
