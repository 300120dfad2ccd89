"""A decoder as a graph for ONNX Runtime, int8 unless asked otherwise.

The graph takes the tokens that are new and reads and writes the keys and values of earlier ones in buffers of the
whole window, which its caller owns: past and present are the same memory. Logits are computed only for the last
`rows` of the new tokens. Weights are int8 with a scale per block of inputs, activations are scaled per row,
so a token's logits do not depend on which tokens share its step. An embedding that is tied is stored once.

Shapes as in models/decoder.py; P tokens are in the buffers before the step, T new ones go in.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from training.checkpoint import Checkpoint
from training.errors import InputError
from training.models.decoder import Decoder, DecoderConfig, rotary_table

CONTRIB = "com.microsoft"
OPSET, IR_VERSION = 21, 10
BLOCKS = (128, 64, 32, 16)  # inputs that share a scale: the largest of these that divides the hidden size
INT8_ACTIVATIONS = 4  # MatMulNBits' accuracy_level: products in int8


class _Graph:
    """Collects nodes and weights."""

    def __init__(self, block: int | None) -> None:
        self.block = block  # None: float32
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, operator: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: Any) -> str:
        """A node with one output; returns that output's name."""
        self.nodes.append(helper.make_node(operator, list(inputs), [output], output, domain=domain, **attributes))
        return output

    def store(self, name: str, array: NDArray[Any]) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def multiply(self, values: str, weight: Tensor, name: str, output: str) -> str:
        """values (…, D) times the transpose of `weight` (O, D), in int8 where the graph is quantised."""
        if not self.block:
            return self.add("MatMul", [values, self.store(name, weight.T.numpy())], output)
        self.store_quantised(name, weight)
        rows, columns = weight.shape
        return self.add(
            "MatMulNBits", [values, name, f"{name}.scales"], output, CONTRIB,
            K=columns, N=rows, bits=8, block_size=self.block, accuracy_level=INT8_ACTIVATIONS,
        )  # fmt: skip

    def store_quantised(self, name: str, weight: Tensor) -> None:
        """Store (O, D) as bytes (O, blocks, block) around a zero of 128, and a scale per block (O, blocks)."""
        assert self.block
        padded = F.pad(weight, (0, -weight.shape[1] % self.block)).reshape(len(weight), -1, self.block)
        scales = padded.abs().amax(dim=-1, keepdim=True).clamp(min=1e-12) / 127
        self.store(name, (torch.round(padded / scales) + 128).to(torch.uint8).numpy())
        self.store(f"{name}.scales", scales.squeeze(-1).numpy())

    def normalise(self, values: str, weight: Tensor, epsilon: float, output: str) -> str:
        scale = self.store(f"{output}.weight", weight.numpy())
        return self.add("SimplifiedLayerNormalization", [values, scale], output, axis=-1, epsilon=epsilon, stash_type=1)

    def add_and_normalise(self, values: str, more: str, weight: Tensor, epsilon: float, output: str) -> tuple[str, str]:
        """The sum of two streams, normalised, and the sum itself, by one node."""
        scale, total = self.store(f"{output}.weight", weight.numpy()), f"{output}.sum"
        self.nodes.append(
            helper.make_node(
                "SkipSimplifiedLayerNormalization", [values, more, scale], [output, "", "", total], output,
                domain=CONTRIB, epsilon=epsilon,
            )
        )  # fmt: skip
        return output, total


def build(opened: Checkpoint, quantised: bool = True, window: int | None = None) -> onnx.ModelProto:
    """The graph of a decoder checkpoint, over `window` tokens at most (None: as many as the model sees).

    Raises InputError for other models and for weights that are no numbers.
    """
    model, config = opened.model, getattr(opened.model, "config", None)
    if not isinstance(model, Decoder) or not isinstance(config, DecoderConfig):
        raise InputError("export: expected a decoder; the baseline ladder is served through PyTorch as it is")
    for name, tensor in model.state_dict().items():
        if not bool(torch.isfinite(tensor).all()):
            raise InputError(f"export: {name} holds values that are no finite numbers; take an earlier checkpoint")
    if window is not None and window < config.context_window_size:
        config = dataclasses.replace(config, context_window_size=window)
    with torch.inference_mode():
        return _decoder(model, config, quantised)


