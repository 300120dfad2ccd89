"""Ghost text is shown after a rest, and what is on the screen goes on without one."""

import asyncio
import time
from dataclasses import replace

import pytest
from raw_client import RawClient

from lineahead.lsp.showing import Showing, Shown
from lineahead.place import Place

PLACE = Place("except ", 7)
REST = 300  # milliseconds


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were slept; they take no time."""
    seconds: list[float] = []

    async def sleep(time_asked: float) -> None:
        seconds.append(time_asked)

    monkeypatch.setattr("lineahead.lsp.showing.asyncio.sleep", sleep)
    return seconds


def shown(screen: Showing, place: Place, text: str, document: str = "a.py") -> Shown:
    screen.typed(document)
    return asyncio.run(screen.rest(document, place, text, screen.ask(document), REST))


def test_what_is_new_waits_for_the_rest_of_the_time(slept: list[float]) -> None:
    screen = Showing()
    screen.typed("a.py")
    screen._typed["a.py"] -= 0.1  # so long ago
    assert asyncio.run(screen.rest("a.py", PLACE, "ImportError:", screen.ask("a.py"), REST)) is Shown.NEW
    assert len(slept) == 1
    assert 0 <= slept[0] <= 0.2


def test_where_nothing_was_typed_nothing_waits(slept: list[float]) -> None:
    screen = Showing()
    assert asyncio.run(screen.rest("a.py", PLACE, "ImportError:", screen.ask("a.py"), REST)) is Shown.NEW
    screen.typed("a.py")
    screen._typed["a.py"] -= 9
    assert asyncio.run(screen.rest("a.py", PLACE, "IOError:", screen.ask("a.py"), REST)) is Shown.NEW
    assert not slept


def test_what_is_typed_into_goes_on_at_once(slept: list[float]) -> None:
    screen = Showing()
    assert shown(screen, PLACE, "ImportError:") is Shown.NEW
    assert shown(screen, Place("except Imp", 10), "ortError:") is Shown.SAME
    assert len(slept) == 1
    assert shown(screen, Place("except Imp", 10), "lementation:") is Shown.NEW  # another one
    assert shown(screen, Place("except Imp", 10), "ortError:") is Shown.NEW
    assert len(slept) == 3


def test_what_is_gone_from_the_screen_is_new_again(slept: list[float]) -> None:
    screen = Showing()
    shown(screen, PLACE, "ImportError:")
    shown(screen, PLACE, "")
    shown(screen, PLACE, "ImportError:")
    shown(screen, PLACE, "ImportError:", "b.py")
    screen.forget("a.py")
    shown(screen, PLACE, "ImportError:")
    assert len(slept) == 4


def test_what_is_asked_for_by_name_does_not_wait(slept: list[float]) -> None:
    assert shown(Showing(), replace(PLACE, explicit=True), "ImportError:") is Shown.NEW
    assert not slept


def test_a_newer_request_takes_the_place_of_one_that_waits() -> None:
    screen = Showing()

    async def both() -> list[Shown]:
        screen.typed("a.py")
        first = asyncio.create_task(screen.rest("a.py", PLACE, "ImportError:", screen.ask("a.py"), REST))
        await asyncio.sleep(0)
        second = screen.rest("a.py", Place("except I", 8), "mportError:", screen.ask("a.py"), REST)
        return [await first, await second]

    started = time.perf_counter()
    assert asyncio.run(both()) == [Shown.STALE, Shown.NEW]
    assert time.perf_counter() - started >= REST / 1000  # the first one was never shown


def test_over_the_protocol_only_the_newest_is_shown() -> None:
    uri, text = "file:///showing.py", "def main():\n    return 0\n\n\nif __na"
    client = RawClient(options={"confidence": 0.05, "memory": "off", "showAfter": 2000})
    client.wait_ready()
    client.open(uri, text[:-1])
    typed = {"range": {"start": {"line": 4, "character": 6}, "end": {"line": 4, "character": 6}}, "text": text[-1]}
    changed = {"textDocument": {"uri": uri, "version": 2}, "contentChanges": [typed]}
    client.tell("textDocument/didChange", changed)
    first = client.request("textDocument/inlineCompletion", client.place(uri, 4, 7))
    second = client.request("textDocument/inlineCompletion", client.place(uri, 4, 7))
    answers = {number: client.wait(number)["result"]["items"] for number in (first, second)}
    assert answers[first] == []
    assert answers[second][0]["insertText"] == 'me__ == "__main__":'
    assert client.close() == 0
