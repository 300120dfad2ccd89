"""What pygls 2.1 does otherwise than a client needs, mended here and nowhere else.

None of it is reported upstream yet, as far as a search of https://github.com/openlawlibrary/pygls/issues tells; each
part names the code that it stands in for, so that it can go when that has changed.
"""

import logging
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol
from pygls.workspace import TextDocument

from lineahead.place import LINE

logger = logging.getLogger(__name__)

# `TextDocument.lines` uses str.splitlines, which knows more line ends than the protocol's three: behind a form feed or
# U+2028 all positions would be wrong.
TextDocument.lines = property(lambda document: tuple(LINE.findall(document.source)))  # type: ignore[assignment,method-assign]


class Protocol(LanguageServerProtocol):
    """`JsonRPCProtocol.structure_message` leaves a request without an answer where its parameters are wrong."""

    def structure_message(self, data: dict[str, Any]) -> Any:
        """Messages as objects; parameters may be left out, as JSON-RPC allows."""
        if "jsonrpc" in data and "method" in data:
            data.setdefault("params", None)
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if "method" in data and isinstance(data.get("id"), int | str):
                self._send_response(data["id"], error=error.to_response_error())
            raise


class Server(LanguageServer):
    """`LanguageServer.report_server_error` puts before the person what a client did wrong."""

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log what a client did wrong."""
        logger.error("%s: %r", getattr(source, "__name__", source), error)


# Without options `feature(TEXT_DOCUMENT_INLINE_COMPLETION)` announces nothing.
INLINE_COMPLETION_OPTIONS = types.InlineCompletionOptions()
