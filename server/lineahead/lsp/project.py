"""What the memory holds: the project's files and the open documents, and what becomes of it when they change."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path, PurePath

from lsprotocol import types
from pygls.exceptions import JsonRpcException, PyglsError
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from lineahead.engine.vocabulary import Vocabulary
from lineahead.lsp.background import in_background, show_progress
from lineahead.lsp.requests import name_of
from lineahead.memory.files import is_learnable, is_left_out, is_written_here, read_files, read_folders
from lineahead.memory.memory import NO_MEMORY, Memory, ProjectMemory

logger = logging.getLogger(__name__)


class Project:
    """Keeps a memory of the project up to date, and its index, on a thread of its own; switched off, it keeps none."""

    def __init__(self, server: LanguageServer, vocabulary: Callable[[], Vocabulary | None]) -> None:
        self._server = server
        self._vocabulary = vocabulary  # None as long as there is no model
        self._memory: ProjectMemory | None = ProjectMemory()
        self._versions: dict[str, int | None] = {}  # of the open documents that the memory has
        self._indexing: Future[None] | None = None
        self._stale = False
        self.exclude: tuple[str, ...] = ()  # the setting of that name

    @property
    def memory(self) -> Memory:
        """What suggestions may ask."""
        return self._memory or NO_MEMORY

    def switch(self, on: bool, exclude: tuple[str, ...] = ()) -> bool:
        """Switch the memory on, or off, or leave out other files; returns whether there is something to `read` now."""
        same, self.exclude = exclude == self.exclude, exclude
        if same and on == (self._memory is not None):
            return False
        self._memory = ProjectMemory() if on else None
        self._versions.clear()
        return on

    async def read(self) -> None:
        """Read the Python files of the workspace's folders, in the background."""
        folders, memory = self._folders(), self._memory
        if not folders or memory is None:
            return
        reading = in_background(lambda: read_folders(folders, memory, self.exclude))
        await show_progress(self._server, reading, "reading the project")
        await asyncio.wrap_future(reading)
        self._versions.clear()  # open documents are not as they are on disk
        self.index()

    def _folders(self) -> list[Path]:
        workspace = self._server.workspace
        uris = list(workspace.folders) or [workspace.root_uri]
        return [Path(path) for uri in uris if uri and (path := to_fs_path(uri))]

    async def watch(self) -> None:
        """Ask the client to say which Python files change, where it can."""
        workspace = self._server.client_capabilities.workspace
        watched = workspace and workspace.did_change_watched_files
        if not watched or not watched.dynamic_registration:
            return
        options = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher("**/*.py")])
        method = types.WORKSPACE_DID_CHANGE_WATCHED_FILES
        try:
            registration = types.Registration("lineahead-files", method, options)
            await self._server.client_register_capability_async(types.RegistrationParams([registration]))
        except (PyglsError, JsonRpcException) as error:
            logger.warning("the client watches no files: %s", error)

    def files_changed(self, uris: list[str]) -> None:
        """Read files of the project again, in the background: there may be thousands."""
        folders = self._folders()
        paths = [Path(path) for uri in uris if uri.startswith("file:") and (path := to_fs_path(uri))]
        ours = [path for path in paths if is_written_here(path, folders, self.exclude)]
        memory = self._memory
        if not ours or memory is None:
            return

        def read() -> None:
            read_files(ours, folders, memory)

        def done(_: "asyncio.Future[None]") -> None:
            for uri in uris:
                self._versions.pop(uri, None)
            self.index()

        asyncio.wrap_future(in_background(read)).add_done_callback(done)

    def closed(self, uri: str) -> None:
        """Take a document as it is on disk again: what was not saved is gone."""
        self._versions.pop(uri, None)
        if uri.startswith("file:"):
            self.files_changed([uri])
        elif self._memory is not None:
            self._memory.forget(uri)
            self.index()

    def read_open(self, except_for: str) -> None:
        """Take the open documents as they are now, but for the one that is asked about."""
        if self._memory is None:
            return
        changed = False
        for uri, document in self._server.workspace.text_documents.items():
            if uri != except_for and self._versions.get(uri, -1) != document.version:
                self._versions[uri] = document.version
                left_out = is_left_out(Path(name_of(document)), self._folders(), self.exclude)
                if not left_out and is_learnable(PurePath(uri).name, document.source):
                    self._memory.remember(name_of(document), document.source)
                    changed = True
        if changed:
            self.index()

    def index(self) -> None:
        """Let suggestions know what is remembered, in the background; what changes meanwhile is known after that."""
        vocabulary, memory = self._vocabulary(), self._memory
        if vocabulary is None or memory is None:
            return
        self._stale = self._indexing is not None and not self._indexing.done()
        if self._stale:
            return
        self._indexing = in_background(lambda: memory.index(vocabulary))
        asyncio.wrap_future(self._indexing).add_done_callback(self._indexed)

    def _indexed(self, done: "asyncio.Future[None]") -> None:
        if error := done.exception():
            logger.error("the memory is not indexed: %r", error)
        if self._stale:
            self.index()
