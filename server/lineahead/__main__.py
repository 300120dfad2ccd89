"""The one door: `lineahead COMMAND …`. Each command is a module of its own, imported when it is asked for."""

import argparse
import signal
import sys
from importlib import import_module
from importlib.metadata import version

from training.door import to_its_reader

COMMANDS = {
    "serve": "speak the Language Server Protocol with an editor (as `lineahead-server` does)",
    "complete": "complete one place of a file",
    "evaluate": "say how good the suggestions are on some code",
    "replay": "type some code again, and say how much of it suggestions would have written",
    "log": "ask again what the setting `log` has saved, and say what is different",
    "demo": "complete sample files through the real server, and show it",
}


def lineahead() -> int:
    """`lineahead` and `python -m lineahead`; returns the exit code."""
    _end_at_ctrl_c()
    return to_its_reader(main)


def lineahead_server() -> int:
    """`lineahead-server`; returns the exit code."""
    _end_at_ctrl_c()
    return main(["serve", *sys.argv[1:]])


def _end_at_ctrl_c() -> None:
    """End at once, as by SIGTERM, from the first import on: no command leaves anything half done.

    An exception would go through C code, which may take it for another, and asyncio would have the server wait for the
    thread that reads, and so for the client's next message. Where SIGINT is ignored, as in a shell's background, it
    stays ignored.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="lineahead",
        usage="lineahead [-h] [--version] COMMAND …",
        description="Suggest the rest of the line while one writes Python.",
        epilog="commands:\n" + "".join(f"  {name:10} {what}\n" for name, what in COMMANDS.items())
        + "\n`lineahead COMMAND --help` says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"lineahead {version('lineahead')}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS).required = False
    options = parser.parse_args(arguments)
    code: int = import_module(f"lineahead.commands.{options.command}").main(options.arguments)
    return code


if __name__ == "__main__":
    sys.exit(lineahead())
