"""LSP → places: positions and URIs stop here."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from lsprotocol import types
from pygls.uris import to_fs_path
from pygls.workspace import TextDocument, Workspace

from lineahead.lsp.lines import lines_of
from lineahead.place import Place

MOST_CHARACTERS = 200_000  # of a notebook's cells before the one asked about, the nearest ones
Completion = types.CompletionParams | types.InlineCompletionParams
"""What asks for a suggestion: the list, and the ghost text."""


@dataclass(frozen=True)
class Asked:
    """What a request asks about."""

    place: Place
    range: types.Range
    """What suggestions replace: nothing but the cursor, or what the popup's selected item would replace."""
    prefix: str = ""
    """The popup's selected item, which the ghost text goes on from."""
    file: Path | None = None
    """Where the document is kept: its own file, or its notebook's; None for what was never saved."""


def read(workspace: Workspace, params: Completion) -> Asked | None:
    """Where a request asks for a suggestion; None in a document that is not open: its file is not read."""
    document = workspace.text_documents.get(key_of(params.text_document.uri))
    if document is None:
        return None
    text, context = document.source, params.context
    lines, codec = lines_of(document), document.position_codec
    offset = lines.offset(params.position, codec)
    cursor = lines.position(offset, codec)  # inside the text, whatever was asked for
    span, prefix, explicit = types.Range(cursor, cursor), "", False
    if isinstance(context, types.InlineCompletionContext):
        explicit = context.trigger_kind == types.InlineCompletionTriggerKind.Invoked
        if selected := context.selected_completion_info:
            start, end = (lines.offset(position, codec) for position in (selected.range.start, selected.range.end))
            span, prefix = selected.range, selected.text
            text, offset = text[:start] + prefix + text[end:], start + len(prefix)
    place = Place(
        text=text,
        offset=offset,
        path=name_of(document),
        language=document.language_id or "python",
        explicit=explicit,
        context=_cells_before(workspace, document.uri),
    )
    return Asked(place, span, prefix, file_of(workspace, document))


def key_of(uri: str) -> str:
    """The name under which pygls keeps a document: two spellings of one address are one."""
    return unquote(uri)


def name_of(document: TextDocument) -> str:
    """What a document is called in a place and in the memory: its path, or, where it is no file, its address."""
    return name_at(document.uri)


def name_at(uri: str) -> str:
    """What the document at an address is called there."""
    return str(path_of(uri) or uri)


def file_of(workspace: Workspace, document: TextDocument) -> Path | None:
    """The file that a document is, or that its notebook is; None for what was never saved."""
    notebook = workspace.get_notebook_document(cell_uri=document.uri)
    return path_of(notebook.uri if notebook else document.uri)


def path_of(uri: str) -> Path | None:
    """The path of a file's address; None for another kind of address."""
    path = to_fs_path(uri) if uri.startswith("file:") else None
    return Path(path) if path else None


def _cells_before(workspace: Workspace, uri: str) -> str:
    """The text of a notebook's code cells before this one; "" for a document that is no cell."""
    notebook = workspace.get_notebook_document(cell_uri=uri)
    if notebook is None:
        return ""
    uris = [key_of(cell.document) for cell in notebook.cells if cell.kind == types.NotebookCellKind.Code]
    before = uris[: uris.index(key_of(uri))] if key_of(uri) in uris else []
    cells, room = [], MOST_CHARACTERS
    for cell in (workspace.text_documents[cell] for cell in reversed(before) if cell in workspace.text_documents):
        cells.append(cell.source[-room:].rstrip() + "\n\n")
        room -= len(cells[-1])
        if room <= 0:
            break
    return "".join(reversed(cells))
