"""The course's helpers for course.ipynb, and what the full runs showed: `python -m training.course RUN …`.

The command reads a finished run of the ladder and writes its losses, perplexities and samples as JSON into
training/results, from where the notebook shows them.
"""

from training import door  # isort: split

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import ByteLevelBPETokenizer
from torch import Tensor

from training import checkpoint, codebert, config, ladder, prompts, sample
from training.codebert import CodeBERTTokenizer
from training.dataset import SPLITS
from training.errors import InputError
from training.files import write_text_atomically
from training.format import PROVENANCE
from training.models.language_model import LanguageModel

RESULTS = Path(__file__).parent / "results"
REFERENCE = {"bigram": 4.0, "single-head": 3.4, "multi-head": 2.75, "transformer": 2.4}
"""The training losses that the course reports, in nats per token; none for the embeddings."""
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")  # CodeBERT's


def open_tokenizer(folder: str, texts: Sequence[str], vocab_size: int = 2_000) -> Any:
    """CodeBERT's tokenizer, as `transformers` has it: from a folder, or "": the Hugging Face hub.

    Where neither is at hand, one of the same kind that is trained on these texts, and says so.
    """
    try:
        return codebert.open_codebert(folder)
    except InputError as error:
        print(f"{error}; here a small one of the same kind stands in")
    small = ByteLevelBPETokenizer()
    small.train_from_iterator([*texts, *prompts.EXAMPLES.values()], vocab_size, special_tokens=list(SPECIAL))
    with tempfile.TemporaryDirectory() as temporary:
        small.save_model(temporary)
        return codebert.open_codebert(temporary)


@dataclass(frozen=True)
class Corpus:
    """A stream of re-indexed tokens, cut in two, with the helpers of the course as its methods."""

    tokenizer: CodeBERTTokenizer
    train_data: Tensor
    """(N,), the first nine tenths."""
    val_data: Tensor

    @classmethod
    def of(cls, texts: Sequence[str], tokenizer: Any, more: Iterable[str] = ()) -> "Corpus":
        """Encode texts whole, each between `<s>` and `</s>`; `more` are prompts whose tokens are to be known, too."""
        backend = tokenizer.backend_tokenizer
        ours = codebert.reindex(backend, iter([*texts, *more]))
        start, end = ours.special("<s>"), ours.special("</s>")
        stream = [token for text in texts for token in (start, *ours.encode(text), end)]
        tokens = torch.tensor(stream)
        cut = int(0.9 * len(tokens))
        return cls(ours, tokens[:cut], tokens[cut:])

    @property
    def vocab_size(self) -> int:
        """Number of different tokens (V)."""
        return self.tokenizer.vocab_size

    def from_code_bert(self, tkn_lst: Iterable[int]) -> list[int]:
        """CodeBERT's ids → ours, 0 … V − 1; a token that is not in the vocabulary is `<unk>`."""
        return [int(self.tokenizer.from_codebert[token]) for token in tkn_lst]

    def to_code_bert(self, tkn_lst: Iterable[int]) -> list[int]:
        """Our ids → CodeBERT's."""
        return [int(self.tokenizer.to_codebert[token]) for token in tkn_lst]

    def get_batch(
        self, split: str, context_window_size: int, device: str | torch.device, batch_size: int = 32
    ) -> tuple[Tensor, Tensor]:
        """Inputs and targets, each (batch_size, context_window_size), from places drawn with replacement."""
        data = {"train": self.train_data, "val": self.val_data}[split]
        if len(data) <= context_window_size:
            raise InputError(f"the {split} split has {len(data)} tokens, and a window {context_window_size}")
        starts = torch.randint(len(data) - context_window_size, (batch_size,))
        windows = data[starts[:, None] + torch.arange(context_window_size + 1)].to(device)
        return windows[:, :-1], windows[:, 1:]

    @torch.no_grad()
    def estimate_loss(
        self, model: LanguageModel, eval_iters: int, context_window_size: int, device: str | torch.device
    ) -> dict[str, Tensor]:
        """The mean loss over `eval_iters` batches of each split: {"train": …, "val": …}, in nats per token."""
        return {
            split: torch.stack(
                [_loss(model, *self.get_batch(split, context_window_size, device)) for _ in range(eval_iters)]
            ).mean()
            for split in ("train", "val")
        }


def _loss(model: LanguageModel, inputs: Tensor, targets: Tensor) -> Tensor:
    loss = model(inputs, targets)[1]
    assert loss is not None
    return loss.cpu()


