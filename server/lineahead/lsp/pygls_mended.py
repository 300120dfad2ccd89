"""What pygls 2.1 does otherwise than a client needs, mended here and nowhere else.

None of it is reported upstream yet, as far as a search of https://github.com/openlawlibrary/pygls/issues tells; each
part names the code that it stands in for, so that it can go when that has changed.
"""

import logging
from collections.abc import Generator, ItemsView
from typing import Any

from lsprotocol import types
from pygls.exceptions import FeatureNotificationError, JsonRpcException, JsonRpcInvalidRequest
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method
from pygls.workspace import TextDocument

from lineahead.lsp import lines

logger = logging.getLogger(__name__)

# `TextDocument` splits its whole text into lines for each change, at more line ends than the protocol's three, and
# `PositionCodec.position_from_client_units` takes a column behind the line's end for the one before its last; see
# https://github.com/openlawlibrary/pygls/pull/304, where the latter was talked about.
TextDocument._apply_incremental_change = lines.change  # type: ignore[assignment,method-assign]


class Futures(dict[Any, Any]):
    """`lsp_shutdown` cancels futures while it goes through them, and each leaves with that: it goes through a copy."""

    def items(self) -> ItemsView[Any, Any]:  # type: ignore[override]
        """Those that are there now."""
        return dict(self).items()


class Protocol(LanguageServerProtocol):
    """`JsonRPCProtocol` leaves requests without an answer: those with wrong parameters, and those after `shutdown`.

    Its `_execute_handler` also keeps the future of each notification for ever: two to three kilobytes for each key. And
    where a request runs another handler, as `workspace/executeCommand` does, that one runs on when it is cancelled.
    """

    def __init__(self, server: Any, converter: Any) -> None:
        super().__init__(server, converter)
        self._request_futures = Futures()

    def _execute_handler(self, msg_id: Any, handler: Any, callback: Any, args: Any = None, kwargs: Any = None) -> None:
        super()._execute_handler(msg_id, handler, callback, args, kwargs)
        if future := self._request_futures.get(msg_id):
            future.add_done_callback(lambda _: self._request_futures.pop(msg_id, None))
            if request := getattr(callback, "keywords", {}).get("result_future"):  # which this one is a part of
                request.add_done_callback(lambda _: future.cancel())

    @lsp_method(types.WORKSPACE_EXECUTE_COMMAND)
    def lsp_workspace__execute_command(self, params: types.ExecuteCommandParams) -> Generator[Any, Any, Any]:
        """Run a command; one that came without arguments has none, which are counted as others are."""
        params.arguments = params.arguments or []
        return (yield from super().lsp_workspace__execute_command(params))

    def _check_handler_result(self, future: Any) -> None:
        error = None if future.cancelled() else future.exception()
        if isinstance(error, JsonRpcException):  # which is no internal error
            self._server._report_server_error(error, FeatureNotificationError)
        else:
            super()._check_handler_result(future)

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

    def handle_message(self, message: Any) -> None:
        """Refuse requests after `shutdown`, as the specification has it."""
        if self._shutdown and hasattr(message, "id") and hasattr(message, "method"):
            refusal = JsonRpcInvalidRequest("the server is shutting down: expected the notification `exit`")
            self._send_response(message.id, error=refusal.to_response_error())
        else:
            super().handle_message(message)


class Server(LanguageServer):
    """`LanguageServer.report_server_error` puts before the person what a client did wrong."""

    @property
    def was_shut_down(self) -> bool:
        """Whether the client asked for it, before it left."""
        return bool(self.protocol._shutdown)

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log what a client did wrong."""
        logger.error("%s: %r", getattr(source, "__name__", source), error)


# Without options `feature(TEXT_DOCUMENT_INLINE_COMPLETION)` announces nothing.
INLINE_COMPLETION_OPTIONS = types.InlineCompletionOptions()
