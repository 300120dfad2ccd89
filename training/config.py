"""One run's configuration: the parts' own dataclasses, read from TOML.

A config file may name a `base` to start from (a file beside it); an override on the command line
(`loop.steps=100`) is one more line of TOML. A key that no part knows is an error that says where it is.
"""

import argparse
import dataclasses
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import cattrs
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError

from training.batches import BatchConfig
from training.corpus.corpus import CorpusConfig
from training.errors import InputError
from training.loop import LoopConfig
from training.models import MODELS
from training.optimizer import OptimizerConfig
from training.ranges import Natural
from training.tokenizer import TokenizerConfig

CONFIGS = Path(__file__).parent / "configs"


@dataclass(frozen=True)
class RunSettings:
    """What belongs to the run as a whole."""

    folder: str = "runs/default"
    """Everything the run leaves: checkpoint, metrics, provenance, curve."""
    data: str = "runs/data"
    """Where prepared corpora (tokenizer and token files) are kept and shared between runs."""
    start_from: str = ""
    """A checkpoint folder to go on from, with its weights and its tokenizer (so the table [tokenizer] has no say);
    "": random weights. The model's settings must be those of that checkpoint."""
    seed: Natural = 305
    """Start of all randomness: initial weights, order of batches, fill-in-the-middle cuts."""


@dataclass(frozen=True)
class RunConfig:
    """All settings of a run; one TOML table each. `model` is the config class of `model.kind`."""

    run: RunSettings = field(default_factory=RunSettings)
    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    batches: BatchConfig = field(default_factory=BatchConfig)
    model: Any = None
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)

    @property
    def model_kind(self) -> str:
        """The model's name in the table `training.models.MODELS`."""
        return next(name for name, (_, config_class) in MODELS.items() if type(self.model) is config_class)

    def as_dict(self) -> dict[str, Any]:
        """As plain data, with `model.kind`: what provenance keeps and `from_dict` takes."""
        plain = dataclasses.asdict(self)
        plain["model"] = {"kind": self.model_kind, **plain["model"]}
        as_kept: dict[str, Any] = json.loads(json.dumps(plain))  # with lists for tuples
        return as_kept


