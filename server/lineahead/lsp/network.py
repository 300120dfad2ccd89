"""TCP and WebSocket: one client of this machine, who brings the token that was printed, and nobody else."""

import asyncio
import contextlib
import hmac
import ipaddress
import json
import logging
import secrets
import sys
import threading
from http import HTTPStatus
from typing import Any

from lsprotocol import types
from pygls.io_ import run_async, run_websocket
from websockets.asyncio.server import Server as WebSocketServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from lineahead.lsp import wire
from lineahead.lsp.server import LineaheadServer

logger = logging.getLogger(__name__)

PATIENCE = 10.0  # seconds for the first message
MOST_BYTES = 100_000_000  # of a message
MOST_FIRST_BYTES = 1_000_000  # of the first, from whoever it is
MOST_WAITING = 16  # connections that have not shown a token yet
HEADERS = (b"content-length:", b"content-type:")
TOKEN = "token"  # in `initializationOptions`


class RefusedError(Exception):
    """Why a client is not served."""


def problem_with_host(host: str) -> str:
    """Why a server may not wait on an address; "" if it may."""
    with contextlib.suppress(ValueError):
        if host == "localhost" or ipaddress.ip_address(host).is_loopback:
            return ""
    return (
        f"--host: expected an address of this machine alone, such as 127.0.0.1 or ::1, found {host!r}: whoever reaches "
        "the port could read your code. From elsewhere, use a tunnel: ssh -L"
    )


class Door:
    """Lets the first client in that brings the token."""

    def __init__(self, server: LineaheadServer) -> None:
        self._server = server
        self._token = secrets.token_urlsafe(24)
        self._stop = threading.Event()
        self._waiting = 0
        self._is_taken = False
        self._ended: asyncio.Future[None] | None = None

    def serve_tcp(self, host: str, port: int) -> None:
        """Wait on a TCP port, and serve a client until it leaves. Raises OSError for a port that is in use."""
        asyncio.run(self._serve(lambda: asyncio.start_server(self._tcp_client, host, port), "tcp"))

    def serve_websocket(self, host: str, port: int) -> None:
        """The same on a WebSocket; browsers, which name an origin, are refused."""

        def waiting() -> Any:
            return serve(self._websocket_client, host, port, process_request=_without_origin, max_size=MOST_BYTES)

        asyncio.run(self._serve(waiting, "ws"))

    async def _serve(self, start: Any, kind: str) -> None:
        self._ended = asyncio.get_running_loop().create_future()
        waiting: asyncio.Server | WebSocketServer = await start()
        self._server._stop_event = self._stop  # which pygls sets when the client says `exit`
        host, port = next(iter(waiting.sockets)).getsockname()[:2]
        print(
            f"lineahead: waiting on {kind}://{host}:{port} for a client with the token {self._token}", file=sys.stderr
        )
        sys.stderr.flush()
        try:
            await self._ended
        finally:
            self._server.shutdown()  # type: ignore[no-untyped-call]
            waiting.close()

    async def _tcp_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        messages = Messages(reader)
        try:
            async with self._knocking():
                first = await messages.first()
            messages.put_back(self._admit(first))
        except (RefusedError, OSError, ValueError, TimeoutError, asyncio.IncompleteReadError) as error:
            logger.warning("a client is refused: %s", error)
            if isinstance(error, RefusedError):
                body = _refusal(messages.id, error)
                writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            with contextlib.suppress(OSError):
                await writer.drain()
                writer.close()
            return
        await self._serve_client(self._run_tcp(messages, writer))
        writer.close()

    async def _run_tcp(self, messages: "Messages", writer: asyncio.StreamWriter) -> None:
        self._server.protocol.set_writer(writer)
        await run_async(
            stop_event=self._stop,
            reader=messages,
            protocol=self._server.protocol,
            logger=logger,
            error_handler=self._server.report_server_error,
        )

    async def _websocket_client(self, connection: ServerConnection) -> None:
        body = b""
        try:
            async with self._knocking():
                body = await connection.recv(decode=False)
            if len(body) > MOST_FIRST_BYTES:
                raise ValueError("its first message is too long")
            admitted = self._admit(body)
        except (RefusedError, ValueError, TimeoutError, ConnectionClosed) as error:
            logger.warning("a client is refused: %s", error)
            with contextlib.suppress(ConnectionClosed):
                if isinstance(error, RefusedError):
                    await connection.send(_refusal(_id_of(body), error).decode())
                await connection.close(
                    1008, str(error)[:100] if isinstance(error, RefusedError) else "no first message"
                )
            return
        await self._serve_client(
            run_websocket(
                websocket=Replayed(connection, admitted),  # type: ignore[arg-type]
                stop_event=self._stop,
                protocol=self._server.protocol,
                logger=logger,
                error_handler=self._server.report_server_error,
            )
        )

    async def _serve_client(self, running: Any) -> None:
        try:
            await running
        except (OSError, ValueError, asyncio.IncompleteReadError) as error:
            logger.warning("the client is hung up on: %s", error)
        finally:
            assert self._ended is not None
            if not self._ended.done():
                self._ended.set_result(None)

    @contextlib.asynccontextmanager
    async def _knocking(self) -> Any:
        if self._waiting >= MOST_WAITING:
            raise ValueError(f"{MOST_WAITING} others have not shown a token yet")
        self._waiting += 1
        try:
            async with asyncio.timeout(PATIENCE):
                yield
        finally:
            self._waiting -= 1

    def _admit(self, body: bytes) -> bytes:
        """The first message without its token. Raises RefusedError without one, and where a client is there already."""
        try:
            message = json.loads(body)
        except RecursionError:
            raise ValueError("its first message is nested too deeply") from None
        parameters = message.get("params") if isinstance(message, dict) else None
        if not isinstance(parameters, dict) or message.get("method") != types.INITIALIZE:
            raise RefusedError("expected `initialize` as the first message")
        options = parameters.get("initializationOptions")
        brought = options.pop(TOKEN, "") if isinstance(options, dict) else ""
        if not isinstance(brought, str) or not hmac.compare_digest(brought.encode(), self._token.encode()):
            raise RefusedError(f"expected initializationOptions.{TOKEN} as the server printed it on its standard error")
        if self._is_taken:
            raise RefusedError(
                "another client is served already, and there is one at a time; start a server of your own"
            )
        self._is_taken = True
        return json.dumps(message).encode()


