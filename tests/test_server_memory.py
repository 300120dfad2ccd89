"""What the person's own code knows: recalled lines, the project's files, what is prepared ahead."""

import math
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from raw_client import SERVER, RawClient
from scripted_engine import ScriptedEngine, small_vocabulary
from small_models import small_tokenizer

from lineahead.engine.decoding import Limits, decode
from lineahead.engine.engine import Recall, Request
from lineahead.engine.sampling import predict
from lineahead.engine.vocabulary import FillInTheMiddle
from lineahead.memory import encoder as encoders
from lineahead.memory import memory as memories
from lineahead.memory.encoder import PARAGRAPH, Encoder
from lineahead.memory.files import is_written_here, read_file, read_folders
from lineahead.memory.memory import MOST_EDITED, ProjectMemory
from lineahead.place import Place
from lineahead.settings import Settings
from lineahead.suggest.policy import complete
from lineahead.suggest.reuse import after_acceptance
from training.format import FIM_MIDDLE, FIM_PREFIX, FIM_SUFFIX, python_files

KNOWN = "def first(frame):\n    frame.normalise_columns(width=80, pad=True)\n    return frame\n"
TYPED = "def second(frame):\n    frame.normalise_"
VOCABULARY = small_vocabulary()


def likeliest(memory: ProjectMemory, place: Place) -> str:
    """What the memory alone would write at a place, greedily, up to the line's end; "" where it knows nothing."""
    recall, tokens, written = memory.recall(place, VOCABULARY), VOCABULARY.encode(place.text[: place.offset]), b""
    for _ in range(40):
        gains = gained(recall, tokens)
        if not gains.any():
            return ""
        tokens.append(int(gains.argmax()))
        written += VOCABULARY.token_bytes[tokens[-1]]
        if b"\n" in written:
            break
    return written.decode().partition("\n")[0]


def gained(recall: Recall, tokens: Sequence[int]) -> NDArray[np.float32]:
    """What each token (V,) gets, where the model thinks nothing in particular."""
    size = len(VOCABULARY.token_bytes)
    recalled = recall(tokens, predict(np.zeros(size, dtype=np.float32)))
    gains = np.zeros(size, dtype=np.float32)
    np.add.at(gains, recalled.token_ids, recalled.gains)
    return gains


def end_of(text: str, path: str = "this.py") -> Place:
    return Place(text, len(text), path=path)


def test_a_line_is_recalled_from_this_file_and_from_others() -> None:
    memory = ProjectMemory()
    assert likeliest(memory, end_of(KNOWN + TYPED)) == "columns(width=80, pad=True)"
    after = Place(f"{TYPED}\n\n{KNOWN}", len(TYPED))
    assert likeliest(memory, after) == "columns(width=80, pad=True)"
    assert "columns" not in likeliest(memory, end_of(TYPED))
    memory.remember("other.py", KNOWN.replace("\n", "\r\n"))
    assert "columns" not in likeliest(memory, end_of(TYPED)), "not yet indexed"
    memory.index(VOCABULARY)
    assert likeliest(memory, end_of(TYPED)) == "columns(width=80, pad=True)"
    assert "columns" not in likeliest(memory, end_of(TYPED, path="other.py")), "its older version is not asked"
    memory.forget("other.py")
    memory.index(VOCABULARY)
    assert "columns" not in likeliest(memory, end_of(TYPED))


@pytest.mark.parametrize("place_of_mark", [0, 1, 2, 5])
def test_the_mark_of_the_cursors_line_is_looked_through(place_of_mark: int) -> None:
    tokenizer, vocabulary = small_tokenizer(), small_vocabulary()
    special = (tokenizer.special(token) for token in (FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE))
    prefix, suffix, middle = (token for token in special if token is not None)
    vocabulary.fill_in_the_middle = FillInTheMiddle(prefix, suffix, middle, is_marked=True)
    memory, place = ProjectMemory(), end_of(TYPED)
    memory.remember("other.py", KNOWN)
    memory.index(vocabulary)
    tokens = vocabulary.encode(TYPED)
    marked = [*tokens[: len(tokens) - place_of_mark], middle, *tokens[len(tokens) - place_of_mark :]]
    assert memory.lines(place, vocabulary, tokens, b"")
    assert memory.lines(place, vocabulary, marked, b"") == memory.lines(place, vocabulary, tokens, b"")
    recall = memory.recall(place, vocabulary)
    assert gained(recall, tokens).any()
    assert np.array_equal(gained(recall, marked), gained(recall, tokens))


