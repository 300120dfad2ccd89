"""A trained model as a folder in Hugging Face's layout: config.json, model.safetensors, tokenizer, model card.

`transformers.AutoModelForCausalLM` opens what `save` writes, and `load` opens Qwen3-, Qwen2- and
Llama-shaped folders from elsewhere. Weights are safetensors, never a pickle.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from training import format, hugging_face
from training import tokenizer as tokenizers
from training.bpe import BPETokenizer
from training.errors import InputError
from training.files import write_atomically, write_text_atomically
from training.format import DOCUMENT_END, DOCUMENT_START, PADDING
from training.models import MODELS
from training.models.decoder import DecoderConfig
from training.tokenizer import Tokenizer

FORMAT_VERSION = 1
MOST_SIZE, MOST_HEADS = 2**28, 4_096  # numbers in one dimension or table of a model: a gigabyte
OTHER_WEIGHTS = (
    (
        f"{format.WEIGHTS}.index.json",
        "weights in several files",
        "save them as one: AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(OTHER, max_shard_size='1TB')",
    ),
    ("*.gguf", "GGUF, llama.cpp's own format", "take the model's safetensors folder"),
)
PICKLES = ("pytorch_model.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint folder holds: the model in evaluation mode, its tokenizer, and config.json as it is."""

    model: Any
    """A `LanguageModel` that is a module of PyTorch too: no type says both."""
    tokenizer: Tokenizer
    card: dict[str, Any]


def save_configuration(
    folder: Path, kind: str, model_config: Any, tokenizer: Tokenizer, marked_middle: bool = False
) -> None:
    """Write config.json and the tokenizer's files: what stays the same while a model is trained."""
    ours = {"format_version": FORMAT_VERSION, "kind": kind, "vocabulary": tokenizers.fingerprint(tokenizer)}
    if marked_middle:
        ours[format.MARKED_MIDDLE] = True
    shape = hugging_face.from_decoder(model_config, tokenizer) if isinstance(model_config, DecoderConfig) else {}
    config = {**shape, "lineahead": {**ours, "model": dataclasses.asdict(model_config)}}
    tokenizer.save(folder)
    write_text_atomically(folder / format.CONFIG, json.dumps(config, indent=2) + "\n")
    if not isinstance(tokenizer, BPETokenizer):
        return  # re-indexed ids are ours alone: transformers would read tokenizer.json without them
    special = {"bos_token": DOCUMENT_START, "eos_token": DOCUMENT_END, "pad_token": PADDING}
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": getattr(model_config, "context_window_size", None),
        **{name: token for name, token in special.items() if tokenizer.special(token) is not None},
    }
    write_text_atomically(folder / format.TOKENIZER_CONFIG, json.dumps(tokenizer_config, indent=2) + "\n")


def save_weights(folder: Path, model: nn.Module, dtype: torch.dtype = torch.float32) -> None:
    """Write model.safetensors, whole or not at all; tied weights once."""
    tensors = {}
    state = model.state_dict()
    embedding = state.get("embed_tokens.weight")  # the decoder's, under Hugging Face's names
    for name, tensor in state.items():
        if name == "lm_head.weight" and embedding is not None and tensor.data_ptr() == embedding.data_ptr():
            continue
        prefix = "model." if embedding is not None and not name.startswith("lm_head") else ""
        tensors[prefix + name] = tensor.detach().to("cpu", dtype).contiguous()
    write_atomically(folder / format.WEIGHTS, lambda path: save_file(tensors, path, metadata={"format": "pt"}))


def load(folder: str | Path, device: str | torch.device = "cpu") -> Checkpoint:
    """Open a checkpoint folder, the weights in float32.

    Raises InputError for a missing, truncated, foreign or pickled checkpoint, and for another format version.
    """
    folder = Path(folder)
    config = _read_config(folder)
    kind, model_config = _model_config(folder, config)
    weights = _read_weights(folder)
    _check_sizes(folder, kind, model_config, weights)
    tokenizer = tokenizers.load(folder)
    if tokenizer.vocab_size > model_config.vocab_size:
        raise InputError(
            f"{folder}: the tokenizer has {tokenizer.vocab_size:,} tokens, the model only {model_config.vocab_size:,}: "
            "they do not belong together"
        )
    expected = config.get("lineahead", {}).get("vocabulary")
    if expected is not None and expected != tokenizers.fingerprint(tokenizer):
        raise InputError(
            f"{folder}: the vocabulary in the tokenizer's files is not the one that the model was trained with: "
            "copy them again from the model's source"
        )
    model = MODELS[kind][0](model_config)
    _fill(model, weights, folder)
    return Checkpoint(model.float().eval().to(device), tokenizer, config)


