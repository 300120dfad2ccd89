"""A decoder's sizes as Hugging Face's config.json says them, for the shapes that both know: Qwen3, Qwen2 and Llama."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.errors import InputError
from training.format import DOCUMENT_END, DOCUMENT_START, PADDING
from training.models.decoder import DecoderConfig
from training.tokenizer import Tokenizer

SHAPES = {
    "qwen3": (True, False),
    "qwen2": (False, True),
    "llama": (False, False),
}  # QK-norm, biases


def _scales_positions(config: dict[str, Any]) -> bool:
    """Whether rotary positions are other than plain, under any name that transformers has had for it."""
    tables = [config.get(name) or {} for name in ("rope_parameters", "rope_scaling")]
    if not all(isinstance(table, dict) for table in tables):
        return True
    kinds = (table.get(name, "default") for table in tables for name in ("rope_type", "type"))
    return any(kind != "default" for kind in kinds)


UNSUPPORTED: dict[str, Callable[[dict[str, Any]], bool]] = {
    "scaled rotary positions (rope_parameters, rope_scaling)": _scales_positions,
    "rotary positions on a part of each head (partial_rotary_factor)": lambda config: any(
        (table or {}).get("partial_rotary_factor", 1) != 1 for table in (config, config.get("rope_parameters"))
    ),
    "another activation than SiLU (hidden_act)": lambda config: (
        config.get("hidden_act", "silu") not in ("silu", "swish")
    ),
    "sliding windows (use_sliding_window, layer_types)": lambda config: bool(
        config.get("use_sliding_window") or set(config.get("layer_types") or ()) - {"full_attention"}
    ),
    "biases (attention_bias, mlp_bias)": lambda config: bool(config.get("attention_bias") or config.get("mlp_bias")),
    "quantised weights (quantization_config)": lambda config: bool(config.get("quantization_config")),
}
"""What a config.json of a known shape may ask for beyond it."""


def from_decoder(config: DecoderConfig, tokenizer: Tokenizer) -> dict[str, Any]:
    """config.json for a decoder of ours, under the names that transformers uses."""
    switches = (config.qk_norm, config.qkv_bias)
    shape = next((name for name, shown in SHAPES.items() if shown == switches), None)
    if shape is None:
        raise InputError("model: qk_norm together with qkv_bias is no known shape; switch one off")
    return {
        "architectures": [{"qwen3": "Qwen3", "qwen2": "Qwen2", "llama": "Llama"}[shape] + "ForCausalLM"],
        "model_type": shape,
        "vocab_size": config.vocab_size,
        "max_position_embeddings": config.context_window_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_key_value_heads,
        "head_dim": config.head_size,
        "hidden_act": "silu",
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "attention_bias": False,
        "tie_word_embeddings": config.tie_embeddings,
        "bos_token_id": tokenizer.special(DOCUMENT_START),
        "eos_token_id": tokenizer.special(DOCUMENT_END),
        "pad_token_id": tokenizer.special(PADDING),
        "torch_dtype": "float32",
    }


def to_decoder(folder: Path, config: dict[str, Any]) -> DecoderConfig:
    """The decoder that a folder's config.json describes. Raises InputError for another shape, and for what we lack."""
    shape = config.get("model_type")
    if shape not in SHAPES:
        raise InputError(f"{folder}: expected a model of ours or one shaped like {', '.join(SHAPES)}; found {shape!r}")
    rope = config.get("rope_parameters") or {}
    unsupported = [name for name, differs in UNSUPPORTED.items() if differs(config)]
    if unsupported:
        raise InputError(f"{folder}/config.json: not supported: {', '.join(unsupported)}; take another model")
    qk_norm, qkv_bias = SHAPES[shape]
    try:
        heads = config["num_attention_heads"]
        return DecoderConfig(
            vocab_size=config["vocab_size"],
            context_window_size=config["max_position_embeddings"],
            hidden_size=config["hidden_size"],
            intermediate_size=config["intermediate_size"],
            num_layers=config["num_hidden_layers"],
            num_heads=heads,
            num_key_value_heads=config.get("num_key_value_heads") or heads,
            head_size=config.get("head_dim") or config["hidden_size"] // heads,
            rope_theta=rope.get("rope_theta", config.get("rope_theta", 10_000.0)),
            norm_eps=config["rms_norm_eps"],
            qk_norm=qk_norm,
            qkv_bias=qkv_bias,
            tie_embeddings=config.get("tie_word_embeddings", False),
        )
    except KeyError as error:
        raise InputError(f"{folder}/config.json: a {shape} needs {error}, found none") from None