def load(path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a TOML file (or the name of one in `training/configs`) and apply `key=value` overrides."""
    tables = _read(Path(path))
    for override in overrides:
        _apply(tables, override)
    return from_dict(tables)


def add_extra_prompts(parser: argparse.ArgumentParser) -> None:
    """Give a command line the option `--extra-prompt FILE`."""
    parser.add_argument(
        "--extra-prompt", action="append", default=[], metavar="FILE",
        help="a text that the model is to continue later: its tokens go into a re-indexed vocabulary (repeatable)",
    )  # fmt: skip


def extra_prompts(files: Sequence[str]) -> list[str]:
    """The files given with `--extra-prompt` as overrides of a config."""
    return [f"tokenizer.extra_prompts={json.dumps(list(files))}"] if files else []


def from_dict(tables: dict[str, Any]) -> RunConfig:
    """Build and check a config from nested tables; raises InputError with the path of what is wrong."""
    tables = {name: dict(table) if isinstance(table, dict) else table for name, table in tables.items()}
    model_table = tables.pop("model", {})
    if not isinstance(model_table, dict):
        raise InputError(f"config: model: expected a table, found {model_table!r}")
    kind = model_table.pop("kind", "decoder")
    if kind not in MODELS:
        raise InputError(f"config: model.kind: expected one of {', '.join(MODELS)}; found {kind!r}")
    converter = _converter()
    try:
        config = converter.structure(tables, RunConfig)
    except Exception as error:
        raise InputError(f"config: {'; '.join(_explain(error, ''))}") from None
    try:
        model = converter.structure(model_table, MODELS[kind][1])
    except Exception as error:
        raise InputError(f"config: {'; '.join(_explain(error, 'model.'))}") from None
    _check_heads(model)
    if config.batches.sequence_length > model.context_window_size:
        raise InputError(
            f"config: batches.sequence_length: expected at most model.context_window_size = "
            f"{model.context_window_size}, found {config.batches.sequence_length}"
        )
    if config.run.start_from:
        config = dataclasses.replace(config, tokenizer=TokenizerConfig("checkpoint", folder=config.run.start_from))
    return dataclasses.replace(config, model=model)


def _check_heads(model: Any) -> None:
    """Raise InputError for heads that do not share a width, or each other, evenly."""
    heads = getattr(model, "num_heads", 1)
    shared = getattr(model, "num_key_value_heads", 1)
    if heads % shared:
        raise InputError(
            f"config: model.num_heads: expected a multiple of model.num_key_value_heads = {shared}, found {heads}"
        )
    if hasattr(model, "num_key_value_heads") and model.head_size % 2:
        raise InputError(
            f"config: model.head_size: expected an even number (positions turn pairs), found {model.head_size}"
        )
    if getattr(model, "embed_size", heads) < heads:
        raise InputError(
            f"config: model.num_heads: expected at most model.embed_size = {model.embed_size}, found {heads}"
        )


def with_vocabulary(config: RunConfig, vocab_size: int) -> RunConfig:
    """Give the model the tokenizer's vocabulary where the config leaves its size open (0)."""
    wanted = config.model.vocab_size
    if wanted and wanted < vocab_size:
        raise InputError(
            f"config: model.vocab_size: expected at least the tokenizer's {vocab_size:,}, found {wanted:,}"
        )
    return dataclasses.replace(config, model=dataclasses.replace(config.model, vocab_size=wanted or vocab_size))


def _read(path: Path) -> dict[str, Any]:
    if not path.exists() and (CONFIGS / f"{path}.toml").exists():
        path = CONFIGS / f"{path}.toml"
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(config.stem for config in CONFIGS.glob("*.toml")))
        raise InputError(f"config: no file {path}; give a TOML file or one of: {known}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"config: {path} is not readable TOML: {error}") from None
    base = tables.pop("base", None)
    if base is None:
        return tables
    merged = _read(path.parent / str(base))
    for name, table in tables.items():
        merged[name] = {**merged.get(name, {}), **table} if isinstance(table, dict) else table
    return merged


def _apply(tables: dict[str, Any], override: str) -> None:
    """Apply `a.b=value`. A value that is no TOML is taken as a plain string: `run.folder=OUT`."""
    key, equals, value = override.partition("=")
    if not equals or "." not in key:
        raise InputError(f"override: expected section.key=value, found {override!r}")
    section, _, name = key.strip().partition(".")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    table = tables.setdefault(section, {})
    if not isinstance(table, dict):
        raise InputError(f"override: {section} is no table, so {override!r} has nowhere to go")
    table[name] = parsed


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)

    def strict(kind: type) -> Any:
        def structure(value: Any, _: type) -> Any:
            """No conversions: cattrs alone would take "yes" for True and 1.5 for 1."""
            if type(value) is not kind and not (kind is float and type(value) is int):
                raise TypeError(f"expected {kind.__name__}, found {value!r}")
            return float(value) if isinstance(value, int) and kind is float else value

        return structure

    for kind in (bool, int, float, str):
        converter.register_structure_hook(kind, strict(kind))
    converter.register_structure_hook_func(lambda target: _origin(target) is Literal, _choice)
    converter.register_structure_hook_func(lambda target: _origin(target) is tuple, _texts)

    def in_range(value: Any, target: Any) -> Any:
        kind, allowed = get_args(target)
        number = strict(kind)(value, kind)
        if number not in allowed:
            raise ValueError(f"expected {allowed}, found {value!r}")
        return number

    converter.register_structure_hook_func(lambda target: _origin(target) is Annotated, in_range)
    converter.register_structure_hook_func(lambda target: target is Any, lambda value, _: value)
    return converter


def _origin(target: Any) -> Any:
    return get_origin(target)


def _choice(value: Any, target: Any) -> Any:
    """One of the names that a setting's `Literal` lists."""
    if value not in get_args(target):
        raise ValueError(f"expected one of {', '.join(get_args(target))}; found {value!r}")
    return value


def _texts(value: Any, _: Any) -> tuple[str, ...]:
    """A list of strings. A string alone is a sequence too, of its characters: that is never meant."""
    if not isinstance(value, list | tuple) or not all(type(text) is str for text in value):
        raise TypeError(f'expected a list of texts, as ["…"]; found {value!r}')
    return tuple(value)


def _explain(error: BaseException, path: str) -> list[str]:
    """Flatten cattrs' nested errors to 'section.key: what is wrong'."""
    if isinstance(error, ForbiddenExtraKeysError):
        known = ", ".join(f.name for f in dataclasses.fields(error.cl))
        return [f"{path}{key}: unknown key; known here: {known}" for key in sorted(error.extra_fields)]
    if isinstance(error, ClassValidationError | IterableValidationError):
        messages: list[str] = []
        for inner in error.exceptions:
            notes = [str(getattr(note, "name", getattr(note, "index", ""))) for note in getattr(inner, "__notes__", [])]
            here = f"{path}{notes[0]}" if notes and notes[0] else path.rstrip(".")
            nested = isinstance(inner, ClassValidationError | IterableValidationError)
            deeper = f"{here}." if nested else here
            messages += _explain(inner, path if isinstance(inner, ForbiddenExtraKeysError) else deeper)
        return messages
    return [f"{path.rstrip('.') or 'config'}: {error}"]
