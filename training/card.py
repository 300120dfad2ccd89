"""The model card, README.md, from the facts of provenance.json: `card.md` is its template."""

import re
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath
from string import Template
from typing import Any

TEMPLATE = Path(__file__).with_name("card.md")
HUGGING_FACE_HEADER = """\
---
library_name: transformers
pipeline_tag: text-generation
tags: [code, python, completion, fill-in-the-middle]
---
"""
PROMPTS = """\
## Prompts
From the left: `<|startoftext|>` (at the start of a file only) and the text before the cursor. \
Filling in the middle: $middle.

"""
MIDDLE = "`<|fim_prefix|><|fim_suffix|>` text after the cursor `<|fim_middle|>` text before it"
MARKED_MIDDLE = """\
`<|fim_suffix|>` text after the cursor `<|fim_prefix|>` text before the line that is missing `<|fim_middle|>` what is \
written of that line, from the token on that holds the line end before it"""
BY_PROJECT = "Validation text comes from projects of which no file was trained on."
BY_FILE = "Validation text comes from files that were not trained on, of the same projects."
BY_STREAM = "Validation text is the last part of the token stream."

LOCAL = re.compile(r"""(?<![\w./\\])(?:~\w*|\.{1,2}|[A-Za-z]:)?(?:\\\\|[\\/](?![\\/]))[^"'\[\],]+""")

URL = re.compile(r"""\b([A-Za-z][\w+.-]*)://(?:[^/@\s"']*@)?([^\s"'\[\],?#]*)(?:[?#][^\s"'\[\],]*)?""")


def without_folders(argument: str) -> str:
    """An argument or a source, of whose paths from the root, the home or the folder above the last names are left, and
    of whose addresses neither users nor what follows a question mark.

    >>> without_folders('corpus.sources=["/home/ann/customer/app", "../lib", "hub:a/b", "runs/c"]')
    'corpus.sources=["app", "lib", "hub:a/b", "runs/c"]'
    >>> without_folders("https://ann:token@host/x.csv?signature=secret")
    'https://host/x.csv'
    """
    public = URL.sub(lambda url: url[0] if url[1] == "file" else f"{url[1]}://{url[2]}", argument)
    return LOCAL.sub(lambda path: PureWindowsPath(path[0]).name, public)  # which knows both separators


def render(about: dict[str, Any]) -> str:
    """The card as Markdown: what the model is, what it learned from, for how long, how good it is."""
    config, evaluation = about["config"], about["evaluation"] or {}
    model, corpus = config["model"], config["corpus"]
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        header=HUGGING_FACE_HEADER if model["kind"] == "decoder" else "",
        kind=model["kind"],
        parameters=f"{about['parameters']:,}",
        sizes=", ".join(f"{key} {value}" for key, value in model.items() if key not in ("kind", "vocab_size")),
        vocab_size=f"{model['vocab_size']:,}",
        training=_training(about, about["before"]),
        before=_before(about["before"]),
        step=evaluation.get("step", "–"),
        evaluation="".join(
            f"| {split} | {evaluation[f'{split}_nats']:.4f} | {evaluation[f'{split}_bits_per_byte']:.4f} |\n"
            for split in ("train", "validation")
            if f"{split}_nats" in evaluation
        ),
        validation={"project": BY_PROJECT, "file": BY_FILE, "stream": BY_STREAM}[corpus["split"]],
        prompts=_prompts(config["batches"]),
        sources=", ".join(map(without_folders, corpus["sources"])),
        licences=corpus["licences"],
        projects="\n".join(
            f"| {row['project']} | {row['licence']} | {row['split']} | {row['documents']:,} | {row['bytes']:,} |"
            for row in about["corpus"]["projects"]
        ),
    )


def _prompts(batches: dict[str, Any]) -> str:
    """How to ask a model that has learned to fill in the middle; nothing about another one."""
    if not batches["fim_rate"]:
        return ""
    marked = batches.get("fim_marked", False)  # older runs know only the other way
    return Template(PROMPTS).substitute(middle=MARKED_MIDDLE if marked else MIDDLE)


def _training(facts: dict[str, Any], before: Sequence[dict[str, Any] | str]) -> str:
    """How one training went, as a sentence or two; of averaged ones each that is not among those before."""
    command = " ".join(map(without_folders, facts["command"].split(" ")))  # as it may have been kept once
    if "averaged" in facts:
        parts = " ".join(f"{100 * part['share']:.0f} %: {_part(part, before)}" for part in facts["averaged"])
        by = f"`{command}`; commit {facts['commit'] or 'unknown'}"
        return f"The mean of the weights of {len(facts['averaged'])} checkpoints; {by}. {parts}"
    progress, machine, data = facts["progress"], facts["machine"], facts["data"]["train"]
    hardware = machine["device"]
    if hardware == "cpu":
        hardware = f"{machine['processes']} process(es) of {machine['threads']} thread(s) on {machine['processor']}"
    return (
        f"{progress['steps']:,} steps, {progress['tokens']:,} tokens "
        f"({progress['tokens'] / max(1, data['tokens']):.2f} epochs of {data['tokens']:,} tokens, "
        f"{data['text_bytes']:,} bytes of text), {progress['seconds'] / 3600:.2f} hours on {hardware}, "
        f"in {progress['sessions']} session(s). `{command}`; commit {facts['commit'] or 'unknown'}; "
        f"torch {facts['versions']['torch']}."
    )


def _part(part: dict[str, Any], before: Sequence[dict[str, Any] | str]) -> str:
    """The training of one of those whose weights were averaged."""
    facts = {name: fact for name, fact in part.items() if name != "share"}
    return "the checkpoint that the others went on from." if facts in before else _training(facts, before)


def _before(trainings: list[dict[str, Any] | str]) -> str:
    """The trainings that came before, the latest first; one of which only words are known is a string."""
    told = [
        training if isinstance(training, str) else _training(training, trainings[number:])
        for number, training in enumerate(trainings, start=1)
    ]
    sentences = [f"Before that, in the checkpoint that it went on from: {words}" for words in told]
    return " ".join(sentences) + "\n\n" if sentences else ""
