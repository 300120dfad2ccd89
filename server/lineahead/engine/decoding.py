"""Logits → tokens: what `Engine.stream` does, whatever computes the logits."""

from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lineahead.engine.engine import Beginning, Recall, Request, Sampling, Stop, Token
from lineahead.engine.healing import spell
from lineahead.engine.sampling import choose, log_probabilities_of, mixed, runner_up
from lineahead.engine.vocabulary import Vocabulary

Step = Callable[[int, Sequence[int], int], NDArray[np.float32]]
"""step(position, tokens, rows): forget what follows the first `position` tokens, compute these after them, and
return the logits (rows, V) behind the last `rows` of them."""


class Limits(NamedTuple):
    """What an engine can do at once."""

    window: int
    """The most tokens in all."""
    tokens_a_step: int
    """A prompt goes in by so many, so that `stop` never waits for all of it."""
    computed: int = 0
    """Tokens of the prompt's beginning that need no computing any more."""


class Logits:
    """Computes the logits behind sequences that begin like the one before."""

    def __init__(self, step: Step, vocabulary: Vocabulary, recall: Recall | None, computed: Sequence[int]) -> None:
        self._step, self._recall = step, recall
        self._vocab_size = len(vocabulary.token_bytes)
        self._computed = list(computed)

    def read(self, tokens: Sequence[int], tokens_a_step: int, stop: Stop) -> bool:
        """Compute all but the last `tokens_a_step` tokens at most; false where it was stopped."""
        while len(tokens) - len(self._computed) > tokens_a_step:
            if stop():
                return False
            end = len(self._computed) + tokens_a_step
            self._step(len(self._computed), tokens[len(self._computed) : end], 1)
            self._computed[:] = tokens[:end]
        return True

    def rows(self, tokens: Sequence[int], count: int = 1) -> Iterator[NDArray[np.float32]]:
        """The logits (V,) behind the last `count` tokens, one after the other, with what is recalled mixed in."""
        position = min(in_common(self._computed, tokens), len(tokens) - count)
        logits = self._step(position, tokens[position:], count)
        self._computed[:] = tokens
        for length, row in enumerate(logits, start=len(tokens) - count + 1):
            row = row[: self._vocab_size]  # a model may have more rows than tokens
            yield mixed(row, tokens[:length], self._recall) if self._recall else row


def decode(step: Step, vocabulary: Vocabulary, request: Request, stop: Stop, limits: Limits) -> Iterator[Token]:
    """`Engine.stream` over logits.

    First the prompt is read, then what is required is spelled, then one token follows the other. Drafted tokens are
    computed together with the last known one; those that agree with what is chosen are kept, at the price of one step.
    """
    tokens, required = list(request.token_ids), request.required
    random = np.random.default_rng(request.sampling.seed) if request.sampling else None
    logits = Logits(step, vocabulary, request.recall, tokens[: limits.computed])
    if not logits.read(tokens, limits.tokens_a_step, stop):
        return
    given, path, so_far = list(request.given), [], 0.0
    if required and not given:
        room = limits.window - len(tokens)
        spelled = spell(lambda path: next(logits.rows([*tokens, *path])), vocabulary, required, stop, room)
        for token in spelled:
            rest = required[len(vocabulary.token_bytes[token.id]) :]
            if request.sampling and not rest:  # it may go on beyond: it is drawn
                break
            required = rest
            path.append(token.id)
            so_far += token.log_probability
            yield token
        if not spelled:
            return
    while len(tokens) + len(path) <= limits.window and not stop():
        guesses = given or (request.draft([*tokens, *path]) if request.draft and not required else ())
        drafted = list(guesses)[: limits.window - len(tokens) - len(path)]
        rows = logits.rows([*tokens, *path, *drafted], 1 + len(drafted))
        for row, guess in zip(rows, [*drafted, None], strict=True):
            allowed = vocabulary.compatible(required) if required else None
            if allowed is not None and allowed.size == 0:
                return
            token = _next(row, allowed, given.pop(0) if given else None, request.sampling, random)
            others = [Beginning(so_far + other.log_probability, (*path, *other.token_ids)) for other in token.others]
            required = required[len(vocabulary.token_bytes[token.id]) :]
            path.append(token.id)
            so_far += token.log_probability
            yield token._replace(others=tuple(others))
            if token.id != guess:
                break


def _next(
    row: NDArray[np.float32],
    allowed: NDArray[np.int64] | None,
    given: int | None,
    sampling: Sampling | None,
    random: np.random.Generator | None,
) -> Token:
    """The next token by its logits (V,), among the allowed ones; `others` has the one that was nearly chosen."""
    logits = row if allowed is None else row[allowed]
    if given is not None:
        index = given if allowed is None else int(np.flatnonzero(allowed == given)[0])
        return Token(given, log_probabilities_of(logits[None], [index])[0])
    index, log_probability = choose(logits, sampling, random)
    others: tuple[Beginning, ...] = ()
    if len(logits) > 1:
        second = runner_up(logits, index)
        less = log_probability - float(logits[index] - logits[second])
        others = (Beginning(less, (second if allowed is None else int(allowed[second]),)),)
    return Token(index if allowed is None else int(allowed[index]), log_probability, others=others)


def in_common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two sequences have in common at their beginning."""
    length = min(len(first), len(second))
    if first[:length] == second[:length]:  # nearly always, and a hundred times as fast
        return length
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))