def _decoder(model: Any, config: DecoderConfig, quantised: bool) -> onnx.ModelProto:
    block = next((size for size in BLOCKS if config.hidden_size % size == 0), None)
    if quantised and block is None:
        raise InputError(f"export: expected a hidden size that {BLOCKS[-1]} divides, found {config.hidden_size}")
    build = _Graph(block if quantised else None)
    cosines, sines = rotary_table(config)
    half = config.head_size // 2
    build.store("cosines", cosines.numpy()[:, :half])
    build.store("sines", sines.numpy()[:, :half])
    stream, pending = _embed(build, model, config), ""
    for number, layer in enumerate(model.layers):
        name = f"layer.{number}"
        if pending:
            normed, stream = build.add_and_normalise(
                stream, pending, layer.input_layernorm.weight, config.norm_eps, f"{name}.input"
            )
        else:
            normed = build.normalise(stream, layer.input_layernorm.weight, config.norm_eps, f"{name}.input")
        attended = _attend(build, layer.self_attn, config, normed, number)
        normed, stream = build.add_and_normalise(
            stream, attended, layer.post_attention_layernorm.weight, config.norm_eps, f"{name}.middle"
        )
        pending = _feed_forward(build, layer.mlp, config, normed, name)
    normed, _ = build.add_and_normalise(stream, pending, model.norm.weight, config.norm_eps, "final")
    wanted = build.add("Gather", [normed, "rows"], "final.rows", axis=1)
    if build.block and config.tie_embeddings:  # stored by _embed
        build.add(
            "MatMulNBits", [wanted, "embedding", "embedding.scales"], "logits", CONTRIB,
            K=config.hidden_size, N=config.vocab_size, bits=8, block_size=build.block, accuracy_level=INT8_ACTIVATIONS,
        )  # fmt: skip
    elif config.tie_embeddings:
        build.add("MatMul", [wanted, build.add("Transpose", ["embedding"], "lm_head", perm=[1, 0])], "logits")
    else:
        build.multiply(wanted, model.lm_head.weight, "lm_head", "logits")
    return _wrap(build, config)


def _embed(build: _Graph, model: Any, config: DecoderConfig) -> str:
    """Token ids (1, T) → (1, T, D): rows of the table, brought back from int8 where it is quantised."""
    weight = model.embed_tokens.weight
    if not build.block:
        return build.add("Gather", [build.store("embedding", weight.numpy()), "token_ids"], "embedded", axis=0)
    build.store_quantised("embedding", weight)
    build.store("zero", np.array(128, dtype=np.float32))
    build.store("embedded.shape", np.array([1, -1, weight.shape[1]], dtype=np.int64))
    build.store("last", np.array([-1], dtype=np.int64))
    codes = build.add("Gather", ["embedding", "token_ids"], "embedded.codes", axis=0)
    numbers = build.add("Cast", [codes], "embedded.numbers", to=TensorProto.FLOAT)
    centred = build.add("Sub", [numbers, "zero"], "embedded.centred")
    scales = build.add("Gather", ["embedding.scales", "token_ids"], "embedded.scales", axis=0)
    column = build.add("Unsqueeze", [scales, "last"], "embedded.column")
    blocks = build.add("Mul", [centred, column], "embedded.blocks")
    return build.add("Reshape", [blocks, "embedded.shape"], "embedded")


