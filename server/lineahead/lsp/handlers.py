"""LSP ↔ policy: register, map positions. Nothing else."""

import math
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams
from pygls.workspace import PositionCodec

from lineahead.lsp.server import READY, STATUS, LineaheadServer, Load, Requested
from lineahead.lsp.statistics import Offered
from lineahead.place import Place
from lineahead.suggest.policy import Suggestion

__all__ = ["READY", "STATUS", "completion_item", "create_server"]

SNOOZED_MINUTES = 5  # where the command names none, as from the command palette


def create_server(load: Load) -> LineaheadServer:
    """A server that loads its engine with `load` once a client is there."""
    server = LineaheadServer(load)

    @server.feature(types.INITIALIZE)
    def initialize(ls: LineaheadServer, params: types.InitializeParams) -> None:
        ls.read_settings(params.initialization_options)

    @server.feature(types.INITIALIZED)
    async def initialized(ls: LineaheadServer, _params: types.InitializedParams) -> None:
        await ls.load()
        await ls.remembering.watch_project()
        if ls.settings.memory:
            await ls.remembering.read_project()

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def did_change_watched_files(ls: LineaheadServer, params: types.DidChangeWatchedFilesParams) -> None:
        if ls.settings.memory:
            ls.remembering.files_changed([each.uri for each in params.changes])

    @server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    async def did_change_workspace_folders(ls: LineaheadServer, _params: types.DidChangeWorkspaceFoldersParams) -> None:
        if ls.settings.memory:
            await ls.remembering.read_project()

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def did_change_configuration(ls: LineaheadServer, params: types.DidChangeConfigurationParams) -> None:
        found = params.settings
        raw = found.get("lineahead", found) if isinstance(found, dict) else found
        remembered = ls.settings.memory
        if ls.read_settings(raw):
            await ls.load()
        else:
            ls.tell_status()
        if ls.settings.memory and not remembered:
            await ls.remembering.read_project()

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def did_close(ls: LineaheadServer, params: types.DidCloseTextDocumentParams) -> None:
        ls.forget(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=["."]))
    async def completion(ls: LineaheadServer, params: types.CompletionParams) -> types.CompletionList:
        _, answer = await ls.answer(params)
        codec = ls.workspace.position_codec
        items = [completion_item(each, place, params.position, codec) for place, each in enumerate(answer.suggestions)]
        # Incomplete: another character may mean another line, so that the client asks again.
        return types.CompletionList(is_incomplete=True, items=items)

    # Without the options pygls announces nothing.
    @server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
    async def inline_completion(
        ls: LineaheadServer, params: types.InlineCompletionParams
    ) -> types.InlineCompletionList:
        place, answer = await ls.answer(params)
        here = types.Range(params.position, params.position)
        return types.InlineCompletionList(
            [
                types.InlineCompletionItem(each.text, range=here, command=_report(ls, params, place, each))
                for each in answer.suggestions
            ]
        )

    @server.feature(STATUS)
    def status(ls: LineaheadServer, _params: object) -> dict[str, object]:
        return ls.status()

    @server.command("lineahead.accepted")
    def accepted(ls: LineaheadServer, name: str) -> None:
        ls.accept(name)

    @server.feature("textDocument/didShowCompletion")
    def did_show(ls: LineaheadServer, params: Any) -> None:
        ls.statistics.seen += bool(_name_in(params))

    @server.feature("textDocument/didPartiallyAcceptCompletion")
    def did_partially_accept(ls: LineaheadServer, params: Any) -> None:
        ls.statistics.accept(_name_in(params), int(getattr(params, "acceptedLength", 0)))

    @server.command("lineahead.whyNothing")
    def why_nothing(ls: LineaheadServer) -> str:
        ls.tell(message := ls.statistics.why_nothing())
        return message

    @server.command("lineahead.statistics")
    def statistics(ls: LineaheadServer) -> str:
        ls.tell(message := ls.statistics.summary())
        return message

    @server.command("lineahead.perplexity")
    async def perplexity(ls: LineaheadServer, uri: str) -> dict[str, object]:
        return await ls.perplexity(uri)

    @server.command("lineahead.snooze")
    def snooze(ls: LineaheadServer, *arguments: Any) -> None:  # pygls asks for each named argument, default or not
        minutes = arguments[0] if arguments and arguments[0] is not None else SNOOZED_MINUTES
        if type(minutes) not in (int, float) or not 0 <= minutes < math.inf:
            raise JsonRpcInvalidParams(f"lineahead.snooze: expected minutes, 0 or more, found {minutes!r}")
        ls.snooze(minutes)

    @server.command("lineahead.restart")
    async def restart(ls: LineaheadServer) -> None:
        await ls.load()

    return server


def _report(ls: LineaheadServer, params: Requested, place: Place, suggestion: Suggestion) -> types.Command:
    """What a client runs when the suggestion is accepted; its title is the confidence."""
    line = (place.line_before + suggestion.text).strip()
    name = ls.statistics.offer(Offered(params.text_document.uri, line, len(suggestion.text)))
    return types.Command(f"{suggestion.confidence:.0%}", "lineahead.accepted", arguments=[name])


def _name_in(params: Any) -> str:
    """The name of a suggestion in the item that a client sends back; "" where there is none."""
    arguments = getattr(getattr(getattr(params, "item", None), "command", None), "arguments", None) or [""]
    return str(arguments[0])


def completion_item(
    suggestion: Suggestion, rank: int, cursor: types.Position, codec: PositionCodec
) -> types.CompletionItem:
    """An item that replaces the word at the cursor by itself and the suggestion: clients filter by that word."""
    start = types.Position(cursor.line, cursor.character - codec.client_num_units(suggestion.word))
    text = suggestion.word + suggestion.text
    return types.CompletionItem(
        label=text.strip(),
        kind=types.CompletionItemKind.Text,
        detail=f"lineahead {suggestion.confidence:.0%}",
        filter_text=text,
        sort_text=f"{rank:03}",
        text_edit=types.TextEdit(types.Range(start, cursor), text),
    )
