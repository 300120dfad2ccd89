"""What is saved is asked again, and answered in the same way."""

import json
import os
import stat
from pathlib import Path

import pytest
from raw_client import SERVER, RawClient
from scripted_engine import ScriptedEngine

from lineahead.commands.log import main
from lineahead.memory.memory import NO_MEMORY, ProjectMemory
from lineahead.place import Place
from lineahead.reasons import Reason
from lineahead.settings import Settings
from lineahead.suggest import request_log
from lineahead.suggest.policy import Answer, complete
from lineahead.suggest.request_log import END, HEADER, Recording, ask_again, save

TEXT = "def main():\n    return 0\n\n\nif __na"


def test_a_saved_session_is_reproduced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "requests.jsonl"
    client = RawClient(*SERVER, options={"confidence": 0.05, "debounce": 0, "log": str(log)})
    client.wait_ready()
    client.open("file:///work.py", TEXT)
    assert client.ghost("file:///work.py", 4, 7) == ['me__ == "__main__":']
    assert client.ghost("file:///work.py", 1, 12) == []
    assert client.ghost("file:///work.py", 1, 11, explicit=True)
    assert client.close() == 0
    assert main([str(log)]) == 0
    assert "3 requests, 0 answered in another way" in capsys.readouterr().out
    log.write_text(log.read_text().replace("me__ ==", "me__ !="))
    assert main([str(log)]) == 1
    log.write_text("{}\n")
    assert main([str(log)]) == 2
    assert "requests.jsonl:1: expected a saved request" in capsys.readouterr().err


def test_what_a_project_holds_is_reproduced(tmp_path: Path) -> None:
    """A suggestion that comes from the names of modules is one that they give again, without the project."""
    memory, text = ProjectMemory(), "from quan"
    memory.remember("/p/quantiles.py", "x = 1\n")
    place, log = Place(text, len(text), "/p/main.py"), tmp_path / "requests.jsonl"
    recording = Recording(memory)
    answer = complete(place, Settings(), ScriptedEngine("?\n"), memory=recording)
    save(log, place, Settings(), answer, recording)
    assert [(then, now) for _, then, now in ask_again(log, ScriptedEngine("?\n"))] == [(["tiles import"],) * 2]


def test_a_log_that_cannot_be_written_is_told_once_and_costs_no_suggestion(tmp_path: Path) -> None:
    client = RawClient(*SERVER, options={"confidence": 0.05, "debounce": 0, "log": str(tmp_path)})
    client.wait_ready()
    client.open("file:///work.py", TEXT)
    for column in (7, 6):
        client.ghost("file:///work.py", 4, column)
    assert client.ghost("file:///work.py", 4, 7) == ['me__ == "__main__":']
    told = [message for message in client.heard if message.get("method") == "window/showMessage"]
    assert len(told) == 1
    assert client.close() == 0


def save_one(log: Path, path: str = "work.py", reason: Reason | None = None) -> None:
    save(log, Place("x = ", 4, path), Settings(), Answer(reason=reason), Recording(NO_MEMORY))


@pytest.mark.parametrize("reason", [Reason.SECRET_FILE, Reason.OFF, Reason.EXCLUDED])
def test_nothing_is_saved_of_files_that_are_never_completed(tmp_path: Path, reason: Reason) -> None:
    save_one(tmp_path / "log", reason=reason)
    assert not (tmp_path / "log").exists()


def test_a_server_saves_nothing_of_them_either(tmp_path: Path) -> None:
    log = tmp_path / "requests.jsonl"
    client = RawClient(*SERVER, options={"debounce": 0, "log": str(log), "exclude": ["left_out/"]})
    client.wait_ready()
    text = "TOKEN = 'hunter2'\n"
    for uri, language in (
        ("file:///.env", "python"),
        ("file:///private_key.py", "python"),
        ("file:///left_out/a.py", "python"),
        ("file:///notes.md", "markdown"),
    ):
        client.open(uri, text, language)
        for explicit in (False, True):
            assert client.ghost(uri, 1, 0, explicit) == []
    assert not log.exists()
    client.open("file:///work.py", "import os\n")
    client.ghost("file:///work.py", 1, 0)
    assert client.close() == 0
    assert "hunter2" not in log.read_text()
    assert log.read_text().count("\n") == 2


@pytest.mark.skipif(os.name == "nt", reason="modes as POSIX has them")
@pytest.mark.parametrize("before", [None, b""])
def test_it_is_for_the_person_alone(tmp_path: Path, before: bytes | None) -> None:
    log = tmp_path / "log"
    if before is not None:
        log.write_bytes(before)
    mask = os.umask(0)
    try:
        save_one(log)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert log.read_bytes().startswith(HEADER)


@pytest.mark.parametrize("content", [b"export PATH=/bin\n", b"\n", b"{}\n", HEADER[:-1], b'{"place": {}}\n'])
def test_it_appends_to_nothing_but_a_log(tmp_path: Path, content: bytes) -> None:
    log = tmp_path / ".bashrc"
    log.write_bytes(content)
    with pytest.raises(OSError, match="has something else in it; name a new file"):
        save_one(log)
    assert log.read_bytes() == content


@pytest.mark.skipif(os.name == "nt", reason="links and pipes as POSIX has them")
def test_it_follows_no_link_and_waits_for_no_pipe(tmp_path: Path) -> None:
    save_one(tmp_path / "log")
    (tmp_path / "link").symlink_to(tmp_path / "log")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(OSError, match=name):
            save_one(tmp_path / name)


def test_it_ends_where_it_is_full_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    save_one(log)
    size = log.stat().st_size
    monkeypatch.setattr(request_log, "MOST_BYTES", 2 * size - len(HEADER))
    save_one(log)
    for _ in range(3):
        with pytest.raises(OSError, match="is full"):
            save_one(log)
    assert log.read_bytes().endswith(END)
    assert log.read_bytes().count(END) == 1
    assert [next(iter(json.loads(line))) for line in log.read_text().splitlines()] == [
        "lineahead",
        "place",
        "place",
        "end",
    ]
