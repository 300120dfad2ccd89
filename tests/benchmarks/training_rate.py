"""How near training comes to what the processor can do: `python tests/benchmarks/training_rate.py [CONFIG] …`.

Times the training step of a config's model on random tokens and, in the same process at the same thread
count, a large matrix product of the same type; prints tokens per second, FLOP/s of both, and their ratio.
"""

import argparse
import statistics
import sys
import time

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from tqdm import trange

from training import config, devices, loop, optimizer
from training.errors import InputError
from training.models import MODELS
from training.processes import Processes

WARM_UP = 2


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


def operations_per_token(model: torch.nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> float:
    """Floating-point operations of products, forward and backward; attention counts as a whole square."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model(inputs, targets)[1].backward()
    model.zero_grad(set_to_none=True)
    operations: int = counter.get_total_flops()
    return operations / inputs.numel()


def measure(settings: config.RunConfig, steps: int) -> dict[str, float]:
    """Median seconds of a step, and what follows from it."""
    compute = devices.open_compute(settings.loop.device, settings.loop.precision, Processes())
    if settings.loop.threads:
        torch.set_num_threads(settings.loop.threads)
    torch.manual_seed(settings.run.seed)
    model = MODELS[settings.model_kind][0](settings.model).to(compute.device)
    optimizers = optimizer.build(settings.optimizer, model, compute.precision)
    forward = devices.compiled(model) if settings.loop.compile else model
    batches = settings.batches
    tokens = torch.randint(settings.model.vocab_size, (batches.batch_size, batches.sequence_length + 1))
    micro_batches = [(rows[:, :-1], rows[:, 1:]) for rows in torch.split(tokens, batches.micro_batch_size)]
    seconds: list[float] = []
    rates: list[float] = []
    for _ in trange(WARM_UP + steps, desc="steps", unit="step"):
        rates.append(matrix_rate(compute.device, compute.precision))  # each time, since machines are shared
        start = time.perf_counter()
        loss, _ = loop.update(forward, model, optimizers, micro_batches, settings.optimizer.gradient_clip, compute)
        loss.item()  # waits for the device
        seconds.append(time.perf_counter() - start)
    step_seconds, product_rate = statistics.median(seconds[WARM_UP:]), statistics.median(rates[WARM_UP:])
    tokens_per_second = batches.batch_size * batches.sequence_length / step_seconds
    training_rate = tokens_per_second * operations_per_token(model, *micro_batches[0])
    return {
        "threads": torch.get_num_threads(),
        "tokens_per_second": tokens_per_second,
        "training_gigaflops": training_rate / 1e9,
        "matrix_gigaflops": product_rate / 1e9,
        "share": training_rate / product_rate,
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", nargs="?", default="decoder-cpu", help="default: decoder-cpu")
    parser.add_argument("overrides", nargs="*", metavar="section.key=value")
    parser.add_argument("--steps", type=int, default=10, help="timed steps (default: %(default)s)")
    parser.add_argument("--vocab-size", type=int, help="default: the config's tokenizer.vocab_size")
    options = parser.parse_intermixed_args(arguments)
    try:
        settings = config.load(options.config, options.overrides)
        settings = config.with_vocabulary(settings, options.vocab_size or settings.tokenizer.vocab_size)
        found = measure(settings, options.steps)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{found['tokens_per_second']:,.0f} tokens/s on {found['threads']} thread(s)")
    print(
        f"{found['training_gigaflops']:,.1f} GFLOP/s in training, {found['matrix_gigaflops']:,.1f} in a matrix product"
    )
    print(f"share {found['share']:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
