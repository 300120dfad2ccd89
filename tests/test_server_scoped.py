"""A folder or a language may have settings of its own."""

from collections.abc import Iterator

import pytest
from raw_client import RawClient

pytestmark = pytest.mark.slow

GENERAL = {"confidence": 0.05, "debounce": 0, "showAfter": 0, "memory": "off"}
TEXT = "def main():\n    return 0\n\n\nif __na"
ABLE: dict[str, object] = {"workspace": {"configuration": True}}
GHOST = ['me__ == "__main__":']


class Folders(RawClient):
    """A client whose documents have settings of their own, by a part of their address."""

    def __init__(self, **scoped: object) -> None:
        self.scoped = scoped
        super().__init__(options=GENERAL, able=ABLE)
        self.wait_ready()

    def answer_configuration(self) -> None:
        """Answer what the server has asked for."""
        self.ask("lineahead/status", {})  # behind what it asks for
        for message in [message for message in self.heard if message.get("method") == "workspace/configuration"]:
            self.heard.remove(message)
            uris = [item["scopeUri"] for item in message["params"]["items"]]
            found = [next((kept for part, kept in self.scoped.items() if part in uri), None) for uri in uris]
            self.respond(message["id"], found)
        self.ask("lineahead/status", {})


@pytest.fixture
def client() -> Iterator[Folders]:
    client = Folders(
        quiet={**GENERAL, "confidence": 1}, off={**GENERAL, "enable": {}}, odd={**GENERAL, "maxLines": "x"}
    )
    yield client
    client.close()


def opened(client: Folders, folder: str) -> list[str]:
    uri = f"file:///{folder}/a.py"
    client.open(uri, TEXT)
    client.answer_configuration()
    return client.ghost(uri, 4, 7)


def test_each_document_has_its_own(client: Folders) -> None:
    assert opened(client, "plain") == GHOST
    assert opened(client, "quiet") == []
    assert opened(client, "off") == []
    assert client.ghost("file:///plain/a.py", 4, 7) == GHOST


def test_a_change_is_asked_about_for_all_that_are_open(client: Folders) -> None:
    assert opened(client, "quiet") == []
    client.scoped["quiet"] = GENERAL
    client.tell("workspace/didChangeConfiguration", {"settings": {"lineahead": {**GENERAL, "maxLines": 2}}})
    client.answer_configuration()
    assert client.ghost("file:///quiet/a.py", 4, 7) == GHOST


def test_a_value_of_the_wrong_type_is_told_and_left_out(client: Folders) -> None:
    assert opened(client, "odd") == GHOST
    told = [message["params"]["message"] for message in client.heard if message.get("method") == "window/showMessage"]
    assert len(told) == 1
    assert "lineahead.maxLines: expected int from 1 to 20" in told[0]


def test_a_client_that_refuses_has_the_general_ones(client: Folders) -> None:
    uri = "file:///quiet/refused.py"
    client.open(uri, TEXT)
    client.ask("lineahead/status", {})
    (message,) = [message for message in client.heard if message.get("method") == "workspace/configuration"]
    client.heard.remove(message)
    client.refuse(message["id"])
    assert client.ghost(uri, 4, 7) == GHOST
