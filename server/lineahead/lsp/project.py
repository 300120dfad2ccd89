"""What the memory holds: the project's files and the open documents, and what becomes of it when they change."""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path, PurePath

from lsprotocol import types
from pygls.exceptions import JsonRpcException, PyglsError
from pygls.lsp.server import LanguageServer
from pygls.uris import uri_scheme
from pygls.workspace import TextDocument

from lineahead.engine.vocabulary import Vocabulary
from lineahead.lsp.background import Background, show_progress
from lineahead.lsp.requests import file_of, key_of, name_at, name_of, path_of
from lineahead.memory.description import description
from lineahead.memory.files import (
    forget_left_out,
    is_learnable,
    is_written_here,
    read_files,
    read_folders,
    why_left_out,
)
from lineahead.memory.memory import NO_MEMORY, Memory, ProjectMemory
from lineahead.memory.mixture import DEFAULT, Gate
from lineahead.reasons import Reason

logger = logging.getLogger(__name__)

# Schemes; others show old versions, outputs, settings.
LEARNED = frozenset({"file", "untitled", "vscode-notebook-cell"})
LINE_END = re.compile(r"\r\n|\r|\n")
LOOK_EVERY = 5.0  # seconds between looks at what has gone from the disk, for clients that watch no files
WATCHED = (
    types.FileSystemWatcher("**/*.py"),
    types.FileSystemWatcher("**/.gitignore"),
    types.FileSystemWatcher("**/*", types.WatchKind.Delete),  # a folder that goes says nothing of its files
)


