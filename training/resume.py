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


@dataclass
class Progress:
    """How far a run is."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    sessions: int = 1


def settings_of(config: dict[str, Any], data: dict[str, str]) -> dict[str, Any]:
    """What must stay the same for a run to go on: seed, model, batches, optimizer, and the token files' digests.

    Corpus and tokenizer settings are left out: the digests say what came of them.
    """
    kept = {table: config[table] for table in ("model", "batches", "optimizer")}
    return {"seed": config["run"]["seed"], **kept, "data": data}


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


def steps_done(folder: Path) -> int:
    """How many steps the state in a folder has behind it; 0 where there is none, or none that `load` would take."""
    try:
        with safe_open(folder / STATE, framework="pt") as file:
            return int(json.loads(file.metadata()["progress"])["step"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        return 0


def load(
    folder: Path, model: nn.Module, optimizers: list[torch.optim.Optimizer], settings: dict[str, Any]
) -> Progress | None:
    """Put a saved state back into model and optimizers; None where the folder has none.

    Raises InputError where the file is damaged or the settings are those of another run.
    """
    path = folder / STATE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
        progress = Progress(**json.loads(about["progress"]))
        before = json.loads(about["settings"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not readable ({error}); delete {folder} to start the run anew") from None
    changed = _differences(before, json.loads(json.dumps(settings)))
    if changed:
        raise InputError(
            f"{folder} holds a run with other settings: {'; '.join(changed)}. "
            "Choose another run.folder, or give the same settings to go on with it"
        )
    parameters = dict(model.named_parameters())
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


def _differences(before: dict[str, Any], now: dict[str, Any], path: str = "") -> list[str]:
    changed = []
    for key in sorted(before.keys() | now.keys()):
        here = f"{path}{key}"
        old, new = before.get(key), now.get(key)
        if here in FREE_SETTINGS or old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            changed += _differences(old, new, f"{here}.")
        else:
            changed.append(f"{here} was {old!r}, is {new!r}")
    return changed
