"""The next two steps of the ladder: one head of attention, and several.

    softmax over rows (causal mask (X U_qᵀ U_k Xᵀ) / √K) (X Vᵀ)     with U_q, U_k of K×D and V of D×D

(Vaswani et al., "Attention Is All You Need", 2017). In this ladder a head's value matrix is square, so
each head speaks in the width of the stream and several heads are simply added up: what others call
value and output projection is one matrix here. Names and signatures are those of the course
(Stanford STATS 305B, winter 2024, homework 4).

Shapes: B rows, T tokens, D embedding size, H heads, K head size, V vocabulary.
"""

from dataclasses import dataclass
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.models.language_model import generate, negative_log_likelihood
from training.ranges import Count, Natural


@dataclass(frozen=True)
class SingleHeadConfig:
    """Sizes of the model with one head."""

    vocab_size: Natural = 0
    """Rows of the embedding (V); 0: as many as the tokenizer has."""
    context_window_size: Count = 256
    """The most tokens that the model sees at once (T)."""
    head_size: Count = 384
    """Width of queries and keys (K)."""
    embed_size: Count = 384
    """Width of the embedding (D)."""


@dataclass(frozen=True)
class MultiHeadConfig:
    """Sizes of the model with several heads."""

    vocab_size: Natural = 0
    """Rows of the embedding (V); 0: as many as the tokenizer has."""
    context_window_size: Count = 256
    """The most tokens that the model sees at once (T)."""
    embed_size: Count = 384
    """Width of the embedding (D)."""
    num_heads: Count = 6
    """Heads (H); queries and keys are D / H wide."""


class AttentionCache:
    """Keys (B, H, T, K) and values (B, H, T, D) of the tokens seen so far, for each block."""

    def __init__(self, blocks: int) -> None:
        self.length = 0
        """Tokens seen; a smaller number forgets the last ones."""
        self._seen: list[tuple[Tensor, Tensor] | None] = [None] * blocks

    def extend(self, block: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append one block's new keys and values; returns all of them. The tokens count once `length` says so."""
        seen = self._seen[block]
        if seen is not None and self.length:
            keys, values = (
                torch.cat((old[:, :, : self.length], new), dim=2) for old, new in zip(seen, (keys, values), strict=True)
            )
        self._seen[block] = keys, values
        return keys, values


def causal_weights(queries: Tensor, keys: Tensor) -> Tensor:
    """How much the last T positions take from each of all S up to themselves, in rows that sum to 1.

    Queries (..., T, K) and keys (..., S, K) → (..., T, S).
    """
    scores = queries @ keys.transpose(-2, -1) / keys.size(-1) ** 0.5
    before = keys.size(-2) - queries.size(-2)
    future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1 + before)
    weights: Tensor = scores.masked_fill(future, float("-inf")).softmax(dim=-1)
    return weights


def with_positions(token_ids: Tensor, tokens: nn.Embedding, positions: nn.Embedding, start: int = 0) -> Tensor:
    """The embeddings of token ids (B, T) plus those of their places from `start` on, which are learned: (B, T, D)."""
    end, window = start + token_ids.size(1), positions.num_embeddings
    assert end <= window, f"{end} tokens in a window of {window}"
    embedded: Tensor = tokens(token_ids) + positions(torch.arange(start, end, device=token_ids.device))
    return embedded


