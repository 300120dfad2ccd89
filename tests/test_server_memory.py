"""What the person's own code knows: recalled lines, the project's files, what is prepared ahead."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_client import SERVER, RawClient
from scripted_engine import ScriptedEngine

from server import memory as memories
from server.memory import Memory, Recalled
from server.policy import complete
from server.project import python_files, read_file, read_folders
from server.reuse import after_acceptance
from server.settings import Settings
from server.silence import Place

KNOWN = "def first(frame):\n    frame.normalise_columns(width=80, pad=True)\n    return frame\n"
TYPED = "def second(frame):\n    frame.normalise_"


def test_the_rest_of_a_line_is_recalled_from_this_file_and_from_others() -> None:
    memory = Memory()
    assert memory.recall(Place(KNOWN + TYPED, len(KNOWN + TYPED))) is not None
    assert memory.recall(Place(TYPED, len(TYPED))) is None
    memory.remember("other.py", KNOWN.replace("\n", "\r\n"))
    found = memory.recall(Place(TYPED, len(TYPED), path="this.py"))
    assert found is not None
    assert (found.text, found.share) == ("columns(width=80, pad=True)", 1.0)
    assert memory.recall(Place(TYPED, len(TYPED), path="other.py")) is None, "its older version is not asked"


def test_the_longest_match_wins_and_then_the_most_frequent() -> None:
    memory = Memory()
    memory.remember("a", "left.assign(alpha)\nother.assign(beta)\nother.assign(beta)\n")
    assert memory.recall(Place(" other.assign(", 14)) == Recalled("beta)", 13, 1.0)
    memory.remember("b", "other.assign(gamma)\n")
    found = memory.recall(Place(" other.assign(", 14))
    assert found is not None
    assert found.text == "beta)"
    assert found.share == pytest.approx(2 / 3)


@given(texts=st.lists(st.tuples(st.sampled_from("abc"), st.text("x\n ", max_size=30))))
def test_the_memory_holds_no_more_than_its_cap(texts: list[tuple[str, str]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memories, "MOST_CHARACTERS", 40)
        memory, newest = Memory(), {}
        for name, text in texts:
            memory.remember(name, text)
            newest[name] = text
        kept = dict(memory._all())
        assert sum(map(len, kept.values())) <= 40
        assert all(newest[name] == text for name, text in kept.items())


def test_a_recalled_line_is_shown_where_the_model_has_nothing_and_not_with_the_setting_off() -> None:
    text = KNOWN * 2 + "\n" + KNOWN.partition("columns")[0]
    place = Place(text, len(text))
    engine = ScriptedEngine("\n")
    assert [each.text for each in complete(place, Settings(), engine).suggestions] == ["columns(width=80, pad=True)"]
    assert complete(place, Settings(memory=False), engine).suggestions == ()


def test_a_name_of_the_project_is_no_unknown_name() -> None:
    place, engine, memory = Place("import os\nvalue = ", 18), ScriptedEngine("project_wide_name\n"), Memory()
    assert complete(place, Settings(), engine).reason == "unknown-name"
    memory.remember("other.py", "project_wide_name = 1\n")
    assert complete(place, Settings(), engine, code_base=memory).suggestions


def test_a_line_that_says_the_same_again_and_again_is_cut() -> None:
    place = Place("import json\npath = json", 23)
    found = complete(place, Settings(), ScriptedEngine(".load(path).load(path).load(path).load(path)\n"))
    assert [each.text for each in found.suggestions] == [".load(path)"]


def test_only_files_of_the_persons_own_are_read(tmp_path: Path) -> None:
    for name in ("a.py", "b/c.py", ".venv/d.py", "env2/pyvenv.cfg", "env2/e.py", "node_modules/f.py", "credentials.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
    names = [str(each.relative_to(tmp_path)) for each in python_files(tmp_path)]
    assert names == ["a.py", "binary.py", "b/c.py"]
    memory = Memory()
    read_folders([tmp_path, tmp_path / "nowhere"], memory)
    assert len(memory) == 2
    (tmp_path / "a.py").unlink()
    read_file(tmp_path / "a.py", memory)
    assert len(memory) == 1


def test_the_place_after_acceptance() -> None:
    def after(text: str, suggested: str) -> str:
        answer = complete(Place(text, len(text)), Settings(), ScriptedEngine(suggested + "\n"))
        place = after_acceptance(Place(text, len(text)), answer.suggestions[0])
        return place.text[: place.offset]

    assert after("value", " = 1") == "value = 1"
    assert after("  print", "(1)") == "  print(1)\n  "
    assert after("value = 1\nif value", ":") == "value = 1\nif value:\n    "


def test_the_project_is_read_and_what_follows_is_prepared(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(KNOWN)
    here = tmp_path / "here.py"
    here.write_text(TYPED)
    client = RawClient(*SERVER, options={"debounce": 0}, root=tmp_path)
    client.wait_ready()
    client.open(here.as_uri(), TYPED)
    for _ in range(100):
        if found := client.ghost(here.as_uri(), 1, 20, explicit=True):
            if any(each.startswith("columns(width=80, pad=True)") for each in found):
                break
            client.tell("textDocument/didClose", {"textDocument": {"uri": here.as_uri()}})
            client.open(here.as_uri(), TYPED)
    else:
        pytest.fail("what stands in another file is not suggested")
    assert client.ask("lineahead/status", None)["result"]["state"] == "ready"
    assert client.close() == 0
