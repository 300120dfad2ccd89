"""What is suggested at a place in a text, and why not, where nothing is: pure functions, without LSP."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from lineahead.engine.drafts import repeat_of_context
from lineahead.engine.engine import Engine, Recall, Request, Sampling
from lineahead.memory.memory import NO_MEMORY, Memory
from lineahead.place import Place
from lineahead.reasons import Reason
from lineahead.settings import Settings
from lineahead.suggest import prompt
from lineahead.suggest.checks import objection
from lineahead.suggest.fitting import fitting
from lineahead.suggest.harm import harm
from lineahead.suggest.prompt import HEALED_BYTES, Prompt
from lineahead.suggest.silence import in_empty_block, silence

MAX_TOKENS = 64
MAX_BYTES = 120  # of a line
MOST_SUGGESTIONS = 3
WHOLE = 4  # characters that a whole line is worth more than its beginning: there is nothing left to do
# What goes on: an operator, or a word that stands before an operand.
HALF = re.compile(r"(?:\s*(?:[-=+*/%&|^<>~@!.]++|\b(?:and|or|not|in|is|if|else|for|lambda)))+\s{0,8}\Z")
ATTEMPTS = (None, *(Sampling(seed=seed) for seed in range(6)))  # the likeliest, then drawn ones

WORD_END = re.compile(r"\w+\Z")


@dataclass(frozen=True)
class Suggestion:
    """Text to insert at the cursor."""

    text: str
    """The rest of the line, sometimes a few lines: no line break and no white space at its end."""
    word: str
    """The letters, digits and underscores before the cursor that `text` goes on from; often none."""
    confidence: float = 1.0
    """The model's probability of exactly this text."""


@dataclass(frozen=True)
class Answer:
    """Suggestions, or why there is none."""

    suggestions: tuple[Suggestion, ...] = ()
    """The likeliest one first."""
    reason: Reason | None = None
    detail: str = ""
    """The number behind the reason, where there is one."""


@dataclass(frozen=True)
class Written:
    """What the model wrote, and how sure it was."""

    text: bytes
    marks: list[tuple[int, float]]
    """After each token, and inside the first: a length of `text`, and the log of its probability up to there."""
    ended: bool
    """Whether the model ended the last line, instead of a limit."""


