"""Token file → batches of (inputs, targets), each a pure function of (seed, step).

Rows are windows of the packed token stream, in an order shuffled anew every epoch. A share of the
document fragments in them is rearranged for filling in the middle: the text right of the cursor
comes first, then the text left of it, which runs on into the missing middle without a seam.
That is the "SPM" order of Bavarian et al., "Efficient Training of Language Models to Fill in the
Middle" (2022), so a person's typing only ever appends to the prompt. With `fim_marked` there is a
seam: a token stands where the missing lines begin, which the text right of the cursor follows at once.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.dataset import TokenFile
from training.errors import InputError
from training.format import DOCUMENT_END, DOCUMENT_START, FIM_MIDDLE, FIM_PREFIX, FIM_SUFFIX, PADDING
from training.models.language_model import IGNORED_TARGET
from training.processes import Processes
from training.ranges import Count, Share
from training.tokenizer import Tokenizer

SMALLEST_FRAGMENT = 16  # tokens; shorter pieces of documents are not worth rearranging
MISSING_LINES = (1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 4)  # of a marked middle: one of these at random
TEXT_OF_A_LINE = re.compile(r"\S[^\n]*")
RETOKENISING_GROWTH = 12  # tokens left free: a cut text may need a few more tokens than the whole one


@dataclass(frozen=True)
class BatchConfig:
    """How token streams become batches."""

    sequence_length: Count = 512
    """Tokens in a row (T)."""
    batch_size: Count = 16
    """Rows of one optimizer step, over all processes."""
    micro_batch_size: Count = 16
    """Rows of one forward pass; the step's gradient is accumulated over batch_size / micro_batch_size / processes."""
    fim_rate: Share = 0.5
    """Share of document fragments rearranged for filling in the middle."""
    fim_suffix_share: Share = 0.35
    """The text right of the cursor is at most this share of the fragment; the rest is left of it."""
    fim_line_end_rate: Share = 0.5
    """Share of cuts moved to the next line end; the others fall on any character, so half words occur."""
    fim_marked: bool = False
    """Mark where the missing lines begin: one, or more of them; the cut is at the end of the last, or inside it."""


