"""Requests on disk, for a person who switched that on: `save` one, and `replay` them to see the same suggestions."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from server.engine import Engine
from server.policy import Answer, complete
from server.settings import Settings
from server.silence import Place


def save(file: Path, place: Place, settings: Settings, answer: Answer) -> None:
    """Append a request and its answer, as one line of JSON. Raises OSError where that cannot be written."""
    texts = [each.text for each in answer.suggestions]
    line = {"place": asdict(place), "settings": asdict(settings), "texts": texts, "reason": answer.reason}
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
                then, reason = list(saved["texts"]), saved["reason"]
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError(f"{file}:{number}: expected a saved request, found something else ({error})") from None
            if reason not in ("cancelled", "timed-out"):
                yield place, then, [each.text for each in complete(place, settings, engine).suggestions]
