"""What actions work on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .window import Window
    from .workspace import Workspace


class Front:
    """What actions work on: the window, and the graph in front.

    Args:
        window: Whose actions they are.
    """

    def __init__(self, window: Window) -> None:
        self.window = window

    @property
    def space(self) -> Workspace | None:
        return self.window.current
