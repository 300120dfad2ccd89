"""The language server, on standard input and output, TCP or a WebSocket: `lineahead-server [--model FOLDER]`."""

import argparse
import logging
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, cast

from lineahead.engine.open import BUNDLED_MODEL, load_engine
from lineahead.lsp.allocation import return_what_is_free
from lineahead.lsp.handlers import create_server
from lineahead.lsp.network import Door, problem_with_host
from lineahead.lsp.wire import Input


def main(arguments: list[str] | None = None) -> int:
    """Run the command line until the client leaves; returns the exit code, 1 if that was without `shutdown`."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        _log_to(options.log_file, options.log_level or ("info" if options.log_file else "warning"))
    except OSError as error:
        parser.error(f"--log-file: expected a file that can be written; {error}")

    if options.tcp or options.ws:
        if problem := problem_with_host(options.host):
            parser.error(problem)
        if not 0 <= options.port <= 65_535:
            parser.error(f"--port: expected a number from 0 to 65535, found {options.port}")

    if sys.stdin is None or sys.stdout is None:
        parser.error("expected standard input and output, which are closed")

    return_what_is_free()
    # Standard output belongs to the protocol: whatever a library prints goes to standard error.
    protocol = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    server = create_server(
        lambda folder: load_engine(Path(folder).expanduser() if folder else options.model),
        options.model,
    )
    if options.tcp or options.ws:
        server.fixed = {"model": "", "log": options.save_requests}
        door = Door(server)
        try:
            (door.serve_tcp if options.tcp else door.serve_websocket)(options.host, options.port)
        except OSError as error:
            print(
                f"lineahead: cannot wait on {options.host}:{options.port}: {error.strerror or error}", file=sys.stderr
            )
            return 2
    else:
        server.start_io(cast(BinaryIO, Input(sys.stdin.buffer)), protocol)
    code = 0 if server.was_shut_down else 1
    if server.stop_work():  # what computes in a library's code does not end with its thread
        logging.shutdown()
        os._exit(code)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lineahead-server", description="Suggest the rest of the line, over LSP.")
    parser.add_argument(
        "--model", type=Path, default=BUNDLED_MODEL, metavar="FOLDER", help="a checkpoint (default: the bundled one)"
    )
    parser.add_argument("--log-file", type=Path, metavar="FILE", help="write the log here (default: standard error)")
    parser.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        help="from what on (default: info in a file; warning on standard error, which some editors show as errors)",
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--stdio", action="store_true", help="standard input and output (the default)")
    way.add_argument("--tcp", action="store_true", help="wait for a client on a TCP port")
    way.add_argument("--ws", action="store_true", help="wait for a client on a WebSocket")
    parser.add_argument(
        "--host", default="127.0.0.1", help="of --tcp and --ws: this machine's own (default: 127.0.0.1)"
    )
    parser.add_argument("--port", type=int, default=8888, help="of --tcp and --ws; 0 for a free one (default: 8888)")
    parser.add_argument(
        "--save-requests", default="", metavar="FILE", help="of --tcp and --ws, whose client cannot set it: `log`"
    )
    parser.add_argument("--version", action="version", version=f"lineahead {version('lineahead')}")
    return parser


def _log_to(file: Path | None, level: str) -> None:
    handler = (
        logging.FileHandler(file, encoding="utf-8", errors="backslashreplace") if file else logging.StreamHandler()
    )
    logging.basicConfig(handlers=[handler], format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("lineahead").setLevel(level.upper())  # pygls's own messages from warnings on: they quote code
