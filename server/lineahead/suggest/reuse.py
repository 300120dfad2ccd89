"""What was suggested a moment ago, while the person types into it: no new inference, no flicker."""

from dataclasses import replace

from lineahead.place import Place
from lineahead.suggest.policy import Answer, Suggestion
from lineahead.suggest.silence import is_finished


def reuse(previous: Place, answer: Answer, place: Place) -> Answer | None:
    """The answer for a place that is the previous one with the beginning of its suggestions typed; None if it is not.

    The same place has the same answer, silence included.
    """
    if (replace(previous, text="", offset=0), previous.explicit) != (replace(place, text="", offset=0), place.explicit):
        return None
    typed = len(place.text) - len(previous.text)
    if typed < 0 or place.offset - previous.offset != typed:
        return None
    if not typed:
        return answer if place.text == previous.text else None
    text = place.text[previous.offset : place.offset]
    if not any(suggestion.text.startswith(text) and len(suggestion.text) > typed for suggestion in answer.suggestions):
        return None
    if not place.text.startswith(previous.text[: previous.offset]):
        return None
    if not place.text.endswith(previous.text[previous.offset :]):
        return None
    left = (
        suggestion
        for suggestion in answer.suggestions
        if suggestion.text.startswith(text) and suggestion.text[typed:].strip()
    )
    suggestions = tuple(
        Suggestion(suggestion.text[typed:], place.word_before, suggestion.confidence) for suggestion in left
    )
    return Answer(suggestions) if suggestions else None


def after_acceptance(place: Place, suggestion: Suggestion) -> Place:
    """Where a person most likely asks next if they accept a suggestion: behind it, or on the line below.

    >>> after_acceptance(Place("if x", 4), Suggestion(":", "x")).text
    'if x:\n    '
    """
    text, after = place.text[: place.offset] + suggestion.text, place.text[place.offset :]
    accepted = replace(place, text=text + after, offset=len(text))
    line = accepted.line_before
    if accepted.line_after.strip() or not (line.endswith(":") or is_finished(line)):
        return accepted
    indentation = line[: len(line) - len(line.lstrip())] + ("    " if line.endswith(":") else "")
    text += ("\r\n" if "\r\n" in place.text else "\n") + indentation
    return replace(place, text=text + after, offset=len(text))
