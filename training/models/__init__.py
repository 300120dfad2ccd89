"""The table of models: the name in a config → (model class, its config dataclass)."""

from training.models.decoder import Decoder, DecoderConfig

MODELS = {"decoder": (Decoder, DecoderConfig)}