def _attend(build: _Graph, attention: Any, config: DecoderConfig, normed: str, number: int) -> str:
    name = f"layer.{number}.attention"
    queries, shared = config.num_heads * config.head_size, config.num_key_value_heads * config.head_size
    parts = [attention.q_proj, attention.k_proj, attention.v_proj]
    together = build.multiply(normed, torch.cat([part.weight for part in parts]), f"{name}.qkv", f"{name}.together")
    if config.qkv_bias:
        bias = build.store(f"{name}.bias", torch.cat([part.bias for part in parts]).numpy())
        together = build.add("Add", [together, bias], f"{name}.biased")
    sizes = build.store(f"{name}.sizes", np.array([queries, shared, shared], dtype=np.int64))
    split = [f"{name}.{part}" for part in ("queries", "keys", "values")]
    build.nodes.append(helper.make_node("Split", [together, sizes], split, f"{name}.split", axis=-1))
    if config.qk_norm:
        for index, (norm, width) in enumerate(((attention.q_norm, queries), (attention.k_norm, shared))):
            heads = build.store(f"{split[index]}.heads", np.array([1, -1, config.head_size], dtype=np.int64))
            flat = build.store(f"{split[index]}.flat", np.array([1, -1, width], dtype=np.int64))
            by_head = build.add("Reshape", [split[index], heads], f"{split[index]}.each")
            even = build.normalise(by_head, norm.weight, config.norm_eps, f"{split[index]}.even")
            split[index] = build.add("Reshape", [even, flat], f"{split[index]}.normed")
    outputs = [f"{name}.mixed", f"present_key.{number}", f"present_value.{number}"]
    caches = [f"past_key.{number}", f"past_value.{number}"]
    build.nodes.append(
        helper.make_node(
            "GroupQueryAttention", [*split, *caches, "last_position", "total", "cosines", "sines"], outputs, name,
            domain=CONTRIB, num_heads=config.num_heads, kv_num_heads=config.num_key_value_heads, do_rotary=1,
            rotary_interleaved=0, scale=config.head_size**-0.5,
        )
    )  # fmt: skip
    return build.multiply(outputs[0], attention.o_proj.weight, f"{name}.o", f"{name}.out")


def _feed_forward(build: _Graph, mlp: Any, config: DecoderConfig, normed: str, name: str) -> str:
    weight = torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight])
    together = build.multiply(normed, weight, f"{name}.gate_up", f"{name}.together")
    sizes = build.store(f"{name}.sizes", np.array([config.intermediate_size] * 2, dtype=np.int64))
    build.nodes.append(
        helper.make_node("Split", [together, sizes], [f"{name}.gate", f"{name}.up"], f"{name}.split", axis=-1)
    )
    gate = build.add("QuickGelu", [f"{name}.gate"], f"{name}.silu", CONTRIB, alpha=1.0)  # x · sigmoid(x)
    product = build.add("Mul", [gate, f"{name}.up"], f"{name}.product")
    return build.multiply(product, mlp.down_proj.weight, f"{name}.down", f"{name}.fed")


def _wrap(build: _Graph, config: DecoderConfig) -> onnx.ModelProto:
    cache = [1, config.num_key_value_heads, config.context_window_size, config.head_size]
    inputs = [
        helper.make_tensor_value_info("token_ids", TensorProto.INT64, [1, "T"]),
        helper.make_tensor_value_info("rows", TensorProto.INT64, ["N"]),
        helper.make_tensor_value_info("last_position", TensorProto.INT32, [1]),
        helper.make_tensor_value_info("total", TensorProto.INT32, [1]),
    ]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, "N", config.vocab_size])]
    for number in range(config.num_layers):
        for kind in ("key", "value"):
            inputs.append(helper.make_tensor_value_info(f"past_{kind}.{number}", TensorProto.FLOAT, cache))
            outputs.append(helper.make_tensor_value_info(f"present_{kind}.{number}", TensorProto.FLOAT, cache))
    made = helper.make_graph(build.nodes, "decoder", inputs, outputs, build.weights)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
    return helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION, producer_name="lineahead")
