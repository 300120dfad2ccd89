"""Train a language model of Python: `python -m training.run [CONFIG] [section.key=value ...]`.

This is the only module that knows all the others. What a run leaves is in its folder: a checkpoint
(config.json, model.safetensors, model.onnx, tokenizer.json, README.md), resume.safetensors, metrics.jsonl,
provenance.json and loss-curve.png.
"""

from training import door  # isort: split

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from training import (
    checkpoint,
    config,
    dataset,
    devices,
    export,
    files,
    loop,
    optimizer,
    processes,
    provenance,
    resume,
    throughput,
    tokenizer,
)
from training.batches import TrainingBatches, shared_out
from training.config import RunConfig
from training.dataset import Dataset
from training.devices import Compute
from training.errors import InputError
from training.evaluation import Evaluation
from training.loop import Training
from training.models import MODELS
from training.processes import Processes
from training.throughput import Pace

CODEBERT_TOKENS = 16_000  # that a corpus of 4M of them uses, about


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.config is not None and "=" in options.config:  # no config was named, only overrides
        options.overrides.insert(0, options.config)
        options.config = None
    default = "decoder-gpu" if torch.cuda.is_available() else "decoder-cpu"
    try:
        overrides = [*options.overrides, *config.extra_prompts(options.extra_prompt)]
        settings = config.load(options.config or default, overrides)
        group = processes.join()
        try:
            with files.alone(Path(settings.run.folder)) if group.is_first else nullcontext():
                return run(settings, group)
        finally:
            processes.leave(group)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:  # a full disk, a folder that cannot be written
        print(
            f"error: {error}; what was saved before is kept, and the same command goes on from there",
            file=sys.stderr,
        )
    except KeyboardInterrupt:  # outside the loop, which takes it for itself
        print(
            "stopped; what was read and trained before is kept, and the same command goes on from there",
            file=sys.stderr,
        )
        return door.STOPPED
    return door.FAILED


def run(settings: RunConfig, group: Processes) -> int:
    """Prepare the corpus, train, and leave a checkpoint; returns the exit code."""
    folder = Path(settings.run.folder)
    shared_out(settings.batches, group)  # refused before minutes are spent on the corpus, if at all
    pace = None
    if group.is_first:
        supposed = config.with_vocabulary(settings, settings.model.vocab_size or _likely_size(settings))
        progress = resume.check(folder, resume.settings_of(settings.as_dict()))
        pace = throughput.measure(supposed, _compute(settings, group))
        seconds = pace.seconds(supposed, group.count, progress.step if progress else 0)
        print(f"estimate: {_duration(seconds)} on this machine as it is now, once the corpus is prepared")
        prepared = _prepare(settings)
    group.wait()
    if not group.is_first:
        prepared = _prepare(settings)
    code = train(settings, prepared, group, pace)
    if group.is_first and code == 0:
        print(f"next: python -m training.perplexity {folder}; python -m training.sample {folder}")
    return code


def train(settings: RunConfig, prepared: Dataset, group: Processes, pace: Pace | None = None) -> int:
    """Train on a prepared corpus, and leave a checkpoint in the run's folder; returns the exit code."""
    compute = _compute(settings, group)
    folder = Path(settings.run.folder)
    settings = config.with_vocabulary(settings, prepared.tokenizer.vocab_size)
    torch.manual_seed(settings.run.seed)
    model_class, _ = MODELS[settings.model_kind]
    model = model_class(settings.model).to(compute.device)
    if settings.run.start_from:
        checkpoint.copy_weights(Path(settings.run.start_from), model, settings.model)
    before = resume.check(folder, _kept(settings, prepared))  # ahead of all that is written there
    done = before.step if before else 0
    if group.is_first:
        folder.mkdir(parents=True, exist_ok=True)
        marked = settings.batches.fim_rate > 0 and settings.batches.fim_marked
        checkpoint.save_configuration(folder, settings.model_kind, settings.model, prepared.tokenizer, marked)
        _announce(settings, prepared, model, compute, done, pace or throughput.measure(settings, compute))
    progress, stopped = loop.train(settings.loop, _training(settings, prepared, model, compute), compute)
    if not group.is_first:
        return door.STOPPED if stopped else 0
    provenance.write(folder, settings.as_dict(), prepared, model, compute, progress)
    if stopped:
        of = f"step {progress.step:,} of {settings.loop.steps:,}"
        print(f"stopped and saved at {of}; the same command goes on from there")
        return door.STOPPED
    spent = f"{progress.step:,} steps, {progress.tokens:,} tokens, {progress.seconds / 60:.1f} minutes"
    print(f"done: {spent}; all in {folder}")
    if settings.model_kind == "decoder":
        print(f"graph: {export.export(folder)}")
    return 0


