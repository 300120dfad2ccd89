"""LSP ↔ policy: one function a method, and the table that registers them. Nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams
from pygls.workspace import PositionCodec

from lineahead.engine.open import BUNDLED_MODEL
from lineahead.lsp import acceptance
from lineahead.lsp.parent import leave_with
from lineahead.lsp.pygls_mended import INLINE_COMPLETION_OPTIONS
from lineahead.lsp.server import STATUS, LineaheadServer, Load
from lineahead.lsp.showing import Shown
from lineahead.settings import Settings, camel_case
from lineahead.suggest.policy import Suggestion

SNOOZED_MINUTES = 5  # where the command names none, as from the command palette
A_YEAR = 525_600  # minutes


def initialize(server: LineaheadServer, params: types.InitializeParams) -> None:
    """Take the settings and the folder that a client brings along."""
    if params.process_id is not None:
        leave_with(params.process_id)
    server.project.take_root()
    server.read_settings(params.initialization_options)
    server.project.switch(server.settings.memory, server.settings.exclude)


async def initialized(server: LineaheadServer, _params: types.InitializedParams) -> None:
    """Load the model, then read the project."""
    await server.load()
    await server.project.watch()
    await server.project.read()


async def did_change_watched_files(server: LineaheadServer, params: types.DidChangeWatchedFilesParams) -> None:
    """Read what changed on disk."""
    await server.project.files_changed(list(params.changes))


async def did_change_workspace_folders(server: LineaheadServer, _params: types.DidChangeWorkspaceFoldersParams) -> None:
    """Read the folders that are there now."""
    await server.project.read()


async def did_change_configuration(server: LineaheadServer, params: types.DidChangeConfigurationParams) -> None:
    """Take new settings: the section `lineahead`, or they themselves; what speaks of neither changes nothing."""
    settings = params.settings
    if isinstance(settings, dict) and "lineahead" not in settings:
        if not settings.keys() & {camel_case(name) for name in Settings.__dataclass_fields__}:
            return
        settings = {"lineahead": settings}
    await server.change_settings(settings["lineahead"] if isinstance(settings, dict) else settings)


async def did_open(server: LineaheadServer, params: types.DidOpenTextDocumentParams) -> None:
    """Ask for the document's own settings."""
    await server.ask_for_settings([params.text_document.uri])


async def did_open_notebook(server: LineaheadServer, params: types.DidOpenNotebookDocumentParams) -> None:
    """Ask for the settings of the cells."""
    await server.ask_for_settings([cell.uri for cell in params.cell_text_documents])


def did_change(server: LineaheadServer, params: types.DidChangeTextDocumentParams) -> None:
    """Note where the person writes, and that they do."""
    server.project.wrote(params.text_document.uri, params.content_changes)
    server.showing.typed(params.text_document.uri)


def did_close(server: LineaheadServer, params: types.DidCloseTextDocumentParams) -> None:
    """Forget what was not saved."""
    server.forget(params.text_document.uri)


def did_change_notebook(server: LineaheadServer, params: types.DidChangeNotebookDocumentParams) -> None:
    """Note where the person writes, and that they do; forget the cells that were removed."""
    cells = params.change.cells
    for text in (cells and cells.text_content) or ():
        server.project.wrote(text.document.uri, text.changes)
        server.showing.typed(text.document.uri)
    for cell in (cells and cells.structure and cells.structure.did_close) or ():
        server.forget(cell.uri)


def did_close_notebook(server: LineaheadServer, params: types.DidCloseNotebookDocumentParams) -> None:
    """Forget a notebook's cells."""
    for cell in params.cell_text_documents:
        server.forget(cell.uri)


async def completion(server: LineaheadServer, params: types.CompletionParams) -> types.CompletionList:
    """The suggestions as a list; incomplete, since another character may mean another line."""
    if not server.lists(params.text_document.uri, params.context):
        return types.CompletionList(is_incomplete=False, items=[])
    asked, answer = await server.answer(params)
    codec = server.workspace.position_codec
    items = [
        completion_item(suggestion, rank, asked.range.start, codec)
        for rank, suggestion in enumerate(answer.suggestions)
    ]
    return types.CompletionList(is_incomplete=True, items=items)


