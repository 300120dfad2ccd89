"""What became of suggestions: offered, accepted, still there after a while."""

import asyncio
from typing import Any

from lsprotocol import types

from lineahead.lsp.requests import Completion, key_of
from lineahead.lsp.server import LineaheadServer
from lineahead.lsp.statistics import Offered
from lineahead.place import Place
from lineahead.suggest.policy import Suggestion

KEPT_AFTER, KEPT_LONG_AFTER = 30.0, 300.0  # seconds after which an accepted suggestion is looked for


def report(server: LineaheadServer, params: Completion, place: Place, suggestion: Suggestion) -> types.Command:
    """What a client runs when the suggestion is accepted; its title is the confidence."""
    line = (place.line_before + suggestion.text).strip()
    name = server.statistics.offer(Offered(params.text_document.uri, line, len(suggestion.text)))
    return types.Command(f"{suggestion.confidence:.0%}", "lineahead.accepted", arguments=[name])


def accept(server: LineaheadServer, name: str) -> None:
    """Count an accepted suggestion, and after a while whether it is still there."""
    if offered := server.statistics.accept(name):
        document = key_of(offered.document)

        def is_there() -> bool:
            opened = server.workspace.text_documents.get(document)
            return opened is not None and offered.line in opened.source

        def look_again() -> None:
            server.statistics.today.kept += is_there()

        def look_late() -> None:
            server.statistics.today.kept_long += is_there()

        loop = asyncio.get_running_loop()
        loop.call_later(KEPT_AFTER, look_again)
        loop.call_later(KEPT_LONG_AFTER, look_late)


def name_in(params: Any) -> str:
    """The name of a suggestion in the item that a client sends back; "" where there is none."""
    arguments = getattr(getattr(getattr(params, "item", None), "command", None), "arguments", None)
    return str(arguments[0]) if isinstance(arguments, list) and arguments else ""
