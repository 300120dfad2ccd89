"""Settings of one document: its folder's or its language's own, where a client has such."""

import logging
from collections.abc import Callable

from lsprotocol import types
from pygls.exceptions import JsonRpcException, PyglsError
from pygls.lsp.server import LanguageServer

from lineahead.lsp.requests import key_of
from lineahead.settings import Settings

logger = logging.getLogger(__name__)


class ScopedSettings:
    """What a client said of the settings for each open document, where it can be asked."""

    def __init__(self, server: LanguageServer, read: Callable[[object], Settings]) -> None:
        self._server, self._read = server, read
        self._settings: dict[str, Settings] = {}

    def of(self, uri: str) -> Settings | None:
        """The settings of a document; None where the general ones hold."""
        return self._settings.get(key_of(uri))

    def forget(self, uri: str) -> None:
        """Drop what is kept for a document."""
        self._settings.pop(key_of(uri), None)

    def clear(self) -> None:
        """Drop what is kept for all documents."""
        self._settings.clear()

    async def ask(self, uris: list[str]) -> None:
        """Ask the client for the settings of some documents; what it does not know leaves the general ones."""
        workspace = self._server.client_capabilities.workspace
        if not uris or not workspace or not workspace.configuration:
            return
        items = [types.ConfigurationItem(scope_uri=uri, section="lineahead") for uri in uris]
        try:
            answers = await self._server.workspace_configuration_async(types.ConfigurationParams(items))
        except (PyglsError, JsonRpcException) as error:
            logger.warning("the client does not say what settings a document has: %s", error)
            return
        for uri, raw in zip(uris, answers or (), strict=False):
            if isinstance(raw, dict) and raw and key_of(uri) in self._server.workspace.text_documents:
                self._settings[key_of(uri)] = self._read(raw)
