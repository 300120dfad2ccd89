"""What a run will take: counted as the loop counts, timed where the time goes."""

import dataclasses
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from training import config, devices, throughput
from training.models import MODELS
from training.processes import Processes
from training.throughput import Pace

COUNTS = st.integers(1, 40)


@given(COUNTS, COUNTS, st.integers(0, 45), COUNTS, st.integers(1, 3))
def test_steps_and_evaluations_are_counted_as_the_loop_does(
    steps: int, every: int, done: int, windows: int, processes: int
) -> None:
    settings = config.load("tiny", [f"loop.steps={steps}", f"loop.evaluate_every={every}"])
    left = range(done + 1, steps + 1)
    evaluations = sum(step % every == 0 or step == steps for step in left) + (done == 0)
    of_steps = len(left) * (2.0 + 8 * 64 * 0.01 / processes)
    of_evaluations = evaluations * windows * 64 * 0.01 / 3 / processes
    taken = Pace(token=0.01, step=2.0).seconds(settings, processes, done, windows)
    assert taken == pytest.approx(of_steps + of_evaluations)
    asked = dataclasses.replace(settings, loop=dataclasses.replace(settings.loop, evaluation_rows=windows))
    assert Pace(0.01, 2.0).seconds(asked, processes, done) == pytest.approx(of_steps + 2 * of_evaluations)


class Slow(nn.Module):
    """Waits for each row, and at each step."""

    def __init__(self, sizes: object) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.weight.register_hook(lambda _: time.sleep(0.1))  # type: ignore[no-untyped-call]

    def forward(self, token_ids: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        time.sleep(0.0005 * token_ids.numel())
        return token_ids, (self.weight * targets.float()).mean()


def test_both_what_tokens_and_what_steps_cost_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "decoder", (Slow, MODELS["decoder"][1]))
    settings = config.with_vocabulary(config.load("tiny"), 100)
    pace = throughput.measure(settings, devices.open_compute("cpu", "float32", Processes()))
    assert pace.step >= 0.1
    assert 0 < pace.token < 0.05


def test_no_model_takes_no_time(tmp_path: Path) -> None:
    for rung in ("bigram", "embeddings", "single-head", "multi-head", "transformer"):
        settings = config.with_vocabulary(config.load(f"{rung}-cpu", [f"run.folder={tmp_path}"]), 1000)
        pace = throughput.measure(settings, devices.open_compute("cpu", "float32", Processes()))
        assert pace.seconds(settings, 1) > 0, rung
