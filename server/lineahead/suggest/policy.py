"""What is suggested at a place in a text, and why not, where nothing is: pure functions, without LSP."""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain, islice

from lineahead.engine.engine import Engine
from lineahead.memory.memory import NO_MEMORY, Memory
from lineahead.place import Place
from lineahead.reasons import Reason
from lineahead.settings import Settings
from lineahead.suggest import prompt
from lineahead.suggest.awaited import Awaited, awaited
from lineahead.suggest.candidates import MAX_TOKENS, Candidate, Writer
from lineahead.suggest.checks import objection
from lineahead.suggest.ends import End, ends
from lineahead.suggest.guesses import guess
from lineahead.suggest.harm import harm, up_to_secret
from lineahead.suggest.imports import only_import
from lineahead.suggest.judgement import DEFAULT, Evidence, Judgement
from lineahead.suggest.prompt import HEALED_BYTES
from lineahead.suggest.silence import at_block_end, in_empty_block, silence

MOST_SUGGESTIONS = 3
WHOLE = 10  # characters that a whole line is worth more than its beginning: there is nothing left to do
READING = 6  # characters: what it takes to read a suggestion, for who minds that as much as a wrong character
TELLING_TOKENS, TELLING_SHARE = 3, 0.5  # behind which, and of the times that, a line stood there before
REPEATED_TOKENS, REPEATED_SHARE = 12, 0.9  # from which on several lines may be the same again
IMPORT_ENDS = 0.63  # of the times, behind a name that is imported from the project
LEAST_OF_A_WORD = 4  # characters: who has less to go of a name types it
ONE_WORD = re.compile(r"\W*\w*")
# The model takes several blanks for the gap before a column of `=`, and `x =  ` would go on with another one.
GAP = re.compile(r"([-=+*/%&|^~<>@!,:(\[{]|\b(?:and|or|not|in|is|if|else|for|lambda|return|yield|await))[ \t]{2,64}\Z")
MOST_OF_GAP = 80  # characters


@dataclass(frozen=True)
class Suggestion:
    """Text to insert at the cursor."""

    text: str
    """The rest of the line, sometimes a few lines: no line break and no white space at its end."""
    word: str
    """The letters, digits and underscores before the cursor that `text` goes on from; often none."""
    confidence: float = 1.0
    """How likely the line goes on with it."""


@dataclass(frozen=True)
class Answer:
    """Suggestions, or why there is none."""

    suggestions: tuple[Suggestion, ...] = ()
    """The likeliest one first."""
    reason: Reason | None = None
    detail: str = ""
    """The number behind the reason, where there is one."""


def complete(
    place: Place,
    settings: Settings,
    engine: Engine,
    stop: Callable[[], bool] = lambda: False,
    memory: Memory = NO_MEMORY,
    judgement: Judgement = DEFAULT,
) -> Answer:
    """The likeliest rest of the line at a place; several different ones where it was asked for explicitly."""
    if stop():  # it waited for its turn, and is not wanted any more
        return Answer(reason=Reason.CANCELLED)
    if reason := silence(place, settings):
        return Answer(reason=reason)
    found = gather(place, settings, engine, stop, memory)
    if found is None:
        return Answer(reason=Reason.BLANK)
    if place.explicit:
        return _likeliest_lines(place, found, judgement, memory, stop)
    candidates = [found.likeliest, *islice(found.again, found.telling)]
    if stop():
        return Answer(reason=Reason.CANCELLED)
    answer = _best_end(place, candidates, found.evidence, judgement, memory, settings.confidence)
    return answer if answer.suggestions else _guessed(place, memory, settings.confidence) or answer


@dataclass(frozen=True)
class Found:
    """What may be suggested at a place, the dearer parts not before they are asked for."""

    likeliest: Candidate
    again: Iterable[Candidate]
    """The lines that stood there before, where they are others."""
    others: Iterable[Candidate]
    """Other ways to go on."""
    evidence: Evidence

    @property
    def telling(self) -> int:
        """How many of the lines that stood there before are worth their time while somebody types: one, or none."""
        if not self.evidence.remembered:
            return 0
        text, line = self.evidence.remembered[0]
        return int(line.is_told(TELLING_TOKENS, TELLING_SHARE) and text != self.evidence.likeliest)


