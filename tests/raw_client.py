"""A client of bytes: it can send what no library would, and knows nothing that it was not told."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SERVER = (sys.executable, "-m", "lineahead", "serve")


class RawClient:
    """A server process and its pipes; messages that are not answers are kept in `heard`."""

    def __init__(
        self,
        *command: str,
        options: object = None,
        environment: dict[str, str] | None = None,
        root: Path | None = None,
        process_id: int | None = None,
        able: dict[str, object] | None = None,
    ) -> None:
        self.process = subprocess.Popen(
            command or SERVER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        self.heard: list[dict[str, Any]] = []
        self._number = 0
        capabilities = {"notebookDocument": {"synchronization": {}}, **(able or {})}
        uri = root.as_uri() if root else None
        parameters = {
            "processId": process_id,
            "rootUri": uri,
            "capabilities": capabilities,
            "initializationOptions": options,
        }
        self.capabilities = self.ask("initialize", parameters)["result"]["capabilities"]
        self.tell("initialized", {})

    def send(self, body: bytes) -> None:
        """Send one message, whatever it holds."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def tell(self, method: str, parameters: object) -> None:
        """Send a notification."""
        self.send(json.dumps({"jsonrpc": "2.0", "method": method, "params": parameters}).encode())

    def request(self, method: str, parameters: object) -> int:
        """Send a request; returns its number."""
        self._number += 1
        message = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": parameters}
        self.send(json.dumps(message).encode())
        return self._number

    def respond(self, number: object, result: object) -> None:
        """Answer a request of the server's."""
        self.send(json.dumps({"jsonrpc": "2.0", "id": number, "result": result}).encode())

    def refuse(self, number: object) -> None:
        """Answer a request of the server's with an error."""
        error = {"code": -32601, "message": "not here"}
        self.send(json.dumps({"jsonrpc": "2.0", "id": number, "error": error}).encode())

    def ask(self, method: str, parameters: object) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        return self.wait(self.request(method, parameters))

    def wait(self, number: int) -> dict[str, Any]:
        """The answer to a request."""
        while True:
            message = self.read()
            if message.get("id") == number and "method" not in message:
                return message
            self.heard.append(message)

    def wait_ready(self) -> None:
        """Wait until the model is there, or cannot be."""
        while self.ask("lineahead/status", {})["result"]["state"] == "loading":
            pass

    def read(self) -> dict[str, Any]:
        """The next message. Raises EOFError where there is none."""
        assert self.process.stdout is not None
        length = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        if not length:
            raise EOFError("the server is gone")
        message: dict[str, Any] = json.loads(self.process.stdout.read(length))
        return message

    def open(self, uri: str, text: str, language: str = "python") -> None:
        """Open a document."""
        self.tell(
            "textDocument/didOpen",
            {"textDocument": {"uri": uri, "languageId": language, "version": 1, "text": text}},
        )

    def ghost(self, uri: str, line: int, character: int, explicit: bool = False) -> list[str]:
        """The texts of the inline completions at a place."""
        answer = self.ask("textDocument/inlineCompletion", self.place(uri, line, character, explicit))
        return [item["insertText"] for item in answer["result"]["items"]]

    @staticmethod
    def place(uri: str, line: int, character: int, explicit: bool = False) -> dict[str, object]:
        """The parameters of a request at a place."""
        position = {"line": line, "character": character}
        kind = 1 if explicit else 2  # Invoked, Automatic
        return {"textDocument": {"uri": uri}, "position": position, "context": {"triggerKind": kind}}

    def close(self) -> int:
        """Shut the server down; returns its exit code."""
        self.ask("shutdown", None)
        self.tell("exit", None)
        return self.kill(wait=True)

    def kill(self, wait: bool = False) -> int:
        """End the server, and the pipes."""
        if not wait:
            self.process.kill()
        code = self.process.wait(60)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        return code
