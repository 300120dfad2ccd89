"""Let a checkpoint write: `python -m training.sample CHECKPOINT [--prompt-file F | --example NAME] …`."""

from training import door  # isort: split

import argparse
import os
import sys
from pathlib import Path

import torch

from training import checkpoint, format, prompts
from training.checkpoint import Checkpoint
from training.errors import InputError
from training.format import DOCUMENT_END, DOCUMENT_START
from training.models.language_model import stream
from training.ranges import Count, Natural, NotNegative, PositiveShare, argument

MOST_BYTES = 1_000_000  # of a prompt


def sample(
    opened: Checkpoint,
    prompt: str,
    max_new_tokens: int,
    *,
    temperature: float = 0.8,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
) -> str:
    """Continue a prompt (empty: from the start of a document) by at most `max_new_tokens`; the new text only."""
    tokenizer = opened.tokenizer
    start, end = tokenizer.special(DOCUMENT_START), tokenizer.special(DOCUMENT_END)
    token_ids = ([] if start is None else [start]) + tokenizer.encode(prompt)
    if not token_ids:
        token_ids = [0]  # a model without a start token begins from the first entry, as the course does
    tokens = stream(
        opened.model, torch.tensor([token_ids]), temperature=temperature, top_k=top_k, top_p=top_p, seed=seed
    )
    new: list[int] = []
    while len(new) < max_new_tokens and (token := int(next(tokens))) != end:
        new.append(token)
    return tokenizer.decode(new)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.sample", description="Let a checkpoint write code.")
    parser.add_argument("checkpoint", type=Path, help="a checkpoint folder, such as a run's")
    prompt_from = parser.add_mutually_exclusive_group()
    prompt_from.add_argument("--prompt-file", type=Path, help="continue this text (default: start a new file)")
    prompt_from.add_argument("--example", choices=prompts.EXAMPLES, help="continue one of the course's two prompts")
    parser.add_argument("--max-new-tokens", type=argument(Natural), default=200, help="default: %(default)s")
    parser.add_argument(
        "--temperature",
        type=argument(NotNegative),
        default=0.8,
        help="0: always the likeliest (default: %(default)s)",
    )
    parser.add_argument("--top-k", type=argument(Count), help="draw from the K likeliest tokens only")
    parser.add_argument(
        "--top-p",
        type=argument(PositiveShare),
        help="draw from the likeliest tokens that hold this probability",
    )
    parser.add_argument("--seed", type=argument(Natural), help="the same seed writes the same text")
    options = parser.parse_args(arguments)
    try:
        prompt = prompts.EXAMPLES.get(options.example, "")
        if options.prompt_file:
            prompt = format.read_regular(Path(os.path.realpath(options.prompt_file)), MOST_BYTES).decode()
        opened = checkpoint.load(options.checkpoint)
        unknown = opened.tokenizer.special("<unk>")
        if unseen := sum(token == unknown for token in opened.tokenizer.encode(prompt)):
            print(f"note: {unseen} tokens of the prompt were never seen in training; they are <unk>", file=sys.stderr)
        new = sample(
            opened,
            prompt,
            options.max_new_tokens,
            temperature=options.temperature,
            top_k=options.top_k,
            top_p=options.top_p,
            seed=options.seed,
        )
    except (InputError, OSError, UnicodeDecodeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return door.FAILED
    print(prompt + new)
    return 0


if __name__ == "__main__":
    sys.exit(door.enter(main))