class Head(nn.Module):
    """One head of causal self-attention: U_q, U_k and V of the formula above are `query`, `key` and `value`."""

    def __init__(self, head_size: int, context_window_size: int, embed_size: int = 384) -> None:
        super().__init__()
        self.context_window_size = context_window_size
        self.query = nn.Linear(embed_size, head_size, bias=False)
        self.key = nn.Linear(embed_size, head_size, bias=False)
        self.value = nn.Linear(embed_size, embed_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) → (B, T, D)."""
        assert x.size(1) <= self.context_window_size, f"{x.size(1)} tokens in a window of {self.context_window_size}"
        mixed: Tensor = causal_weights(self.query(x), self.key(x)) @ self.value(x)
        return mixed


class MultiHeadAttention(nn.Module):
    """The sum of several heads, computed as one.

    The parameters stay with their heads (`heads.0.query.weight`, …); side by side they make one matrix,
    so that H small products become one large one.
    """

    def __init__(self, context_window_size: int, num_heads: int, head_size: int, embed_size: int = 384) -> None:
        super().__init__()
        self.context_window_size = context_window_size
        self.heads = nn.ModuleList(Head(head_size, context_window_size, embed_size) for _ in range(num_heads))

    def _project(self, x: Tensor, name: str) -> Tensor:
        """Queries, keys or values of all heads: (B, T, D) → (B, H, T, width)."""
        weight = torch.cat([head.get_parameter(f"{name}.weight") for head in self.heads])
        return F.linear(x, weight).view(*x.shape[:2], len(self.heads), -1).transpose(1, 2)

    def forward(self, x: Tensor, cache: AttentionCache | None = None, block: int = 0) -> Tensor:
        """(B, T, D) → (B, T, D); with a cache the T tokens come after those that the cache holds for this block."""
        assert x.size(1) <= self.context_window_size, f"{x.size(1)} tokens in a window of {self.context_window_size}"
        keys, values = self._project(x, "key"), self._project(x, "value")
        if cache is not None:
            keys, values = cache.extend(block, keys, values)
        weights = causal_weights(self._project(x, "query"), keys)
        # (B, T, H·S) times (B, H·S, D): the product that mixes positions adds up the heads as well.
        return weights.transpose(1, 2).flatten(2) @ values.flatten(1, 2)


class SingleHeadedAttentionLM(nn.Module):
    """Token and position embeddings, one head, and a readout."""

    def __init__(self, vocab_size: int, context_window_size: int, head_size: int, embed_size: int = 384) -> None:
        super().__init__()
        self.vocab_size, self.context_window_size = vocab_size, context_window_size
        self.token_embedding_table = nn.Embedding(vocab_size, embed_size)
        self.position_embedding_table = nn.Embedding(context_window_size, embed_size)
        self.atten_head = Head(head_size, context_window_size, embed_size)
        self.lm_head = nn.Linear(embed_size, vocab_size)

    @classmethod
    def from_config(cls, config: SingleHeadConfig) -> Self:
        """The model of these sizes."""
        return cls(config.vocab_size, config.context_window_size, config.head_size, config.embed_size)

    def forward(self, token_ids: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Token ids and targets (B, T) → logits (B, T, V) and, with targets, the mean NLL in nats."""
        x = with_positions(token_ids, self.token_embedding_table, self.position_embedding_table)
        logits = self.lm_head(self.atten_head(x))
        return logits, negative_log_likelihood(logits, targets)

    def generate(self, token_ids: Tensor, max_new_tokens: int, **sampling: Any) -> Tensor:
        """Continue (B, T) token ids; see `language_model.stream` for temperature, top-k, top-p and seed."""
        return generate(self, token_ids, max_new_tokens, **sampling)


class MultiHeadedAttentionLM(nn.Module):
    """Token and position embeddings, several heads of D / H each, and a readout."""

    def __init__(self, vocab_size: int, context_window_size: int, embed_size: int = 384, num_heads: int = 6) -> None:
        super().__init__()
        head_size = embed_size // num_heads
        self.vocab_size, self.context_window_size = vocab_size, context_window_size
        self.token_embedding_table = nn.Embedding(vocab_size, embed_size)
        self.position_embedding_table = nn.Embedding(context_window_size, embed_size)
        self.mh_attention = MultiHeadAttention(context_window_size, num_heads, head_size, embed_size)
        self.lm_head = nn.Linear(embed_size, vocab_size)

    @classmethod
    def from_config(cls, config: MultiHeadConfig) -> Self:
        """The model of these sizes."""
        return cls(config.vocab_size, config.context_window_size, config.embed_size, config.num_heads)

    def forward(self, token_ids: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Token ids and targets (B, T) → logits (B, T, V) and, with targets, the mean NLL in nats."""
        x = with_positions(token_ids, self.token_embedding_table, self.position_embedding_table)
        logits = self.lm_head(self.mh_attention(x))
        return logits, negative_log_likelihood(logits, targets)

    def generate(self, token_ids: Tensor, max_new_tokens: int, **sampling: Any) -> Tensor:
        """Continue (B, T) token ids; see `language_model.stream` for temperature, top-k, top-p and seed."""
        return generate(self, token_ids, max_new_tokens, **sampling)
