"""The training loop: batches in, a checkpoint out; evaluated, saved and resumable on the way."""

import math
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from training import checkpoint, devices, metrics, optimizer, resume
from training.batches import TrainingBatches, evaluation_rows
from training.dataset import SPLITS, Dataset
from training.errors import InputError
from training.models.language_model import IGNORED_TARGET
from training.processes import Processes
from training.resume import Progress

if TYPE_CHECKING:
    from training.config import RunConfig


@dataclass(frozen=True)
class LoopConfig:
    """How long to train, how to compute, how often to look."""

    steps: int = 1_000
    """Optimizer steps in all; may be raised later to go on."""
    evaluate_every: int = 200
    """Steps between evaluations on both splits."""
    evaluation_rows: int = 64
    """Windows of each split in an evaluation."""
    log_every: int = 10
    """Steps between lines in metrics.jsonl."""
    checkpoint_minutes: float = 5.0
    """Minutes between checkpoints; one more is made at the end."""
    device: str = "auto"
    """"auto" (CUDA where there is one), "cpu", "cuda"."""
    threads: int = 0
    """Processor threads to compute with; 0: as many as there are cores."""
    precision: str = "auto"
    """"auto" (bfloat16 where the device computes in it), "bfloat16", "float32"."""
    compile: bool = False
    """Compile the model with torch.compile: half a minute at the start, much faster steps."""
    weights: str = "float32"
    """The type of the weights in model.safetensors: "float32" or "bfloat16"."""


def train(
    model: nn.Module, dataset: Dataset, config: "RunConfig", processes: Processes, device: torch.device
) -> tuple[Progress, bool]:
    """Train until `loop.steps` are done or a person stops it; return how far it came and whether it was stopped.

    Everything is kept in `run.folder`, and the same call goes on where the last one ended.
    """
    loop, folder = config.loop, Path(config.run.folder)
    settings = resume.settings_of(config.as_dict(), {split: file.digest for split, file in dataset.splits.items()})
    optimizers = optimizer.build(config.optimizer, model)
    progress = resume.load(folder, model, optimizers, settings) or Progress()
    if progress.step >= loop.steps:
        return progress, False
    precision, weights_type = devices.precision_of(loop.precision, device), _weights_type(loop)
    forward = devices.compiled(model) if loop.compile else model
    batches = TrainingBatches(config.batches, dataset.splits["train"], dataset.tokenizer, config.run.seed)
    log = metrics.MetricsLog(folder, progress.step + 1) if processes.is_first else None

    def save() -> None:
        if processes.is_first:
            resume.save(folder, model, optimizers, progress, settings)
            checkpoint.save_weights(folder, model, weights_type)

    def look() -> None:
        """Measure both splits, on the first process."""
        if log is not None:
            values: dict[str, float] = {}
            for split in SPLITS:
                measured = evaluate(model, dataset, split, config, device, precision)
                values |= {f"{split}_{name}": value for name, value in measured.items()}
            log.write(progress.step, **values)
            metrics.draw_curve(folder)
            nats, bits = values["validation_nats"], values["validation_bits_per_byte"]
            bar.write(f"step {progress.step}: validation {nats:.4f} nats per token, {bits:.4f} bits per byte")

    tokens_a_step = config.batches.batch_size * config.batches.sequence_length
    started = saved = logged = time.monotonic()
    before = progress.seconds
    losses: list[Tensor] = []
    stopped = False
    with (
        _prefetched(batches, config, processes, progress.step) as prefetched,
        tqdm(
            total=loop.steps, initial=progress.step, unit="step", desc="training", disable=not processes.is_first
        ) as bar,
        _stop_on_signal() as stop,
    ):
        if progress.step == 0:
            look()
        for step, micro_batches in prefetched:
            optimizer.set_learning_rate(optimizers, optimizer.learning_rate_scale(config.optimizer, step, loop.steps))
            loss, norm = update(forward, model, optimizers, micro_batches, config, processes, precision, device)
            losses.append(loss)
            progress.step, progress.tokens = step + 1, progress.tokens + tokens_a_step
            now = time.monotonic()
            progress.seconds = before + now - started
            if progress.step % loop.log_every == 0 or progress.step == loop.steps:
                mean = torch.stack(losses).mean().item()
                if not math.isfinite(mean):
                    raise InputError(
                        f"the loss became {mean} before step {progress.step}: lower optimizer.learning_rate and "
                        f"optimizer.matrix_learning_rate; the last checkpoint in {folder} is kept"
                    )
                rate = len(losses) * tokens_a_step / (time.monotonic() - logged)
                if log is not None:
                    log.write(progress.step, train_loss=mean, gradient_norm=norm.item(), tokens_per_second=rate)
                bar.set_postfix_str(f"loss {mean:.3f}, {rate:,.0f} tokens/s")
                losses, logged = [], time.monotonic()
            bar.update()
            if progress.step % loop.evaluate_every == 0 or progress.step == loop.steps:
                look()
            stopped = processes.any(stop.is_set, device)
            if stopped or now - saved >= 60 * loop.checkpoint_minutes or progress.step == loop.steps:
                save()
                saved = time.monotonic()
            if stopped:
                break
    return progress, stopped


