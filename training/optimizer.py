"""Optimizers and the learning-rate schedule.

Muon for the matrices inside the blocks, AdamW for everything else (embeddings, norms, biases, output),
or AdamW for all. The schedule is warm-up, stable, decay: the stable part has no planned end, so a run can
be lengthened and decayed whenever its time is up (Hu et al., MiniCPM, 2024).
"""

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


def build(config: OptimizerConfig, model: nn.Module) -> list[torch.optim.Optimizer]:
    """The optimizers of a model, each parameter in exactly one."""
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
            torch.optim.Muon(
                matrices,
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