def _check_sizes(folder: Path, kind: str, model_config: Any, weights: dict[str, Tensor]) -> None:
    """Raise InputError for a configuration of another size than the weights, by arithmetic: nothing is allocated."""
    held, wrong = sum(tensor.numel() for tensor in weights.values()), f"{folder}/config.json"
    sizes = (name for name, of in get_type_hints(type(model_config)).items() if of is int)
    for name in sizes:
        size = getattr(model_config, name)
        most = len(weights) if "layers" in name else MOST_HEADS if "heads" in name else MOST_SIZE
        if type(size) is not int or not 0 <= size <= most:
            raise InputError(f"{wrong}: expected {name} from 0 to {most:,} for these weights, found {size!r}")
    with torch.device("meta"):
        model = MODELS[kind][0](model_config)
    asked = sum(parameter.numel() for parameter in model.parameters())
    tables = sum(buffer.numel() for buffer in model.buffers())
    if asked > 2 * held or tables > MOST_SIZE:  # tied weights are stored once
        raise InputError(
            f"{wrong}: describes {asked:,} weights and {tables:,} numbers beside them, model.safetensors has "
            f"{held:,}: they do not belong together; copy them again from their source"
        )


def copy_weights(folder: Path, model: nn.Module, model_config: Any) -> None:
    """Put a checkpoint's weights into a model with this configuration; InputError where it is not the checkpoint's.

    The window may be another one where no weight belongs to a position in it: a decoder's positions are rotations.
    """
    _, its_config = _model_config(folder, _read_config(folder))
    weights = load(folder).model.state_dict()
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items()}
    alike = isinstance(its_config, type(model_config)) and model_config == dataclasses.replace(
        its_config, context_window_size=model_config.context_window_size
    )
    if not alike or wanted != {name: tensor.shape for name, tensor in weights.items()}:
        raise InputError(
            f"run.start_from: expected a checkpoint of the table [model], {model_config}; "
            f"found {its_config} in {folder}. Give its settings, or start without it"
        )
    model.load_state_dict(weights)


def _read_config(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        pickled = folder.is_file() and any(folder.match(pattern) for pattern in PICKLES)
        what = "a pickle, which could run any code; only safetensors are read" if pickled else "no such folder"
        if folder.suffix == ".gguf":
            what = "GGUF, llama.cpp's own format"
        raise InputError(f"{folder}: expected a checkpoint folder with config.json and model.safetensors; found {what}")
    path = folder / format.CONFIG
    if not path.exists():
        raise InputError(f"{folder}: expected a checkpoint folder; found no config.json in it")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not readable JSON ({error}); copy it again from its source") from None
    if not isinstance(config, dict):
        raise InputError(f"{path}: expected a JSON object, found {type(config).__name__}")
    return config


def _read_weights(folder: Path) -> dict[str, Tensor]:
    path = folder / format.WEIGHTS
    if not path.exists():
        for pattern, found, way in OTHER_WEIGHTS:
            if any(folder.glob(pattern)):
                raise InputError(f"{folder}: expected one {format.WEIGHTS}, found {found}; {way}")
        if any(pickle for pattern in PICKLES for pickle in folder.glob(pattern)):
            raise InputError(
                f"{folder}: expected model.safetensors, found a pickle, which could run any code: "
                "convert it to safetensors first"
            )
        raise InputError(f"{folder}: expected model.safetensors beside config.json, found none")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: truncated or not safetensors ({error}); copy it again from its source") from None


def _model_config(folder: Path, config: dict[str, Any]) -> tuple[str, Any]:
    ours = config.get("lineahead")
    if ours is None:
        return "decoder", hugging_face.to_decoder(folder, config)
    version = ours.get("format_version")
    if version != FORMAT_VERSION:
        raise InputError(
            f"{folder}: expected checkpoint format version {FORMAT_VERSION}, found {version}; "
            "use the version of lineahead that wrote it"
        )
    kind = ours.get("kind")
    if kind not in MODELS:
        raise InputError(f"{folder}: unknown kind of model {kind!r}; known: {', '.join(MODELS)}")
    try:
        return kind, MODELS[kind][1](**ours["model"])
    except (TypeError, KeyError) as error:
        raise InputError(f"{folder}/config.json: lineahead.model does not fit a {kind} ({error})") from None


def _fill(model: nn.Module, weights: dict[str, Tensor], folder: Path) -> None:
    state = {name.removeprefix("model."): tensor for name, tensor in weights.items()}
    if "lm_head.weight" not in state and "embed_tokens.weight" in state:
        state["lm_head.weight"] = state["embed_tokens.weight"]
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        first = " ".join(str(error).split()[:40])
        raise InputError(f"{folder}: config.json and model.safetensors do not fit: {first} …") from None
