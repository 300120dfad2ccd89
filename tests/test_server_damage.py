"""Model folders that are not what they say: refused before they cost anything."""

import json
import resource
import shutil
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from small_models import small_decoder_config, small_tokenizer

from lineahead.engine.errors import ModelError
from lineahead.engine.open import BUNDLED_MODEL, load_engine
from training import checkpoint, format
from training.errors import InputError
from training.models.decoder import Decoder

SERVED = (*(name for name in format.HASHED if name != format.WEIGHTS), format.HASHES)


@pytest.fixture
def bundled(tmp_path: Path) -> Path:
    """A copy of the bundled model as it is installed: without the weights."""
    for name in SERVED:
        shutil.copy(BUNDLED_MODEL / name, tmp_path)
    return tmp_path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    decoder = Decoder(small_decoder_config())
    checkpoint.save_configuration(tmp_path, "decoder", decoder.config, small_tokenizer())
    checkpoint.save_weights(tmp_path, decoder)
    return tmp_path


def test_the_bundled_files_are_those_that_were_hashed(bundled: Path) -> None:
    hashes = json.loads((BUNDLED_MODEL / format.HASHES).read_text())
    assert set(hashes) == set(format.HASHED)
    assert format._sha256(BUNDLED_MODEL / format.WEIGHTS) == hashes[format.WEIGHTS]
    started = time.process_time()
    assert format.damaged(bundled) == []
    assert time.process_time() - started < 0.25
    assert load_engine(bundled)


@pytest.mark.parametrize("name", SERVED[:-1])
def test_flipped_bytes_are_found(bundled: Path, name: str) -> None:
    content = bytearray((bundled / name).read_bytes())
    draw = np.random.default_rng(6)
    for place in draw.integers(len(content) // 2, len(content), size=3):
        content[place] ^= 0x10
    (bundled / name).write_bytes(content)
    with pytest.raises(ModelError, match=rf"{name} changed since the hashes"):
        load_engine(bundled)


@pytest.mark.parametrize("name", [format.TOKENIZER, format.GRAPH, format.CONFIG])
def test_a_missing_file_is_found(bundled: Path, name: str) -> None:
    (bundled / name).unlink()
    with pytest.raises(ModelError, match=name):
        load_engine(bundled)


@pytest.mark.parametrize("content", ["{", "[]", '{"../../etc/passwd": ""}', "null", "\ud800"])
def test_hashes_that_are_none_are_refused(bundled: Path, content: str) -> None:
    (bundled / format.HASHES).write_bytes(content.encode(errors="surrogatepass"))
    with pytest.raises(ModelError, match=format.HASHES):
        load_engine(bundled)


def test_a_person_s_own_folder_needs_no_hashes(bundled: Path) -> None:
    (bundled / format.HASHES).unlink()
    assert load_engine(bundled)


@pytest.mark.parametrize("size", [10**6, 2**40, 0, "many"])
def test_a_graph_of_absurd_sizes_is_refused_by_arithmetic(bundled: Path, size: int | str) -> None:
    (bundled / format.HASHES).unlink()
    graph = onnx.load(bundled / format.GRAPH)
    for value in (*graph.graph.input, *graph.graph.output):
        if value.name.startswith(("past_", "present_")):
            dimension = value.type.tensor_type.shape.dim[2]
            if isinstance(size, int):
                dimension.dim_value = size
            else:
                dimension.dim_param = size
    onnx.save(graph, bundled / format.GRAPH)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match=r"keys and values|model\.onnx"):
        load_engine(bundled)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


@pytest.mark.parametrize(
    ("field", "size"),
    [
        ("hidden_size", 2**17),
        ("vocab_size", 2**26),
        ("context_window_size", 2**27),
        ("context_window_size", 2**40),
        ("intermediate_size", 2**27),
        ("num_layers", 10**9),
        ("num_layers", 10**4),
        ("num_heads", 10**6),
        ("hidden_size", -8),
        ("vocab_size", 1e300),
        ("vocab_size", "64"),
        ("vocab_size", None),
        ("vocab_size", True),
    ],
)
def test_a_configuration_of_absurd_sizes_is_refused_by_arithmetic(small: Path, field: str, size: object) -> None:
    config = json.loads((small / format.CONFIG).read_text())
    config["lineahead"]["model"][field] = size
    (small / format.CONFIG).write_text(json.dumps(config))
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(InputError, match=r"config\.json|they do not belong together"):
        checkpoint.load(small)
    assert time.process_time() - started < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_sizes_that_fit_are_loaded(small: Path) -> None:
    assert checkpoint.load(small).model.config == small_decoder_config()
