"""Teach a model a person's own code: `python -m training.adapt PATH … [--model CHECKPOINT] [--into FOLDER]`.

Goes on from the bundled checkpoint for minutes, on the code in these folders with a little general code mixed in, and
says how good it was before and after on files that it was not trained on. What is not better, or has forgotten too much
of other code, is not left behind.
"""

from training import door  # isort: split

import argparse
import hashlib
import importlib.util
import os
import shutil
import sys
from bisect import bisect_right
from pathlib import Path

import torch

from training import checkpoint, dataset, export, files, format, improvement, own_code, run
from training.batches import BatchConfig
from training.checkpoint import Checkpoint
from training.config import RunConfig, RunSettings
from training.corpus.corpus import CorpusConfig
from training.dataset import Dataset
from training.errors import InputError
from training.loop import LoopConfig
from training.models.decoder import DecoderConfig
from training.optimizer import OptimizerConfig
from training.own_code import OwnCode
from training.processes import Processes
from training.ranges import Count, Natural, NotNegative, Threads, argument
from training.tokenizer import TokenizerConfig

EPOCHS = 3  # at most: small projects are learned by heart after that
BATCH = 4
STORED = torch.bfloat16  # what is measured is what is left
MOST_FORGOTTEN = 0.03  # of the bits per byte of general code
OPTIMIZER = OptimizerConfig(
    learning_rate=5e-4, matrix_learning_rate=5e-3, weight_decay=0.0, warmup_steps=10, decay_share=0.7
)
NEXT_TO_THE_MODEL = (format.GATE, format.JUDGEMENT)  # numbers that belong to a model and are not made here
MODEL = ("lineahead", "model")  # the bundled one, in the installed package


def bundled_model() -> Path:
    """The checkpoint that ships with the server, which is found and not imported."""
    package, folder = MODEL
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise InputError("expected the package lineahead beside this one, found none; give --model CHECKPOINT")
    return Path(found.submodule_search_locations[0]) / folder


def adapt(folders: list[Path], model: Path, into: Path, options: argparse.Namespace) -> int:
    """Adapt a checkpoint to the code in folders and leave it in `into`; returns the exit code."""
    torch.set_num_threads(options.threads or torch.get_num_threads())
    opened = checkpoint.load(model)
    if not isinstance(getattr(opened.model, "config", None), DecoderConfig):
        raise InputError(f"--model: expected a decoder, which has a graph to run; found another kind in {model}")
    _bring_back(into)
    code = own_code.gather(folders, options.general)
    work = into.with_name(f"{into.name}.partial")
    prepared = _prepare(code, opened, model, work, options.seed)
    settings = _settings(opened, model, work, prepared, options)
    adapted, saved = work / "model", prepared.folder / f"before-{options.places}.json"
    with improvement.as_gathered(code, folders) as (copied, copies):
        before = improvement.measured_once(
            saved, lambda: improvement.measure(model, copied, copies, options.places, "before")
        )
        result = run.train(settings, prepared, Processes())
        if result:
            return result
        share = _blend(model, work / "run", adapted, code.general, (1 + MOST_FORGOTTEN) * before.general)
        after = improvement.measure(adapted, copied, copies, options.places, "after") if share else before
    if share < 1:
        print(f"as far as other code allows: {100 * share:.0f} % of the way to what was learned")
    print(improvement.table(before, after))
    if after.own >= before.own:
        shutil.rmtree(work)
        raise InputError(
            f"nothing is left in {into}: expected fewer bits on files that were held out, and at most "
            f"{100 * MOST_FORGOTTEN:.0f} % more on general code; no mixture of old and new weights has both. Try more "
            "general code (--general), or more code of your own"
        )
    _hand_over(adapted, work, into)
    print(f'done: {into}; in VS Code: "lineahead.model": "{into}"; elsewhere: lineahead-server --model {into}')
    return 0


def _blend(model: Path, learned: Path, into: Path, general: list[Path], most: float) -> float:
    """Mix the weights of before and after, with the largest share of the new ones, in tenths, at which general code
    costs at most `most` bits per byte; returns that share, 0 where there is none.

    Straight between two such checkpoints most of what is new comes early, and most of what is forgotten late
    (Wortsman et al., Robust fine-tuning of zero-shot models, 2022).
    """
    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(learned, into, ignore=shutil.ignore_patterns("resume.safetensors", format.GRAPH))
    for name in NEXT_TO_THE_MODEL:
        if (model / name).exists():
            shutil.copyfile(model / name, into / name)
    old, opened = checkpoint.load(model).model.state_dict(), checkpoint.load(learned)
    new = {name: tensor.clone() for name, tensor in opened.model.state_dict().items()}

    def forgets(tenths: int) -> float:
        mixed = {name: torch.lerp(old[name], new[name], tenths / 10) for name in new}
        opened.model.load_state_dict({name: tensor.to(STORED).float() for name, tensor in mixed.items()})
        return improvement.bits(opened, general, f"general code, {10 * tenths} % of the way")

    tenths = bisect_right(range(1, 11), most, key=forgets)  # the more of the new weights, the more is forgotten
    if tenths:
        forgets(tenths)
        checkpoint.save_weights(into, opened.model, STORED)
        export.export(into)
    return tenths / 10