def complete(
    place: Place,
    settings: Settings,
    engine: Engine,
    stop: Callable[[], bool] = lambda: False,
    memory: Memory = NO_MEMORY,
) -> Answer:
    """The likeliest rest of the line at a place; several different ones where it was asked for explicitly."""
    if stop():  # it waited for its turn, and is not wanted any more
        return Answer(reason=Reason.CANCELLED)
    if reason := silence(place, settings):
        return Answer(reason=reason)
    reserved = min(MAX_TOKENS + HEALED_BYTES, engine.context_window_size // 2)
    budget = max(1, engine.context_window_size - reserved)
    before = place.context + place.text[: place.offset]
    asked = prompt.build(before, engine.vocabulary, budget, place.text[place.offset :])
    if asked is None:
        return Answer(reason=Reason.BLANK)
    lines = settings.max_lines if in_empty_block(place) else 1
    threshold = 0.0 if place.explicit else settings.confidence
    recall = memory.recall(place, engine.vocabulary)
    suggestions: dict[str, Suggestion] = {}
    refused: Answer | None = None
    for sampling in ATTEMPTS if place.explicit else ATTEMPTS[:1]:
        written = _generate(asked, engine, stop, lines, sampling, recall)
        if stop():
            if suggestions:  # there is no time for more
                break
            return Answer(reason=Reason.CANCELLED)
        judged = _judge(place, written, threshold, memory)
        if judged.suggestions:
            suggestions.setdefault(judged.suggestions[0].text, judged.suggestions[0])
        refused = refused or judged
        if len(suggestions) == MOST_SUGGESTIONS:
            break
    if not suggestions:
        return refused or Answer(reason=Reason.BLANK)
    ranked = sorted(suggestions.values(), key=lambda suggestion: -suggestion.confidence)
    return Answer(tuple(ranked[: MOST_SUGGESTIONS if place.explicit else 1]))


def _generate(
    asked: Prompt,
    engine: Engine,
    stop: Callable[[], bool],
    lines: int,
    sampling: Sampling | None,
    recall: Recall | None,
) -> Written:
    """What the model writes behind the bytes that it was asked to write again, up to the end of the last line."""
    length, written, ended, log_probability = len(asked.required), b"", False, 0.0
    marks: list[tuple[int, float]] = []
    request = Request(asked.token_ids, asked.required, sampling, repeat_of_context, recall)
    tokens = engine.stream(request, stop)
    for token in islice(tokens, MAX_TOKENS + HEALED_BYTES):
        token_bytes = engine.vocabulary.token_bytes[token.id]
        written += token_bytes
        new = written[length:].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        ended = not token_bytes or new.count(b"\n") >= lines
        if len(written) > length or ended:
            marks += [(beyond, log_probability + sure) for beyond, sure in enumerate(token.beyond[:-1], start=1)]
            log_probability += token.log_probability
            marks.append((max(0, len(written) - length), log_probability))
        if ended or len(new) - new.rfind(b"\n") > MAX_BYTES:
            break
    if not written.startswith(asked.required):  # the vocabulary could not spell it
        return Written(b"", [], False)
    return Written(written[length:], marks, ended)


def _judge(place: Place, written: Written, threshold: float, memory: Memory) -> Answer:
    """The sure part of what was written, without what does not belong into the file; or why nothing is left."""
    least = math.log(threshold) if threshold > 0 else -math.inf
    sure = [mark for mark in written.marks if mark[1] >= least]  # a beginning: probabilities only fall
    if written.marks and not sure:
        probability = math.exp(written.marks[0][1])
        return Answer(reason=Reason.NOTHING_SURE, detail=f"{probability:.2f} is under {threshold:.2f}")
    ends = [_end(written, length, log_probability) for length, log_probability in sure] or [_end(written, 0, 0.0)]
    end = max(ends, key=lambda end: _gain(end, threshold)) if threshold else ends[-1]
    inserted, fits = fitting(place, end.text, end.whole)
    complete = fits and (end.whole or len(inserted) < len(end.text.rstrip()))
    if not inserted.strip() and sure and not end.whole and threshold:
        probability = math.exp(end.log_probability)
        return Answer(reason=Reason.NOTHING_SURE, detail=f"only {probability:.2f} for less than a word")
    line = written.text.decode("utf-8", errors="replace").partition("\n")[0]  # the beginning of a secret is no better
    if reason := harm(place, line) or harm(place, inserted) or objection(place, inserted, complete, memory.knows):
        return Answer(reason=reason)
    return Answer((Suggestion(inserted, place.word_before, math.exp(end.log_probability)),))


class _End(NamedTuple):
    """A beginning of what was written, as it may be shown."""

    text: str
    log_probability: float
    whole: bool
    """Whether its last line ends where the model ended it, instead of where it stopped being sure."""


def _end(written: Written, length: int, log_probability: float) -> _End:
    """The first `length` bytes of what was written, without half a word or half a character at their end."""
    # Bytes that are no text end the line, as do the line ends that only Unicode knows.
    text = written.text[:length].decode("utf-8", errors="replace").partition("\ufffd")[0]
    follows = written.text[len(text.encode()) :][:4].decode("utf-8", errors="ignore")[:1]
    whole = follows in ("\r", "\n") or (length == len(written.text) and written.ended)
    if not whole and (not follows or follows == "_" or follows.isalnum()):
        text = WORD_END.sub("", text)  # no half word at the end
    if not whole:
        text = HALF.sub("", text)  # nor half an attribute, or half an expression
    return _End(text, log_probability, whole)


def _gain(end: _End, threshold: float) -> float:
    """What a person gains on average: characters, times how likely they are right, less what wrong ones cost.

    Whoever sets the threshold minds a wrong character threshold / (1 − threshold) times as much as they like a right
    one: at that probability nothing is gained.
    """
    probability, cost = math.exp(end.log_probability), threshold / max(1e-9, 1 - threshold)
    worth = len(end.text) + (WHOLE if end.whole else 0)
    return worth * (probability - cost * (1 - probability))
