"""The model that ships: a decoder-only transformer in the shape of Qwen3 (or, by its switches, Qwen2 and Llama).

RMSNorm before each part, rotary positions, grouped-query attention with normalised queries and keys,
a SwiGLU feed-forward, tied embeddings. Parameter names are those of Hugging Face's models, so that
a checkpoint needs no translation but the prefix "model.".

Shapes: B rows, T tokens, D hidden size, H query heads, G key-value heads, K head size, V vocabulary.
Sources: Qwen3 technical report (2025); Su et al., RoFormer (2021); Ainslie et al., GQA (2023);
Shazeer, GLU variants (2020).
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.models.language_model import generate, negative_log_likelihood
from training.ranges import Count, Natural, Positive


@dataclass(frozen=True)
class DecoderConfig:
    """Sizes of a decoder. The vocabulary's size comes from the tokenizer."""

    vocab_size: Natural = 0
    """Rows of the embedding (V); 0: as many as the tokenizer has."""
    context_window_size: Count = 512
    """The most tokens that the model sees at once (T)."""
    hidden_size: Count = 256
    """Width of the residual stream (D)."""
    intermediate_size: Count = 704
    """Width of the feed-forward part."""
    num_layers: Count = 6
    """Transformer blocks, one upon the other."""
    num_heads: Count = 4
    """Query heads (H)."""
    num_key_value_heads: Count = 2
    """Key and value heads (G), each shared by H / G query heads."""
    head_size: Count = 64
    """Width of one head (K)."""
    rope_theta: Positive = 10_000.0
    """Base of the rotary positions' wave lengths."""
    norm_eps: Positive = 1e-6
    """Added to the mean square in RMSNorm."""
    qk_norm: bool = True
    """Normalise queries and keys per head (Qwen3)."""
    qkv_bias: bool = False
    """Biases on the query, key and value projections (Qwen2)."""
    tie_embeddings: bool = True
    """Use the embedding as the output matrix too."""


class KeyValueCache:
    """Keys and values of the tokens seen so far, in buffers allocated once: per layer (B, G, window, K)."""

    def __init__(self, config: DecoderConfig, batch_size: int, like: Tensor) -> None:
        shape = (batch_size, config.num_key_value_heads, config.context_window_size, config.head_size)
        self.length = 0
        self.keys = [like.new_empty(shape) for _ in range(config.num_layers)]
        self.values = [like.new_empty(shape) for _ in range(config.num_layers)]

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append one layer's new keys and values (B, G, T, K); return all of them so far."""
        end = self.length + keys.size(2)
        self.keys[layer][:, :, self.length : end] = keys
        self.values[layer][:, :, self.length : end] = values
        return self.keys[layer][:, :, :end], self.values[layer][:, :, :end]


class RMSNorm(nn.Module):
    """Divide by the root mean square over the last dimension, in float32; then scale (Zhang & Sennrich, 2019)."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Any shape (..., size) → the same."""
        wide = x.float()
        normal = wide * torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + self.eps)
        return (normal * self.weight).to(x.dtype)


def rotary_table(config: DecoderConfig) -> tuple[Tensor, Tensor]:
    """Cosines and sines of every position: two tensors (window, K)."""
    frequencies = config.rope_theta ** (-torch.arange(0, config.head_size, 2).float() / config.head_size)
    angles = torch.outer(torch.arange(config.context_window_size).float(), frequencies)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn each pair of features (k, k + K/2) of (B, heads, T, K) by its position's angle."""
    first, second = x.chunk(2, dim=-1)
    return (x * cosines + torch.cat((-second, first), dim=-1) * sines).to(x.dtype)