def _prepare(code: OwnCode, opened: Checkpoint, model: Path, work: Path, seed: int) -> Dataset:
    """The code as tokens; what an earlier call left half done is gone on with, by the same model, code and seed."""
    digest = hashlib.blake2b(digest_size=8)
    weights = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(model.iterdir())]
    texts = (f"{document.split} {document.text}" for document in code.documents)
    for part in (f"{model} {weights}", str(seed), *texts):
        digest.update(part.encode("utf-8", "replace") + b"\0")
    folder = work / f"data-{digest.hexdigest()}"
    if not (folder / "dataset.json").exists():
        shutil.rmtree(work, ignore_errors=True)
        folder.mkdir(parents=True)
        (work / ".gitignore").write_text("*\n", encoding="utf-8")
        dataset.write(code.documents, opened.tokenizer, folder, code.report)
    return dataset.load(folder)


def _settings(opened: Checkpoint, model: Path, work: Path, prepared: Dataset, options: argparse.Namespace) -> RunConfig:
    """A run that fits the code: a few epochs, or as many tokens as there is time for."""
    config: DecoderConfig = opened.model.config
    length = min(improvement.WINDOW, config.context_window_size)
    tokens = min(EPOCHS * len(prepared.splits["train"].tokens), options.tokens)
    steps = max(1, tokens // (BATCH * length))
    rearranged = 0.5 if opened.tokenizer.special(format.FIM_MIDDLE) is not None else 0.0
    if opened.tokenizer.special(format.PADDING) is None:
        rearranged = 0.0
    return RunConfig(
        run=RunSettings(str(work / "run"), str(prepared.folder), str(model), options.seed),
        corpus=CorpusConfig((own_code.OWN, own_code.GENERAL), split="file", validation_share=own_code.HELD_OUT_SHARE),
        tokenizer=TokenizerConfig("checkpoint", folder=str(model)),
        batches=BatchConfig(
            length, BATCH, BATCH, fim_rate=rearranged, fim_marked=format.marks_middle(opened.card)
        ),
        model=config,
        optimizer=OPTIMIZER,
        loop=LoopConfig(
            steps=steps, evaluate_every=steps, evaluation_rows=32, log_every=5, checkpoint_minutes=1.0,
            threads=options.threads, weights="bfloat16",
        ),
    )  # fmt: skip


def _hand_over(adapted: Path, work: Path, into: Path) -> None:
    """Put the finished model in its place, instead of an earlier one, which comes back where that fails."""
    (adapted / ".gitignore").write_text("*\n", encoding="utf-8")  # a model knows the code: it is nobody else's
    format.write_hashes(adapted)
    old = _earlier(into)
    try:
        if into.exists():
            shutil.rmtree(old, ignore_errors=True)
            into.rename(old)
        adapted.rename(into)
    finally:
        _bring_back(into)
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(work)


def _earlier(into: Path) -> Path:
    """Where an earlier model is while another one takes its place."""
    return into.with_name(f"{into.name}.old")


def _bring_back(into: Path) -> None:
    """Put an earlier model back where none came in its place."""
    if _earlier(into).exists() and not into.exists():
        _earlier(into).rename(into)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.adapt", description=__doc__.partition("\n\n")[2])
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="folders with your code")
    parser.add_argument("--model", type=Path, metavar="CHECKPOINT", help="to go on from (default: the bundled one)")
    parser.add_argument("--into", type=Path, metavar="FOLDER", help="default: .lineahead/model in the first PATH")
    parser.add_argument(
        "--tokens", type=argument(Count), default=700_000,
        help="to train on, at most (default: %(default)s: four minutes on two cores with bfloat16, "
        "a quarter of an hour on two without)",
    )  # fmt: skip
    parser.add_argument("--threads", type=argument(Threads), default=0, help="0: as many as there are cores")
    parser.add_argument(
        "--general", type=argument(NotNegative), default=0.25, metavar="SHARE",
        help="code of the standard library to mix in, for each byte of yours (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--places", type=argument(Natural), default=60, help="of each kind to complete before and after; 0: none"
    )
    parser.add_argument("--seed", type=argument(Natural), default=305)
    options = parser.parse_args(arguments)
    try:
        folders = [Path(os.path.realpath(path)) for path in options.paths]
        for folder in folders:
            if not folder.is_dir():
                raise InputError(f"expected a folder with Python code, found {folder}")
        into = (options.into or folders[0] / ".lineahead" / "model").resolve()
        with files.alone(into):
            return adapt(folders, options.model or bundled_model(), into, options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        print(f"error: {error}; the same command goes on from what was saved", file=sys.stderr)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from what was saved", file=sys.stderr)
        return door.STOPPED
    return door.FAILED


if __name__ == "__main__":
    sys.exit(door.enter(main))
