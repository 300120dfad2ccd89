"""The table of models: the name in a config → (what builds the model from its config, the config's dataclass)."""

from collections.abc import Callable
from typing import Any

from training.models.attention import MultiHeadConfig, MultiHeadedAttentionLM, SingleHeadConfig, SingleHeadedAttentionLM
from training.models.bigram import BigramConfig, BigramLanguageModel, BigramWithWordEmbeddingsLM, EmbeddingsConfig
from training.models.decoder import Decoder, DecoderConfig
from training.models.transformer import TransformerConfig, TransformerLM

MODELS: dict[str, tuple[Callable[[Any], Any], type[Any]]] = {
    "bigram": (BigramLanguageModel.from_config, BigramConfig),
    "embeddings": (BigramWithWordEmbeddingsLM.from_config, EmbeddingsConfig),
    "single-head": (SingleHeadedAttentionLM.from_config, SingleHeadConfig),
    "multi-head": (MultiHeadedAttentionLM.from_config, MultiHeadConfig),
    "transformer": (TransformerLM.from_config, TransformerConfig),
    "decoder": (Decoder, DecoderConfig),
}
