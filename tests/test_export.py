"""Graphs: the same logits as the model, for the three shapes; int8 stays close, whatever shares a step."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from small_models import SOURCE, small_decoder_config, small_tokenizer

from lineahead.engine import onnx as onnx_engine
from lineahead.engine.engine import Request
from lineahead.engine.open import load_engine
from training import checkpoint, export, graph
from training.errors import InputError
from training.models.bigram import BigramConfig, BigramLanguageModel
from training.models.decoder import Decoder

SIZES = {
    "vocab_size": small_tokenizer().vocab_size,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
}
SHAPES = {
    "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM, {"tie_word_embeddings": True}),
    "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM, {"tie_word_embeddings": False}),
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM, {"tie_word_embeddings": True}),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Products this small are slower on several, and much slower on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def prompt(length: int) -> list[int]:
    return small_tokenizer().encode(SOURCE)[:length]


def decoder_folder(folder: Path, **changes: Any) -> Path:
    """A small checkpoint with random weights."""
    folder.mkdir(exist_ok=True)
    torch.manual_seed(3)
    model = Decoder(replace(small_decoder_config(), vocab_size=small_tokenizer().vocab_size, **changes))
    checkpoint.save_configuration(folder, "decoder", model.config, small_tokenizer())
    checkpoint.save_weights(folder, model)
    return folder


@pytest.mark.parametrize("shape", SHAPES)
def test_64_tokens_are_those_of_transformers(shape: str, tmp_path: Path) -> None:
    config_class, model_class, switches = SHAPES[shape]
    torch.manual_seed(8)
    model = model_class(config_class(**SIZES, **switches)).eval()
    if shape == "qwen2":  # biases start as zeros
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.data.normal_()
    model.save_pretrained(tmp_path)
    small_tokenizer().save(tmp_path)
    assert export.main([str(tmp_path), "--float"]) == 0
    expected = model.generate(
        torch.tensor([prompt(40)]), max_new_tokens=64, do_sample=False, eos_token_id=None, pad_token_id=0
    )
    tokens = onnx_engine.load(tmp_path).stream(Request(prompt(40)), lambda: False)
    assert [token.id for token in itertools.islice(tokens, 64)] == expected[0, 40:].tolist()


@pytest.mark.parametrize("changes", [{}, {"tie_embeddings": False}, {"qk_norm": False}, {"intermediate_size": 88}])
def test_int8_stays_close(changes: dict[str, Any], tmp_path: Path) -> None:
    folder = decoder_folder(tmp_path / "model", **changes)
    assert export.export(folder, quantised=False).difference < 1e-4
    cost = export.export(folder)
    assert cost.graph_bits == pytest.approx(cost.checkpoint_bits, rel=0.01)
    assert cost.difference < 0.3


def test_logits_in_int8_do_not_depend_on_what_shares_the_step(tmp_path: Path) -> None:
    loaded = checkpoint.load(decoder_folder(tmp_path / "model"))
    runner = export.Runner(graph.build(loaded).SerializeToString())
    together = runner.logits(torch.tensor(prompt(40)))
    for length in (1, 7, 23):
        alone = runner.logits(torch.tensor(prompt(length)))[-1]
        assert torch.allclose(alone, together[length - 1], atol=1e-3)


def test_it_prints_what_int8_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = decoder_folder(tmp_path / "model")
    (tmp_path / "code.py").write_text(SOURCE)
    assert export.main([str(folder), "--text", str(tmp_path / "code.py")]) == 0
    assert "bits per byte in float32" in capsys.readouterr().out
    assert isinstance(load_engine(folder), onnx_engine.OnnxEngine)


def test_a_window_of_one_token_still_answers(tmp_path: Path) -> None:
    folder = decoder_folder(tmp_path / "model", context_window_size=1)
    loaded = checkpoint.load(folder)
    (folder / "model.onnx").write_bytes(graph.build(loaded).SerializeToString())
    assert len(list(onnx_engine.load(folder).stream(Request([5]), lambda: False))) == 1


def test_the_graph_of_a_long_window_keeps_buffers_for_a_shorter_one(tmp_path: Path) -> None:
    folder = decoder_folder(tmp_path / "model", context_window_size=8192)
    export.export(folder, quantised=False)
    engine = onnx_engine.load(folder)
    assert engine.context_window_size == export.LONGEST_WINDOW
    export.export(folder, quantised=False, window=40)
    engine = onnx_engine.load(folder)
    assert engine.context_window_size == 40
    written = list(engine.stream(Request(prompt(30)), lambda: False))
    loaded = checkpoint.load(folder)
    expected = loaded.model.generate(torch.tensor([prompt(30)]), 11, temperature=0)[0, 30:].tolist()
    assert [token.id for token in written] == expected  # until the window is full


def test_what_cannot_be_exported_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = decoder_folder(tmp_path / "model")
    (tmp_path / "empty.py").write_text("")
    assert export.main([str(folder), "--text", str(tmp_path / "empty.py")]) == 2
    assert "expected files with code" in capsys.readouterr().err
    loaded = checkpoint.load(folder)
    next(loaded.model.parameters()).data[0] = float("nan")
    with pytest.raises(InputError, match="no finite numbers"):
        graph.build(loaded)
    bigram = BigramLanguageModel.from_config(BigramConfig(vocab_size=600, context_window_size=4))
    with pytest.raises(InputError, match="expected a decoder"):
        graph.build(checkpoint.Checkpoint(bigram, small_tokenizer(), {}))
    assert not (folder / "model.onnx").exists()