def train(
    model: Any,
    corpus: Corpus,
    iterations: int,
    learning_rate: float,
    device: str | torch.device = "cpu",
    eval_interval: int = 200,
    eval_iters: int = 200,
    report: Callable[[str], object] = print,
) -> list[dict[str, float]]:
    """The course's loop: AdamW at a constant rate; a line as in metrics.jsonl for each step, and each evaluation."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    window, lines = model.context_window_size, []
    for step in range(iterations + 1):
        if step % eval_interval == 0 or step == iterations:
            losses = corpus.estimate_loss(model, eval_iters, window, device)
            train_loss, val_loss = losses["train"].item(), losses["val"].item()
            report(f"step {step}: train loss {train_loss:.3f}, val loss {val_loss:.3f}")
            lines.append({"step": step, "train_nats": train_loss, "validation_nats": val_loss})
        if step < iterations:
            _, loss = model(*corpus.get_batch("train", window, device))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            lines.append({"step": step + 1, "train_loss": loss.item()})
    return lines


def draw(lines: Sequence[dict[str, float]], vocab_size: int, title: str) -> Any:
    """The loss curve of a run, both splits' evaluations, and log V as a line: a figure."""
    from matplotlib.figure import Figure  # slow to import; nobody else needs it

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    trained = [line for line in lines if "train_loss" in line]
    evaluated = [line for line in lines if "validation_nats" in line]
    axes.plot([line["step"] for line in trained], [line["train_loss"] for line in trained], lw=0.8, label="batch")
    for split in ("train", "validation"):
        values = [line[f"{split}_nats"] for line in evaluated]
        axes.plot([line["step"] for line in evaluated], values, marker="o", markersize=3, label=split)
    axes.axhline(math.log(vocab_size), color="grey", linestyle=":", label="log V")
    axes.set(xlabel="step", ylabel="nats per token", title=title)
    axes.legend()
    axes.grid(alpha=0.3)
    return figure


def collect(folder: Path) -> dict[str, Any]:
    """What a finished run of the ladder shows: losses, perplexities, and samples of the length of its window."""
    kind = json.loads((folder / "config.json").read_text(encoding="utf-8"))["lineahead"]["kind"]
    rung = asdict(ladder.read(kind, folder))
    opened = checkpoint.load(folder)
    window = opened.model.context_window_size
    beginnings = {"unconditional": "", **prompts.EXAMPLES}
    samples = {
        name: sample.sample(opened, prompt, window, temperature=1.0, seed=305) for name, prompt in beginnings.items()
    }
    perplexities = {split: math.exp(rung[split]) for split in SPLITS}
    return {**rung, "perplexity": perplexities, "samples": samples}


def expect_full(folder: Path) -> None:
    """Raise InputError where a run is none of the full ladder's, with the course's sizes."""
    about = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))["config"]
    kind = about["model"]["kind"]
    if kind not in ladder.STEPS:
        raise InputError(f"{folder}: expected a run of {', '.join(ladder.STEPS)}; found a {kind}")
    full = config.load(kind).as_dict()
    for table, free in {
        "model": "vocab_size",
        "optimizer": "",
        "batches": "micro_batch_size",
        "tokenizer": "folder",
    }.items():
        for key in full[table].keys() - {free}:
            if about[table].get(key) != full[table][key]:
                found = f"{table}.{key} is {about[table].get(key)!r} instead of {full[table][key]!r}"
                raise InputError(f"{folder}: expected a full run of the ladder, and {found}; keep others with --into")
    if about["loop"]["steps"] < full["loop"]["steps"]:
        raise InputError(f"{folder}: expected {full['loop']['steps']:,} steps, found {about['loop']['steps']:,}")


def results(folder: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """What was collected of full runs, by the names of the ladder's steps, in their order."""
    return {
        step: json.loads((folder / f"{step}.json").read_text(encoding="utf-8"))
        for step in ladder.STEPS
        if (folder / f"{step}.json").exists()
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.course", description=__doc__.partition("\n\n")[2])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of finished full runs")
    parser.add_argument("--into", type=Path, default=RESULTS, help="default: training/results")
    options = parser.parse_args(arguments)
    try:
        options.into.mkdir(parents=True, exist_ok=True)
        for folder in options.runs:
            if options.into.resolve() == RESULTS:
                expect_full(folder)
            shown = collect(folder)
            path = options.into / f"{shown['name']}.json"
            write_text_atomically(path, json.dumps(shown, indent=0) + "\n")
            print(f"written: {path}")
    except (InputError, OSError, ValueError, KeyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return door.FAILED
    return 0


if __name__ == "__main__":
    sys.exit(door.enter(main))
