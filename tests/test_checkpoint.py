"""Checkpoints: what is saved is what is loaded, and everything else is refused with a reason."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from small_models import small_decoder_config, small_tokenizer

from training import checkpoint, hugging_face
from training.errors import InputError
from training.models.attention import SingleHeadConfig, SingleHeadedAttentionLM
from training.models.decoder import Decoder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(3)
    model = Decoder(small_decoder_config())
    checkpoint.save_configuration(tmp_path, "decoder", model.config, small_tokenizer())
    checkpoint.save_weights(tmp_path, model)
    return tmp_path


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["lineahead"] |= changes
    path.write_text(json.dumps(config))


def test_weights_come_back_exactly(folder: Path) -> None:
    torch.manual_seed(3)
    saved = Decoder(small_decoder_config()).state_dict()
    loaded = checkpoint.load(folder).model.state_dict()
    assert saved.keys() == loaded.keys()
    assert all(torch.equal(saved[name], loaded[name]) for name in saved)


def test_weights_go_into_another_window_where_positions_are_rotations(folder: Path) -> None:
    config = small_decoder_config()
    longer = dataclasses.replace(config, context_window_size=2 * config.context_window_size)
    model = Decoder(longer)
    checkpoint.copy_weights(folder, model, longer)
    assert torch.equal(model.embed_tokens.weight, checkpoint.load(folder).model.embed_tokens.weight)
    token_ids = torch.arange(longer.context_window_size)[None] % config.vocab_size
    assert model(token_ids)[0].shape == (1, longer.context_window_size, config.vocab_size)


def test_learned_positions_have_no_other_window(tmp_path: Path) -> None:
    vocabulary = small_tokenizer()
    config = SingleHeadConfig(vocabulary.vocab_size, context_window_size=16, head_size=8, embed_size=8)
    model = SingleHeadedAttentionLM.from_config(config)
    checkpoint.save_configuration(tmp_path, "single-head", config, vocabulary)
    checkpoint.save_weights(tmp_path, model)
    checkpoint.copy_weights(tmp_path, model, config)
    longer = dataclasses.replace(config, context_window_size=32)
    with pytest.raises(InputError, match=r"run\.start_from: expected a checkpoint of the table"):
        checkpoint.copy_weights(tmp_path, SingleHeadedAttentionLM.from_config(longer), longer)


def test_bfloat16_weights_are_half_the_size(folder: Path) -> None:
    wide = (folder / "model.safetensors").stat().st_size
    loaded = checkpoint.load(folder)
    checkpoint.save_weights(folder, loaded.model, torch.bfloat16)
    assert (folder / "model.safetensors").stat().st_size < 0.6 * wide
    assert next(checkpoint.load(folder).model.parameters()).dtype == torch.float32


def test_tied_embedding_is_stored_once(folder: Path) -> None:
    config = small_decoder_config()
    size = (folder / "model.safetensors").stat().st_size
    parameters = sum(parameter.numel() for parameter in Decoder(config).parameters())
    assert size < 4 * parameters + 8_000


def test_missing_folder() -> None:
    with pytest.raises(InputError, match=r"nowhere: expected a checkpoint folder .* found no such folder"):
        checkpoint.load("nowhere")


def test_a_folder_without_config(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found no config\.json"):
        checkpoint.load(tmp_path)


def test_truncated_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match="truncated or not safetensors"):
        checkpoint.load(folder)


def test_a_pickle_is_refused_unread(folder: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(InputError, match="found a pickle"):
        checkpoint.load(folder)
    with pytest.raises(InputError, match="a pickle, which could run any code"):
        checkpoint.load(folder / "pytorch_model.bin")


def test_another_format_version(folder: Path) -> None:
    edit_config(folder, format_version=99)
    with pytest.raises(InputError, match="expected checkpoint format version 1, found 99"):
        checkpoint.load(folder)


def test_unknown_kind(folder: Path) -> None:
    edit_config(folder, kind="oracle")
    with pytest.raises(InputError, match="unknown kind of model 'oracle'"):
        checkpoint.load(folder)


def test_settings_that_do_not_fit_the_kind(folder: Path) -> None:
    edit_config(folder, model={"depth": 3})
    with pytest.raises(InputError, match=r"lineahead\.model does not fit a decoder"):
        checkpoint.load(folder)


def test_weights_that_do_not_fit_the_config(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())["lineahead"]["model"]
    edit_config(folder, model={**config, "num_layers": 3})
    with pytest.raises(InputError, match=r"config\.json and model\.safetensors do not fit: .*layers\.2"):
        checkpoint.load(folder)


def test_a_foreign_model_is_named(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    with pytest.raises(InputError, match="found 'gpt2'"):
        checkpoint.load(folder)


FOREIGN = {
    "model_type": "qwen3", "vocab_size": 600, "max_position_embeddings": 64, "hidden_size": 48,
    "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 16, "rms_norm_eps": 1e-6, "tie_word_embeddings": True, "rope_theta": 10_000.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rope_scaling": {"type": "linear", "factor": 4.0}}, "scaled rotary positions"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "scaled rotary positions"),
        ({"rope_parameters": {"rope_type": "llama3"}, "rope_scaling": None}, "scaled rotary positions"),
        ({"rope_scaling": "linear"}, "scaled rotary positions"),
        ({"partial_rotary_factor": 0.5}, "on a part of each head"),
        ({"rope_parameters": {"partial_rotary_factor": 0.5}}, "on a part of each head"),
        ({"hidden_act": "gelu"}, "another activation than SiLU"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "sliding windows"),
        ({"use_sliding_window": True}, "sliding windows"),
        ({"attention_bias": True}, "biases"),
        ({"mlp_bias": True}, "biases"),
        ({"quantization_config": {"bits": 4}}, "quantised weights"),
        ({"hidden_act": "gelu", "mlp_bias": True}, r"activation than SiLU .*biases"),
    ],
)
def test_what_a_foreign_config_asks_for_beyond_its_shape_is_refused(
    folder: Path, change: dict[str, object], message: str
) -> None:
    (folder / "config.json").write_text(json.dumps({**FOREIGN, "vocab_size": small_tokenizer().vocab_size, **change}))
    with pytest.raises(InputError, match=f"not supported: .*{message}"):
        checkpoint.load(folder)


def test_what_a_foreign_config_may_say(folder: Path) -> None:
    plain = {"rope_scaling": None, "rope_parameters": {"rope_type": "default"}, "layer_types": ["full_attention"] * 2}
    told = {"hidden_act": "silu", "sliding_window": 4096, "use_sliding_window": False, "partial_rotary_factor": 1.0}
    (folder / "config.json").write_text(json.dumps({**FOREIGN, **plain, **told}))
    assert hugging_face.to_decoder(folder, json.loads((folder / "config.json").read_text())).num_layers == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.safetensors.index.json", "found weights in several files; save them as one"),
        ("model-q4.gguf", r"found GGUF, llama\.cpp's own format; take the model's safetensors folder"),
    ],
)
def test_weights_in_another_form_are_named(folder: Path, name: str, message: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / name).touch()
    with pytest.raises(InputError, match=message):
        checkpoint.load(folder)
    if name.endswith("gguf"):
        with pytest.raises(InputError, match="found GGUF"):
            checkpoint.load(folder / name)


def test_a_config_that_is_no_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    with pytest.raises(InputError, match="not readable JSON"):
        checkpoint.load(folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(InputError, match="expected a JSON object, found list"):
        checkpoint.load(folder)


def test_a_tokenizer_of_another_model(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())["lineahead"]["model"]
    edit_config(folder, model={**config, "vocab_size": 300})
    with pytest.raises(InputError, match="they do not belong together"):
        checkpoint.load(folder)


def test_a_full_disk_leaves_the_old_weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (folder / "model.safetensors").read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save_weights(folder, Decoder(small_decoder_config()))
    assert (folder / "model.safetensors").read_bytes() == before
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
