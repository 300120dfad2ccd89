"""The training loop: batches in, a checkpoint out; evaluated, saved and resumable on the way."""

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from tqdm import tqdm

from training import checkpoint, devices, metrics, optimizer, resume
from training.batches import TrainingBatches, prefetched
from training.dataset import SPLITS
from training.devices import Compute, DeviceChoice, PrecisionChoice
from training.errors import InputError
from training.evaluation import Evaluation, evaluate
from training.models.language_model import IGNORED_TARGET
from training.optimizer import OptimizerConfig
from training.ranges import Count, NotNegative, Threads
from training.resume import Progress

WEIGHTS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class LoopConfig:
    """How long to train, how to compute, how often to look."""

    steps: Count = 1_000
    """Optimizer steps in all; may be raised later to go on."""
    evaluate_every: Count = 200
    """Steps between evaluations on both splits."""
    evaluation_rows: Count = 64
    """Windows of each split in an evaluation."""
    log_every: Count = 10
    """Steps between lines in metrics.jsonl."""
    checkpoint_minutes: NotNegative = 5.0
    """Minutes between checkpoints; one more is made at the end."""
    device: DeviceChoice = "auto"
    """"auto" (CUDA where there is one), "cpu", "cuda"."""
    threads: Threads = 0
    """Processor threads to compute with; 0: as many as there are cores."""
    precision: PrecisionChoice = "auto"
    """"auto" (bfloat16 where the device computes in it), "bfloat16", "float32"."""
    compile: bool = False
    """Compile the model with torch.compile: half a minute at the start, much faster steps."""
    tensorboard: bool = False
    """Write event files for TensorBoard, too, into the run's folder (needs the extra `tensorboard`)."""
    weights: Literal["float32", "bfloat16"] = "float32"
    """The type of the weights in model.safetensors: "float32" or "bfloat16"."""


@dataclass(frozen=True)
class Training:
    """What `run.py` puts together for the loop."""

    folder: Path
    """Where checkpoint, metrics and state are kept."""
    model: nn.Module
    optimizers: list[torch.optim.Optimizer]
    schedule: OptimizerConfig
    """How the learning rate moves, and where gradients are clipped."""
    batches: TrainingBatches
    evaluation: Evaluation
    settings: dict[str, Any]
    """What must stay the same for a run to go on; see `resume.settings_of`."""


def train(config: LoopConfig, training: Training, compute: Compute) -> tuple[Progress, bool]:
    """Train until `loop.steps` are done or a person stops it; return how far it came and whether it was stopped.

    Everything is kept in the run's folder, and the same call goes on where the last one ended: in an evaluation, too.
    """
    model, optimizers, processes = training.model, training.optimizers, compute.processes
    progress = resume.load(training.folder, model, optimizers, training.settings) or Progress()
    evaluated = metrics.is_evaluated(training.folder, progress.step)
    if progress.step >= config.steps and evaluated:
        return progress, False
    forward = devices.compiled(model) if config.compile else model

    def is_evaluated_at(step: int) -> bool:
        return step == config.steps or step % config.evaluate_every == 0

    def save() -> float:
        if processes.is_first:
            resume.save(training.folder, model, optimizers, progress, training.settings)
            checkpoint.save_weights(training.folder, model, WEIGHTS[config.weights])
        return time.monotonic()

    with (
        prefetched(training.batches, processes, progress.step, config.steps) as steps,
        _Record(config, training, compute, progress) as record,
        _stop_on_signal() as stop,
    ):
        saved = record.started
        stopped = is_evaluated_at(progress.step) and not evaluated and record.evaluate(stop)
        if stopped:
            save()
        for step, micro_batches in () if stopped else steps:
            scale = optimizer.learning_rate_scale(training.schedule, step, config.steps)
            optimizer.set_learning_rate(optimizers, scale)
            loss, norm = update(forward, model, optimizers, micro_batches, training.schedule.gradient_clip, compute)
            now = record.count(loss)
            is_last = progress.step == config.steps
            if is_last or progress.step % config.log_every == 0:
                record.log(norm)
            record.bar.update()
            evaluates = is_evaluated_at(progress.step)
            stopped = processes.any(stop.is_set, compute.device)
            if stopped or evaluates or now - saved >= 60 * config.checkpoint_minutes:
                saved = save()
            if stopped or (evaluates and record.evaluate(stop)):
                stopped = True
                break
    return progress, stopped


