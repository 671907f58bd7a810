"""What the viewer looks through: a picture under the mouse, or a sound over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QImage, QMouseEvent, QPainter, QPen, QWheelEvent
from PySide6.QtWidgets import QWidget

from . import theme
from .guard import guarded
from .waves import length, paint_wave

if TYPE_CHECKING:
    from ..worker.messages import Sound
    from .playing import Player

ZOOM_LOW, ZOOM_HIGH = 0.02, 64.0
GRID_FROM = 12.0
"""Zoom from which the edges of pixels are drawn."""


class PicturePane(QWidget):
    """A picture: the wheel zooms at the mouse, a drag moves, the wipe uncovers another picture under it."""

    said = Signal(str)
    """The pixel under the mouse."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.other = QImage(), QImage()
        self.offset = QPointF()
        self.scale = 0.0
        self.wipe: float | None = None
        self._fitted = True
        self._grip: QPointF | None = None
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Picture")

    def show_image(self, image: QImage) -> None:
        """Show another picture, in the same place where it has the same size."""
        same = image.size() == self.image.size()
        self.image = image
        if not same or self._fitted:
            self.fit()
        self.update()

    def fit(self) -> None:
        """All of the picture, as large as it goes; small ones in whole multiples."""
        self._fitted = True
        if self.image.isNull():
            return
        scale = min(self.width() / self.image.width(), self.height() / self.image.height()) * 0.96
        self._center(float(int(scale)) if scale > 1 else scale)

    def zoom_to(self, scale: float) -> None:
        """So many pixels of the screen a pixel, the middle in the middle."""
        self._fitted = False
        self._center(scale)

    def zoom_by(self, factor: float, at: QPointF | None = None) -> None:
        """Zoom, keeping a point where it is."""
        at = at or QPointF(self.rect().center())
        scale = min(ZOOM_HIGH, max(ZOOM_LOW, self.scale * factor))
        self.offset = at - (at - self.offset) * (scale / max(self.scale, 1e-6))
        self.scale, self._fitted = scale, False
        self.said.emit("")
        self.update()

    def compare(self, other: QImage | None) -> None:
        """Put a picture under the wipe; None takes the wipe away."""
        self.other = other or QImage()
        self.wipe = None if other is None else 0.5 if self.wipe is None else self.wipe
        self.update()

    def _center(self, scale: float) -> None:
        self.scale = scale
        size = self.image.size().toSizeF() * scale
        self.offset = QPointF((self.width() - size.width()) / 2, (self.height() - size.height()) / 2)
        self.said.emit("")
        self.update()

    @property
    def _rect(self) -> QRectF:
        return QRectF(self.offset, self.image.size().toSizeF() * self.scale)

    @guarded
    def resizeEvent(self, event: Any) -> None:
        if self._fitted:
            self.fit()

    @guarded
    def paintEvent(self, event: Any) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.color(theme.GAP))
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self.scale < 2)
        painter.drawImage(self._rect, self.image)
        if self.wipe is not None and not self.other.isNull():
            self._paint_wipe(painter, self._rect, self.wipe)
        if self.scale >= GRID_FROM:
            self._paint_grid(painter, self._rect)

    def _paint_wipe(self, painter: QPainter, rect: QRectF, wipe: float) -> None:
        """The other picture on the left of the line, this one on its right."""
        line = rect.left() + rect.width() * wipe
        painter.save()
        painter.setClipRect(QRectF(rect.left(), rect.top(), line - rect.left(), rect.height()))
        painter.fillRect(rect, theme.color(theme.GAP))
        painter.drawImage(rect, self.other)
        painter.restore()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.color(theme.ACCENT), 2))
        painter.drawLine(QPointF(line, rect.top()), QPointF(line, rect.bottom()))
        painter.setBrush(theme.color(theme.ACCENT))
        painter.drawEllipse(QPointF(line, rect.center().y()), 6, 6)
        for letter, x in (("A", line - 30), ("B", line + 8)):
            chip = QRectF(x, rect.top() + 8, 22, 20)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color(theme.SHADOW, 0.6))
            painter.drawRoundedRect(chip, 5, 5)
            painter.setPen(theme.color(theme.ON_HEADER))
            painter.setFont(theme.font(12, strong=True))
            painter.drawText(chip, Qt.AlignmentFlag.AlignCenter, letter)

    def _paint_grid(self, painter: QPainter, rect: QRectF) -> None:
        seen = rect.intersected(QRectF(self.rect()))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(theme.color(theme.FAINT, 0.35))
        for way, low, high in ((0, seen.left(), seen.right()), (1, seen.top(), seen.bottom())):
            begin = rect.left() if way == 0 else rect.top()
            at = begin + int((low - begin) / self.scale) * self.scale
            while at <= high:
                ends = (QPointF(at, seen.top()), QPointF(at, seen.bottom()))
                painter.drawLine(*(ends if way == 0 else (QPointF(seen.left(), at), QPointF(seen.right(), at))))
                at += self.scale

    @guarded
    def wheelEvent(self, event: QWheelEvent) -> None:
        self.zoom_by(1.0015 ** event.angleDelta().y(), event.position())

    @guarded
    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._grip = event.position()
        self.mouseMoveEvent(event)

    @guarded
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._grip = None

    @guarded
    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.zoom_to(1.0) if self._fitted else self.fit()

    @guarded
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = event.position()
        if self._grip is not None and self.wipe is not None:
            self.wipe = min(1.0, max(0.0, (at.x() - self.offset.x()) / max(1.0, self._rect.width())))
            self.update()
        elif self._grip is not None:
            self.offset += at - self._grip
            self._grip, self._fitted = at, False
            self.update()
        self.said.emit(self._pixel(at))

    def _pixel(self, at: QPointF) -> str:
        place = (at - self.offset) / max(self.scale, 1e-6)
        x, y = int(place.x()), int(place.y())
        if place.x() < 0 or place.y() < 0 or x >= self.image.width() or y >= self.image.height():
            return ""
        color = self.image.pixelColor(x, y)
        other = ""
        if self.wipe is not None and self.other.valid(x, y):
            b = self.other.pixelColor(x, y)
            away = [c - o for c, o in zip(color.getRgb()[:3], b.getRgb()[:3], strict=True)]
            other = f"   B − A  {away[0]:+d} {away[1]:+d} {away[2]:+d}"
        return f"({x}, {y})   {color.red()} {color.green()} {color.blue()}   {color.name()}{other}"


