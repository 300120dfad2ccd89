"""What was suggested a moment ago, while the person types into it: no new inference, no flicker."""

from dataclasses import replace

from server.policy import WORD_END, Answer, Suggestion
from server.silence import Place


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
    if not any(each.text.startswith(text) and len(each.text) > typed for each in answer.suggestions):
        return None
    if not place.text.startswith(previous.text[: previous.offset]):
        return None
    if not place.text.endswith(previous.text[previous.offset :]):
        return None
    word = WORD_END.search(place.line_before)
    left = (each for each in answer.suggestions if each.text.startswith(text) and each.text[typed:].strip())
    suggestions = tuple(Suggestion(each.text[typed:], word[0] if word else "", each.confidence) for each in left)
    return Answer(suggestions) if suggestions else None
