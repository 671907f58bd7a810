"""The commands by name, and the one place where failures become a line and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer
from typer.exceptions import TyperException

from ..errors import CANCELLED_STATUS, Cancelled, NodeflowError
from . import documents, editing, library, models, planning, running, training

app = typer.Typer(
    name="nodeflow",
    help=(
        "The node editor for diffusion.\n\n"
        "Exit status: 0 done, 1 a node failed, 2 wrong usage, 3 graph refused, 4 node pack failed, "
        "5 model or scheduler refused, 6 picture or output refused, 130 stopped."
    ),
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS: dict[str, Callable[..., Any]] = {
    "edit": editing.edit,
    "run": running.run,
    "train": training.train,
    "check": planning.check,
    "plan": planning.plan,
    "nodes": library.nodes,
    "models": models.models,
    "new": documents.new,
    "diff": documents.diff,
    "merge": documents.merge,
}
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)


def _version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

        typer.echo(f"nodeflow {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
    debug: bool = typer.Option(False, "--debug", help="Show tracebacks."),
) -> None:
    if context.invoked_subcommand is None:
        why = editing.open_or_say_why_not()
        typer.echo(f"{context.get_help()}\n\n{why}")


def run_app(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    sys.exit(_status(arguments, debug))


def _status(arguments: list[str], debug: bool) -> int:
    try:
        result = app(arguments, standalone_mode=False, prog_name="nodeflow")
    except typer.Exit as stop:
        return stop.exit_code
    except TyperException as error:
        command = f"nodeflow {arguments[0]}" if arguments[:1] and arguments[0] in COMMANDS else "nodeflow"
        _say(f"NF701 {error.format_message().rstrip('.')}; see `{command} --help`")
        return 2
    except NodeflowError as error:
        if debug:
            raise
        _say(str(error))
        return error.faults[0].exit_status
    except (Cancelled, KeyboardInterrupt, typer.Abort):
        _say("stopped")
        return CANCELLED_STATUS
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            raise
        _say(
            f"NF501 {type(error).__name__}: {error}; this is a fault of nodeflow: run again with --debug and report it"
        )
        return 1
    return result if isinstance(result, int) else 0


def _say(text: str) -> None:
    print(text, file=sys.stderr)
