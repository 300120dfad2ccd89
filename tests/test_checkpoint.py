"""Checkpoints: what is saved is what is loaded, and everything else is refused with a reason."""

import json
from pathlib import Path

import pytest
import torch
from small_models import small_decoder_config, small_tokenizer

from training import checkpoint
from training.errors import InputError
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