async def inline_completion(
    server: LineaheadServer, params: types.InlineCompletionParams
) -> types.InlineCompletionList:
    """The suggestions as ghost text; none where one has typed on before it is to be shown."""
    document = params.text_document.uri
    after = server.settings_of(document).show_after
    number = server.showing.ask(document)
    asked, answer = await server.answer(params)
    text = answer.suggestions[0].text if answer.suggestions else ""
    shown = await server.showing.rest(document, asked.place, text, number, after)
    if shown is Shown.STALE:
        return types.InlineCompletionList([])
    server.statistics.today.shown += shown is Shown.NEW
    items = [
        types.InlineCompletionItem(
            asked.prefix + suggestion.text,
            range=asked.range,
            command=acceptance.report(server, params, asked.place, suggestion),
        )
        for suggestion in answer.suggestions
    ]
    return types.InlineCompletionList(items)


def status(server: LineaheadServer, _params: object) -> dict[str, object]:
    """What the server is doing."""
    return server.status()


def did_show_completion(server: LineaheadServer, params: Any) -> None:
    """Count what a client showed."""
    server.statistics.seen += bool(acceptance.name_in(params))


def did_partially_accept_completion(server: LineaheadServer, params: Any) -> None:
    """Count what was accepted by the word."""
    length = getattr(params, "acceptedLength", 0)
    if type(length) is not int:
        raise JsonRpcInvalidParams(
            f"textDocument/didPartiallyAcceptCompletion: expected acceptedLength as a number, found {length!r}"
        )
    server.statistics.accept(acceptance.name_in(params), length)


def accepted(server: LineaheadServer, name: str) -> None:
    """Count what was accepted."""
    acceptance.accept(server, name)


async def why_nothing(server: LineaheadServer) -> str:
    """Tell the reason for the last silence, and what it would have been."""
    message = server.statistics.why_nothing()
    if (asked := server.asked_last) and server.statistics.last_silence:
        found = await candidates(server, asked.text_document.uri, asked.position.line, asked.position.character)
        if found:
            message += f" It would have been: {found[0]['text']} ({found[0]['confidence']:.0%})."
    server.tell(message)
    return message


def statistics(server: LineaheadServer) -> str:
    """Tell the numbers, and what the memory holds."""
    server.tell(message := "\n".join((server.statistics.summary(), *server.project.holdings())))
    return message


async def candidates(server: LineaheadServer, uri: str, line: int, character: int) -> list[dict[str, object]]:
    """What would be suggested at a place of an open document, however unsure, each with its probability."""
    invoked = types.InlineCompletionContext(types.InlineCompletionTriggerKind.Invoked)
    try:
        there = types.Position(line, character)
    except ValueError as error:
        raise JsonRpcInvalidParams(f"lineahead.candidates: expected a position, found {line}:{character}") from error
    params = types.InlineCompletionParams(invoked, types.TextDocumentIdentifier(uri), there)
    return await server.candidates(params)


def numbers(server: LineaheadServer) -> dict[str, object]:
    """The numbers, for a client to draw."""
    return server.statistics.numbers()


def erase_statistics(server: LineaheadServer) -> None:
    """Forget the numbers."""
    server.statistics.erase()


async def knowledge(server: LineaheadServer) -> dict[str, object]:
    """What the memory holds, and what it does not."""
    return await server.project.knowledge()


def forget(server: LineaheadServer, *uris: Any) -> bool:
    """Forget a file until it changes, or all of the memory; returns whether there was something."""
    if uris and not isinstance(uris[0], str):
        raise JsonRpcInvalidParams(f"lineahead.forget: expected a document's address, or none for all; found {uris!r}")
    if uris:
        return server.project.forget(uris[0])
    server.project.forget_all()
    return True


async def perplexity(server: LineaheadServer, uri: str) -> dict[str, object]:
    """How surprising an open document is to the model."""
    return await server.perplexity(uri)


