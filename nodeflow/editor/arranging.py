"""Where things are: fitting, arranging, aligning, going from node to node."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPointF, QRectF

from .front import Front
from .layout import arranged, distributed


class ViewCommands(Front):
    """Actions on the view and on the places of nodes."""

    def fit_all(self) -> None:
        if self.space is not None:
            self.space.canvas.fit()

    def fit_selected(self) -> None:
        if self.space is not None:
            self.space.canvas.fit(self.space.canvas.selected())

    def zoom_100(self) -> None:
        if self.space is not None:
            self.space.canvas.scale(1 / self.space.canvas.zoom, 1.0, self.space.canvas.center())

    def arrange(self) -> None:
        """Place the selected nodes, or all, in reading order."""
        if self.space is None:
            return
        canvas, document = self.space.canvas, self.space.document
        names = [name for name in canvas.selected() if name in canvas.nodes]
        names = names if len(names) > 1 else list(canvas.nodes)
        places = arranged(document.graph, canvas.heights(), names)
        if not places:
            return
        corner = canvas.nodes[names[0]].pos() if len(names) < len(canvas.nodes) else QPointF()
        left, top = min(x for x, _ in places.values()), min(y for _, y in places.values())
        shift = (corner.x() - left, corner.y() - top) if len(names) < len(canvas.nodes) else (0.0, 0.0)
        moved = {name: (x + shift[0], y + shift[1]) for name, (x, y) in places.items()}
        whole = len(names) == len(canvas.nodes)
        document.place(moved, label="Arrange nodes", with_=document.panels_back() if whole else ())
        canvas.fit()

    def align_left(self) -> None:
        self._align(lambda body, whole: QPointF(whole.left(), body.top()))

    def align_right(self) -> None:
        self._align(lambda body, whole: QPointF(whole.right() - body.width(), body.top()))

    def align_top(self) -> None:
        self._align(lambda body, whole: QPointF(body.left(), whole.top()))

    def align_bottom(self) -> None:
        self._align(lambda body, whole: QPointF(body.left(), whole.bottom() - body.height()))

    def distribute_across(self) -> None:
        self._distribute(across=True)

    def distribute_down(self) -> None:
        self._distribute(across=False)

    def _bodies(self) -> dict[str, QRectF]:
        """The selected nodes, as they lie in the scene."""
        canvas = self.space.canvas if self.space is not None else None
        names = canvas.selected() if canvas is not None else []
        return {name: item.mapRectToScene(item.body) for name in names if canvas and (item := canvas.nodes.get(name))}

    def _align(self, to: Callable[[QRectF, QRectF], QPointF]) -> None:
        bodies, whole = self._bodies(), QRectF()
        for body in bodies.values():
            whole = whole.united(body)
        if self.space is not None and bodies:
            places = {name: to(body, whole) for name, body in bodies.items()}
            self.space.document.place({name: (at.x(), at.y()) for name, at in places.items()}, label="Align")

    def _distribute(self, across: bool) -> None:
        """Equal gaps between the selected nodes; the outermost ones stay."""
        bodies = self._bodies()
        if self.space is None or len(bodies) < 3:
            return
        spans = ((body.left(), body.width()) if across else (body.top(), body.height()) for body in bodies.values())
        starts = distributed(dict(zip(bodies, spans, strict=True)))
        places = {
            name: (starts[name], body.top()) if across else (body.left(), starts[name]) for name, body in bodies.items()
        }
        self.space.document.place(places, label="Distribute")

    def go_left(self) -> None:
        self._go(-1, 0)

    def go_right(self) -> None:
        self._go(1, 0)

    def go_up(self) -> None:
        self._go(0, -1)

    def go_down(self) -> None:
        self._go(0, 1)

    def _go(self, dx: int, dy: int) -> None:
        """Select the nearest node in a direction; sideways counts double."""
        if self.space is None:
            return
        canvas, names = self.space.canvas, self.space.canvas.selected()
        if not names or names[0] not in canvas.nodes:
            if canvas.nodes:
                canvas.show_node(min(canvas.nodes, key=lambda name: canvas.nodes[name].x()), select=True)
            return
        here = canvas.nodes[names[0]].pos()
        best: tuple[float, str] | None = None
        for name, item in canvas.nodes.items():
            way = item.pos() - here
            along, across = way.x() * dx + way.y() * dy, abs(way.x() * dy) + abs(way.y() * dx)
            if along > 1 and (best is None or along + 2 * across < best[0]):
                best = (along + 2 * across, name)
        if best is not None:
            canvas.show_node(best[1], select=True)