class TrainingBatches:
    """Rows of shuffled, packed, partly rearranged training text."""

    def __init__(self, config: BatchConfig, split: TokenFile, tokenizer: Tokenizer, seed: int) -> None:
        self.config, self._tokens, self._tokenizer, self._seed = config, split.tokens, tokenizer, seed
        self._windows = (len(split.tokens) - 1) // config.sequence_length - 1
        if self._windows < 1:
            raise InputError(
                f"the corpus has {len(split.tokens):,} training tokens; at least "
                f"{2 * config.sequence_length + 1:,} are needed for batches.sequence_length = {config.sequence_length}"
            )
        special = (DOCUMENT_START, DOCUMENT_END, PADDING, FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE)
        self._special = {token: tokenizer.special(token) for token in special}
        if config.fim_rate > 0 and None in self._special.values():
            raise InputError("batches.fim_rate: this tokenizer has no fill-in-the-middle tokens; set it to 0")

    @property
    def tokens_a_step(self) -> int:
        """Tokens of one optimizer step, over all processes."""
        return self.config.batch_size * self.config.sequence_length

    def rows(self, step: int, first: int, count: int) -> tuple[Tensor, Tensor]:
        """Rows first … first + count − 1 of step `step`'s batch: inputs and targets, each (count, T)."""
        positions = [step * self.config.batch_size + row for row in range(first, first + count)]
        windows = [self._window(position) for position in positions]
        if self.config.fim_rate > 0:
            windows = self._rearrange(
                windows, [np.random.default_rng([self._seed, 1, position]) for position in positions]
            )
        rows = torch.from_numpy(np.stack(windows))
        inputs, targets = rows[:, :-1], rows[:, 1:]
        if self.config.fim_rate > 0:
            targets = torch.where(targets == self._id(PADDING), IGNORED_TARGET, targets)
        return inputs, targets

    def _window(self, position: int) -> NDArray[np.int64]:
        epoch, index = divmod(position, self._windows)
        offset, order = _epoch_order(self._seed, epoch, self._windows, self.config.sequence_length)
        start = offset + int(order[index]) * self.config.sequence_length
        return np.asarray(self._tokens[start : start + self.config.sequence_length + 1], dtype=np.int64)

    def _rearrange(
        self, windows: list[NDArray[np.int64]], generators: list[np.random.Generator]
    ) -> list[NDArray[np.int64]]:
        """Rearrange some fragments of each window; rows stay T + 1 long, padded where the new text is shorter."""
        plans = [self._plan(window, rng) for window, rng in zip(windows, generators, strict=True)]
        texts = [
            text for plan in plans for part in plan if isinstance(part, _Cut) for text in (part.before, part.after)
        ]
        encoded = (token_ids.tolist() for token_ids in self._tokenizer.encode_batch(texts))
        rows = []
        for plan in plans:
            row: list[int] = []
            for part in plan:
                row += self._fill_in_the_middle(part, next(encoded), next(encoded)) if isinstance(part, _Cut) else part
            padding = [self._id(PADDING)] * (self.config.sequence_length + 1 - len(row))
            rows.append(np.array((row + padding)[: self.config.sequence_length + 1], dtype=np.int64))
        return rows

    def _plan(self, window: NDArray[np.int64], rng: np.random.Generator) -> "list[list[int] | _Cut]":
        """The window's parts in order: token ids to keep as they are, and fragments to rearrange."""
        is_boundary = (window == self._id(DOCUMENT_START)) | (window == self._id(DOCUMENT_END))
        edges = np.flatnonzero(is_boundary)
        plan: list[list[int] | _Cut] = []
        start = 0
        for edge in [*edges.tolist(), len(window)]:
            body = window[start:edge].tolist()
            wanted = len(body) >= SMALLEST_FRAGMENT and rng.random() < self.config.fim_rate
            at_document_start = start > 0 and window[start - 1] == self._id(DOCUMENT_START)
            if wanted:
                if at_document_start:
                    plan.pop()  # the start token moves into the rearranged part, where the text starts
                added = 4 + RETOKENISING_GROWTH  # three parts' tokens, one end token
                whole = edge < len(window)
                plan.append(self._cut(body if whole else body[:-added], rng, at_document_start))
            else:
                plan.append(body)
            if edge < len(window) and not (wanted and window[edge] == self._id(DOCUMENT_END)):
                plan.append([int(window[edge])])  # a rearranged part brings its own end token
            start = edge + 1
        return plan

    def _cut(self, body: list[int], rng: np.random.Generator, at_document_start: bool) -> "_Cut":
        table = self._tokenizer.token_bytes()
        # A window may start or end inside a character: its bytes are dropped.
        text = b"".join(table[token] for token in body).decode("utf-8", errors="ignore")
        cut = len(text) - int(rng.random() * self.config.fim_suffix_share * len(text))
        if self.config.fim_marked:
            return self._marked(text, cut, rng, at_document_start)
        if rng.random() < self.config.fim_line_end_rate:
            line_end = text.find("\n", cut)
            cut = line_end if line_end >= 0 else cut
        return _Cut(text[:cut], text[cut:], at_document_start)

    def _marked(self, text: str, near: int, rng: np.random.Generator, at_document_start: bool) -> "_Cut":
        """A cut in or behind a line near a position; the line end before the missing lines is marked."""
        near = min(near, len(text.rstrip()))  # no blank lines are missing
        line = TEXT_OF_A_LINE.search(text, text.rfind("\n", 0, near) + 1)
        last = line.span() if line else (len(text), len(text))
        cut = last[1] if rng.random() < self.config.fim_line_end_rate else int(rng.integers(last[0], last[1] + 1))
        mark = last[0]
        for _ in range(rng.choice(MISSING_LINES)):
            mark = max(0, text.rfind("\n", 0, mark))
        return _Cut(text[:cut], text[cut:], at_document_start, len(text[:mark].encode()))

    def _fill_in_the_middle(self, cut: "_Cut", before: list[int], after: list[int]) -> list[int]:
        start = [self._id(DOCUMENT_START)] if cut.at_document_start else []
        if cut.mark is None:
            parts = [self._id(FIM_PREFIX), self._id(FIM_SUFFIX), *after, self._id(FIM_MIDDLE), *start, *before]
            return [*parts, self._id(DOCUMENT_END)]
        written, missing = self._parted(before, cut.mark)
        parts = [self._id(FIM_SUFFIX), *after, self._id(FIM_PREFIX), *start, *written, self._id(FIM_MIDDLE), *missing]
        return [*parts, self._id(DOCUMENT_END)]

    def _parted(self, tokens: list[int], position: int) -> tuple[list[int], list[int]]:
        """Tokens before the one that holds the byte at a position, and from that on."""
        table = self._tokenizer.token_bytes()
        ends = list(accumulate(len(table[token]) for token in tokens))
        first = bisect_right(ends, position)
        return tokens[:first], tokens[first:]

    def _id(self, token: str) -> int:
        token_id = self._special[token]
        assert token_id is not None, token
        return token_id


