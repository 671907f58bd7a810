"""NodeGraphQt's view, with a camera that keeps its zoom when the window changes, and modifiers asked at each event."""

from __future__ import annotations

from typing import Any

from NodeGraphQt.widgets.viewer import NodeViewer
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt, QTimer
from PySide6.QtGui import QMouseEvent, QPainter, QPen, QPixmap, QResizeEvent, QTransform, QWheelEvent
from PySide6.QtWidgets import QGraphicsView

from .. import theme
from ..guard import guarded

ZOOM_LOW, ZOOM_HIGH = 0.05, 4.0
GRID = 20.0
DOT = 2.0


class _NoSearch:
    """Stands where NodeGraphQt keeps its search popup, which is modal; the editor has its own."""

    @staticmethod
    def isVisible() -> bool:
        return False


class FlowViewer(NodeViewer):
    """A pannable, zoomable canvas: wheel or pinch zooms at the cursor, middle button or Space drags."""

    def __init__(self) -> None:
        super().__init__()
        self._origin_pos: QPoint = QPoint()
        self.setViewportUpdateMode(QGraphicsView.ViewportUpdateMode.SmartViewportUpdate)
        self.setCacheMode(QGraphicsView.CacheModeFlag.CacheNone)
        self.setFrameShape(QGraphicsView.Shape.NoFrame)
        self.setOptimizationFlag(QGraphicsView.OptimizationFlag.DontSavePainterState)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._search_widget: Any = _NoSearch()
        self._ctx_menu_bar.hide()
        self._cursor_text.setVisible(False)
        self._row: tuple[tuple[float, ...], QPixmap] | None = None
        self._sharp = QTimer(self, singleShot=True, interval=120)
        self._sharp.timeout.connect(self._sharpen)

    # The camera

    @property
    def zoom(self) -> float:
        """Pixels on the screen a unit of the scene."""
        return float(self.transform().m11())

    def _update_scene(self) -> None:
        """Show `_scene_range`, whose width says the zoom."""
        zoom = self.viewport().width() / max(self._scene_range.width(), 1e-6)
        height = self.viewport().height() / zoom
        self._scene_range.setHeight(height)
        self.setSceneRect(self._scene_range)
        self.setTransform(QTransform.fromScale(zoom, zoom))

    @guarded
    def resizeEvent(self, event: QResizeEvent) -> None:
        """More window shows more graph."""
        zoom = self.zoom
        self._scene_range.setWidth(self.viewport().width() / zoom)
        self._update_scene()

    def scale(self, sx: float, sy: float, pos: QPointF | None = None) -> None:
        """Zoom, within bounds."""
        wanted = min(ZOOM_HIGH, max(ZOOM_LOW, self.zoom * sx))
        super().scale(wanted / self.zoom, wanted / self.zoom, pos)
        self._soften()

    @guarded
    def wheelEvent(self, event: QWheelEvent) -> None:
        """The wheel zooms; a trackpad's two fingers pan, with Ctrl they zoom."""
        fingers = event.pixelDelta()
        if not fingers.isNull() and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._set_viewer_pan(-fingers.x() / self.zoom, -fingers.y() / self.zoom)
            self._soften()
        else:
            delta = event.angleDelta().y() or event.angleDelta().x()
            self.scale(1.0015**delta, 1.0, self.mapToScene(event.position().toPoint()))
        event.accept()

    def show_rect(self, rect: QRectF, most: float = 1.25) -> None:
        """Bring a part of the scene into view."""
        if rect.isEmpty():
            rect = QRectF(-400, -300, 800, 600)
        rect = rect.adjusted(-60, -60, 60, 60)
        size = self.viewport().size()
        zoom = min(most, size.width() / rect.width(), size.height() / rect.height())
        zoom = min(ZOOM_HIGH, max(ZOOM_LOW, zoom))
        width, height = size.width() / zoom, size.height() / zoom
        self._scene_range = QRectF(rect.center().x() - width / 2, rect.center().y() - height / 2, width, height)
        self._update_scene()

    def visible(self) -> QRectF:
        """The part of the scene that is seen."""
        return QRectF(self._scene_range)

    def _soften(self) -> None:
        """While the view moves, wires are drawn without smoothing."""
        self.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        self._sharp.start()

    def _sharpen(self) -> None:
        self.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        self.viewport().update()

    # The background

    @guarded
    def drawBackground(self, painter: QPainter, rect: QRectF) -> None:
        """Dots that thin out as the view zooms out: one row is painted, and copied for each other row."""
        painter.fillRect(rect, theme.color(theme.CANVAS))
        step, zoom = GRID, self.zoom
        while step * zoom < 16:
            step *= 2
        corner = self.mapToScene(0, 0)
        left, top = (-corner.x() % step) * zoom, (-corner.y() % step) * zoom
        row = self._dots(round(left, 2), step * zoom)
        painter.save()
        painter.resetTransform()
        while top < self.viewport().height() + DOT:
            painter.drawPixmap(QPointF(0, top - DOT), row)
            top += step * zoom
        painter.restore()

    def _dots(self, left: float, pitch: float) -> QPixmap:
        """A row of dots as wide as the view, the first one at `left`."""
        width, ratio = self.viewport().width(), self.devicePixelRatioF()
        key = (left, pitch, width, ratio)
        if self._row is None or self._row[0] != key:
            row = QPixmap(round(width * ratio), round(2 * DOT * ratio))
            row.setDevicePixelRatio(ratio)
            row.fill(Qt.GlobalColor.transparent)
            painter = QPainter(row)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            pen = QPen(theme.color(theme.DOT), 1.8)
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            painter.setPen(pen)
            painter.drawPoints([QPointF(left + place * pitch, DOT) for place in range(int(width / pitch) + 1)])
            painter.end()
            self._row = (key, row)
        return self._row[1]

    # Input

    def _modifiers(self, event: Any) -> None:
        """NodeGraphQt remembers keys; what is held now counts."""
        held = event.modifiers()
        self.ALT_state = bool(held & Qt.KeyboardModifier.AltModifier)
        self.CTRL_state = bool(held & Qt.KeyboardModifier.ControlModifier)
        self.SHIFT_state = bool(held & Qt.KeyboardModifier.ShiftModifier)

    @guarded
    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._modifiers(event)
        super().mousePressEvent(event)

    @guarded
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._modifiers(event)
        self.LMB_state = bool(event.buttons() & Qt.MouseButton.LeftButton)
        self.MMB_state = bool(event.buttons() & Qt.MouseButton.MiddleButton)
        if self.MMB_state:
            self._soften()
        super().mouseMoveEvent(event)

    @guarded
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._modifiers(event)
        super().mouseReleaseEvent(event)

    def sceneMousePressEvent(self, event: Any) -> None:
        """Wires are dragged by gestures of our own."""

    def sceneMouseMoveEvent(self, event: Any) -> None:
        """As above."""

    def sceneMouseReleaseEvent(self, event: Any) -> None:
        """As above."""

    @guarded
    def keyPressEvent(self, event: Any) -> None:
        """Keys are the window's; NodeGraphQt would paint hints at the cursor."""
        self._modifiers(event)
        QGraphicsView.keyPressEvent(self, event)

    @guarded
    def keyReleaseEvent(self, event: Any) -> None:
        self._modifiers(event)
        QGraphicsView.keyReleaseEvent(self, event)

    def focusInEvent(self, event: Any) -> None:
        QGraphicsView.focusInEvent(self, event)

    @guarded
    def focusOutEvent(self, event: Any) -> None:
        QGraphicsView.focusOutEvent(self, event)

    @guarded
    def contextMenuEvent(self, event: Any) -> None:
        """Menus are the canvas's."""
        event.accept()

    def event(self, event: QEvent) -> bool:
        """A pinch on a trackpad zooms."""
        if event.type() == QEvent.Type.NativeGesture and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:  # type: ignore[attr-defined]
            self.scale(1 + event.value(), 1.0, self.mapToScene(event.position().toPoint()))  # type: ignore[attr-defined]
            return True
        return bool(super().event(event))
