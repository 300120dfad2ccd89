"""Where a suggestion may end: after whole words, at the end of a line, or in the bracket that it opens there."""

import re
from typing import NamedTuple

from lineahead.place import Place
from lineahead.suggest.candidates import Candidate
from lineahead.suggest.fitting import before_runaway, fitting

# What goes on: an operator, or a word that stands before an operand.
HALF = re.compile(r"(?:\s*(?:[-=+*/%&|^<>~@!.]++|\b(?:and|or|not|in|is|if|else|for|lambda)))+\s{0,8}\Z")
WORD_END = re.compile(r"\w+\Z")


class End(NamedTuple):
    """A beginning of a candidate, as it may be shown."""

    text: str
    """To insert at the cursor."""
    log_probability: float
    whole: bool
    """Whether its last line ends here, instead of where it stopped being sure."""
    log_end: float
    """The log of the probability that the line ends here; 0 where it goes on."""
    complete: bool
    """Whether it stands for a whole statement, which is held to parsing."""


def ends(place: Place, candidate: Candidate) -> list[End]:
    """Where a candidate may end at a place, the shortest first."""
    most = len(before_runaway(candidate.text.decode("utf-8", errors="replace")))
    found: dict[str, tuple[float, bool]] = {}
    for length, log_probability in candidate.marks:
        text, whole = _beginning(candidate, length, most, place.word_before)
        sure, _ = found.get(text, (log_probability, whole))  # the same words, behind which more was written
        found[text] = sure, whole
    fitted: dict[str, End] = {}
    for text, (log_probability, whole) in found.items():
        inserted, fits = fitting(place, text, whole)
        cut = len(inserted) < len(text.rstrip())
        if cut and not fits:
            inserted = _without_half(inserted, place.word_before)
        known = fitted.get(inserted)
        if inserted.strip() and (known is None or (whole and fits and not known.whole)):
            sure = known.log_probability if known else log_probability
            log_end = candidate.end if whole and fits else 0.0
            fitted[inserted] = End(inserted, sure, whole and fits, log_end, fits and (whole or cut))
    return list(fitted.values())


def _beginning(candidate: Candidate, length: int, most: int, word: str) -> tuple[str, bool]:
    """The first `length` bytes of a candidate, at most `most` characters, without half a word or half a character at
    their end; and whether a line ends there. `word` is what is typed of the first word.
    """
    # Bytes that are no text end the line, as do the line ends that only Unicode knows.
    text = candidate.text[:length].decode("utf-8", errors="replace").partition("\ufffd")[0][:most]
    follows = candidate.text[len(text.encode()) :][:4].decode("utf-8", errors="ignore")[:1]
    whole = follows in ("\r", "\n") or (length == len(candidate.text) and candidate.ended)
    if not whole and (not follows or follows == "_" or follows.isalnum()):
        text = WORD_END.sub("", text)  # no half word at the end
    if not whole:
        text = _without_half(text, word)
    return text, whole


def _without_half(text: str, word: str) -> str:
    """A text without half an attribute, or half an expression, at its end; `word` is typed before it."""
    return HALF.sub("", word + text)[len(word) :]
