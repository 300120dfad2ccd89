"""The command line, and what is said about models that cannot be opened."""

import subprocess
import sys
from pathlib import Path

import pytest
from small_models import small_decoder_config, small_tokenizer

import server
from server.__main__ import load_engine
from server.errors import ModelError
from training import checkpoint


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    pickle = b"cos\nsystem\n(S'exit 1'\ntR."
    (tmp_path / "model.pt").write_bytes(pickle)
    with pytest.raises(ModelError, match=r"found a pickle.*Name another folder: lineahead-server --model FOLDER"):
        load_engine(tmp_path / "model.pt")
    checkpoint.save_configuration(tmp_path, "decoder", small_decoder_config(), small_tokenizer())
    (tmp_path / "pytorch_model.bin").write_bytes(pickle)
    with pytest.raises(ModelError, match="found a pickle"):
        load_engine(tmp_path)


def test_without_graph_and_pytorch_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save_configuration(tmp_path, "decoder", small_decoder_config(), small_tokenizer())
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "server.torch_engine", raising=False)
    monkeypatch.delattr(server, "torch_engine", raising=False)
    with pytest.raises(ModelError, match=r"training\.export.*pip install 'lineahead\[training\]'"):
        load_engine(tmp_path)


def test_the_bundled_model_needs_no_pytorch() -> None:
    heavy = "{'torch', 'pandas', 'transformers', 'tqdm', 'matplotlib', 'training', 'onnx'} & set(sys.modules)"
    code = f"""
import sys
from server.__main__ import BUNDLED_MODEL, load_engine
from server.policy import complete
from server.settings import Settings
from server.silence import Place
place = Place("import os\\nimport sys\\n\\nfor name in os.li", 43)
assert complete(place, Settings(confidence=0), load_engine(BUNDLED_MODEL)).suggestions
print({heavy})
"""
    shown = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert shown.stdout == "set()\n", shown.stderr


def test_a_server_without_a_client_has_not_imported_pytorch() -> None:
    heavy = "{'torch', 'pandas', 'transformers', 'tqdm', 'matplotlib', 'training'} & set(sys.modules)"
    code = f"import sys, server.__main__, server.demo; print({heavy})"
    shown = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"


def test_the_command_line() -> None:
    shown = subprocess.run(
        [sys.executable, "-P", "-m", "server", "--version"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.startswith("lineahead 0.")
    refused = subprocess.run(
        [sys.executable, "-P", "-m", "server", "--log-file", "/no/where"], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert "--log-file: expected a file that can be written" in refused.stderr
