"""Text before the cursor → the token ids that the model continues, and the bytes that it has to write again.

A token may stand for several words, so that text cut at the cursor would end in tokens that the same text,
written on, does not have. The prompt therefore leaves the last tokens out, and the model is made to spell
their bytes first: token healing.
"""

import re
from dataclasses import dataclass
from itertools import accumulate

from lineahead.engine.vocabulary import Vocabulary

HEALED_BYTES = 12  # half as long as a token of our own tokenizer gets; more costs time and gains nothing
SUFFIX_SHARE = 4  # a quarter of the prompt is for the text after the cursor, where there is that much
OUTLINE_SHARE = 4  # a quarter of a text that is too long is for what its top says about the rest
MARKS = 3  # tokens that announce the text before the cursor, after it, and between
MOST_OF_IMPORTS = 200_000  # characters at the top of a text
MOST_BYTES_A_TOKEN = 8  # on average over a prompt: bounds what is encoded

HEADER = re.compile(r"\s*(?:async\s+def|def|class)\b")
IMPORT = re.compile(r"^(?:from|import)\b[^\n(]*+(?:\([^()]*+\))?", re.MULTILINE)


@dataclass(frozen=True)
class Prompt:
    """What an engine is asked to continue."""

    token_ids: list[int]
    """The text before the cursor without its last tokens; with the document's start where the file starts."""
    required: bytes
    """The bytes of the tokens left out."""


def build(before: str, vocabulary: Vocabulary, budget: int, after: str = "") -> Prompt | None:
    """The prompt for the text around the cursor, of at most `budget` tokens; None where there is nothing to go on.

    Where the model can fill in the middle, the text after the cursor comes first: typing does not change it, so that
    all of it stays computed. A text that is too long loses whole lines at its top, several at once: the cut stays
    where it is until about `budget` bytes more are written.
    """
    suffix = _suffix(after, vocabulary, budget // SUFFIX_SHARE)
    special = vocabulary.fill_in_the_middle if suffix else None
    mark = special.middle if special and special.is_marked else None
    prompt = _before(before, vocabulary, budget - len(suffix) - (mark is not None), mark)
    return Prompt(suffix + prompt.token_ids, prompt.required) if prompt else None


def _suffix(after: str, vocabulary: Vocabulary, budget: int) -> list[int]:
    """The text after the cursor with the tokens that announce it, in whole lines; nothing where there is no text."""
    special = vocabulary.fill_in_the_middle
    if special is None or not after.strip():
        return []
    text = after[: budget * MOST_BYTES_A_TOKEN].replace("\r\n", "\n").encode("utf-8", errors="replace").decode()
    tokens = vocabulary.encode(text)
    room = budget - MARKS
    if len(tokens) > room or len(text) < len(after):
        ends = [index for index, token in enumerate(tokens[: room + 1]) if b"\n" in vocabulary.token_bytes[token]]
        tokens = tokens[: ends[-1] if ends else 0]
    if not tokens:
        return []
    first, last = ([special.suffix], special.prefix) if special.is_marked else (list(special[:2]), special.middle)
    return [*first, *tokens, last]


def _before(before: str, vocabulary: Vocabulary, budget: int, mark: int | None) -> Prompt | None:
    # As the model has learned it: with plain line ends. A lone surrogate, which no file holds, becomes "?".
    text = before.replace("\r\n", "\n").encode("utf-8", errors="replace")
    start = _line_end(text, len(text) - budget * MOST_BYTES_A_TOKEN, budget)
    tokens = vocabulary.encode(text[start:].decode("utf-8", errors="ignore"))
    if start == 0 and vocabulary.document_start is not None:
        tokens.insert(0, vocabulary.document_start)
    outline: list[int] = []
    if len(tokens) > budget:
        lengths = [len(vocabulary.token_bytes[token]) for token in tokens]
        starts = list(accumulate(lengths, initial=start))[:-1]
        room = budget - budget // OUTLINE_SHARE
        outline = _outline(text, _line_end(text, starts[-room], room), vocabulary, budget - room)
        room = room if outline else budget
        cut = _line_end(text, starts[-room], room)
        whole = [token for token, position in zip(tokens, starts, strict=True) if position >= cut]
        tokens = whole or tokens[-room:]
    if not tokens:
        return None
    tokens = outline + tokens
    if mark is not None:
        tokens.insert(_line_start(tokens, vocabulary), mark)
    return _heal(tokens, text, vocabulary)


def _line_start(tokens: list[int], vocabulary: Vocabulary) -> int:
    """Where the token is that holds the last line end; where there is none, the first one that stands for text."""
    for index in range(len(tokens) - 1, -1, -1):
        if b"\n" in vocabulary.token_bytes[tokens[index]]:
            return index
    return int(tokens[0] == vocabulary.document_start)


def _outline(text: bytes, cut: int, vocabulary: Vocabulary, budget: int) -> list[int]:
    """Of the text above a cut: its imports, and the headers of the blocks that the text's end stands in."""
    above = text[:cut].decode("utf-8", errors="ignore")
    headers: list[str] = []
    column = len(last := text[text.rfind(b"\n") + 1 :].expandtabs(8)) - len(last.lstrip())
    for line in reversed(text.decode("utf-8", errors="ignore").split("\n")[:-1]):
        indentation = len(expanded := line.expandtabs(8)) - len(expanded.lstrip())
        if line.strip() and indentation < column:
            column = indentation
            if HEADER.match(line):
                headers.insert(0, line)
        if column == 0:
            break
    kept = [line for line in headers if f"{line}\n" in above]
    tokens = vocabulary.encode("".join(f"\n{line}" for line in kept))[-budget:]
    # As many of the imports as there is room for, the first ones left out.
    for imports in IMPORT.findall(above[:MOST_OF_IMPORTS])[::-1]:
        more = vocabulary.encode(f"\n{imports}")
        if len(more) + len(tokens) > budget:
            break
        tokens = more + tokens
    return tokens


def _line_end(text: bytes, position: int, step: int) -> int:
    """The first line end behind a multiple of `step` that is no less than `position`; `position` if there is none."""
    if position <= 0:
        return 0
    end = text.find(b"\n", -(-position // step) * step)
    return end if end >= 0 else position


def _heal(tokens: list[int], text: bytes, vocabulary: Vocabulary) -> Prompt:
    """Leave out the tokens of the last HEALED_BYTES, no more than the line's own text or else its indentation."""
    piece = text[text.rfind(b"\n") + 1 :].lstrip() or text[len(text.rstrip()) :]
    enough = min(HEALED_BYTES, len(piece))
    kept, taken = len(tokens), 0
    while kept > 1 and taken < enough:
        length = len(vocabulary.token_bytes[tokens[kept - 1]])
        if length == 0:  # a special token has no bytes to spell
            break
        kept, taken = kept - 1, taken + length
    return Prompt(tokens[:kept], text[len(text) - taken :])