def test_what_follows_the_older_version_in_the_index_does_not_follow_this_one() -> None:
    memory, start = ProjectMemory(), VOCABULARY.document_start
    for name in ("next.py", "this.py"):  # the newest one comes first
        memory.remember(name, KNOWN)
    memory.index(VOCABULARY)
    tokens = VOCABULARY.encode(KNOWN)
    for path, follows in (("new.py", True), ("this.py", False)):
        gains = gained(memory.recall(end_of("", path=path), VOCABULARY), tokens)
        assert start is not None
        assert (gains[start] > 0) == follows


def test_texts_that_have_not_changed_are_not_encoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = ProjectMemory()
    memory.remember("a", KNOWN)
    memory.index(VOCABULARY)
    memory.remember("b", "other.assign(gamma)\n")
    encoded: list[str] = []
    encode = Encoder.document

    def counted(encoder: Encoder, text: str) -> NDArray[np.int32]:
        encoded.append(text)
        return encode(encoder, text)

    with monkeypatch.context() as patch:
        patch.setattr(Encoder, "document", counted)
        memory.index(VOCABULARY)
        assert encoded == ["other.assign(gamma)\n"]
        memory.index(small_vocabulary())
        assert sorted(encoded[1:]) == sorted([KNOWN, "other.assign(gamma)\n"]), "another model has other tokens"
    memory.index(VOCABULARY)
    assert likeliest(memory, end_of(TYPED)) == "columns(width=80, pad=True)"


@given(st.text("ab \n\r", max_size=200))
def test_paragraphs_have_the_tokens_of_the_whole(text: str) -> None:
    start = [] if VOCABULARY.document_start is None else [VOCABULARY.document_start]
    whole = VOCABULARY.encode(text.replace("\r\n", "\n"))
    assert Encoder(VOCABULARY).document(text).tolist() == start + whole