def update(
    forward: Any,
    model: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    micro_batches: list[tuple[Tensor, Tensor]],
    config: "RunConfig",
    processes: Processes,
    precision: torch.dtype,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """One update; returns the batch's mean loss in nats per target, and the gradient's norm before clipping.

    Gradients are summed over targets, micro-batches and processes, then divided by the number of targets:
    so the update does not depend on how the batch is shared out.
    """
    nominal = config.batches.batch_size * config.batches.sequence_length  # keeps the summed loss near 1
    total = torch.zeros(2, device=device)  # loss and targets, as sums
    for inputs, targets in micro_batches:
        inputs, targets = inputs.to(device, non_blocking=True), targets.to(device, non_blocking=True)
        count = (targets != IGNORED_TARGET).sum()
        with torch.autocast(device.type, dtype=precision, enabled=precision is not torch.float32):
            _, loss = forward(inputs, targets)
        (loss * (count / nominal)).backward()
        total += torch.stack((loss.detach() * count, count.float()))
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    processes.sum([total, *gradients])
    torch._foreach_mul_(gradients, nominal / total[1])
    norm = torch.nn.utils.get_total_norm(gradients)
    if config.optimizer.gradient_clip:
        torch.nn.utils.clip_grads_with_norm_(model.parameters(), config.optimizer.gradient_clip, norm)
    for each in optimizers:
        each.step()
        each.zero_grad(set_to_none=True)
    return total[0] / total[1], norm


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    dataset: Dataset,
    split: str,
    config: "RunConfig",
    device: torch.device,
    precision: torch.dtype,
) -> dict[str, float]:
    """Mean loss over windows spread evenly over a split: {"nats": per token, "bits_per_byte": of their text}."""
    rows = evaluation_rows(dataset.splits[split], config.batches.sequence_length, config.loop.evaluation_rows)
    lengths = torch.tensor([len(token) for token in dataset.tokenizer.token_bytes()])
    nats, text_bytes, tokens = 0.0, 0, 0
    model.eval()
    for inputs, targets in zip(*(torch.split(part, config.batches.micro_batch_size) for part in rows), strict=True):
        with torch.autocast(device.type, dtype=precision, enabled=precision is not torch.float32):
            _, loss = model(inputs.to(device), targets.to(device))
        nats += loss.item() * targets.numel()
        tokens += targets.numel()
        text_bytes += int(lengths[targets].sum())
    model.train()
    return {"nats": nats / tokens, "bits_per_byte": nats / math.log(2) / text_bytes}


@contextmanager
def _prefetched(
    batches: TrainingBatches, config: "RunConfig", processes: Processes, first_step: int
) -> Iterator[Iterator[tuple[int, list[tuple[Tensor, Tensor]]]]]:
    """This process's micro-batches of each step, the next step's made while the current one is computed."""
    share = config.batches.batch_size // processes.count
    micro = min(config.batches.micro_batch_size, share)
    if share * processes.count != config.batches.batch_size or share % micro:
        raise InputError(
            f"batches.batch_size = {config.batches.batch_size} cannot be shared out over {processes.count} processes "
            f"in micro-batches of {micro}: make it a multiple"
        )

    def make(step: int) -> list[tuple[Tensor, Tensor]]:
        starts = range(processes.rank * share, (processes.rank + 1) * share, micro)
        return [batches.rows(step, start, micro) for start in starts]

    with ThreadPoolExecutor(1, thread_name_prefix="batches") as worker:

        def steps() -> Iterator[tuple[int, list[tuple[Tensor, Tensor]]]]:
            ahead = worker.submit(make, first_step)
            for step in range(first_step, config.loop.steps):
                current = ahead.result()
                if step + 1 < config.loop.steps:
                    ahead = worker.submit(make, step + 1)
                yield step, current

        yield steps()


class _Stop:
    """Set by SIGINT or SIGTERM."""

    is_set = False


@contextmanager
def _stop_on_signal() -> Iterator[_Stop]:
    """Let Ctrl+C and SIGTERM end the step that is under way, and not before; a second Ctrl+C acts at once."""
    stop = _Stop()

    def note(number: int, _: Any) -> None:
        stop.is_set = True
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

    handled = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, note) for number in handled]
    try:
        yield stop
    finally:
        for number, handler in zip(handled, before, strict=True):
            signal.signal(number, handler)


def _weights_type(config: LoopConfig) -> torch.dtype:
    types = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if config.weights not in types:
        raise InputError(f'loop.weights: expected "float32" or "bfloat16", found {config.weights!r}')
    return types[config.weights]