def _prepare(settings: RunConfig) -> Dataset:
    return dataset.prepare(settings.corpus, settings.tokenizer, Path(settings.run.data))


def _training(settings: RunConfig, prepared: Dataset, model: torch.nn.Module, compute: Compute) -> Training:
    """What the loop needs of the settings, built."""
    batches = settings.batches
    return Training(
        folder=Path(settings.run.folder),
        model=model,
        optimizers=optimizer.build(settings.optimizer, model, compute.precision),
        schedule=settings.optimizer,
        batches=TrainingBatches(batches, prepared.splits["train"], prepared.tokenizer, settings.run.seed),
        evaluation=Evaluation(
            prepared, batches.sequence_length, settings.loop.evaluation_rows, batches.micro_batch_size
        ),
        settings=_kept(settings, prepared),
    )


def _kept(settings: RunConfig, prepared: Dataset) -> dict[str, Any]:
    """What must stay the same for a run to go on."""
    return resume.settings_of(settings.as_dict(), {split: file.digest for split, file in prepared.splits.items()})


def _compute(settings: RunConfig, group: Processes) -> Compute:
    """Device, type and threads, as the settings ask for them."""
    if settings.loop.threads:
        torch.set_num_threads(settings.loop.threads)
    return devices.open_compute(settings.loop.device, settings.loop.precision, group)


def _announce(
    settings: RunConfig, prepared: Dataset, model: torch.nn.Module, compute: Compute, done: int, pace: Pace
) -> None:
    """Say what will happen and how long it will take."""
    count = compute.processes.count
    length = settings.batches.sequence_length
    tokens = settings.loop.steps * settings.batches.batch_size * length
    parameters = sum(parameter.numel() for parameter in model.parameters())
    available = len(prepared.splits["train"].tokens)
    windows = [(len(split.tokens) - 1) // length for split in prepared.splits.values()]
    looked_at = sum(min(settings.loop.evaluation_rows, there) for there in windows)
    seconds = pace.seconds(settings, count, done, looked_at)
    print(f"model: {settings.model_kind}, {parameters:,} parameters, vocabulary {settings.model.vocab_size:,}")
    print(
        f"plan: {settings.loop.steps:,} steps of {settings.batches.batch_size} × {length} tokens = {tokens:,} tokens, "
        f"{tokens / available:.2f} epochs of {available:,}"
    )
    print(
        f"on: {compute.device} in {str(compute.precision).removeprefix('torch.')}, {count} process(es), "
        f"{torch.get_num_threads()} threads; {_duration(seconds)} on this machine as it is now"
    )
    if done >= settings.loop.steps:
        print(f"into: {settings.run.folder}, which is at step {done:,} already: raise loop.steps to train longer")
    else:
        start = f"from step {done:,} on; " if done else ""
        print(f"into: {settings.run.folder}; {start}Ctrl+C saves and stops, the same command goes on")


def _duration(seconds: float) -> str:
    """Words for an estimate."""
    if seconds < 90:
        return "about a minute" if seconds > 30 else "less than a minute"
    return f"about {seconds / 60:,.0f} minutes" if seconds < 2 * 60 * 60 else f"about {seconds / 3600:,.1f} hours"


def _likely_size(settings: RunConfig) -> int:
    """About how many tokens the vocabulary will have, before there is one."""
    if settings.tokenizer.kind == "checkpoint":
        return tokenizer.load(Path(settings.tokenizer.folder)).vocab_size
    return CODEBERT_TOKENS if settings.tokenizer.kind == "codebert" else settings.tokenizer.vocab_size


def _parser() -> argparse.ArgumentParser:
    known = ", ".join(sorted(path.stem for path in config.CONFIGS.glob("*.toml")))
    parser = argparse.ArgumentParser(
        prog="python -m training.run",
        description="Train a language model of Python, from raw code to a checkpoint. Prepares the corpus first "
        "(minutes, once), then trains; prints an estimate of the time before it starts, resumes where it was stopped.",
        epilog="example: python -m training.run decoder-cpu run.folder=runs/mine loop.steps=500 "
        '\'corpus.sources=["environment", "../my-code"]\'. '
        "On several devices: torchrun --nproc_per_node=N -m training.run …",
    )
    parser.add_argument(
        "config", nargs="?", metavar="CONFIG",
        help=f"a TOML file, or one of: {known} (default: decoder-gpu where there is CUDA, else decoder-cpu)",
    )  # fmt: skip
    config.add_extra_prompts(parser)
    parser.add_argument("overrides", nargs="*", metavar="section.key=value", help="override a setting of the config")
    return parser


if __name__ == "__main__":
    sys.exit(door.enter(main))