@given(texts=st.lists(st.tuples(st.sampled_from("abc"), st.text("x\n ", max_size=30))))
def test_the_memory_holds_no_more_than_its_cap(texts: list[tuple[str, str]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memories, "MOST_CHARACTERS", 40)
        memory, newest = ProjectMemory(), {}
        for name, text in texts:
            memory.remember(name, text)
            newest[name] = text
        kept = dict(memory.texts())
        assert sum(map(len, kept.values())) <= 40
        assert all(newest[name] == text for name, text in kept.items())


def test_what_is_recalled_outweighs_the_model_and_not_with_the_setting_off() -> None:
    vocabulary = small_vocabulary()
    text = KNOWN * 3 + "\n" + KNOWN.partition("columns")[0]
    recall = ProjectMemory().recall(end_of(text), vocabulary)

    def step(_position: int, _tokens: Sequence[int], rows: int) -> NDArray[np.float32]:
        return np.zeros((rows, len(vocabulary.token_bytes)), dtype=np.float32)  # a model that knows nothing

    def written(recall: Recall | None) -> tuple[str, float]:
        tokens = vocabulary.encode(text)
        likely = islice(decode(step, vocabulary, Request(tokens, recall=recall), lambda: False, Limits(999, 999)), 4)
        pairs = [(vocabulary.token_bytes[token.id].decode(errors="replace"), token.log_probability) for token in likely]
        return "".join(piece for piece, _ in pairs), sum(value for _, value in pairs)

    known, unknown = written(recall), written(None)
    assert "columns(width=80, pad=True)\n".startswith(known[0])
    assert known[1] > unknown[1]
    assert unknown[1] == pytest.approx(-4 * math.log(len(vocabulary.token_bytes)), rel=1e-4)


def test_a_name_of_the_project_is_no_unknown_name() -> None:
    place, engine, memory = Place("import os\nvalue = ", 18), ScriptedEngine("project_wide_name\n"), ProjectMemory()
    assert complete(place, Settings(), engine).reason == "unknown-name"
    memory.remember("other.py", "project_wide_name = 1\n")
    assert complete(place, Settings(), engine, memory=memory).suggestions


def test_a_line_that_says_the_same_again_and_again_is_cut() -> None:
    place = Place("import json\ndef read(path): return json", 39)
    answer = complete(place, Settings(), ScriptedEngine(".load(path).load(path).load(path).load(path)\n"))
    assert [suggestion.text for suggestion in answer.suggestions] == [".load(path)"]


def test_only_files_of_the_persons_own_are_read(tmp_path: Path) -> None:
    for name in ("a.py", "b/c.py", ".venv/d.py", "env2/pyvenv.cfg", "env2/e.py", "node_modules/f.py", "credentials.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
    names = [str(path.relative_to(tmp_path)) for path in python_files(tmp_path)]
    assert names == ["a.py", "binary.py", "credentials.py", "b/c.py"]
    assert is_written_here(tmp_path / "b" / "c.py", [tmp_path / "other", tmp_path])
    assert not is_written_here(tmp_path / ".venv" / "d.py", [tmp_path])
    assert not is_written_here(tmp_path / "b" / "build" / "g.py", [tmp_path])
    memory = ProjectMemory()
    read_folders([tmp_path, tmp_path / "nowhere"], memory)
    assert {Path(name).name for name, _ in memory.texts()} == {"a.py", "c.py"}
    (tmp_path / "a.py").write_text("x = 1\nx.\n")
    read_file(tmp_path / "a.py", memory)
    assert dict(memory.texts())[str(tmp_path / "a.py")] == "x = 1\n", "half a line is nothing to learn from"
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
        if texts := client.ghost(here.as_uri(), 1, 20, explicit=True):
            if any(text.startswith("columns(width=80, pad=True)") for text in texts):
                break
            client.tell("textDocument/didClose", {"textDocument": {"uri": here.as_uri()}})
            client.open(here.as_uri(), TYPED)
    else:
        pytest.fail("what stands in another file is not suggested")
    assert client.ask("lineahead/status", None)["result"]["state"] == "ready"
    assert client.close() == 0


def test_what_is_kept_of_encoding_is_bounded_by_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "MOST_ENCODED", 500)
    encoder = Encoder(VOCABULARY)
    for number in range(40):
        text = f"name_{number} = {number}\n" * number + "\n\nlast = 1\n"
        expected = [*([VOCABULARY.document_start] if VOCABULARY.document_start is not None else [])]
        tokens = encoder.document(text).tolist()
        assert tokens[len(expected) :] == [token for part in PARAGRAPH.split(text) for token in VOCABULARY.encode(part)]
        assert encoder._size == sum(map(len, encoder._known)) <= 500


def test_files_that_are_edited_are_as_near_as_those_of_the_folder() -> None:
    memory = ProjectMemory()
    for name in ("here/beside.py", "elsewhere/far.py", "elsewhere/other.py"):
        memory.remember(name, KNOWN)
    memory.index(VOCABULARY)
    place = end_of(TYPED, path="here/this.py")

    def seen_nearby() -> float:
        return max(
            seen.total for seen in memory.contexts(place, VOCABULARY)(VOCABULARY.encode(TYPED)) if seen.source == 1
        )

    assert seen_nearby() == 1
    memory.edits("elsewhere/far.py")
    assert seen_nearby() == 2
    for number in range(MOST_EDITED):  # and then others
        memory.edits(f"new{number}.py")
    assert seen_nearby() == 1
