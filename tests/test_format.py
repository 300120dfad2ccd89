import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_onnxruntime_is_imported_in_one_place() -> None:
    importing = re.compile(r"^\s*(?:import|from)\s+onnxruntime\b", re.MULTILINE)
    folders = (ROOT / name for name in ("server", "training", "tests", "editor-extension/test"))
    files = [path for folder in folders for path in folder.rglob("*.py") if importing.search(path.read_text())]
    assert files == [ROOT / "training" / "format.py"]


@pytest.mark.parametrize("module", ["lineahead.engine.onnx", "training.export"])
def test_telemetry_is_off_whoever_imports_it(module: str) -> None:
    code = f"import os, sys, {module}; print('onnxruntime' in sys.modules, os.environ['ORT_DISABLE_TELEMETRY'])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["True", "1"]
