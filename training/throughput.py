"""How fast this machine multiplies matrices, and how much arithmetic a model needs: what a run will take."""

import time

import torch
from torch import nn


def matrix_rate(device: torch.device, dtype: torch.dtype, size: int = 2048, seconds: float = 0.5) -> float:
    """Floating-point operations per second of a large matrix product, measured for about `seconds`."""
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    for _ in range(2):  # warm up
        left @ right
    wait()
    products, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        left @ right
        wait()
        products += 1
    return products * 2 * size**3 / elapsed


def operations_per_token(model: nn.Module, sequence_length: int) -> float:
    """Floating-point operations of training on one token: 6 for each weight in a matrix product, and attention.

    Attention counts its lower half only: 6·T·(layers·heads·K) for scores and mixing, forward and backward
    (Kaplan et al., Scaling Laws, 2020; PaLM, appendix B, halved for causality). Looking up an embedding is free.
    """
    weights = sum(module.weight.numel() for module in model.modules() if isinstance(module, nn.Linear))
    return 6.0 * weights + 6.0 * getattr(model, "attention_width", 0) * sequence_length
