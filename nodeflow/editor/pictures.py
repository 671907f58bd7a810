"""A window for pictures: zoom at the cursor, drag, the value of a pixel, all of a batch, a comparison by a wipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QGuiApplication, QImage, QKeyEvent, QMouseEvent, QPainter, QPen, QWheelEvent
from PySide6.QtWidgets import QFileDialog, QLabel, QToolBar, QVBoxLayout, QWidget

from ..atomic import atomic_write
from ..errors import NodeflowError
from ..worker.messages import Picture
from . import theme
from .guard import guarded


class PictureView(QWidget):
    """The pictures of a node.

    Args:
        title: What the window is called.
        pictures: What to show, the first one first.
        before: The picture to compare with.
    """

    def __init__(self, title: str, pictures: tuple[Picture, ...], before: Picture | None = None) -> None:
        super().__init__()
        self.setWindowTitle(title)
        self.setWindowFlag(Qt.WindowType.Window)
        self.resize(900, 760)
        self.pictures = pictures
        self.place = 0
        self.pane = _Pane(self)
        self.before = QImage.fromData(before.data) if before else None
        bar = QToolBar()
        bar.addAction("◀", lambda: self.show_picture(self.place - 1)).setToolTip("The picture before (Left)")
        bar.addAction("▶", lambda: self.show_picture(self.place + 1)).setToolTip("The next picture (Right)")
        bar.addAction("Fit", self.pane.fit)
        bar.addAction("1:1", lambda: self.pane.zoom_to(1.0))
        compare = bar.addAction("Compare with the last run")
        compare.setCheckable(True)
        compare.setEnabled(self.before is not None)
        compare.toggled.connect(self.pane.compare)
        bar.addAction("Copy", self.copy)
        bar.addAction("Save as…", self.save)
        self.words = QLabel()
        self.words.setObjectName("dim")
        self.words.setContentsMargins(12, 6, 12, 6)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(bar)
        layout.addWidget(self.pane, 1)
        layout.addWidget(self.words)
        self.show_picture(0)

    def show_picture(self, place: int) -> None:
        """Show one of the batch."""
        self.place = place % len(self.pictures)
        self.pane.image = QImage.fromData(self.pictures[self.place].data)
        self.pane.update()
        self.say()

    def say(self, more: str = "") -> None:
        """What is shown, and the pixel under the mouse."""
        image = self.pane.image
        which = f"{self.place + 1} of {len(self.pictures)}   " if len(self.pictures) > 1 else ""
        self.words.setText(f"{which}{image.width()} × {image.height()}   {self.pane.scale * 100:.0f} %   {more}")

    def copy(self) -> None:
        QGuiApplication.clipboard().setImage(self.pane.image)

    def save(self) -> None:
        """Write the file as the worker made it, with its graph inside."""
        picture = self.pictures[self.place]
        dialog = QFileDialog(self, "Save picture", f"picture.{picture.format.lower()}")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda path: self._write(path, picture))
        dialog.open()

    def _write(self, path: str, picture: Picture) -> None:
        try:
            atomic_write(path, picture.data)
            self.words.setText(f"Saved {Path(path).name}")
        except NodeflowError as error:
            self.words.setText(error.faults[0].line)

    @guarded
    def keyPressEvent(self, event: QKeyEvent) -> None:
        match event.key():
            case Qt.Key.Key_Left:
                self.show_picture(self.place - 1)
            case Qt.Key.Key_Right:
                self.show_picture(self.place + 1)
            case Qt.Key.Key_Escape:
                self.close()
            case _:
                super().keyPressEvent(event)


class _Pane(QWidget):
    """The picture itself."""

    def __init__(self, owner: PictureView) -> None:
        super().__init__()
        self.owner = owner
        self.image = QImage()
        self.offset = QPointF()
        self.scale = 0.0
        self.wipe: float | None = None
        self._grip: QPointF | None = None
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def fit(self) -> None:
        """All of the picture, as large as it goes; small ones in whole multiples."""
        if self.image.isNull():
            return
        scale = min(self.width() / self.image.width(), self.height() / self.image.height()) * 0.96
        self.zoom_to(float(int(scale)) if scale > 1 else scale)

    def zoom_to(self, scale: float) -> None:
        self.scale = scale
        size = self.image.size().toSizeF() * scale
        self.offset = QPointF((self.width() - size.width()) / 2, (self.height() - size.height()) / 2)
        self.owner.say()
        self.update()

    def compare(self, on: bool) -> None:
        self.wipe = 0.5 if on else None
        self.update()

    @guarded
    def resizeEvent(self, event: Any) -> None:
        self.fit()

    @guarded
    def paintEvent(self, event: Any) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.color(theme.SUNK))
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self.scale < 2)
        size = self.image.size().toSizeF() * self.scale
        rect = QRectF(self.offset, size)
        painter.drawImage(rect, self.image)
        if self.wipe is not None and self.owner.before is not None:
            line = rect.left() + rect.width() * self.wipe
            painter.setClipRect(QRectF(rect.left(), rect.top(), line - rect.left(), rect.height()))
            painter.drawImage(rect, self.owner.before)
            painter.setClipping(False)
            painter.setPen(QPen(theme.color(theme.ACCENT), 2))
            painter.drawLine(QPointF(line, rect.top()), QPointF(line, rect.bottom()))

    @guarded
    def wheelEvent(self, event: QWheelEvent) -> None:
        factor = 1.0015 ** event.angleDelta().y()
        scale = min(64.0, max(0.02, self.scale * factor))
        at = event.position()
        self.offset = at - (at - self.offset) * (scale / self.scale)
        self.scale = scale
        self.owner.say()
        self.update()

    @guarded
    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._grip = event.position()

    @guarded
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._grip = None

    @guarded
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = event.position()
        if self._grip is not None and self.wipe is None:
            self.offset += at - self._grip
            self._grip = at
            self.update()
        elif self.wipe is not None:
            wide = self.image.width() * self.scale
            self.wipe = min(1.0, max(0.0, (at.x() - self.offset.x()) / max(1.0, wide)))
            self.update()
        place = (at - self.offset) / max(self.scale, 1e-6)
        x, y = int(place.x()), int(place.y())
        if place.x() >= 0 and place.y() >= 0 and x < self.image.width() and y < self.image.height():
            color = self.image.pixelColor(x, y)
            self.owner.say(f"({x}, {y})   {color.red()} {color.green()} {color.blue()}   {color.name()}")