class SoundPane(QWidget):
    """A sound: its waveform above, its spectrum below, one axis of time; a press plays from there.

    Args:
        player: What plays.
    """

    said = Signal(str)

    def __init__(self, player: Player) -> None:
        super().__init__()
        self.player = player
        self.sound: Sound | None = None
        self._spectrum = QImage()
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Sound")
        player.moved.connect(self.update)

    def show_sound(self, sound: Sound) -> None:
        self.sound = sound
        self._spectrum = QImage.fromData(sound.spectrum.data)
        self.update()

    @property
    def _areas(self) -> tuple[QRectF, QRectF]:
        whole = QRectF(self.rect()).adjusted(18, 16, -18, -34)
        wave = QRectF(whole.left(), whole.top(), whole.width(), whole.height() * 0.42)
        return wave, QRectF(whole.left(), wave.bottom() + 12, whole.width(), whole.bottom() - wave.bottom() - 12)

    @guarded
    def paintEvent(self, event: Any) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.color(theme.GAP))
        if self.sound is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        wave, spectrum = self._areas
        share = self.player.share_of(self.sound)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color(theme.FIELD))
        painter.drawRoundedRect(wave, 8, 8)
        painter.setPen(theme.color(theme.LINE))
        painter.drawLine(QPointF(wave.left(), wave.center().y()), QPointF(wave.right(), wave.center().y()))
        paint_wave(painter, wave.adjusted(0, 8, 0, -8), self.sound.outline, share)
        painter.drawImage(spectrum, self._spectrum)
        if share:
            x = spectrum.left() + spectrum.width() * share
            painter.fillRect(QRectF(x - 0.75, spectrum.top(), 1.5, spectrum.height()), theme.color(theme.ON_HEADER))
        self._paint_axis(painter, spectrum, self.sound)

    def _paint_axis(self, painter: QPainter, rect: QRectF, sound: Sound) -> None:
        painter.setPen(theme.color(theme.DIM))
        painter.setFont(theme.font(11))
        for tick in range(9):
            x = rect.left() + rect.width() * tick / 8
            painter.drawLine(QPointF(x, rect.bottom() + 2), QPointF(x, rect.bottom() + 6))
            place = QRectF(min(max(x - 40, rect.left()), rect.right() - 80), rect.bottom() + 8, 80, 16)
            side = Qt.AlignmentFlag.AlignLeft if tick == 0 else Qt.AlignmentFlag.AlignRight if tick == 8 else None
            painter.drawText(place, side or Qt.AlignmentFlag.AlignHCenter, length(sound.seconds * tick / 8))
        painter.setPen(theme.color(theme.ON_HEADER, 0.85))
        painter.drawText(rect.adjusted(6, 4, -6, -4), Qt.AlignmentFlag.AlignTop, f"{sound.rate / 2000:g} kHz")

    @guarded
    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self.sound is not None:
            self.player.play(self.sound, self._share(event.position()))

    @guarded
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self.sound is not None:
            share = self._share(event.position())
            column = int(share * (len(self.sound.outline) // 2 - 1))
            low, high = memoryview(self.sound.outline).cast("b")[2 * column : 2 * column + 2]
            self.said.emit(f"{length(share * self.sound.seconds)}   {low / 127:+.2f} … {high / 127:+.2f}")

    def _share(self, at: QPointF) -> float:
        wave, _ = self._areas
        return min(1.0, max(0.0, (at.x() - wave.left()) / max(1.0, wave.width())))
