"""Where a model comes from: provenance.json (for machines) and the model card, README.md (for people)."""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training import metrics
from training.dataset import Dataset
from training.devices import Compute
from training.files import write_text_atomically
from training.resume import Progress

PROVENANCE, CARD = "provenance.json", "README.md"
HUGGING_FACE_HEADER = [
    "---",
    "library_name: transformers",
    "pipeline_tag: text-generation",
    "tags: [code, python, completion, fill-in-the-middle]",
    "---",
]
PROMPTS = [
    "## Prompts",
    "From the left: `<|startoftext|>` (at the start of a file only) and the text before the cursor. "
    "Filling in the middle: `<|fim_prefix|><|fim_suffix|>` text after the cursor `<|fim_middle|>` text before it.",
    "",
]
PACKAGES = ("torch", "tokenizers", "transformers", "numpy", "safetensors")


def write(
    folder: Path, config: dict[str, Any], dataset: Dataset, model: nn.Module, compute: Compute, progress: Progress
) -> None:
    """Write both files into the run's folder; `config` is all its settings as plain data."""
    about = describe(folder, config, dataset, model, compute, progress)
    write_text_atomically(folder / PROVENANCE, json.dumps(about, indent=1) + "\n")
    write_text_atomically(folder / CARD, card(about))


def describe(
    folder: Path, config: dict[str, Any], dataset: Dataset, model: nn.Module, compute: Compute, progress: Progress
) -> dict[str, Any]:
    """All that is known about a run, as plain data."""
    lines, start_from = metrics.read(folder), config["run"]["start_from"]
    evaluated = [line for line in lines if "validation_nats" in line]
    return {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join([Path(sys.executable).name, "-m", "training.run", *sys.argv[1:]]),
        "commit": _commit(),
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in PACKAGES},
        },
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "device": torch.cuda.get_device_name(compute.device) if compute.device.type == "cuda" else "cpu",
            "processes": compute.processes.count,
        },
        "config": config,
        "before": _training_of(Path(start_from)) if start_from else "",
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "progress": {
            "steps": progress.step,
            "tokens": progress.tokens,
            "seconds": round(progress.seconds),
            "sessions": progress.sessions,
        },
        "prepared": str(dataset.folder.resolve()),
        "data": {
            split: {"tokens": len(file.tokens), "text_bytes": file.text_bytes, "digest": file.digest}
            for split, file in dataset.splits.items()
        },
        "corpus": dataset.report,
        "evaluation": evaluated[-1] if evaluated else None,
    }


def card(about: dict[str, Any]) -> str:
    """The model card as Markdown: what the model is, what it learned from, for how long, how good it is."""
    config, progress, machine, data = about["config"], about["progress"], about["machine"], about["data"]
    evaluation = about["evaluation"] or {}
    epochs = progress["tokens"] / max(1, data["train"]["tokens"])
    hardware = machine["device"]
    if hardware == "cpu":
        hardware = f"{machine['processes']} process(es) of {machine['threads']} thread(s) on {machine['processor']}"
    sizes = ", ".join(f"{key} {value}" for key, value in config["model"].items() if key not in ("kind", "vocab_size"))
    rows = [
        f"| {split} | {evaluation[f'{split}_nats']:.4f} | {evaluation[f'{split}_bits_per_byte']:.4f} |"
        for split in ("train", "validation")
        if f"{split}_nats" in evaluation
    ]
    projects = [
        f"| {entry['project']} | {entry['licence']} | {entry['split']} | {entry['documents']:,} | {entry['bytes']:,} |"
        for entry in about["corpus"]["projects"]
    ]
    return "\n".join(
        [
            *(HUGGING_FACE_HEADER if config["model"]["kind"] == "decoder" else []),
            f"# A {config['model']['kind']} language model of Python, by Lineahead",
            "",
            f"{about['parameters']:,} parameters ({sizes}); vocabulary {config['model']['vocab_size']:,}.",
            "It knows nothing but Python source code, and little of that: names, APIs and facts that it writes may be "
            "wrong.",
            "",
            "## Training",
            f"{progress['steps']:,} steps, {progress['tokens']:,} tokens ({epochs:.2f} epochs of "
            f"{data['train']['tokens']:,} tokens, {data['train']['text_bytes']:,} bytes of text), "
            f"{progress['seconds'] / 3600:.2f} hours on {hardware}, in {progress['sessions']} session(s). "
            f"`{about['command']}`; commit {about['commit'] or 'unknown'}; torch {about['versions']['torch']}.",
            "",
            *(
                [f"Before that, in the checkpoint that it went on from: {about['before']}", ""]
                if about["before"]
                else []
            ),
            f"At the last evaluation (step {evaluation.get('step', '–')}):",
            "",
            "| split | nats per token | bits per byte |",
            "| --- | --- | --- |",
            *rows,
            "",
            "Validation text comes from projects of which no file was trained on."
            if config["corpus"]["split"] == "project"
            else "Validation text is the last part of the token stream.",
            "",
            *(PROMPTS if config["batches"]["fim_rate"] > 0 else []),
            "## Learned from",
            f"Sources: {', '.join(config['corpus']['sources'])}; licences kept: {config['corpus']['licences']}.",
            "",
            "| project | licence | split | documents | bytes |",
            "| --- | --- | --- | --- | --- |",
            *projects,
            "",
        ]
    )


def _training_of(folder: Path) -> str:
    """What the card of an earlier checkpoint says of its training."""
    card = folder / CARD
    text = card.read_text(encoding="utf-8") if card.exists() else ""
    said = text.partition("\n## Training\n")[2].partition("\nAt the last evaluation")[0]
    return " ".join(said.split()) or f"{folder}, whose card says nothing of it."


def _commit() -> str | None:
    """The repository's commit, with "+" after it where files have changed since; None outside a repository."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+"],
            cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None


def _processor() -> str:
    """The processor's name, as well as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