def snooze(server: LineaheadServer, *arguments: Any) -> None:  # pygls asks for each named argument, default or not
    """Be silent for so many minutes; 0 ends that."""
    minutes = arguments[0] if arguments and arguments[0] is not None else SNOOZED_MINUTES
    if type(minutes) not in (int, float) or not 0 <= minutes <= A_YEAR:
        raise JsonRpcInvalidParams(f"lineahead.snooze: expected minutes, from 0 to {A_YEAR:,}, found {minutes!r}")
    server.snooze(minutes)


async def restart(server: LineaheadServer) -> None:
    """Load the model again."""
    await server.load()


FEATURES: dict[str, tuple[Callable[..., Any], Any]] = {
    types.INITIALIZE: (initialize, None),
    types.INITIALIZED: (initialized, None),
    types.WORKSPACE_DID_CHANGE_WATCHED_FILES: (did_change_watched_files, None),
    types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS: (did_change_workspace_folders, None),
    types.WORKSPACE_DID_CHANGE_CONFIGURATION: (did_change_configuration, None),
    types.TEXT_DOCUMENT_DID_OPEN: (did_open, None),
    types.NOTEBOOK_DOCUMENT_DID_OPEN: (did_open_notebook, None),
    types.TEXT_DOCUMENT_DID_CHANGE: (did_change, None),
    types.TEXT_DOCUMENT_DID_CLOSE: (did_close, None),
    types.NOTEBOOK_DOCUMENT_DID_CHANGE: (did_change_notebook, None),
    types.NOTEBOOK_DOCUMENT_DID_CLOSE: (did_close_notebook, None),
    types.TEXT_DOCUMENT_COMPLETION: (completion, types.CompletionOptions(trigger_characters=["."])),
    types.TEXT_DOCUMENT_INLINE_COMPLETION: (inline_completion, INLINE_COMPLETION_OPTIONS),
    STATUS: (status, None),
    "textDocument/didShowCompletion": (did_show_completion, None),
    "textDocument/didPartiallyAcceptCompletion": (did_partially_accept_completion, None),
}
COMMANDS: dict[str, Callable[..., Any]] = {
    "lineahead.accepted": accepted,
    "lineahead.whyNothing": why_nothing,
    "lineahead.statistics": statistics,
    "lineahead.numbers": numbers,
    "lineahead.eraseStatistics": erase_statistics,
    "lineahead.knowledge": knowledge,
    "lineahead.forget": forget,
    "lineahead.candidates": candidates,
    "lineahead.perplexity": perplexity,
    "lineahead.snooze": snooze,
    "lineahead.restart": restart,
}


def create_server(load: Load, default_model: Path = BUNDLED_MODEL) -> LineaheadServer:
    """A server that loads its engine with `load` once a client is there."""
    server = LineaheadServer(load, default_model)
    for method, (handler, options) in FEATURES.items():
        server.feature(method, options)(handler)
    for name, handler in COMMANDS.items():
        server.command(name)(handler)
    return server


def completion_item(
    suggestion: Suggestion, rank: int, cursor: types.Position, codec: PositionCodec
) -> types.CompletionItem:
    """An item that replaces the word at the cursor by itself and the suggestion: clients filter by that word."""
    start = types.Position(cursor.line, cursor.character - codec.client_num_units(suggestion.word))
    text = suggestion.word + suggestion.text
    # Of the first line, without its last character: once all of it is typed it fits no more, and Enter is the person's.
    fits = max(text.partition("\n")[0][:-1], suggestion.word, key=len)
    return types.CompletionItem(
        label=text.strip().partition("\n")[0],
        kind=types.CompletionItemKind.Text,
        detail=f"lineahead {suggestion.confidence:.0%}",
        filter_text=fits,
        sort_text=f"{rank:03}",
        text_edit=types.TextEdit(types.Range(start, cursor), text),
        insert_text_mode=types.InsertTextMode.AsIs,  # further lines bring their indentation along
    )
