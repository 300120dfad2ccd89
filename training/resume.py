"""Everything that a killed run needs to go on as if nothing had happened, in one file: resume.safetensors.

Weights and optimizer state in float32, and, as the file's metadata, how far the run is and its settings.
Batches depend on (seed, step) only, and no model here draws random numbers while training, so the
resumed run ends with the same weights, bit for bit on one CPU.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from training import optimizer as optimization
from training.errors import InputError
from training.files import write_atomically

STATE = "resume.safetensors"
# What may change between the parts of one run, beside its folders and the table [loop]: how a step is
# computed, and when the learning rate falls. All else would make it another run.
FREE_SETTINGS = ("batches.micro_batch_size", "optimizer.decay_share")
KNOWN_LATE = ("data", "model.vocab_size")  # once the corpus is prepared


@dataclass
class Progress:
    """How far a run is."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    sessions: int = 1


def settings_of(config: dict[str, Any], data: dict[str, str] | None = None) -> dict[str, Any]:
    """What must stay the same for a run to go on: seed, model, batches, optimizer, and the token files' digests, as far
    as they are known: before the corpus is prepared there are none, nor may there be a vocabulary's size.

    Corpus and tokenizer settings are left out: the digests say what came of them.
    """
    kept = {table: dict(config[table]) for table in ("model", "batches", "optimizer")}
    if not kept["model"].get("vocab_size"):
        kept["model"].pop("vocab_size", None)
    return {"seed": config["run"]["seed"], **kept, **({"data": data} if data else {})}


def save(
    folder: Path,
    model: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    progress: Progress,
    settings: dict[str, Any],
) -> None:
    """Write the state, whole or not at all."""
    tensors = {f"model.{name}": parameter.detach() for name, parameter in model.named_parameters()}
    tensors |= optimization.state_tensors(optimizers, model)
    on_cpu = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    about = {"progress": json.dumps(dataclasses.asdict(progress)), "settings": json.dumps(settings)}
    write_atomically(folder / STATE, lambda path: save_file(on_cpu, path, metadata=about))


def check(folder: Path, settings: dict[str, Any]) -> Progress | None:
    """How far the run in a folder is; None where none was saved. Nothing is changed.

    Raises InputError where the state is damaged or its settings are others than these, as far as they are given.
    """
    path = folder / STATE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata()
        progress, before = Progress(**json.loads(about["progress"])), json.loads(about["settings"])
        if type(progress.step) is not int or progress.step < 0 or not isinstance(before, dict):
            raise ValueError("no count of steps, or no settings")
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(_damaged(folder, error)) from None
    given = json.loads(json.dumps(settings))
    changed = _differences(before, given)
    if changed:
        raise InputError(
            f"{folder} holds a run with other settings: {'; '.join(changed)}. "
            "Choose another run.folder, or give the same settings to go on with it"
        )
    return progress


def load(
    folder: Path, model: nn.Module, optimizers: list[torch.optim.Optimizer], settings: dict[str, Any]
) -> Progress | None:
    """Put a saved state back into model and optimizers; None where the folder has none. Raises as `check` does."""
    progress = check(folder, settings)
    if progress is None:
        return None
    parameters = dict(model.named_parameters())
    try:
        with safe_open(folder / STATE, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
    except (SafetensorError, OSError) as error:
        raise InputError(_damaged(folder, error)) from None
    missing = {f"model.{name}" for name in parameters} - tensors.keys()
    if missing:
        raise InputError(_damaged(folder, f"without {min(missing)}"))
    state = {}
    with torch.no_grad():
        for name, tensor in tensors.items():
            if name.startswith("model."):
                parameters[name.removeprefix("model.")].copy_(tensor)
            else:
                state[name] = tensor.to(next(iter(parameters.values())).device) if tensor.ndim else tensor
    optimization.load_state_tensors(optimizers, model, state)
    progress.sessions += 1
    return progress


def _damaged(folder: Path, why: object) -> str:
    return f"{folder / STATE}: not readable ({why}); delete {folder} to start the run anew"


def _differences(before: dict[str, Any], now: dict[str, Any], path: str = "") -> list[str]:
    changed = []
    for key in sorted(before.keys() | now.keys()):
        here = f"{path}{key}"
        old, new = before.get(key), now.get(key)
        if here in FREE_SETTINGS or old == new or (here in KNOWN_LATE and key not in now):
            continue
        if here == "data":
            changed.append("corpus or tokenizer, which came to other tokens")
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            changed += _differences(old, new, f"{here}.")
        else:
            changed.append(f"{here} was {old!r}, is {new!r}")
    return changed
