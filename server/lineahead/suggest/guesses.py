"""What names alone tell of how a line goes on, for where the model is not sure of anything."""

import re

from lineahead.memory.memory import Memory
from lineahead.place import Place
from lineahead.suggest.imports import only_module
from lineahead.suggest.names import ALWAYS, OF_A_METHOD, PARAMETERS
from lineahead.syntax import COMMENT_OR_STRING, MOST_OF_A_LINE, functions

LOOP = re.compile(r"\s*(?:async\s+)?for\s+(?P<one>\w+)(?P<rest>|\s+\w*|\s+in\s+\w*)\Z")
# An end, and what it becomes. `tre` is no `trees` yet.
PLURALS = (("", "s"), ("y", "ies"), *((end, f"{end}es") for end in ("s", "x", "z", "ch", "sh", "o")))
# Of the times, where the model is not sure: by whether `in` is typed; of a module; of a name, by whether text follows.
LOOPED_OVER = {True: 0.76, False: 0.61}
ONLY_MODULE = 0.98
ONLY_ATTRIBUTE = {True: 0.97, False: 0.82}
ONLY_NAME = {True: 0.94, False: 0.88}
MOST_SEARCHED = 60_000  # characters: four milliseconds
LEAST_TYPED = 2  # letters of a name
BEHIND_SELF = re.compile(r"(?<![\w.])self\.\Z")
ATTRIBUTE = re.compile(r"(?<![\w.])self\.(\w++)|^[ \t]++(?:async[ \t]++)?def[ \t]++(\w++)", re.MULTILINE)
NAME = re.compile(r"(?<![\w.])[^\W\d]\w*+")
# Where a name is a new one, or a module's.
NEW = re.compile(r"\b(?:class|as|for|lambda)[ \t]++\Z|\A[ \t]*+(?:import|from|(?:async[ \t]++)?def)\b")


def guess(place: Place, memory: Memory) -> tuple[str, float] | None:
    """What a line goes on with by the names around it, and how likely that is; None where they do not tell."""
    if not place.is_code or len(place.line_before) > MOST_OF_A_LINE:
        return None
    if text := looped_over(place):
        return text, LOOPED_OVER[" in " in place.line_before]
    if text := only_module(place, memory):
        return text, ONLY_MODULE
    followed = bool(place.after.strip())
    if text := only_attribute(place):
        return text, ONLY_ATTRIBUTE[followed]
    if text := only_name(place):
        return text, ONLY_NAME[followed]
    return None


def looped_over(place: Place) -> str | None:
    """What a loop lacks of the argument that its variable is one of: ` in trees` behind `for tree`.

    None where the function around it has no such argument, or where something else is typed.
    """
    loop = LOOP.match(place.line_before) if len(place.line_before) <= MOST_OF_A_LINE else None
    if loop is None or not place.is_code:
        return None
    header = PARAMETERS.search("".join(functions(place.text, place.line_start, place.line_before)[-1:]))
    one = loop["one"]
    many = {one.removesuffix(end) + becomes for end, becomes in PLURALS if one.endswith(end)}
    arguments = set(re.findall(r"\w+", header[0])) - OF_A_METHOD if header else set()
    wholes = (f" in {name}" for name in sorted(many & arguments))
    typed = loop["rest"]
    return next((whole[len(typed) :] for whole in wholes if whole.startswith(typed) and whole != typed), None)


def only_attribute(place: Place) -> str | None:
    """What the word behind `self.` lacks of the one attribute or method in the text that goes on from it."""
    if not place.word_before or not BEHIND_SELF.search(place.line_before.removesuffix(place.word_before)):
        return None
    code = _code(place)
    return _only(place, {name for names in ATTRIBUTE.findall(code) for name in names}) if code else None


def only_name(place: Place) -> str | None:
    """What a word lacks of the one name in the text, the built-in ones counted, that goes on from it."""
    typed = place.line_before.removesuffix(place.word_before)
    if len(place.word_before) < LEAST_TYPED or typed.endswith(".") or NEW.search(typed):
        return None
    begins = not typed.strip()
    if begins and not place.after.strip():  # who writes downwards begins lines with new names
        return None
    code = _code(place)
    text = _only(place, ALWAYS.union(NAME.findall(code))) if code else None
    return None if text and begins and place.word_before + text in ALWAYS else text


def _only(place: Place, names: set[str] | frozenset[str]) -> str | None:
    word = place.word_before
    found = [name for name in names if name.startswith(word)]
    return found[0].removeprefix(word) or None if len(found) == 1 and not place.line_after[:1].isalnum() else None


def _code(place: Place) -> str:
    """The text around a word, without comments and strings; "" where it is long."""
    if len(place.context) + len(place.text) > MOST_SEARCHED:
        return ""
    typed = place.line_before.removesuffix(place.word_before)
    parts = (f"{place.context}{place.before}{typed}", place.line_after, place.after)
    return "\n".join(COMMENT_OR_STRING.sub('""', part) for part in parts)
