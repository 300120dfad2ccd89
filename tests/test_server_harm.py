"""What is never suggested: what deceives the eye, and what looks like a secret."""

import random
import re
import string
from pathlib import Path

import pytest
from raw_client import SERVER, RawClient
from scripted_engine import ScriptedEngine

from lineahead.place import Place
from lineahead.settings import Settings
from lineahead.suggest.harm import deceives, secrets_in
from lineahead.suggest.policy import complete

ROOT = Path(__file__).parents[1]
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N"
SECRETS = (
    "sk-proj-abcdEFGH1234567890abcd",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    JWT,
    "-----BEGIN RSA PRIVATE KEY-----",
    "postgres://admin:hunter2@db.example.org/main",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY",
    "3f786850e387550fdab836ed7e6dc881de23001b",
    "550e8400-e29b-41d4-a716-446655440000",
    "xoxb-123456789012-abcdefGHIJKL",
)
HARMLESS = (
    "application/vnd.api+json; charset=utf-8",
    "2024-01-01T00:00:00+00:00",
    "PostgreSQL14ClientSessionFactory",
    "https://example.org/a/path/to/some-page_with_words.html",
    "abcdefghijklmnopqrstuvwxyz0123456789",
    "sk-learn",
    "Wav2Vec2BertForCTC",
    "Qwen/Qwen3-VL-8B-Instruct",
    "scikit-learn>=1.5.2,<2",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "lineahead.suggest.policy.complete",
    "%Y-%m-%d %H:%M:%S.%f",
    "00000000000000000000000000000000",
    "SELECT name, price FROM items WHERE id = %s",
)


def reason(before: str, writes: str, after: str = "") -> str | None:
    place = Place(before + after, len(before), explicit=True)
    return complete(place, Settings(), ScriptedEngine(writes + "\n")).reason


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_of_other_files_are_not_suggested(secret: str) -> None:
    assert reason("TOKEN = ", f'"{secret}"') == "secret"
    assert reason('TOKEN = "', f'{secret}"') == "secret"
    assert reason(f'OLD = "{secret}"\nTOKEN = ', f'"{secret}"') is None, "this file has it already"


@pytest.mark.parametrize("secret", SECRETS)
def test_the_rest_of_a_secret_whose_beginning_was_typed(secret: str) -> None:
    typed = max(4, secret.find(":", 12) + 1)
    assert reason(f'TOKEN = "{secret[:typed]}', f'{secret[typed:]}"') == "secret"


@pytest.mark.parametrize("text", HARMLESS)
def test_text_with_words_in_it_is_no_secret(text: str) -> None:
    assert reason("value = ", f'"{text}"') != "secret"


def test_random_text_is_told_from_the_literals_of_real_code() -> None:
    draw = random.Random(15)
    alphabet = string.ascii_letters + string.digits
    found = sum(bool(secrets_in(f'x = "{"".join(draw.choices(alphabet, k=32))}"')) for _ in range(1000))
    assert found >= 980
    sources = [path for path in (ROOT / "server").rglob("*.py") if path.name != "harm.py"]
    lines = [line for path in sources for line in path.read_text().splitlines()]
    lines += Path(re.__file__).with_name("_parser.py").read_text().splitlines()
    lines += Path(string.__file__).with_name("argparse.py").read_text().splitlines()
    assert len(lines) > 5000
    assert [line for line in lines if secrets_in(line)] == []


@pytest.mark.parametrize(
    "character", "\u202a\u202e\u2066\u2069\u200b\u200d\u2060\ufeff\u00ad\u061c\u200e\U000e0041\ufe0f\u3164\x00\x1b"
)
@pytest.mark.parametrize("text", ["value{} = 1", 'name = "a{}b"', "x = 1  # {}note"])
def test_invisible_characters_are_not_suggested(character: str, text: str) -> None:
    assert reason("import os\n", text.format(character)) == "invisible-characters"


@pytest.mark.parametrize("word", ["pаypal", "is_аdmin", "Αdmin", "scοpe", "ｅｖａｌ", "𝐞𝐯𝐚𝐥", "օpen"])
def test_words_of_look_alikes_are_not_suggested(word: str) -> None:
    typed = len(word) - len(word.lstrip("abcdefghijklmnopqrstuvwxyz"))
    assert reason(f"import os\n{word[:typed]}", f"{word[typed:]} = 1") == "invisible-characters"
    assert reason("import os\n", f'name = "{word}"') == "invisible-characters"


@pytest.mark.parametrize("word", ["größe", "Δt", "σ_max", "имя", "変数", "naïve", "λ", "µs", "שלום"])
def test_words_of_one_script_are(word: str) -> None:
    assert not deceives(f"{word} = 1")
    assert reason("import os\n", f"{word} = 1") is None


def test_what_the_person_types_is_gone_on_from() -> None:
    assert reason("𝔘", "nion = 1") is None
    assert reason("import os\nname_\u202e", "x = 1") != "invisible-characters"


def test_none_of_it_comes_out_of_a_project(tmp_path: Path) -> None:
    twin = 'def connect_{0}(client):\n    client.token_of_{0} = "AKIAIOSFODNN7EXAMPLE"\n    client.аdmin_{0} = 1\n\n\n'
    (tmp_path / "other.py").write_text("".join(twin.format("service") for _ in range(6)), encoding="utf-8")
    client = RawClient(*SERVER, options={"debounce": 0}, root=tmp_path)
    try:
        client.wait_ready()
        text = "def connect_service(client):\n    client.token_of_service = "
        client.open((tmp_path / "here.py").as_uri(), text)
        for _ in range(20):
            shown = client.ghost((tmp_path / "here.py").as_uri(), 1, 30, explicit=True)
            assert not any("AKIA" in each or deceives(each) for each in shown), shown
            client.tell(
                "textDocument/didChange",
                {
                    "textDocument": {"uri": (tmp_path / "here.py").as_uri(), "version": 2},
                    "contentChanges": [{"text": text}],
                },
            )
    finally:
        client.kill()
