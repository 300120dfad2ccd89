"""The first two steps of the ladder: models that look at one token only.

A table of logits (Shannon, 1948, in today's clothes), and the same through a narrow embedding
(the smallest relative of Bengio et al., "A Neural Probabilistic Language Model", 2003).
Names and signatures are those of the course (Stanford STATS 305B, winter 2024, homework 4).

Shapes: B rows, T tokens, D embedding size, V vocabulary.
"""

from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor, nn

from training.models.language_model import generate, negative_log_likelihood
from training.ranges import Count, Natural

WINDOW = 256  # tokens; the course's, and as many as `generate` writes unless told otherwise


@dataclass(frozen=True)
class BigramConfig:
    """Sizes of the bigram model."""

    vocab_size: Natural = 0
    """Rows and columns of the table (V); 0: as many as the tokenizer has."""
    context_window_size: Count = WINDOW
    """Tokens in a row of training or measuring (T). The prediction depends on the last one alone."""


@dataclass(frozen=True)
class EmbeddingsConfig:
    """Sizes of the bigram model with word embeddings."""

    vocab_size: Natural = 0
    """Rows of the embedding (V); 0: as many as the tokenizer has."""
    context_window_size: Count = WINDOW
    """Tokens in a row of training or measuring (T). The prediction depends on the last one alone."""
    embed_size: Count = 32
    """Width of the embedding (D)."""


class BigramLanguageModel(nn.Module):
    """A table: row v holds the logits of what follows token v."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.vocab_size, self.context_window_size = vocab_size, BigramConfig.context_window_size
        self.logits_table = nn.Embedding(vocab_size, vocab_size)

    @classmethod
    def from_config(cls, config: BigramConfig) -> Self:
        """The model of these sizes."""
        model = cls(config.vocab_size)
        model.context_window_size = config.context_window_size
        return model

    def forward(self, token_ids: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Token ids and targets (B, T) → logits (B, T, V) and, with targets, the mean NLL in nats."""
        logits = self.logits_table(token_ids)
        return logits, negative_log_likelihood(logits, targets)

    def generate(self, token_ids: Tensor, max_new_tokens: int = WINDOW, **sampling: Any) -> Tensor:
        """Continue (B, T) token ids; see `language_model.stream` for temperature, top-k, top-p and seed."""
        return generate(self, token_ids, max_new_tokens, **sampling)


class BigramWithWordEmbeddingsLM(nn.Module):
    """The same table as a product of two narrow matrices: tokens that are used alike come to lie together."""

    def __init__(self, vocab_size: int, embed_size: int = 32) -> None:
        super().__init__()
        self.vocab_size, self.context_window_size = vocab_size, EmbeddingsConfig.context_window_size
        self.token_embedding_table = nn.Embedding(vocab_size, embed_size)
        self.lm_head = nn.Linear(embed_size, vocab_size)

    @classmethod
    def from_config(cls, config: EmbeddingsConfig) -> Self:
        """The model of these sizes."""
        model = cls(config.vocab_size, config.embed_size)
        model.context_window_size = config.context_window_size
        return model

    def forward(self, token_ids: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Token ids and targets (B, T) → logits (B, T, V) and, with targets, the mean NLL in nats."""
        logits = self.lm_head(self.token_embedding_table(token_ids))
        return logits, negative_log_likelihood(logits, targets)

    def generate(self, token_ids: Tensor, max_new_tokens: int = WINDOW, **sampling: Any) -> Tensor:
        """Continue (B, T) token ids; see `language_model.stream` for temperature, top-k, top-p and seed."""
        return generate(self, token_ids, max_new_tokens, **sampling)
