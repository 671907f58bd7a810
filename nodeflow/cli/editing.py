"""`edit`: the desktop editor, where its packages are installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from ..errors import NodeflowError

_INSTALL = 'pip install "nodeflow[editor]"'


def edit(
    graphs: Annotated[list[str] | None, typer.Argument(help="Graph files, or pictures that carry one.")] = None,
) -> int:
    """Open the desktop editor."""
    if not installed():
        raise NodeflowError(
            "NF701", "the editor is not installed", fix='install it with: pip install "nodeflow[editor]"'
        )
    return _open(graphs or [])


def open_or_say_why_not() -> str:
    """Open the editor without a graph; returns why it was not opened, and what to do, in a sentence."""
    if not installed():
        return f"The desktop editor is not installed; install it with: {_INSTALL}"
    if not _has_screen():
        return "There is no screen to open the desktop editor on."
    raise typer.Exit(_open([]))


def installed() -> bool:
    """Are the packages of the editor there? None of them is imported."""
    return find_spec("PySide6") is not None and find_spec("NodeGraphQt") is not None


def _open(graphs: list[str]) -> int:
    try:
        from ..editor.main import edit as run_editor
    except ImportError as error:
        what = f"the editor cannot start: {error}"
        raise NodeflowError("NF701", what, fix="install the system libraries of Qt, see the README") from error
    return run_editor(graphs)


def _has_screen() -> bool:
    """Linux without a display shows help; Qt would end the program."""
    import os
    import sys

    known = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return not sys.platform.startswith("linux") or any(os.environ.get(name) for name in known)
