"""How long a run will take here: steps of its model are timed, since arithmetic alone does not tell.

A table of bigrams multiplies nothing and moves gigabytes at each step; a processor may reach a tenth of its
matrix products' rate, or all of it.
"""

import dataclasses
import math
import time
from dataclasses import dataclass

import torch

from training import loop, optimizer
from training.config import RunConfig
from training.dataset import SPLITS
from training.devices import Compute
from training.models import MODELS
from training.processes import Processes

TELLING = 0.5  # seconds by which the timed step has to be longer than one of a single token
COMPILED = 0.7  # of the time for a token is left where the model is compiled: half with AMX, all of it with AVX2
FORWARD = 1 / 3  # of the time for a token in training is evaluation's


@dataclass(frozen=True)
class Pace:
    """What one process needs, in seconds."""

    token: float
    """For each token of a step: forward and backward."""
    step: float
    """For each step, however few its tokens: gradients, optimizers."""

    def seconds(self, settings: RunConfig, processes: int, done: int = 0, windows: int | None = None) -> float:
        """For the steps after the first `done` and the evaluations among them, shared out to processes.

        An evaluation looks at `windows` of both splits; default: as many as the settings ask for.
        """
        wanted, length = settings.loop, settings.batches.sequence_length
        if done >= wanted.steps:
            return 0.0
        steps = wanted.steps - done
        first = done == 0  # a run begins with an evaluation
        evaluations = first + math.ceil(wanted.steps / wanted.evaluate_every) - done // wanted.evaluate_every
        looked_at = evaluations * (len(SPLITS) * wanted.evaluation_rows if windows is None else windows) * length
        trained_on = steps * settings.batches.batch_size * length * (COMPILED if wanted.compile else 1.0)
        return steps * self.step + self.token * (trained_on + FORWARD * looked_at) / processes


def measure(settings: RunConfig, compute: Compute) -> Pace:
    """Time steps of a model with these settings on random tokens: of one token, then of ever more windows until the
    difference tells. The model is thrown away; its vocabulary's size has to be set."""
    model = MODELS[settings.model_kind][0](settings.model).to(compute.device)
    optimizers = optimizer.build(settings.optimizer, model, compute.precision)
    alone = dataclasses.replace(compute, processes=Processes())

    def seconds(rows: int, length: int) -> float:
        tokens = torch.randint(settings.model.vocab_size, (rows, length + 1))
        start = time.perf_counter()
        loop.update(
            model, model, optimizers, [(tokens[:, :-1], tokens[:, 1:])], settings.optimizer.gradient_clip, alone
        )
        if compute.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    length, rows = settings.batches.sequence_length, 1
    seconds(1, 1)  # allocates
    least = seconds(1, 1)
    while seconds(rows, length) - least < TELLING and rows < settings.batches.micro_batch_size:
        rows = min(2 * rows, settings.batches.micro_batch_size)
    whole, step = (min(seconds(*size) for _ in range(2)) for size in ((rows, length), (1, 1)))
    return Pace(max(0.0, whole - step) / (rows * length), step)
