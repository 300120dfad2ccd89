"""Requests on disk, for a person who switched that on: `save` one, and `replay` them to see the same suggestions."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from server.engine import Engine
from server.memory import CodeBase, Recalled
from server.policy import Answer, complete
from server.settings import Settings
from server.silence import Place


@dataclass(frozen=True)
class SavedCode:
    """What the person's code base had to say to one request."""

    recalled: Recalled | None
    known: frozenset[str]
    """Of the words that were suggested, the ones that stood in it."""

    def recall(self, _: Place) -> Recalled | None:
        """The rest of the line that was recalled then."""
        return self.recalled

    def knows(self, word: str) -> bool:
        """Whether a word was known then."""
        return word in self.known


def save(file: Path, place: Place, settings: Settings, answer: Answer, code_base: CodeBase) -> None:
    """Append a request and its answer, as one line of JSON. Raises OSError where that cannot be written."""
    texts = [each.text for each in answer.suggestions]
    recalled = code_base.recall(place) if settings.memory else None
    words = {word for each in answer.suggestions for word in re.findall(r"\w+", each.word + each.text)}
    line = {
        "place": asdict(place),
        "settings": asdict(settings),
        "recalled": asdict(recalled) if recalled else None,
        "known": sorted(filter(code_base.knows, words)),
        "texts": texts,
        "reason": answer.reason,
    }
    with file.open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")


def replay(file: Path, engine: Engine) -> Iterator[tuple[Place, list[str], list[str]]]:
    """Each saved place, the suggestions of then and those of now, for the engine that it was asked of.

    Requests that were cancelled are left out. Raises ValueError for a line that `save` did not write.
    """
    with file.open(encoding="utf-8") as log:
        for number, line in enumerate(log, start=1):
            try:
                saved = json.loads(line)
                place, settings = Place(**saved["place"]), Settings(**saved["settings"])
                recalled = Recalled(**saved["recalled"]) if saved["recalled"] else None
                code_base = SavedCode(recalled, frozenset(saved["known"]))
                then, reason = list(saved["texts"]), saved["reason"]
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError(f"{file}:{number}: expected a saved request, found something else ({error})") from None
            if reason not in ("cancelled", "timed-out"):
                found = complete(place, settings, engine, code_base=code_base)
                yield place, then, [each.text for each in found.suggestions]
