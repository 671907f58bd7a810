"""The timeline of a run, painted: a row a node, weights in another shade, what came from the cache as a dot."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QPointF, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QHelpEvent, QMouseEvent, QPainter
from PySide6.QtWidgets import QScrollArea, QToolTip, QWidget

from . import theme
from .guard import guarded
from .timeline import Span, Timeline, spent

ROW = 24
HEAD = 26
NAMES = 150
TICKS = 6
EACH_MS = 150
"""Between two paints while a run goes on."""


class TimelineView(QScrollArea):
    """Shows the timeline of the graph in front; `wanted` carries a node to go to."""

    wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.rows = _Rows(self)
        self.setWidget(self.rows)
        self.setAccessibleName("Timeline")
        self._timer = QTimer(self, interval=EACH_MS)
        self._timer.timeout.connect(self.refresh)

    def show_run(self, timeline: Timeline | None, colors: dict[str, str]) -> None:
        """Show a run.

        Args:
            timeline: The run; None = nothing was run.
            colors: The category of each node.
        """
        self.rows.timeline, self.rows.colors = timeline, colors
        self.refresh()
        if timeline is not None and timeline.seconds is None and timeline.spans:
            self._timer.start()

    def refresh(self) -> None:
        """It may have gone on."""
        timeline = self.rows.timeline
        if timeline is None or timeline.seconds is not None:
            self._timer.stop()
        self.rows.setMinimumHeight(HEAD + ROW * len(timeline.spans if timeline else ()) + 8)
        self.rows.update()


class _Rows(QWidget):
    def __init__(self, owner: TimelineView) -> None:
        super().__init__()
        self.owner = owner
        self.timeline: Timeline | None = None
        self.colors: dict[str, str] = {}
        self.setMouseTracking(True)

    @property
    def _spans(self) -> list[Span]:
        return sorted(self.timeline.spans.values(), key=lambda span: span.begin) if self.timeline else []

    @guarded
    def paintEvent(self, event: Any) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme.text_font(0.9))
        spans = self._spans
        if not spans or self.timeline is None:
            painter.setPen(theme.color(theme.FAINT))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "Nothing has run yet")
            return
        self._paint_axis(painter, self.timeline.length)
        for place, span in enumerate(spans):
            self._paint_row(painter, span, HEAD + place * ROW, self.timeline.length)

    @property
    def _wide(self) -> float:
        return max(60.0, self.width() - NAMES - 230.0)

    def _paint_axis(self, painter: QPainter, length: float) -> None:
        painter.setPen(theme.color(theme.DIM))
        painter.drawText(QRectF(12, 0, NAMES, HEAD), Qt.AlignmentFlag.AlignVCenter, f"whole run {spent(length)}")
        for tick in range(TICKS + 1):
            x = NAMES + self._wide * tick / TICKS
            painter.setPen(theme.color(theme.LINE))
            painter.drawLine(QPointF(x, HEAD - 4), QPointF(x, self.height()))
            painter.setPen(theme.color(theme.FAINT))
            place = QRectF(x - 40, 0, 80, HEAD - 4)
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter, spent(length * tick / TICKS) if tick else "0")

    def _paint_row(self, painter: QPainter, span: Span, top: int, length: float) -> None:
        scale = self._wide / max(length, 1e-6)
        middle = top + ROW / 2
        align = Qt.AlignmentFlag.AlignVCenter
        painter.setPen(theme.color(theme.TEXT))
        name = painter.fontMetrics().elidedText(span.node, Qt.TextElideMode.ElideRight, NAMES - 24)
        painter.drawText(QRectF(12, top, NAMES - 24, ROW), align, name)
        color = theme.color(theme.BAD) if span.failed else theme.category_color(self.colors.get(span.node, ""))
        left = NAMES + span.begin * scale
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        if span.cached:
            painter.drawEllipse(QPointF(left, middle), 3.5, 3.5)
            right = left + 4
        else:
            wide = max(2.0, ((span.end if span.end is not None else length) - span.begin) * scale)
            painter.drawRoundedRect(QRectF(left, top + 5, wide, ROW - 10), 3, 3)
            if span.loading:
                painter.setBrush(theme.color(theme.WAIT))
                painter.drawRoundedRect(QRectF(left, top + 5, min(wide, span.loading * scale), ROW - 10), 3, 3)
            right = left + wide
        painter.setPen(theme.color(theme.DIM))
        painter.drawText(QRectF(right + 8, top, max(0.0, self.width() - right - 8), ROW), align, span.words)

    def _span_at(self, y: float) -> Span | None:
        place = int((y - HEAD) // ROW)
        return self._spans[place] if 0 <= place < len(self._spans) else None

    @guarded
    def mousePressEvent(self, event: QMouseEvent) -> None:
        if span := self._span_at(event.position().y()):
            self.owner.wanted.emit(span.node)

    def event(self, event: Any) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == event.Type.ToolTip:
            span = self._span_at(event.pos().y())
            QToolTip.showText(event.globalPos(), f"{span.node}: {span.words}" if span else "", self)
            return True
        return bool(super().event(event))
