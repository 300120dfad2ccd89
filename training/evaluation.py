"""How good a model is while it trains: the loss on windows of both splits, the same ones each time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm import tqdm

from training import format, tokenizer
from training.batches import evaluation_rows
from training.dataset import Dataset
from training.devices import Compute


@dataclass(frozen=True)
class Evaluation:
    """What is evaluated, and in which portions."""

    dataset: Dataset
    sequence_length: int
    rows: int
    """Windows of each split, at most."""
    micro_batch_size: int


@torch.inference_mode()
def evaluate(
    model: nn.Module, evaluation: Evaluation, split: str, compute: Compute, stop: Callable[[], bool] = lambda: False
) -> dict[str, float] | None:
    """Mean loss over windows spread evenly over a split: {"nats": per token, "bits_per_byte": of their text}.

    The processes that train together share the windows out, so each of them has to call. None where `stop` says in one
    of them that it is not waited for.
    """
    dataset, processes = evaluation.dataset, compute.processes
    rows = evaluation_rows(dataset.splits[split], evaluation.sequence_length, evaluation.rows)
    lengths = torch.from_numpy(tokenizer.byte_lengths(dataset.tokenizer))
    sums = torch.zeros(3, dtype=torch.float64, device=compute.device)  # nats, tokens, bytes of text
    portions = list(_portions(rows, evaluation.micro_batch_size))
    together = range(0, len(portions), processes.count)
    model.eval()
    for first in tqdm(together, f"evaluating {split}", unit="batch", leave=False, disable=not processes.is_first):
        stopped = processes.any(stop(), compute.device)
        if stopped:
            break
        for inputs, targets in portions[first : first + processes.count][processes.share]:
            with compute.autocast():
                _, loss = model(inputs.to(compute.device), targets.to(compute.device))
            count = targets.numel()
            sums += sums.new_tensor((loss.item() * count, count, int(lengths[targets].sum())))
    model.train()
    if stopped:
        return None
    processes.sum([sums])
    nats, tokens, text_bytes = sums.tolist()
    return {"nats": nats / tokens, "bits_per_byte": format.bits_per_byte(nats, text_bytes)}


def _portions(rows: tuple[Tensor, Tensor], size: int) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(torch.split(rows[0], size), torch.split(rows[1], size), strict=True)