@dataclass(frozen=True)
class _Cut:
    """A fragment to rearrange: the text before the cut (prefix and middle) and after it (suffix)."""

    before: str
    after: str
    at_document_start: bool
    mark: int | None = None
    """Where in `before`, in bytes, the missing lines begin; None where that is not marked."""


@lru_cache(maxsize=2)
def _epoch_order(seed: int, epoch: int, windows: int, sequence_length: int) -> tuple[int, NDArray[np.int64]]:
    """Where an epoch's first window starts, so that windows differ between epochs, and the order of its windows."""
    rng = np.random.default_rng([seed, 0, epoch])
    return int(rng.integers(sequence_length)), rng.permutation(windows)


def shared_out(config: BatchConfig, processes: Processes) -> tuple[int, int]:
    """The rows of a batch that each process has, and those of its micro-batches; InputError where that is no whole
    number."""
    share = config.batch_size // processes.count
    micro = min(config.micro_batch_size, share)
    if not share or share * processes.count != config.batch_size or share % micro:
        raise InputError(
            f"batches.batch_size = {config.batch_size} cannot be shared out over {processes.count} process(es) "
            f"in micro-batches of {config.micro_batch_size}: make it a multiple"
        )
    return share, micro


@contextmanager
def prefetched(
    batches: TrainingBatches, processes: Processes, first_step: int, steps: int
) -> Iterator[Iterator[tuple[int, list[tuple[Tensor, Tensor]]]]]:
    """This process's micro-batches of the steps first_step … steps − 1, one made while its forerunner is computed."""
    share, micro = shared_out(batches.config, processes)

    def make(step: int) -> list[tuple[Tensor, Tensor]]:
        starts = range(processes.rank * share, (processes.rank + 1) * share, micro)
        return [batches.rows(step, start, micro) for start in starts]

    with ThreadPoolExecutor(1, thread_name_prefix="batches") as worker:

        def made_ahead() -> Iterator[tuple[int, list[tuple[Tensor, Tensor]]]]:
            ahead = worker.submit(make, first_step)
            for step in range(first_step, steps):
                current = ahead.result()
                if step + 1 < steps:
                    ahead = worker.submit(make, step + 1)
                yield step, current

        yield made_ahead()


def evaluation_rows(split: TokenFile, sequence_length: int, count: int) -> tuple[Tensor, Tensor]:
    """At most `count` windows spread evenly over a split, in their plain order: inputs and targets (N, T)."""
    windows = (len(split.tokens) - 1) // sequence_length
    if windows < 1:
        raise InputError(
            f"the corpus has only {len(split.tokens):,} tokens in a split; at least {sequence_length + 1:,} are "
            "needed: add sources or shorten batches.sequence_length"
        )
    starts = np.linspace(0, windows - 1, num=min(count, windows)).astype(np.int64) * sequence_length
    rows = np.stack([np.asarray(split.tokens[start : start + sequence_length + 1], dtype=np.int64) for start in starts])
    tensor = torch.from_numpy(rows)
    return tensor[:, :-1], tensor[:, 1:]
