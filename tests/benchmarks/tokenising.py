"""How fast a corpus becomes token ids: `python tests/benchmarks/tokenising.py [--tokens N] [--folder F]`.

Two ways from the same documents to CodeBERT tokens, in one run. The course's: pieces of 512 characters, each
encoded alone and joined to all before it by `torch.cat`, which copies them every time. Ours: whole documents,
encoded in parallel, re-indexed, and joined once. Prints seconds, tokens and the ratio, and how many of the
course's pieces are too long for CodeBERT's network, which is what its warning was about.
"""

import argparse
import os
import sys
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from training import codebert
from training.codebert import CodeBERTTokenizer, pieces_of
from training.corpus import corpus
from training.corpus.corpus import CorpusConfig
from training.errors import InputError
from training.format import DOCUMENT_END, DOCUMENT_START

LONGEST = 512  # tokens, in CodeBERT's network
BATCH = 64


def course_way(texts: list[str], tokenizer: Any) -> Tensor:
    """The course's loop: CodeBERT's ids (N,). A document of one piece goes without its `</s>`, as it does there."""
    tokens = torch.tensor([], dtype=torch.long)
    for text in tqdm(texts, desc="the course's way", unit="doc"):
        pieces = pieces_of(text)
        for index, piece in enumerate(pieces):
            new = torch.tensor(tokenizer.encode(piece, add_special_tokens=True))
            first, last = index == 0, index == len(pieces) - 1
            tokens = torch.cat((tokens, new[0 if first else 1 : None if last and not first else -1]))
    return tokens


def our_way(texts: list[str], tokenizer: CodeBERTTokenizer) -> NDArray[np.int64]:
    """Our path: re-indexed ids (N,), each document from `<s>` to `</s>`."""
    start, end = (np.array([tokenizer.special(token)], dtype=np.int32) for token in (DOCUMENT_START, DOCUMENT_END))
    batches = (texts[first : first + BATCH] for first in range(0, len(texts), BATCH))
    parts = (part for batch in batches for ids in tokenizer.encode_batch(batch) for part in (start, ids, end))
    return np.concatenate(list(parts))


def _documents(tokens: int, tokenizer: Any) -> list[str]:
    """Documents of the running environment, until they hold so many tokens."""
    texts: list[str] = []
    count = 0
    for document in corpus.read_documents(CorpusConfig(split="stream")):
        texts.append(document.text)
        count += len(tokenizer.backend_tokenizer.encode(document.text).ids)
        if count >= tokens:
            break
    return texts


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=4_000_000, help="default: %(default)s")
    parser.add_argument("--folder", default="", help="CodeBERT's vocab.json and merges.txt (default: from the hub)")
    options = parser.parse_args(arguments)
    try:
        tokenizer = codebert.open_codebert(options.folder)
        texts = _documents(options.tokens, tokenizer)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    clock = [time.perf_counter()]
    reindexed = codebert.reindexed(options.folder, iter(texts))
    clock.append(time.perf_counter())
    ours = len(our_way(texts, reindexed))
    clock.append(time.perf_counter())
    theirs = len(course_way(texts, tokenizer))
    clock.append(time.perf_counter())
    vocabulary, fast, slow = np.diff(clock)
    pieces = [piece for text in texts for piece in pieces_of(text)]
    too_long = sum(len(encoding.ids) > LONGEST for encoding in tokenizer.backend_tokenizer.encode_batch(pieces))
    print(f"{len(texts):,} documents, {sum(map(len, texts)):,} characters, {os.cpu_count()} cores")
    print(f"{'':24}{'seconds':>9}{'tokens':>12}{'tokens/s':>12}")
    for name, seconds, count in (("whole documents", fast, ours), ("the course's loop", slow, theirs)):
        print(f"{name:24}{seconds:9.1f}{count:12,}{count / seconds:12,.0f}")
    print(f"{slow / fast:.0f} times faster; {theirs - ours:+,} tokens by cutting words")
    print(
        f"before that, {vocabulary:.1f} seconds to find the {reindexed.vocab_size:,} tokens that occur, "
        "and the tokens of each word"
    )
    print(f"{too_long:,} of {len(pieces):,} pieces hold more than {LONGEST} tokens, <s> and </s> included")
    return 0


if __name__ == "__main__":
    sys.exit(main())
