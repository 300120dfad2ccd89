"""The top of the ladder: a baseline transformer, as the decoder stood in 2019.

Blocks of attention and feed-forward, each reading a normalised copy of the stream and adding to it
(He et al., residual networks, 2016; pre-norm: Radford et al., GPT-2, 2019). Names and signatures are those
of the course (Stanford STATS 305B, winter 2024, homework 4); what changed since is in `decoder.py`.

Shapes: B rows, T tokens, D embedding size, V vocabulary.
"""

from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor, nn

from training.models.attention import AttentionCache, MultiHeadAttention, with_positions
from training.models.language_model import generate, negative_log_likelihood
from training.ranges import Count, Natural


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes of the baseline transformer."""

    vocab_size: Natural = 0
    """Rows of the embedding (V); 0: as many as the tokenizer has."""
    context_window_size: Count = 256
    """The most tokens that the model sees at once (T)."""
    embed_size: Count = 384
    """Width of the stream (D)."""
    num_heads: Count = 6
    """Heads of each block; queries and keys are D / heads wide."""
    n_layers: Count = 6
    """Blocks, one upon the other."""


class FeedForward(nn.Module):
    """Each position by itself, through a layer four times as wide."""

    def __init__(self, embed_size: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(embed_size, 4 * embed_size),
            nn.ReLU(),
            nn.Linear(4 * embed_size, embed_size),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) → (B, T, D)."""
        out: Tensor = self.net(x)
        return out


class TransformerBlock(nn.Module):
    """Attention moves information along the sequence, the feed-forward part along the features."""

    def __init__(self, vocab_size: int, context_window_size: int, embed_size: int = 384, num_heads: int = 6) -> None:
        super().__init__()  # vocab_size is in the course's signature; a block has no use for it
        self.ln1 = nn.LayerNorm(embed_size)
        self.ln2 = nn.LayerNorm(embed_size)
        self.feed_forward = FeedForward(embed_size)
        self.mh_attention = MultiHeadAttention(context_window_size, num_heads, embed_size // num_heads, embed_size)

    def forward(self, x: Tensor, cache: AttentionCache | None = None, block: int = 0) -> Tensor:
        """(B, T, D) → (B, T, D); with a cache the T tokens come after those that it holds for this block."""
        x = x + self.mh_attention(self.ln1(x), cache, block)
        out: Tensor = x + self.feed_forward(self.ln2(x))
        return out


class TransformerLM(nn.Module):
    """Token and position embeddings, blocks, a last normalisation, and a readout."""

    slides_whole = True  # positions are places in the window: when it slides, a cache is worth nothing

    def __init__(
        self, vocab_size: int, context_window_size: int, embed_size: int = 384, num_heads: int = 6, n_layers: int = 6
    ) -> None:
        super().__init__()
        self.vocab_size, self.context_window_size = vocab_size, context_window_size
        self.token_embedding_table = nn.Embedding(vocab_size, embed_size)
        self.position_embedding_table = nn.Embedding(context_window_size, embed_size)
        self.blocks = nn.Sequential(
            *(TransformerBlock(vocab_size, context_window_size, embed_size, num_heads) for _ in range(n_layers))
        )
        self.ln_f = nn.LayerNorm(embed_size)
        self.lm_head = nn.Linear(embed_size, vocab_size)
        self.apply(self._init_weights)

    @classmethod
    def from_config(cls, config: TransformerConfig) -> Self:
        """The model of these sizes."""
        return cls(config.vocab_size, config.context_window_size, config.embed_size, config.num_heads, config.n_layers)

    def _init_weights(self, module: nn.Module) -> None:
        """Normal weights with deviation 0.02, no biases: the first predictions are almost uniform."""
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def new_cache(self, batch_size: int = 1) -> AttentionCache:
        """An empty cache for `forward`; it takes any batch."""
        return AttentionCache(len(self.blocks))

    def forward(
        self, token_ids: Tensor, targets: Tensor | None = None, cache: AttentionCache | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Token ids and targets (B, T) → logits (B, T, V) and, with targets, the mean NLL in nats.

        With a cache the tokens come after those that it holds.
        """
        start = cache.length if cache is not None else 0
        x = with_positions(token_ids, self.token_embedding_table, self.position_embedding_table, start)
        for number, block in enumerate(self.blocks):
            x = block(x, cache, number)
        if cache is not None:
            cache.length = start + token_ids.size(1)
        logits = self.lm_head(self.ln_f(x))
        return logits, negative_log_likelihood(logits, targets)

    def generate(self, token_ids: Tensor, max_new_tokens: int, **sampling: Any) -> Tensor:
        """Continue (B, T) token ids; see `language_model.stream` for temperature, top-k, top-p and seed."""
        return generate(self, token_ids, max_new_tokens, **sampling)
