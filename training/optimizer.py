"""Optimizers and the learning-rate schedule.

Muon for the matrices inside the blocks, AdamW for everything else (embeddings, norms, biases, output),
or AdamW for all. The schedule is warm-up, stable, decay: the stable part has no planned end, so a run can
be lengthened and decayed whenever its time is up (Hu et al., MiniCPM, 2024).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from training.ranges import BelowOne, Natural, NotNegative, Positive, Share


@dataclass(frozen=True)
class OptimizerConfig:
    """How weights follow gradients."""

    kind: Literal["muon", "adamw"] = "muon"
    """"muon" (matrices by Muon, the rest by AdamW) or "adamw" (all)."""
    learning_rate: Positive = 3e-3
    """AdamW's peak learning rate."""
    matrix_learning_rate: Positive = 0.02
    """Muon's peak learning rate."""
    weight_decay: NotNegative = 0.01
    """Decoupled decay of matrices and embeddings, times the learning rate, per step."""
    momentum: BelowOne = 0.95
    """Muon's momentum (Nesterov)."""
    beta1: BelowOne = 0.9
    """AdamW's average of gradients."""
    beta2: BelowOne = 0.95
    """AdamW's average of squared gradients."""
    gradient_clip: NotNegative = 1.0
    """Largest norm of the whole gradient; 0: no clipping."""
    warmup_steps: Natural = 100
    """Steps over which the learning rate rises from 0."""
    decay_share: Share = 0.2
    """Share of all steps, at the end, over which the learning rate falls to 0; 0: constant to the end."""


class Muon(torch.optim.Muon):
    """PyTorch's Muon (Jordan et al., 2024), which orthogonalizes in the type that the run computes in.

    Its own bfloat16 is imitated by processors without it: ten seconds a step for a model of 8.6M parameters.
    """

    def __init__(
        self, matrices: Sequence[Tensor], precision: torch.dtype, *, lr: float, momentum: float, weight_decay: float
    ) -> None:
        super().__init__(list(matrices), lr=lr, momentum=momentum, weight_decay=weight_decay)
        self._precision = precision

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move each matrix that has a gradient."""
        for group in self.param_groups:
            rate, momentum = group["lr"], group["momentum"]
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(matrix.grad)
                average = state["momentum_buffer"].lerp_(matrix.grad, 1 - momentum)
                wanted = matrix.grad.lerp(average, momentum).to(self._precision)
                update = orthogonalized(wanted, group["ns_coefficients"], group["ns_steps"], group["eps"])
                matrix.mul_(1 - rate * group["weight_decay"])
                matrix.add_(update, alpha=-rate * math.sqrt(max(1.0, matrix.size(0) / matrix.size(1))))


def orthogonalized(matrix: Tensor, coefficients: tuple[float, float, float], steps: int, least: float) -> Tensor:
    """The nearest matrix (N, M) with singular values of about 1, by the quintic Newton-Schulz iteration.

    `least` is what the norm is taken for at the least.
    """
    linear, cubic, quintic = coefficients
    wide = matrix.T if matrix.size(0) > matrix.size(1) else matrix
    wide = wide / wide.norm().clamp(min=least)
    for _ in range(steps):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=cubic, alpha=quintic), wide, beta=linear)
    return wide.T if matrix.size(0) > matrix.size(1) else wide


def build(
    config: OptimizerConfig, model: nn.Module, precision: torch.dtype = torch.float32
) -> list[torch.optim.Optimizer]:
    """The optimizers of a model that is trained in this precision, each parameter in exactly one."""
    matrices, others, vectors = [], [], []
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            vectors.append(parameter)
        elif config.kind == "muon" and name.startswith("layers.") and parameter.ndim == 2:
            matrices.append(parameter)
        else:
            others.append(parameter)
    groups = [
        {"params": others, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=config.learning_rate,
            betas=(config.beta1, config.beta2),
            fused=True,
        )
    ]
    if matrices:
        optimizers.append(
            Muon(
                matrices,
                precision,
                lr=config.matrix_learning_rate,
                momentum=config.momentum,
                weight_decay=config.weight_decay,
            )
        )
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


def learning_rate_scale(config: OptimizerConfig, step: int, steps: int) -> float:
    """The factor on the peak learning rate at `step` of `steps`: rises, stays at 1, falls to almost 0."""
    rise = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    decay_steps = config.decay_share * steps
    fall = min(1.0, (steps - step) / decay_steps) if decay_steps else 1.0
    return min(rise, fall)


def set_learning_rate(optimizers: list[torch.optim.Optimizer], scale: float) -> None:
    """Scale every group's learning rate from its peak."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * scale


def state_tensors(optimizers: list[torch.optim.Optimizer], model: nn.Module) -> dict[str, Tensor]:
    """The optimizers' state as named tensors: "optimizer.<state>.<parameter>"."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    return {
        f"optimizer.{key}.{names[parameter]}": torch.as_tensor(value)
        for optimizer in optimizers
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
    }


def load_state_tensors(optimizers: list[torch.optim.Optimizer], model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Put back what `state_tensors` gave."""
    states: dict[str, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        _, key, parameter_name = name.split(".", 2)
        states.setdefault(parameter_name, {})[key] = tensor
    parameters = dict(model.named_parameters())
    owners = {
        parameter: optimizer
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    for name, state in states.items():
        owners[parameters[name]].state[parameters[name]] = state