class Attention(nn.Module):
    """Causal grouped-query attention."""

    def __init__(self, config: DecoderConfig, layer: int) -> None:
        super().__init__()
        self.layer, self.head_size = layer, config.head_size
        queries, shared = config.num_heads * config.head_size, config.num_key_value_heads * config.head_size
        self.q_proj = nn.Linear(config.hidden_size, queries, bias=config.qkv_bias)
        self.k_proj = nn.Linear(config.hidden_size, shared, bias=config.qkv_bias)
        self.v_proj = nn.Linear(config.hidden_size, shared, bias=config.qkv_bias)
        self.o_proj = nn.Linear(queries, config.hidden_size, bias=False)
        self.groups = config.num_heads // config.num_key_value_heads
        self.q_norm: nn.Module = nn.Identity()
        self.k_norm: nn.Module = nn.Identity()
        if config.qk_norm:
            self.q_norm = RMSNorm(config.head_size, config.norm_eps)
            self.k_norm = RMSNorm(config.head_size, config.norm_eps)

    def heads(self, x: Tensor) -> Tensor:
        """(B, T, heads·K) → (B, T, heads, K)."""
        return x.view(*x.shape[:-1], -1, self.head_size)

    def forward(self, x: Tensor, cosines: Tensor, sines: Tensor, cache: KeyValueCache | None) -> Tensor:
        """(B, T, D) → (B, T, D)."""
        queries = rotate(self.q_norm(self.heads(self.q_proj(x))).transpose(1, 2), cosines, sines)
        keys = rotate(self.k_norm(self.heads(self.k_proj(x))).transpose(1, 2), cosines, sines)
        values = self.heads(self.v_proj(x)).transpose(1, 2)
        mask = None
        if cache is not None:
            seen, new = cache.length, x.size(1)
            keys, values = cache.extend(self.layer, keys, values)
            if seen and new > 1:  # new tokens see all the old ones and, among themselves, the earlier ones
                mask = torch.ones(new, seen + new, dtype=torch.bool, device=x.device).tril(seen)
        if self.groups > 1:
            keys = keys.repeat_interleave(self.groups, dim=1)
            values = values.repeat_interleave(self.groups, dim=1)
        causal = mask is None and queries.size(2) == keys.size(2)
        mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, is_causal=causal)
        projected: Tensor = self.o_proj(mixed.transpose(1, 2).flatten(-2))
        return projected


class FeedForward(nn.Module):
    """SwiGLU: down(silu(gate(x)) · up(x))."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) → (B, T, D)."""
        down: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return down


class Block(nn.Module):
    """Attention, then feed-forward; each reads a normalised copy and adds to the residual stream."""

    def __init__(self, config: DecoderConfig, layer: int) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.norm_eps)
        self.self_attn = Attention(config, layer)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.norm_eps)
        self.mlp = FeedForward(config)

    def forward(self, x: Tensor, cosines: Tensor, sines: Tensor, cache: KeyValueCache | None) -> Tensor:
        """(B, T, D) → (B, T, D)."""
        attended: Tensor = x + self.self_attn(self.input_layernorm(x), cosines, sines, cache)
        thought: Tensor = self.mlp(self.post_attention_layernorm(attended))
        return attended + thought


class Decoder(nn.Module):
    """The language model. `forward` and `generate` are those of every model in this package."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.vocab_size, self.context_window_size = config.vocab_size, config.context_window_size
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Block(config, layer) for layer in range(config.num_layers))
        self.norm = RMSNorm(config.hidden_size, config.norm_eps)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        cosines, sines = rotary_table(config)
        self.register_buffer("cosines", cosines, persistent=False)
        self.register_buffer("sines", sines, persistent=False)
        self.apply(self._initialise)
        if config.tie_embeddings:
            self.lm_head.weight = self.embed_tokens.weight

    def _initialise(self, module: nn.Module) -> None:
        """Normal weights with deviation 0.02; what writes to the residual stream starts smaller, by its depth."""
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        if isinstance(module, Block):
            for writer in (module.self_attn.o_proj, module.mlp.down_proj):
                nn.init.normal_(writer.weight, std=0.02 / (2 * self.config.num_layers) ** 0.5)

    def new_cache(self, batch_size: int = 1) -> KeyValueCache:
        """An empty cache for `forward`, in the dtype and on the device of the weights."""
        return KeyValueCache(self.config, batch_size, self.norm.weight)

    def forward(
        self, token_ids: Tensor, targets: Tensor | None = None, cache: KeyValueCache | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Predict each next token.

        Takes token ids and targets (B, T), and a cache that holds the tokens before them; returns
        logits (B, T, V) and, with targets, the mean negative log likelihood in nats over the targets
        that are not `IGNORED_TARGET`.
        """
        start = cache.length if cache is not None else 0
        end = start + token_ids.size(1)
        assert end <= self.context_window_size, f"{end} tokens in a window of {self.context_window_size}"
        x = self.embed_tokens(token_ids)
        cosines, sines = self.get_buffer("cosines")[start:end], self.get_buffer("sines")[start:end]
        for block in self.layers:
            x = block(x, cosines, sines, cache)
        if cache is not None:
            cache.length = end
        logits = self.lm_head(self.norm(x))
        return logits, negative_log_likelihood(logits, targets)

    def generate(self, token_ids: Tensor, max_new_tokens: int, **sampling: Any) -> Tensor:
        """Continue (B, T) token ids; see `language_model.stream` for temperature, top-k, top-p and seed."""
        return generate(self, token_ids, max_new_tokens, **sampling)