def update(
    forward: Any,
    model: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    micro_batches: list[tuple[Tensor, Tensor]],
    gradient_clip: float,
    compute: Compute,
) -> tuple[Tensor, Tensor]:
    """One update; returns the batch's mean loss in nats per target, and the gradient's norm before clipping.

    Gradients are summed over targets, micro-batches and processes, then divided by the number of targets:
    so the update does not depend on how the batch is shared out.
    """
    # Positions in the whole batch: keeps the summed loss near 1.
    nominal = compute.processes.count * sum(targets.numel() for _, targets in micro_batches)
    total = torch.zeros(2, device=compute.device)  # loss and targets, as sums
    for inputs, targets in micro_batches:
        inputs, targets = (part.to(compute.device, non_blocking=True) for part in (inputs, targets))
        count = (targets != IGNORED_TARGET).sum()
        with compute.autocast():
            _, loss = forward(inputs, targets)
        (loss * (count / nominal)).backward()
        total += torch.stack((loss.detach() * count, count.float()))
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    compute.processes.sum([total, *gradients])
    torch._foreach_mul_(gradients, nominal / total[1])
    norm = torch.nn.utils.get_total_norm(gradients)
    if gradient_clip:
        torch.nn.utils.clip_grads_with_norm_(model.parameters(), gradient_clip, norm)
    for one in optimizers:
        one.step()
        one.zero_grad(set_to_none=True)
    return total[0] / total[1], norm


class _Record:
    """Counts progress, and shows and writes down what was measured; only the first process writes."""

    def __init__(self, config: LoopConfig, training: Training, compute: Compute, progress: Progress) -> None:
        self._training, self._compute, self._progress = training, compute, progress
        is_first = compute.processes.is_first
        self._log = metrics.MetricsLog(training.folder, progress.step + 1, config.tensorboard) if is_first else None
        self.bar = tqdm(total=config.steps, initial=progress.step, unit="step", desc="training", disable=not is_first)
        self.started = self._logged = time.monotonic()
        self._seconds_before = progress.seconds
        self._losses: list[Tensor] = []

    def __enter__(self) -> "_Record":
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()
        if self._log is not None:
            self._log.close()

    def count(self, loss: Tensor) -> float:
        """Count a step that is done; returns the time."""
        self._losses.append(loss)
        self._progress.step += 1
        self._progress.tokens += self._training.batches.tokens_a_step
        now = time.monotonic()
        self._progress.seconds = self._seconds_before + now - self.started
        return now

    def log(self, gradient_norm: Tensor) -> None:
        """Write the mean loss since the last time. Raises InputError where it is no number any more."""
        step, mean = self._progress.step, torch.stack(self._losses).mean().item()
        if not math.isfinite(mean):
            raise InputError(
                f"the loss became {mean} before step {step}: lower optimizer.learning_rate and "
                f"optimizer.matrix_learning_rate; the last checkpoint in {self._training.folder} is kept"
            )
        tokens = len(self._losses) * self._training.batches.tokens_a_step
        rate = tokens / (time.monotonic() - self._logged)
        if self._log is not None:
            self._log.write(step, train_loss=mean, gradient_norm=gradient_norm.item(), tokens_per_second=rate)
        self.bar.set_postfix_str(f"loss {mean:.3f}, {rate:,.0f} tokens/s")
        self._losses, self._logged = [], time.monotonic()

    def evaluate(self, stop: "_Stop") -> bool:
        """Measure both splits, all processes together; the first one writes it down. Returns whether it was stopped."""
        values: dict[str, float] = {}
        for split in SPLITS:
            model, evaluation = self._training.model, self._training.evaluation
            measured = evaluate(model, evaluation, split, self._compute, lambda: stop.is_set)
            if measured is None:
                return True
            values |= {f"{split}_{name}": value for name, value in measured.items()}
        if self._log is None:
            return False
        step = self._progress.step
        self._log.write(step, **values)
        metrics.draw_curve(self._training.folder)
        nats, bits = values["validation_nats"], values["validation_bits_per_byte"]
        self.bar.write(f"step {step}: validation {nats:.4f} nats per token, {bits:.4f} bits per byte")
        return False


class _Stop:
    """Set by SIGINT or SIGTERM."""

    is_set = False


@contextmanager
def _stop_on_signal() -> Iterator[_Stop]:
    """Let Ctrl+C and SIGTERM end the step or the batch evaluated that is under way; a second Ctrl+C acts at once."""
    stop = _Stop()

    def note(number: int, _: Any) -> None:
        stop.is_set = True
        signal.signal(number, before[number])

    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
