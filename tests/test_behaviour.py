"""What a person sees, case by case: each file in tests/behaviour is a text with a cursor and what must come of it.

A case has header lines `key: value`, a line `---`, and the text with the cursor as ‸. `rule` says what it is about.
`writes` (JSON) is what a scripted engine writes there, with `probability` for each of its bytes; without it the
bundled model writes. `shown` (JSON) is the first suggestion, `starts` how it begins, `never` (JSON list) what no
suggestion may hold, `silent` a Reason, `count` the fewest different suggestions. The rest is place and settings.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from scripted_engine import ScriptedEngine

from lineahead.engine.engine import Engine, Request, Stop, Token
from lineahead.engine.open import BUNDLED_MODEL, load_engine
from lineahead.memory.memory import ProjectMemory
from lineahead.place import Place
from lineahead.reasons import Reason
from lineahead.settings import read
from lineahead.suggest.policy import complete

FOLDER = Path(__file__).parent / "behaviour"
CASES = sorted(FOLDER.rglob("*.case"))
KEYS = {
    "rule", "writes", "probability", "shown", "starts", "never", "silent", "count",
    "settings", "explicit", "path", "language", "context", "newline",
}  # fmt: skip


class UnsureEngine(ScriptedEngine):
    """Writes its script with a given probability for each byte."""

    def __init__(self, script: str, probability: float) -> None:
        super().__init__(script)
        self._bytes, self._log = script.encode(), math.log(probability)

    def stream(self, request: Request, stop: Stop) -> Iterator[Token]:
        single = [self.vocabulary.token_bytes.index(bytes([byte])) for byte in self._bytes]
        again = len(request.required)
        if request.given:
            yield from super().stream(request, stop)
            return
        spelled = replace(request, required=request.required + self._bytes)
        for position, token in enumerate(super().stream(spelled, stop)):
            if position >= again + len(single):
                return
            yield Token(token.id, self._log if position >= again else 0.0)


@cache
def bundled() -> Engine:
    return load_engine(BUNDLED_MODEL)


def read_case(path: Path) -> tuple[dict[str, str], str]:
    header, _, text = path.read_text(encoding="utf-8").partition("\n---\n")
    fields = dict(line.split(": ", 1) for line in header.splitlines())
    assert set(fields) <= KEYS, set(fields) - KEYS
    return fields, text.removesuffix("\n")


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("path", CASES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_behaviour(path: Path) -> None:
    case, text = read_case(path)
    assert text.count("‸") == 1
    if case.get("newline") == "crlf":
        text = text.replace("\n", "\r\n")
    place = Place(
        text=text.replace("‸", ""),
        offset=text.index("‸"),
        path=case.get("path", "work.py"),
        language=case.get("language", "python"),
        explicit=case.get("explicit") == "true",
        context=json.loads(case.get("context", '""')),
    )
    settings, problems = read(json.loads(case.get("settings", "{}")))
    assert not problems
    engine = bundled()
    if "writes" in case:
        engine = UnsureEngine(json.loads(case["writes"]), float(case.get("probability", 1)))
    answer = complete(place, settings, engine, memory=ProjectMemory())
    shown = [suggestion.text for suggestion in answer.suggestions]
    assert {"shown", "starts", "never", "silent", "count"} & set(case), "a case expects something"
    if "silent" in case:
        assert (shown, answer.reason) == ([], Reason(case["silent"])), answer.detail
    elif "shown" in case or "starts" in case or "count" in case:
        assert shown, (answer.reason, answer.detail)
    if "shown" in case:
        assert shown[0] == json.loads(case["shown"])
    if "starts" in case:
        assert shown[0].startswith(json.loads(case["starts"])), shown
    for part in json.loads(case.get("never", "[]")):
        assert not any(part in text for text in shown), shown
    assert len(set(shown)) >= int(case.get("count", 0))
    again = [suggestion.text for suggestion in complete(place, settings, engine, memory=ProjectMemory()).suggestions]
    assert again == shown, "the same place has the same suggestion"
