"""Data-parallel training under torchrun: who am I, and sums over everybody. Alone, all of it does nothing."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Processes:
    """This process's place among those that train together."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this process prints, saves and prepares the corpus."""
        return self.rank == 0

    @property
    def share(self) -> slice:
        """This process's part of a list that all of them hold: every `count`th item."""
        return slice(self.rank, None, self.count)

    def wait(self) -> None:
        """Wait until everybody is here."""
        if self.count > 1:
            dist.barrier()

    def sum(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its sum over all processes, in one message."""
        tensors = list(tensors)
        if self.count == 1 or not tensors:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        for tensor, part in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether the flag is up in any process: so that all stop at the same step."""
        if self.count == 1:
            return flag
        raised = torch.tensor([float(flag)], device=device)
        dist.all_reduce(raised)
        return bool(raised.item())


def join() -> Processes:
    """Join the processes that torchrun started (it sets RANK, WORLD_SIZE, LOCAL_RANK), or be alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Processes()
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=timedelta(hours=6))  # the others wait while the first prepares
    return Processes(dist.get_rank(), dist.get_world_size(), int(os.environ["LOCAL_RANK"]))


def leave(processes: Processes) -> None:
    """Part from the others."""
    if processes.count > 1:
        dist.destroy_process_group()
