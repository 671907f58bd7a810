"""`edit`: the desktop editor, where its packages are installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

from ..errors import NodeflowError
from .command import Argument

_INSTALL = 'pip install "nodeflow[editor]"'


def edit(
    graphs: Annotated[list[str] | None, Argument("Graph files, or pictures that carry one.")] = None,
) -> int:
    """Open the desktop editor."""
    if not installed():
        raise NodeflowError("NF701", "the editor is not installed", fix=f"install it with: {_INSTALL}")
    return _open(graphs or [])


def why_not() -> str:
    """Why the editor cannot be opened here, and what to do, in a sentence; "" where it can."""
    if not installed():
        return f"The desktop editor is not installed; install it with: {_INSTALL}"
    return "" if _has_screen() else "There is no screen to open the desktop editor on."


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
