"""What a person can see of the memory and of the numbers, and take away again."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from raw_client import SERVER, RawClient

from lineahead.lsp.statistics import Day, Offered, Statistics
from lineahead.memory.description import left_out
from lineahead.memory.files import MOST_BYTES
from lineahead.reasons import Reason
from lineahead.suggest.policy import Answer

OPTIONS = {"confidence": 0.05, "debounce": 0, "showAfter": 0}
TEXT = "def main():\n    return 0\n\n\nif __na"
GENERATED = {"exclude": ["generated/"]}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Files of every kind that is left out, and two that are not."""
    for name in ("generated", "node_modules", ".git"):
        (tmp_path / name).mkdir()
    files = {
        "good.py": "answer = 42\n",
        "other.py": "question = answer\n",
        "ignored.py": "x = 1\n",
        ".gitignore": "ignored.py\n",
        "generated/api.py": "x = 1\n",
        "node_modules/x.py": "x = 1\n",
        "private_key.py": "x = 1\n",
        "table.py": "x = 1\n" * MOST_BYTES,
        "half.py": "def half(\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_each_file_that_is_left_out_has_its_reason(project: Path) -> None:
    known = {str(project / name) for name in ("good.py", "other.py")}
    found = {Path(path).name: why for path, why in left_out([project], ("generated/",), known)}
    assert found.keys() == {"ignored.py", "api.py", "node_modules", "private_key.py", "table.py", "half.py", ".git"}
    assert "git ignores it" in found["ignored.py"]
    assert "lineahead.exclude" in found["api.py"]
    assert "installed or generated" in found["node_modules"]
    assert "secrets" in found["private_key.py"]
    assert "longer than" in found["table.py"]
    assert "no whole Python" in found["half.py"]


def command(client: RawClient, name: str, *arguments: object) -> Any:
    params = {"command": f"lineahead.{name}", "arguments": list(arguments)}
    return client.ask("workspace/executeCommand", params)["result"]


def known(client: RawClient, *awaited: str) -> dict[str, int]:
    """The tokens of each text in the memory, once there are these ones."""
    while True:
        texts = {Path(text["name"]).name: text["tokens"] for text in command(client, "knowledge")["texts"]}
        if set(awaited) <= texts.keys():
            return texts


def test_the_memory_can_be_looked_at_and_forgotten(project: Path) -> None:
    client = RawClient(*SERVER, options={**OPTIONS, **GENERATED}, root=project)
    client.wait_ready()
    texts = known(client, "good.py", "other.py")
    assert texts.keys() == {"good.py", "other.py"}
    assert all(tokens > 0 for tokens in texts.values())
    page = command(client, "knowledge")
    assert page["memory"] == "project"
    assert any(each["path"].endswith("half.py") for each in page["leftOut"])
    assert command(client, "forget", (project / "good.py").as_uri()) is True
    assert command(client, "forget", (project / "good.py").as_uri()) is False
    assert known(client).keys() == {"other.py"}
    assert command(client, "forget") is True
    assert known(client) == {}
    assert client.close() == 0


@pytest.mark.parametrize(
    ("scope", "texts"),
    [("off", set()), ("file", set()), ("open", {"opened.py"}), ("project", {"opened.py", "good.py"})],
)
def test_the_memory_holds_no_more_than_the_setting_says(project: Path, scope: str, texts: set[str]) -> None:
    client = RawClient(*SERVER, options={**OPTIONS, "memory": scope}, root=project)
    client.wait_ready()
    client.open((project / "opened.py").as_uri(), "opened = 1\n")
    client.open((project / "asked.py").as_uri(), TEXT)
    assert client.ghost((project / "asked.py").as_uri(), 4, 7)
    held = known(client, *texts).keys()
    assert texts <= held
    assert scope == "project" or held == texts
    change = {"changes": [{"uri": (project / "other.py").as_uri(), "type": 2}]}
    client.tell("workspace/didChangeWatchedFiles", change)
    client.tell("textDocument/didClose", {"textDocument": {"uri": (project / "opened.py").as_uri()}})
    assert scope == "project" or "other.py" not in known(client)
    assert scope != "open" or known(client) == {}
    assert command(client, "knowledge")["memory"] == scope
    assert client.close() == 0


TWIN = "def first(basket):\n    basket.zeal_of_quantities(wholly=True)\n    return basket\n\n\n"
FAR = "".join(f"number_{n} = {n * n}\n" for n in range(300))  # more than the model sees
TWINS = f"{TWIN}{TWIN.replace('first', 'second')}{FAR}\n\ndef third(basket):\n    basket.ze"


@pytest.mark.parametrize(("scope", "recalled"), [("off", False), ("file", True), ("open", True), ("project", True)])
def test_a_file_knows_itself_without_any_other(scope: str, recalled: bool) -> None:
    client = RawClient(*SERVER, options={**OPTIONS, "memory": scope})  # no folder: nothing else is in the memory
    client.wait_ready()
    client.open("file:///alone.py", TWINS)
    shown = client.ghost("file:///alone.py", TWINS.count("\n"), len("    basket.ze"))
    assert any(text.startswith("al_of_quantities") for text in shown) is recalled
    assert client.close() == 0


def test_a_silence_says_what_it_would_have_been() -> None:
    client = RawClient(options={**OPTIONS, "confidence": 1, "memory": "off"})
    client.wait_ready()
    uri = "file:///silent.py"
    client.open(uri, TEXT)
    assert client.ghost(uri, 4, 7) == []
    found = command(client, "candidates", uri, 4, 7)
    assert found[0]["text"] == 'me__ == "__main__":'
    assert 0 < found[0]["confidence"] <= 1
    why = command(client, "whyNothing")
    assert 'It would have been: me__ == "__main__": (' in why
    assert command(client, "candidates", "file:///never-opened.py", 0, 0) == []
    assert client.close() == 0


def test_numbers_are_counted_by_day_and_erased() -> None:
    client = RawClient(options={**OPTIONS, "memory": "off"})
    client.wait_ready()
    uri = "file:///counted.py"
    client.open(uri, TEXT)
    params = client.place(uri, 4, 7)
    (item,) = client.ask("textDocument/inlineCompletion", params)["result"]["items"]
    client.ghost(uri, 4, 7)  # the same is not shown again
    command(client, "accepted", *item["command"]["arguments"])
    today = command(client, "numbers")["days"][date.today().isoformat()]
    assert today == {"shown": 1, "accepted": 1, "kept": 0, "keptLong": 0, "characters": len('me__ == "__main__":')}
    command(client, "eraseStatistics")
    assert command(client, "numbers")["days"] == {}
    client.tell("workspace/didChangeConfiguration", {"settings": {"lineahead": {**OPTIONS, "statistics": "off"}}})
    client.ghost(uri, 4, 6)
    off = command(client, "numbers")
    assert (off["on"], off["days"], off["silences"]) == (False, {}, {})
    assert "Nothing is counted" in command(client, "statistics")
    assert client.close() == 0


def test_the_sum_of_all_days() -> None:
    statistics = Statistics(days={"2026-11-24": Day(3, 2, 1, 1, 30), "2026-11-25": Day(1, 1, 0, 0, 4)})
    assert statistics.total() == Day(4, 3, 1, 1, 34)
    assert Statistics().total() == Day()


def test_what_is_not_counted_still_has_its_reason() -> None:
    statistics = Statistics(on=False)
    statistics.answered(Answer(reason=Reason.MID_WORD), 1.0, computed=True)
    assert "mid-word" in statistics.why_nothing()
    statistics.accept(statistics.offer(Offered("file:///a.py", "x = 1", 5)))
    assert (statistics.days, statistics.silences) == ({}, {})
