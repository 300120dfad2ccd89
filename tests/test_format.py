"""What training and the server share: the names of a checkpoint, bytes of tokens, and which folders hold own code."""

import ast
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import pre_tokenizers

from training import format

ROOT = Path(__file__).parents[1]


def test_onnxruntime_is_imported_in_one_place() -> None:
    importing = re.compile(r"^\s*(?:import|from)\s+onnxruntime\b", re.MULTILINE)
    folders = (ROOT / name for name in ("server", "training", "tests", "editor-extension/test"))
    files = [path for folder in folders for path in folder.rglob("*.py") if importing.search(path.read_text())]
    assert files == [ROOT / "training" / "format.py"]


@pytest.mark.parametrize("module", ["lineahead.engine.onnx", "training.export"])
def test_telemetry_is_off_whoever_imports_it(module: str) -> None:
    code = f"import os, sys, {module}; print('onnxruntime' in sys.modules, os.environ['ORT_DISABLE_TELEMETRY'])"
    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert finished.stdout.split() == ["True", "1"]


def test_it_needs_the_standard_library_only() -> None:
    tree = ast.parse((ROOT / "training" / "format.py").read_text())
    imported = {name.name for node in tree.body if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module).partition(".")[0] for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert imported <= sys.stdlib_module_names


def test_the_byte_alphabet_is_the_library_s() -> None:
    assert sorted(format.byte_alphabet().values()) == list(range(256))
    assert set(format.byte_alphabet()) == set(pre_tokenizers.ByteLevel.alphabet())
    assert format.bytes_of("Ġé") == b" \xe9"


def test_tokens_stand_for_bytes_and_special_ones_for_none() -> None:
    table = format.token_bytes({"<s>": 0, "a": 1, "Ġb": 3}, {0}, 4)
    assert table == [b"", b"a", b"", b" b"]
    assert format.byte_lengths(table) == [0, 1, 0, 2]
    with pytest.raises(KeyError):
        format.token_bytes({"▁word": 0}, set(), 1)


def test_bits_per_byte() -> None:
    assert format.bits_per_byte(8 * math.log(2), 4) == pytest.approx(2)
    assert math.isnan(format.bits_per_byte(1.0, 0))


def test_only_own_code_is_walked(tmp_path: Path) -> None:
    for folder in ("", "b", "a", "a/deep", "node_modules", "build", ".git", "my-env"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "x.py").touch()
        (tmp_path / folder / "x.txt").touch()
    (tmp_path / "my-env" / "pyvenv.cfg").touch()
    paths = [path.relative_to(tmp_path).as_posix() for path in format.python_files(tmp_path)]
    assert paths == ["x.py", "a/x.py", "a/deep/x.py", "b/x.py"]
    assert len(list(format.python_files(tmp_path, most_folders=2))) == 2
    assert list(format.python_files(tmp_path, lambda folder: folder.name == "build"))[1:] == [
        tmp_path / "build" / "x.py"
    ]
