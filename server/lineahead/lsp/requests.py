"""LSP → places: positions and URIs stop here."""

from lsprotocol import types
from pygls.workspace import TextDocument, Workspace

from lineahead.place import Place

Completion = types.CompletionParams | types.InlineCompletionParams
"""What asks for a suggestion: the list, and the ghost text."""


def read_place(workspace: Workspace, params: Completion) -> Place:
    """Where a request asks for a suggestion."""
    document = opened(workspace, params.text_document.uri)
    text, context = document.source, params.context
    explicit = (
        isinstance(context, types.InlineCompletionContext)
        and context.trigger_kind == types.InlineCompletionTriggerKind.Invoked
    )
    return Place(
        text=text,
        offset=min(document.offset_at_position(params.position), len(text)),
        path=name_of(document),
        language=document.language_id or "python",
        explicit=explicit,
        context=_cells_before(workspace, document.uri),
    )


def opened(workspace: Workspace, uri: str) -> TextDocument:
    """A document that the client has open. Raises LookupError for any other, which pygls would read from disk."""
    document = workspace.get_text_document(uri)
    if document._source is None:
        raise LookupError(f"{uri}: expected a document that is open")
    return document


def name_of(document: TextDocument) -> str:
    """What a document is called in a place and in the memory: its path, or, where it is no file, its address."""
    path = document.path if document.uri.startswith("file:") else ""
    return path or document.uri


def _cells_before(workspace: Workspace, uri: str) -> str:
    """The text of a notebook's code cells before this one; "" for a document that is no cell."""
    notebook = workspace.get_notebook_document(cell_uri=uri)
    if notebook is None:
        return ""
    uris = [cell.document for cell in notebook.cells if cell.kind == types.NotebookCellKind.Code]
    before = uris[: uris.index(uri)] if uri in uris else []
    cells = (workspace.get_text_document(cell) for cell in before)
    return "".join(cell.source.rstrip() + "\n\n" for cell in cells if cell._source is not None)  # or it is on disk
