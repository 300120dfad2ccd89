"""Lines of documents: the same as splitting all of the text, without looking at all of it for each key."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types
from pygls.workspace import PositionCodec, TextDocument, Workspace

import lineahead.lsp.pygls_mended  # noqa: F401  (documents change as it has it)
from lineahead.lsp import lines as module
from lineahead.lsp import requests
from lineahead.lsp.lines import Lines, lines_of
from lineahead.place import LINE, Place
from lineahead.reasons import Reason
from lineahead.settings import Settings
from lineahead.suggest.silence import silence

TEXTS = st.text("ab\u00e9\U0001d4b3\r\n\f\u2028\ud800", max_size=30)
ENCODINGS = list(types.PositionEncodingKind)


def fresh(text: str) -> Lines:
    return lines_of(TextDocument("file:///x.py", text, position_codec=PositionCodec()))


def units(text: str, encoding: types.PositionEncodingKind) -> int:
    return int(PositionCodec(encoding).client_num_units(text))


@given(TEXTS)
def test_lines_are_those_of_the_protocol(text: str) -> None:
    ends = [match.end() for match in re.finditer(r"\r\n|\r|\n", text)]
    assert fresh(text).breaks.tolist() == ends
    assert "".join(LINE.findall(text)) == text


@pytest.mark.parametrize("looked_at", [1, 2, 1000])
@given(text=TEXTS, new=TEXTS, cut=st.tuples(st.integers(0, 30), st.integers(0, 30)))
def test_a_change_leaves_what_all_of_the_text_would_give(
    looked_at: int, text: str, new: str, cut: tuple[int, int]
) -> None:
    start, end = sorted(min(offset, len(text)) for offset in cut)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LOOKED_AT", looked_at)
        changed = fresh(text).replaced(start, end, new)
    assert changed.text == text[:start] + new + text[end:]
    assert changed.breaks.tolist() == fresh(changed.text).breaks.tolist()


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(text=TEXTS, offset=st.integers(0, 30))
def test_positions_count_a_clients_units(encoding: types.PositionEncodingKind, text: str, offset: int) -> None:
    lines, codec, offset = fresh(text), PositionCodec(encoding), min(offset, len(text))
    ends = [end for end in lines.breaks.tolist() if end <= offset]
    position = lines.position(offset, codec)
    start = ends[-1] if ends else 0
    assert (position.line, position.character) == (len(ends), units(text[start:offset], encoding))
    if not text[:offset].endswith("\r"):  # between the two characters of a line end there is no position
        assert lines.offset(position, codec) == offset


def test_a_key_in_a_large_document_looks_at_what_is_typed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(None, types.TextDocumentSyncKind.Incremental)
    text = "x = 1  # a comment\n" * 1_000_000 + "y = " + "1 + " * 500_000
    item = types.TextDocumentItem("file:///large.py", types.LanguageKind.Python, 1, text)
    workspace.put_text_document(item)
    document = workspace.text_documents["file:///large.py"]
    lines_of(document)
    looked_at, codes = 0, module._codes

    def counted(text: str) -> object:
        nonlocal looked_at
        looked_at += len(text)
        return codes(text)

    monkeypatch.setattr(module, "_codes", counted)
    monkeypatch.setattr(TextDocument, "lines", property(lambda _: pytest.fail("all lines are looked for")))
    for line, character in ((1_000_000, 1_000_000), (500_000, 3), (0, 0)):
        here = types.Position(line, character)
        document.apply_change(types.TextDocumentContentChangePartial(types.Range(here, here), "ab\n"))
        asked = requests.read(workspace, types.CompletionParams(types.TextDocumentIdentifier(document.uri), here))
        assert asked
        assert asked.place.text[asked.place.offset :].startswith("ab\n")
    assert looked_at <= 3 * 10


@pytest.mark.parametrize("explicit", [False, True])
def test_a_document_that_nobody_wrote_is_not_completed(explicit: bool) -> None:
    text = "x = 1\n" * 170_000
    assert silence(Place(text, len(text), explicit=explicit), Settings()) is Reason.TOO_LONG
    assert silence(Place(text[:900_000], 900_000, explicit=explicit), Settings()) is None


def test_of_a_long_notebook_the_nearest_cells_are_known() -> None:
    workspace = Workspace(None, types.TextDocumentSyncKind.Incremental)
    uris = [f"nb:/1#{number}" for number in range(400)]
    cells = [types.NotebookCell(types.NotebookCellKind.Code, uri) for uri in uris]
    workspace.put_notebook_document(
        types.DidOpenNotebookDocumentParams(
            types.NotebookDocument("file:///1.ipynb", "jupyter-notebook", 1, cells),
            [types.TextDocumentItem(uri, types.LanguageKind.Python, 1, f"x = '{uri}'" + " " * 990) for uri in uris],
        )
    )
    for uri in uris:
        workspace.text_documents[uri]._source = f"# {uri}\n" + "x = 1  # 2\n" * 100
    context = requests._cells_before(workspace, uris[-1])
    assert requests.MOST_CHARACTERS <= len(context) < requests.MOST_CHARACTERS + 2_000
    assert context.endswith(f"# {uris[-2]}\n" + "x = 1  # 2\n" * 99 + "x = 1  # 2\n\n")
    assert f"# {uris[0]}\n" not in context
