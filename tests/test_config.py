"""Configs: every file in the package loads, overrides are TOML, and what is wrong is named with its path."""

import json
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from training import config
from training.errors import InputError
from training.models import MODELS
from training.models.decoder import DecoderConfig


@pytest.mark.parametrize("path", sorted(config.CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_config_of_the_package_loads(path: Path) -> None:
    loaded = config.load(path)
    assert config.from_dict(loaded.as_dict()) == loaded
    assert json.loads(json.dumps(loaded.as_dict())) == loaded.as_dict()  # or it differs from what was kept of itself
    assert loaded.model.context_window_size >= loaded.batches.sequence_length
    assert loaded.batches.batch_size % loaded.batches.micro_batch_size == 0


def test_a_config_goes_by_its_name() -> None:
    assert config.load("tiny") == config.load(config.CONFIGS / "tiny.toml")


def test_overrides_are_lines_of_toml() -> None:
    loaded = config.load(
        "tiny", ["run.folder=OUT", "loop.steps=7", "corpus.sources=['a', 'b']", "optimizer.learning_rate = 1"]
    )
    assert (loaded.run.folder, loaded.loop.steps) == ("OUT", 7)
    assert loaded.corpus.sources == ("a", "b")
    assert loaded.optimizer.learning_rate == 1.0


def test_a_base_is_extended(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text("[loop]\nsteps = 5\nlog_every = 2\n")
    (tmp_path / "more.toml").write_text('base = "base.toml"\n[loop]\nsteps = 6\n')
    loaded = config.load(tmp_path / "more.toml")
    assert (loaded.loop.steps, loaded.loop.log_every) == (6, 2)


def test_the_model_takes_the_tokenizers_vocabulary() -> None:
    loaded = config.with_vocabulary(config.load("tiny"), 1000)
    assert loaded.model == DecoderConfig(
        vocab_size=1000,
        context_window_size=64,
        hidden_size=64,
        intermediate_size=176,
        num_layers=2,
        num_heads=2,
        num_key_value_heads=1,
        head_size=32,
    )
    with pytest.raises(InputError, match="at least the tokenizer's 1,000, found 10"):
        config.with_vocabulary(config.load("tiny", ["model.vocab_size=10"]), 1000)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("loop.stepz=3", r"loop\.stepz: unknown key; known here: steps, "),
        ("loop.steps=many", r"loop\.steps: expected int, found 'many'"),
        ("loop.steps=1.5", r"loop\.steps: expected int, found 1\.5"),
        ("loop.compile=1", r"loop\.compile: expected bool, found 1"),
        ("corpus.sources=[1]", r'corpus\.sources: expected a list of texts, as \["…"\]; found \[1\]'),
        ("corpus.sources=FILE.csv", r"corpus\.sources: expected a list of texts, .*; found 'FILE\.csv'"),
        ("corpus.validation_share=1.0", r"corpus\.validation_share: expected 0 or more, and less than 1, found 1\.0"),
        ("corpus.near_duplicate_threshold=80", r"corpus\.near_duplicate_threshold: expected .* at most 1, found 80"),
        ("corpus.limit=0", r"corpus\.limit: expected 1 or more, found 0"),
        ("optimizer.learning_rate=0", r"optimizer\.learning_rate: expected more than 0, found 0"),
        ("optimizer.learning_rate=nan", r"optimizer\.learning_rate: expected more than 0, found nan"),
        ("optimizer.gradient_clip=inf", r"optimizer\.gradient_clip: expected 0 or more, found inf"),
        ("optimizer.momentum=1", r"optimizer\.momentum: expected .* less than 1, found 1"),
        (
            "model.num_key_value_heads=3",
            r"model\.num_heads: expected a multiple of model\.num_key_value_heads = 3, found 2",
        ),
        ("model.head_size=33", r"model\.head_size: expected an even number .*found 33"),
        ("run.seed=-1", r"run\.seed: expected 0 or more, found -1"),
        ("corpus.licences=some", r"corpus\.licences: expected one of any, permissive; found 'some'"),
        ("corpus.split=line", r"corpus\.split: expected one of project, file, stream; found 'line'"),
        ("tokenizer.kind=characters", "tokenizer.kind: expected one of bpe, codebert, checkpoint; found 'characters'"),
        ("tokenizer.pattern=x", r"tokenizer\.pattern: expected one of line, word; found 'x'"),
        ("optimizer.kind=sgd", r"optimizer\.kind: expected one of muon, adamw; found 'sgd'"),
        ("loop.precision=3", r"loop\.precision: expected one of auto, bfloat16, float32; found 3"),
        ("loop.weights=['float32']", r"loop\.weights: expected one of float32, bfloat16; found \['float32'\]"),
        ("model.depth=3", r"model\.depth: unknown key"),
        ("model.hidden_size='x'", r"model\.hidden_size: expected int, found 'x'"),
        ("model.kind=oracle", r"model\.kind: expected one of .*decoder; found 'oracle'"),
        ("lop.steps=3", r"lop: unknown key; known here: run, corpus"),
        ("steps=3", r"expected section\.key=value, found 'steps=3'"),
        ("loop.steps", r"expected section\.key=value, found 'loop\.steps'"),
    ],
)
def test_what_is_wrong_is_named_with_its_path(override: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        config.load("tiny", [override])


def numbers(kind: Any, table: str) -> Iterator[str]:
    for name, annotated in get_type_hints(kind, include_extras=True).items():
        if is_dataclass(annotated):
            yield from numbers(annotated, f"{name}.")
        elif {int, float} & {annotated, *get_args(annotated)}:
            yield f"{table}{name}"


@pytest.mark.parametrize("setting", [*numbers(config.RunConfig, ""), *numbers(DecoderConfig, "model.")])
def test_every_number_has_a_range(setting: str) -> None:
    with pytest.raises(InputError, match=rf"{setting}: expected .*found -1"):
        config.load("tiny", [f"{setting}=-1"])


@pytest.mark.parametrize("kind", ["bigram", "embeddings", "single-head", "multi-head", "transformer"])
def test_so_has_every_size_of_the_ladder(kind: str) -> None:
    for setting in numbers(MODELS[kind][1], "model."):
        with pytest.raises(InputError, match=rf"{setting}: expected .*found -1"):
            config.load(kind, [f"{setting}=-1"])


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file nothing; give a TOML file or one of: .*tiny"):
        config.load("nothing")
    broken = tmp_path / "broken.toml"
    broken.write_text("[loop\n")
    with pytest.raises(InputError, match=r"broken\.toml is not readable TOML"):
        config.load(broken)
