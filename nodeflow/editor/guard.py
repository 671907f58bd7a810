"""What Qt calls must not raise: an exception that leaves a method which Qt calls can end the program.

Such methods are guarded: what they raise goes to `sys.excepthook`, which the editor points at its log, and the window
goes on.
"""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from .window import Window

P = ParamSpec("P")
R = TypeVar("R")


def guarded(method: Callable[P, R]) -> Callable[P, R | None]:
    """The method, but what it raises is told to `sys.excepthook`; it returns None then."""

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R | None:
        try:
            return method(*args, **kwargs)
        except Exception:
            sys.excepthook(*sys.exc_info())
            return None

    return call


def tell_window(window: Window) -> None:
    """From now on, what nobody caught is printed, put into the log, and said in the status bar."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        text = "".join(traceback.format_exception(kind, error, trace))
        print(text, file=sys.stderr)
        window.log.add(text)
        window.say(f"A fault of nodeflow: {kind.__name__}: {error}; it is in the log, your graph is kept")

    sys.excepthook = hook
