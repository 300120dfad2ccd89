"""What is saved is asked again, and answered in the same way."""

from pathlib import Path

import pytest
from raw_client import SERVER, RawClient

from lineahead.commands.replay import main

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