class Messages:
    """What a TCP client sends, as pygls reads it: header lines of LSP, and nothing else."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._first: list[bytes] = []
        self.id: object = None
        """Of the first request."""

    async def first(self) -> bytes:
        """The body of the first message."""
        length = 0
        while (line := await self.readline()).strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        if not 0 < length <= MOST_FIRST_BYTES:
            raise ValueError(f"its first message has {length:,} bytes")
        body = await self._reader.readexactly(length)
        self.id = _id_of(body)
        return body

    def put_back(self, body: bytes) -> None:
        """Let a body be read as if it came now."""
        self._first = [b"Content-Length: %d\r\n" % len(body), b"\r\n", body]

    async def readline(self) -> bytes:
        """A header line. Raises ValueError for what is none: an HTTP client is not listened to."""
        if self._first:
            return self._first.pop(0)
        line = await self._reader.readline()
        if line.strip() and not line.lower().startswith(HEADERS):
            raise ValueError(f"expected a header of the protocol, found {line[:40]!r}")
        return wire.header(line, MOST_BYTES) if line.strip() else line

    async def readexactly(self, size: int) -> bytes:
        """A body."""
        return self._first.pop(0) if self._first else await self._reader.readexactly(size)


class Replayed:
    """A WebSocket whose first message was read already."""

    def __init__(self, connection: ServerConnection, first: bytes) -> None:
        self._connection = connection
        self._first: bytes | None = first
        self.send, self.close = connection.send, connection.close

    async def recv(self, decode: bool) -> Any:
        """The next message."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return await self._connection.recv(decode=decode)


def _id_of(body: bytes) -> object:
    with contextlib.suppress(ValueError, RecursionError):
        message = json.loads(body)
        if isinstance(message, dict) and isinstance(message.get("id"), int | str):
            return message["id"]
    return None


def _refusal(request: object, reason: RefusedError) -> bytes:
    error = {"code": types.LSPErrorCodes.RequestFailed.value, "message": f"lineahead: {reason}"}
    return json.dumps({"jsonrpc": "2.0", "id": request, "error": error}).encode()


def _without_origin(connection: ServerConnection, request: Request) -> Response | None:
    if "Origin" in request.headers:
        return connection.respond(HTTPStatus.FORBIDDEN, "lineahead: pages of a browser are not served\n")
    return None
