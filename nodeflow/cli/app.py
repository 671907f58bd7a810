"""The commands by name, and the one place where failures become a line and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from ..errors import CANCELLED_STATUS, Cancelled, NodeflowError
from .command import call, echo, wrapped

COMMANDS = {
    "edit": "editing",
    "run": "running",
    "train": "training",
    "check": "planning",
    "plan": "planning",
    "nodes": "library",
    "models": "models",
    "lock": "models",
    "new": "documents",
    "diff": "documents",
    "merge": "documents",
}
"""The file that each command is in."""
_STATUS = (
    "Exit status: 0 done, 1 a node failed, 2 wrong usage, 3 graph refused, 4 node pack failed, 5 model or scheduler "
    "refused, 6 picture or output refused, 130 stopped."
)


def command(name: str) -> Callable[..., Any]:
    """The function of a command."""
    return getattr(import_module(f".{COMMANDS[name]}", __package__), name)


def run_app(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    sys.exit(_status([argument for argument in arguments if argument != "--debug"], debug))


def _status(arguments: list[str], debug: bool) -> int:
    try:
        result = _do(arguments)
    except NodeflowError as error:
        if debug:
            raise
        echo(str(error), err=True)
        return error.faults[0].exit_status
    except (Cancelled, KeyboardInterrupt):
        echo("stopped", err=True)
        return CANCELLED_STATUS
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            raise
        what = f"NF501 {type(error).__name__}: {error}; this is a fault of nodeflow: run again with --debug"
        echo(f"{what} and report it", err=True)
        return 1
    return result if isinstance(result, int) else 0


def _do(arguments: list[str]) -> Any:
    match arguments:
        case []:
            return _open()
        case ["-h" | "--help", *_]:
            echo(_help())
        case ["--version", *_]:
            from .. import __version__

            echo(f"nodeflow {__version__}")
        case [name, *others] if name in COMMANDS:
            return call(name, command(name), others)
        case [name, *_]:
            from ..graph.ports import nearest

            near = nearest(name, COMMANDS)
            fix = near if near.startswith("did") else "see `nodeflow --help`"
            raise NodeflowError("NF701", f"there is no command {name!r}", fix=fix)
    return 0


def _open() -> Any:
    """The editor; where it cannot be opened, help and the reason."""
    from .editing import edit, why_not

    if why := why_not():
        echo(f"{_help()}\n\n{why}")
        return 0
    return edit()


def _help() -> str:
    lines = [f"  {name:<8} {(command(name).__doc__ or '').partition(chr(10))[0]}" for name in COMMANDS]
    options = [
        ("--version", "Show the version."),
        ("--debug", "Show tracebacks; also after a command."),
        ("-h, --help", "Show this, or after a command its options."),
    ]
    return "\n".join(
        [
            "usage: nodeflow [--version] [--debug] COMMAND ...",
            "",
            wrapped(f"The node editor for diffusion.\n\n{_STATUS}"),
            "",
            "commands:",
            *lines,
            "",
            "options:",
            *(f"  {name:<12} {text}" for name, text in options),
        ]
    )
