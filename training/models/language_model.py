"""What every language model here has in common: one Protocol, and sampling that works on all of them.

Shapes: B rows, T tokens, V vocabulary entries.
"""

from collections.abc import Iterator
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORED_TARGET = -100  # a position with this target adds nothing to the loss (PyTorch's own convention)


class LanguageModel(Protocol):
    """A next-token model. `context_window_size` is the longest T that `forward` takes."""

    vocab_size: int
    context_window_size: int

    def __call__(self, token_ids: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Token ids and targets of shape (B, T) → logits (B, T, V) and, with targets, the mean NLL in nats."""
        ...

    def generate(self, token_ids: Tensor, max_new_tokens: int, **sampling: Any) -> Tensor:
        """Token ids (B, T) → (B, T + max_new_tokens)."""
        ...


def negative_log_likelihood(logits: Tensor, targets: Tensor | None) -> Tensor | None:
    """Logits (B, T, V) and targets (B, T) → the mean over targets in nats, in float32; None without targets."""
    if targets is None:
        return None
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED_TARGET)


def next_token(
    logits: Tensor,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw the next token from the last position's logits: (B, V) → (B, 1). Temperature 0 takes the most probable.

    `top_p` is nucleus sampling: the smallest set of tokens that holds that probability mass
    (Holtzman et al., "The Curious Case of Neural Text Degeneration", 2020).
    """
    if temperature <= 0:
        return logits.argmax(dim=-1, keepdim=True)
    logits = logits.float() / temperature
    if top_k is not None and top_k < logits.size(-1):
        threshold = logits.topk(top_k, dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < threshold, float("-inf"))
    if top_p is not None and top_p < 1:
        ordered, order = logits.sort(dim=-1, descending=True)
        probabilities = ordered.softmax(dim=-1)
        before = probabilities.cumsum(dim=-1) - probabilities
        ordered = ordered.masked_fill(before >= top_p, float("-inf"))  # the first token always stays
        logits = torch.full_like(logits, float("-inf")).scatter(-1, order, ordered)
    return torch.multinomial(logits.softmax(dim=-1), num_samples=1, generator=generator)


@torch.inference_mode()
def stream(model: LanguageModel, token_ids: Tensor, *, seed: int | None = None, **sampling: Any) -> Iterator[Tensor]:
    """Yield next tokens (B, 1) without end, for the prompt `token_ids` (B, T); see `next_token` for `sampling`.

    A model with `new_cache` computes each token once. When the window is full it slides: a cache
    is refilled with the newer half, so that the price of sliding is paid once in half a window; or, where the model
    `slides_whole`, nothing is cached any more.
    """
    window = model.context_window_size
    generator = None
    if seed is not None:
        generator = torch.Generator(device=token_ids.device).manual_seed(seed)
    caching: Any = model if hasattr(model, "new_cache") else None
    cache = None
    context = token_ids
    pending = context[:, -window:]
    while True:
        full = cache is not None and cache.length + pending.size(1) > window
        if caching is None or (full and getattr(model, "slides_whole", False)):
            logits, _ = model(context[:, -window:])
        else:
            if cache is None or full:
                pending = context[:, -window:] if cache is None else context[:, -max(1, window // 2) :]
                cache = caching.new_cache(context.size(0))
            logits, _ = caching(pending, cache=cache)
        pending = next_token(logits[:, -1], generator=generator, **sampling)
        context = torch.cat((context[:, -window:], pending), dim=1)
        yield pending


def generate(model: LanguageModel, token_ids: Tensor, max_new_tokens: int, **sampling: Any) -> Tensor:
    """Continue `token_ids` (B, T) by `max_new_tokens` tokens; see `stream` for `sampling`."""
    if token_ids.size(1) == 0:
        raise ValueError("generate needs at least one token to start from: give the document start token")
    steps = zip(range(max_new_tokens), stream(model, token_ids, **sampling), strict=False)
    return torch.cat([token_ids, *(token for _, token in steps)], dim=1)
