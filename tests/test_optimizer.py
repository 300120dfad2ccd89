"""The optimizers: the same steps as PyTorch's, in a type that the processor knows."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from training import optimizer

SIZES = st.integers(1, 40)


def moved(kind: Callable[..., torch.optim.Optimizer], shapes: list[tuple[int, int]]) -> list[torch.Tensor]:
    """How far three steps along random gradients move random matrices."""
    drawn = torch.Generator().manual_seed(305)
    matrices = [nn.Parameter(torch.randn(shape, generator=drawn)) for shape in shapes]
    before = [matrix.detach().clone() for matrix in matrices]
    one = kind(matrices, lr=0.02, momentum=0.95, weight_decay=0.01)
    for _ in range(3):
        for matrix in matrices:
            matrix.grad = torch.randn(matrix.shape, generator=drawn)
        one.step()
    return [matrix.detach() - start for matrix, start in zip(matrices, before, strict=True)]


@given(SIZES, SIZES)
def test_muon_steps_as_that_of_pytorch(rows: int, columns: int) -> None:
    shapes = [(rows, columns), (8, 24), (24, 8)]
    theirs = moved(torch.optim.Muon, shapes)
    for one, other in zip(moved(partial(optimizer.Muon, precision=torch.bfloat16), shapes), theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
    for one, other in zip(moved(partial(optimizer.Muon, precision=torch.float32), shapes), theirs, strict=True):
        assert (one - other).norm() < 0.05 * other.norm()


@given(SIZES, SIZES, st.floats(1e-3, 1e3))
def test_what_is_orthogonalized_keeps_its_directions(rows: int, columns: int, scale: float) -> None:
    matrix = scale * torch.randn((rows, columns), generator=torch.Generator().manual_seed(rows * 41 + columns))
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    found = optimizer.orthogonalized(matrix, (3.4445, -4.7750, 2.0315), 5, 1e-7)
    mixed = left.T @ found @ right.T
    telling = values > 0.05 * values.max()
    assert torch.allclose(mixed, torch.diag(mixed.diagonal()), atol=1e-3)
    assert ((mixed.diagonal()[telling] > 0.3) & (mixed.diagonal()[telling] < 1.5)).all()


def test_nothing_computes_in_a_type_that_the_run_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = nn.Linear(8, 8, bias=False)
    model = nn.ModuleDict({"embedding": nn.Linear(2, 2), "layers": nn.ModuleList([layer])})
    adam, muon = optimizer.build(optimizer.OptimizerConfig(), model, torch.float32)
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda _: pytest.fail("bfloat16 in a float32 run"))
    layer.weight.grad = torch.ones(8, 8)
    muon.step()
    assert layer.weight in muon.state
    assert layer.weight not in adam.state
