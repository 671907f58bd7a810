"""What NodeGraphQt expects of its surroundings, made small, so that importing it costs a tenth.

NodeGraphQt is written on Qt.py, which loads every module of PySide6, on `distutils`, which left Python with 3.12, and
its `__init__` imports all of it. Of NodeGraphQt the editor uses the view (`widgets.viewer`) and what that needs. So
three entries of `sys.modules` are made before it is imported: `Qt` with three modules of PySide6, `distutils.version`
with the one class asked for, and `NodeGraphQt` as a folder whose `__init__` is not run.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

_MOVED = ("QAction", "QActionGroup", "QShortcut", "QUndoCommand", "QUndoStack")
"""Classes that were in QtWidgets in Qt 5."""


class LooseVersion:
    """A version as numbers, as far as NodeGraphQt compares them."""

    def __init__(self, text: str) -> None:
        self.parts = [int(part) for part in text.split(".") if part.isdigit()]

    def __ge__(self, other: LooseVersion) -> bool:
        return self.parts >= other.parts


def prepare() -> None:
    """Make the entries, unless they are there."""
    if "NodeGraphQt" in sys.modules:
        return
    found = importlib.util.find_spec("NodeGraphQt")
    if found is None or found.submodule_search_locations is None:
        raise ImportError("NodeGraphQt is not installed")
    for name in _MOVED:
        if not hasattr(QtWidgets, name):
            setattr(QtWidgets, name, getattr(QtGui, name))
    widgets: Any = QtWidgets
    _module("Qt", QtCore=QtCore, QtGui=QtGui, QtWidgets=widgets)
    version = _module("distutils.version", LooseVersion=LooseVersion)
    _module("distutils", version=version, __path__=[])
    _module("NodeGraphQt", __path__=list(found.submodule_search_locations))


def _module(name: str, **contents: Any) -> ModuleType:
    made = sys.modules.setdefault(name, ModuleType(name))
    vars(made).update(contents)
    return made