def gather(place: Place, settings: Settings, engine: Engine, stop: Callable[[], bool], memory: Memory) -> Found | None:
    """Ask the engine and the memory how a line goes on; None where there is nothing to go on from."""
    if rest := only_import(place, memory):  # any other one would be refused
        text = rest.encode()
        only = Candidate(text, ((len(text), 0.0),), ended=True, end=math.log(IMPORT_ENDS))
        return Found(only, (), (), Evidence(place, rest, (), Awaited()))
    reserved = min(MAX_TOKENS + HEALED_BYTES, engine.context_window_size // 2)
    budget = max(1, engine.context_window_size - reserved)
    before = place.context + place.text[: place.offset]
    if not place.in_comment_or_string:
        before = before[:-MOST_OF_GAP] + GAP.sub(r"\1 ", before[-MOST_OF_GAP:])
    asked = prompt.build(before, engine.vocabulary, budget, place.text[place.offset :])
    if asked is None:
        return None
    remembered = memory.lines(place, engine.vocabulary, asked.token_ids, asked.required)
    # So much of what is above stood elsewhere before that it may go on as it did there, for some lines.
    repeats = any(line.is_told(REPEATED_TOKENS, REPEATED_SHARE) for line in remembered[:1])
    several = in_empty_block(place) or (repeats and at_block_end(place))
    writer = Writer(asked, engine, memory.recall(place, engine.vocabulary), stop, settings.max_lines if several else 1)
    known = [(writer.spelled(line), line) for line in remembered]
    likeliest = writer.likeliest(remembered)
    written = likeliest.text.decode("utf-8", errors="replace")
    again = (writer.again(line) for spelled, line in known if spelled != written and not stop())
    others = chain(writer.other_ways(likeliest), writer.drawn())
    return Found(likeliest, again, others, Evidence(place, written, known, awaited(place)))


def _best_end(
    place: Place,
    candidates: list[Candidate],
    evidence: Evidence,
    judgement: Judgement,
    memory: Memory,
    threshold: float,
) -> Answer:
    """The end from which a person gains most, of what may be shown there."""
    judged = []
    for candidate in candidates:
        best = [
            (gain(end, probability, threshold), probability, end, candidate)
            for end in ends(place, candidate)
            for probability in [judgement.probability(evidence.features(end))]
        ]
        judged += [max(best, key=lambda one: one[0])] if best else []
    judged.sort(key=lambda one: -one[0])
    refused: Reason | None = None
    for gained, probability, end, candidate in judged:
        if gained <= 0:
            return Answer(reason=refused) if refused else _unsure(judged[0][1], threshold)
        if reason := refusal(place, end, candidate, memory):
            refused = refused or reason
            continue
        return Answer((Suggestion(end.text, place.word_before, probability),))
    return Answer(reason=refused or Reason.BLANK)


def _guessed(place: Place, memory: Memory, threshold: float) -> Answer | None:
    """What names alone tell, where nothing else is shown; None for nothing to show."""
    guessed = guess(place, memory)
    if guessed is None:
        return None
    text, probability = guessed
    end = End(text, math.log(probability), whole=False, log_end=0.0, complete=False)
    if gain(end, probability, threshold) <= 0 or refusal(place, end, Candidate(text.encode()), memory):
        return None
    return Answer((Suggestion(text, place.word_before, probability),))


def _likeliest_lines(
    place: Place, found: Found, judgement: Judgement, memory: Memory, stop: Callable[[], bool]
) -> Answer:
    """Different whole lines that may be shown, the likeliest one first."""
    ranked: dict[str, tuple[float, float]] = {}
    refused: Reason | None = None
    secrets: list[str] = []  # how lines with secrets begin: what goes on like that is the beginning of one
    for candidate in chain([found.likeliest], found.again, found.others):
        if stop():  # there is no time for more
            break
        if harm(place, line := _first_line(candidate)) is Reason.SECRET:
            secrets.append(up_to_secret(place, line))
        for end in ends(place, candidate)[-1:]:
            if end.text in ranked:
                continue
            if reason := refusal(place, end, candidate, memory):
                refused = refused or reason
                continue
            features = found.evidence.features(end)
            ranked[end.text] = judgement.rank(features), judgement.probability(features)
    ranked = {text: numbers for text, numbers in ranked.items() if not text.startswith(tuple(secrets))}
    if not ranked:
        return Answer(reason=Reason.CANCELLED if stop() else refused or Reason.BLANK)
    best = sorted(ranked.items(), key=lambda one: -one[1][0])[:MOST_SUGGESTIONS]
    return Answer(tuple(Suggestion(text, place.word_before, probability) for text, (_, probability) in best))


def gain(end: End, probability: float, threshold: float) -> float:
    """What a person gains on average, in characters: those that are right, less what it costs to read and to reject.

    Whoever sets the threshold minds a wrong character threshold / (1 − threshold) times as much as they like a right
    one: at that probability nothing is gained. The last letters of a name are no gain.
    """
    if ONE_WORD.fullmatch(end.text) and not end.whole and len(end.text) < LEAST_OF_A_WORD:
        return -1.0
    cost = threshold / max(1e-9, 1 - threshold)
    worth = len(end.text) + (WHOLE if end.whole else 0)
    return worth * probability - cost * (worth * (1 - probability) + READING)


def refusal(place: Place, end: End, candidate: Candidate, memory: Memory) -> Reason | None:
    """Why an end of a candidate is never shown; None if nothing speaks against it."""
    # The beginning of a secret is no better.
    harmful = harm(place, _first_line(candidate)) or harm(place, end.text)
    return harmful or objection(place, end.text, end.complete, memory)


def _first_line(candidate: Candidate) -> str:
    return candidate.text.decode("utf-8", errors="replace").partition("\n")[0]


def _unsure(probability: float, threshold: float) -> Answer:
    return Answer(
        reason=Reason.NOTHING_SURE, detail=f"{probability:.2f} is not enough for so little, or for {threshold:.2f}"
    )