class Project:
    """Keeps a memory of the project up to date, and its index, in the background; switched off, it keeps none."""

    def __init__(
        self,
        server: LanguageServer,
        vocabulary: Callable[[], Vocabulary | None],
        is_enabled: Callable[[str], bool],
        forgotten: Callable[[], None],
    ) -> None:
        self._server = server
        self._vocabulary = vocabulary  # None as long as there is no model
        self._is_enabled = is_enabled  # by language id
        self._forgotten = forgotten  # what was said of it before must not be said again
        self._background = Background("memory")
        self._gate = DEFAULT
        self._memory: ProjectMemory | None = ProjectMemory()
        self._versions: dict[str, tuple[int | None, int | None]] = {}  # of the open documents that the memory has, and
        self._written: dict[str, int] = {}  # the line that each one was last written at, both by `key_of`
        self._indexing: Future[None] | None = None
        self._stale = False
        self.revision = 0  # rises whenever the memory's index knows more, or less
        self._unread: list[str] = []  # what the folders have and the memory has not, in words
        self._looked = time.monotonic()
        self.exclude: tuple[str, ...] = ()  # the setting of that name
        self._scope = "project"  # the setting `memory`

    @property
    def memory(self) -> Memory:
        """What suggestions may ask."""
        return NO_MEMORY if self._memory is None else self._memory  # an empty one knows the file that is asked about

    def holdings(self) -> list[str]:
        """What the memory holds, and what it does not, in words."""
        if self._memory is None:
            return ["The memory is switched off (setting lineahead.memory)"]
        return [f"The memory holds {len(self._memory)} texts, {self._memory.size:,} characters", *self._unread]

    def trust(self, gate: Gate) -> None:
        """Take another model's gate."""
        self._gate = gate
        if self._memory is not None:
            self._memory.gate = gate

    def switch(self, scope: str, exclude: tuple[str, ...] = ()) -> bool:
        """Learn from what the settings `memory` and `exclude` say; returns whether there is something to `read`."""
        if (scope, exclude) == (self._scope, self.exclude):
            return False
        self._scope, self.exclude = scope, exclude
        self.forget_all()
        return scope == "project"

    def forget_all(self) -> None:
        """Begin with an empty memory, if there is to be one."""
        self._memory = None if self._scope == "off" else ProjectMemory(self._gate)
        self._versions.clear()
        self._forgotten()
        self.index()

    def forget(self, uri: str) -> bool:
        """Forget a file, until it changes; returns whether it was known."""
        return self._memory is not None and self._has_forgotten(self._memory.forget(name_at(uri)))

    async def knowledge(self) -> dict[str, object]:
        """What the memory holds, and what of the folders it does not, for a person to read."""
        memory, vocabulary, exclude = self._memory, self._vocabulary(), self.exclude
        folders = self._folders() if self._scope == "project" else []
        look = self._background.submit(lambda: description(memory, vocabulary, folders, exclude))
        found = await asyncio.wrap_future(look)
        return {"memory": self._scope, **found}

    def take_root(self) -> None:
        """Take the one folder of a client that knows no workspace folders as one of these: it can be removed, too."""
        workspace = self._server.workspace
        if workspace.root_uri and not workspace.folders:
            workspace.add_folder(types.WorkspaceFolder(workspace.root_uri, name=""))

    async def read(self) -> None:
        """Read the Python files of the workspace's folders, in the background; forget those of other folders."""
        folders, memory = self._folders(), self._memory
        if memory is None or self._scope != "project":
            return
        opened = self._opened()
        self._forget(lambda name: name not in opened and not any(map(Path(name).is_relative_to, folders)))
        self._forget_behind(lambda: forget_left_out(folders, memory, self.exclude))
        if not folders:
            return
        reading = self._background.submit(lambda: read_folders(folders, memory, self.exclude))
        await show_progress(self._server, reading, "reading the project")
        self._unread = await asyncio.wrap_future(reading)
        self._versions.clear()  # open documents are not as they are on disk
        self.index()

    def _folders(self) -> list[Path]:
        return [path for folder in self._server.workspace.folders.values() if (path := path_of(folder.uri))]

    def _opened(self) -> set[str]:
        return {name_of(document) for document in self._server.workspace.text_documents.values()}

    async def watch(self) -> None:
        """Ask the client to say which Python files change, where it can."""
        workspace = self._server.client_capabilities.workspace
        watched = workspace and workspace.did_change_watched_files
        if not watched or not watched.dynamic_registration:
            return
        options = types.DidChangeWatchedFilesRegistrationOptions(list(WATCHED))
        method = types.WORKSPACE_DID_CHANGE_WATCHED_FILES
        try:
            registration = types.Registration("lineahead-files", method, options)
            await self._server.client_register_capability_async(types.RegistrationParams([registration]))
        except (PyglsError, JsonRpcException) as error:
            logger.warning("the client watches no files: %s", error)

    async def files_changed(self, changes: list[types.FileEvent]) -> None:
        """Forget what is gone, at once; read what else changed, in the background: there may be thousands."""
        gone = [path for change in changes if change.type == types.FileChangeType.Deleted
                if (path := path_of(change.uri))]  # fmt: skip
        if gone:
            self._forget(lambda name: any(map(Path(name).is_relative_to, gone)))
        self._read_again([change.uri for change in changes if change.type != types.FileChangeType.Deleted])
        if any(PurePath(change.uri).name == ".gitignore" for change in changes):
            self._forgotten()  # what was completed may be ignored now
            await self.read()

    def _read_again(self, uris: list[str]) -> None:
        folders, memory, exclude = self._folders(), self._memory, self.exclude
        opened = self._opened()  # whose texts the client says, half written as they may be on disk
        paths = [path for uri in uris if (path := path_of(uri)) and str(path) not in opened]
        if not paths or memory is None or self._scope != "project":
            return

        def read() -> None:
            read_files([path for path in paths if is_written_here(path, folders, exclude)], folders, memory)

        def done(_: "asyncio.Future[None]") -> None:
            for uri in uris:
                self._versions.pop(key_of(uri), None)
            self.index()

        asyncio.wrap_future(self._background.submit(read)).add_done_callback(done)

    def wrote(self, uri: str, changes: Sequence[types.TextDocumentContentChangeEvent]) -> None:
        """Note at which line a document is being written: its end may be half a word."""
        if self._memory is not None:
            self._memory.edits(name_at(uri))
        if changes and isinstance(change := changes[-1], types.TextDocumentContentChangePartial):
            self._written[key_of(uri)] = change.range.start.line + sum(1 for _ in LINE_END.finditer(change.text))
        else:  # all of it is new
            self._written.pop(key_of(uri), None)

    def stands_at(self, uri: str, line: int) -> None:
        """Note where the cursor is: a line that it has left is whole."""
        if self._written.get(key_of(uri), line) != line:
            del self._written[key_of(uri)]

    def closed(self, uri: str) -> None:
        """Take a document as it is on disk again: what was not saved is gone."""
        self._versions.pop(key_of(uri), None)
        self._written.pop(key_of(uri), None)
        self._forget(lambda name: name == name_at(uri))
        self._read_again([uri])

    def _forget(self, is_gone: Callable[[str], bool]) -> None:
        """Forget texts by name, at once, and again when what is being read now is in the memory."""
        memory = self._memory
        if memory is None:
            return

        def forget() -> bool:
            return sum(memory.forget(name) for name in memory.names() if is_gone(name)) > 0

        self._has_forgotten(forget())
        self._forget_behind(forget)

    def _forget_behind(self, forget: Callable[[], bool]) -> None:
        work = asyncio.wrap_future(self._background.submit(forget))
        work.add_done_callback(lambda done: self._has_forgotten(done.result()))

    def _has_forgotten(self, anything: bool) -> bool:
        if anything:
            self._forgotten()
            self.index()
        return anything

    def left_out(self, file: Path | None) -> Callable[[], Reason | None]:
        """What finds out why a file is neither learned nor completed, on any thread; None if it is both.

        It looks at the disk, so that a changed .gitignore counts at once.
        """
        folders, exclude = self._folders(), self.exclude
        return lambda: why_left_out(file, folders, exclude) if file else None

    def read_open(self, except_for: str) -> None:
        """Take the open documents as they are now, but for the one that is asked about, in the background."""
        memory = self._memory
        if memory is None or self._scope == "file":
            return
        self._look_at_disk(memory)
        changed: list[TextDocument] = []
        for key, document in self._server.workspace.text_documents.items():
            known = document.version, self._written.get(key)
            if key != key_of(except_for) and self._versions.get(key) != known:
                self._versions[key] = known
                if uri_scheme(document.uri) in LEARNED and self._is_enabled(document.language_id or "python"):
                    changed.append(document)
        if not changed:
            return
        files = [file_of(self._server.workspace, document) for document in changed]
        texts = [
            (name_of(document), self.left_out(file), document.source, self._written.get(key_of(document.uri)))
            for document, file in zip(changed, files, strict=True)
        ]

        def learn() -> bool:
            learned = False
            for name, why_not, text, written in texts:
                if why_not():
                    learned |= memory.forget(name)
                elif is_learnable(PurePath(name).name, text):
                    memory.remember(name, text, written)
                    learned = True
            return learned

        def done(learned: "asyncio.Future[bool]") -> None:
            if learned.result():
                self.index()

        asyncio.wrap_future(self._background.submit(learn)).add_done_callback(done)

    def _look_at_disk(self, memory: ProjectMemory) -> None:
        """Now and then, forget the files that are gone: not every client says so."""
        if time.monotonic() - self._looked < LOOK_EVERY:
            return
        self._looked = time.monotonic()
        opened = self._opened()
        names = [name for name in memory.names() if name not in opened and Path(name).is_absolute()]
        self._forget_behind(lambda: sum(memory.forget(name) for name in names if not Path(name).exists()) > 0)

    def index(self) -> None:
        """Let suggestions know what is remembered, in the background; what changes meanwhile is known after that."""
        vocabulary, memory = self._vocabulary(), self._memory
        if vocabulary is None or memory is None:
            return
        self._stale = self._indexing is not None and not self._indexing.done()
        if self._stale:
            return
        self._indexing = self._background.submit(lambda: memory.index(vocabulary))
        asyncio.wrap_future(self._indexing).add_done_callback(self._indexed)

    def _indexed(self, done: "asyncio.Future[None]") -> None:
        self.revision += 1
        if error := done.exception():
            logger.error("the memory is not indexed: %r", error)
        if self._stale:
            self.index()
