"""A command is a typed function, and its signature is its command line.

`Annotated[str, Argument("…")]` is given by place, `Annotated[list[str] | None, Option("--set", "-s", help="…")]` by
name; a bool is a switch, a list may be given again and again, what has no default is needed. Read with argparse: a
library that checks types as it goes costs 0.2 s at every start.
"""

from __future__ import annotations

import argparse
import inspect
import shutil
import sys
import textwrap
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ..errors import NodeflowError


@dataclass(frozen=True)
class Argument:
    """A parameter given by its place."""

    help: str = ""
    hidden: bool = False


class Option:
    """A parameter given by its name.

    Args:
        names: "--long" and "-s"; without any, a switch is --name and --no-name.
        help: One line.
        low: The least number that is taken.
    """

    def __init__(self, *names: str, help: str = "", low: int | None = None) -> None:
        self.names, self.help, self.low = names, help, low


def echo(text: str, *, err: bool = False) -> None:
    """Print at once, so that a reader who has gone away is noticed here."""
    print(text, file=sys.stderr if err else sys.stdout, flush=True)


def wrapped(text: str) -> str:
    """Paragraphs as wide as the terminal, at most 100."""
    room = min(shutil.get_terminal_size((100, 24)).columns, 100)
    return "\n\n".join(textwrap.fill(" ".join(part.split()), room) for part in text.split("\n\n"))


def call(name: str, command: Callable[..., Any], arguments: Sequence[str]) -> Any:
    """Call a command with the arguments of a command line.

    Raises:
        NodeflowError: NF701 for a command line that it does not take.
        SystemExit: After `--help`.
    """
    parser = _parser(name, command)
    given, unknown = parser.parse_known_intermixed_args(arguments)
    if unknown:
        parser.error(f"there is no option {unknown[0]!r}" if unknown[0][0] == "-" else f"{unknown[0]!r} is too much")
    return command(**vars(given))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise NodeflowError("NF701", message, fix=f"see `{self.prog} --help`")


def _parser(name: str, command: Callable[..., Any]) -> _Parser:
    parser = _Parser(
        prog=f"nodeflow {name}",
        description=wrapped(inspect.getdoc(command) or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    hints = typing.get_type_hints(command, include_extras=True)
    for parameter in inspect.signature(command).parameters.values():
        hint, mark = typing.get_args(hints[parameter.name])
        kinds = {kind for kind in typing.get_args(hint) if kind is not type(None)} or {hint}
        many = [kind for kind in (hint, *kinds) if typing.get_origin(kind) is list]
        kind = typing.get_args(many[0])[0] if many else kinds.pop()
        _add(parser, parameter, kind, bool(many), mark)
    return parser


def _add(parser: _Parser, parameter: inspect.Parameter, kind: type, many: bool, mark: Argument | Option) -> None:
    """One parameter, with its default in the help where that says something."""
    name, default = parameter.name, parameter.default
    needed = default is parameter.empty
    said = "" if needed or default in (None, "", False) or kind is bool else f" [default: {default}]"
    about: dict[str, Any] = {"help": f"{mark.help}{said}".replace("%", "%%"), "default": None if needed else default}
    if isinstance(mark, Argument):
        about["help"] = argparse.SUPPRESS if mark.hidden else about["help"]
        about["nargs"] = ("+" if needed else "*") if many else (None if needed else "?")
        parser.add_argument(name, type=kind, metavar="" if mark.hidden else name.upper(), **about)
    elif kind is bool:
        action = "store_true" if mark.names else argparse.BooleanOptionalAction
        parser.add_argument(*mark.names or [f"--{name}"], dest=name, action=action, **about)
    else:
        kind = int if kind is int else kind
        about |= {"action": "append"} if many else {}
        word = {Path: "PATH", int: "NUMBER"}.get(kind, "TEXT")
        take = _at_least(mark.low) if mark.low is not None else kind
        parser.add_argument(*mark.names, dest=name, type=take, metavar=word, **about)


def _at_least(low: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if int(text) < low:
            raise ValueError(text)
        return int(text)

    return number
