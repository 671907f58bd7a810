"""The first page: templates with a picture of what they are, and recent files."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QIcon, QPainter, QPen, QPixmap
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from .. import content
from ..errors import NodeflowError
from ..graph import Graph, load
from . import theme
from .clipping import spot
from .faces import HEADER, WIDTH

CARD = QSize(216, 176)
PATH = Qt.ItemDataRole.UserRole


def templates() -> list[Path]:
    """The graphs that come with nodeflow, text to image first."""
    files = sorted(content.folder("graphs").rglob("*.json"))
    return sorted(files, key=lambda file: (file.stem != "text-to-image", file.stem))


class Welcome(QWidget):
    """Templates and recent files; `template_wanted` and `file_wanted` carry a path, `empty_wanted` nothing."""

    template_wanted = Signal(str)
    file_wanted = Signal(str)
    empty_wanted = Signal()
    open_wanted = Signal()

    def __init__(self, recent: list[str]) -> None:
        super().__init__()
        outer = QHBoxLayout(self)
        outer.addStretch(1)
        column = QVBoxLayout()
        outer.addLayout(column)
        outer.addStretch(1)
        column.setSpacing(14)
        column.addStretch(1)
        title = QLabel("nodeflow")
        title.setStyleSheet(f"font-size: 34px; font-weight: 600; color: {theme.TEXT};")
        column.addWidget(title)
        subtitle = QLabel("Diffusion as a graph. Start from a template, or from nothing.")
        subtitle.setObjectName("dim")
        column.addWidget(subtitle)
        column.addSpacing(10)
        grid = QGridLayout()
        grid.setSpacing(14)
        for place, file in enumerate(templates()[:6]):
            grid.addWidget(self._card(file), place // 3, place % 3)
        column.addLayout(grid)
        buttons = QHBoxLayout()
        for text, signal in (("Empty graph", self.empty_wanted), ("Open…", self.open_wanted)):
            button = QPushButton(text)
            button.clicked.connect(signal)
            buttons.addWidget(button)
        buttons.addStretch(1)
        column.addLayout(buttons)
        self._recent(column, [path for path in recent if Path(path).is_file()])
        column.addStretch(2)

    def _card(self, file: Path) -> QToolButton:
        card = QToolButton()
        card.setObjectName("card")
        card.setFixedSize(CARD)
        card.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        card.setText(file.stem.replace("-", " ").capitalize())
        card.setIconSize(QSize(192, 124))
        card.setIcon(_sketch(file, card.devicePixelRatioF()))
        card.clicked.connect(lambda: self.template_wanted.emit(str(file)))
        return card

    def _recent(self, column: QVBoxLayout, recent: list[str]) -> None:
        if not recent:
            return
        head = QLabel("Recent")
        head.setObjectName("dim")
        column.addWidget(head)
        listed = QListWidget()
        listed.setAccessibleName("Recent files")
        listed.setStyleSheet("background: transparent;")
        listed.setFixedHeight(34 * min(5, len(recent)) + 4)
        for path in recent[:5]:
            item = QListWidgetItem(f"{Path(path).name}    {Path(path).parent}")
            item.setData(PATH, path)
            listed.addItem(item)
        listed.itemClicked.connect(lambda item: self.file_wanted.emit(item.data(PATH)))
        listed.itemActivated.connect(lambda item: self.file_wanted.emit(item.data(PATH)))
        column.addWidget(listed)


def _sketch(file: Path, ratio: float) -> QIcon:
    """A picture of the graph: its nodes as coloured boxes, its wires as lines."""
    try:
        graph = load(file)
    except NodeflowError:
        graph = Graph()
    pixels = QPixmap(QSize(192, 124) * max(1.0, ratio))
    pixels.setDevicePixelRatio(max(1.0, ratio))
    pixels.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixels)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.color(theme.CANVAS))
    painter.drawRoundedRect(QRectF(0, 0, 192, 124), 7, 7)
    boxes = {name: QRectF(*spot(graph.view.get(name)), WIDTH, 150.0) for name in graph.nodes}
    whole = QRectF()
    for box in boxes.values():
        whole = whole.united(box)
    if not whole.isEmpty():
        scale = min(168 / whole.width(), 100 / whole.height())
        painter.translate(96, 62)
        painter.scale(scale, scale)
        painter.translate(-whole.center())
        painter.setPen(QPen(theme.color(theme.FAINT), 1.2 / scale))
        for wire in graph.wires():
            if wire.source in boxes and wire.target in boxes:
                one, other = boxes[wire.source], boxes[wire.target]
                painter.drawLine(QPointF(one.right(), one.top() + 40), QPointF(other.left(), other.top() + 40))
        painter.setPen(Qt.PenStyle.NoPen)
        for name, box in boxes.items():
            painter.setBrush(theme.color(theme.RAISED))
            painter.drawRoundedRect(box, 14, 14)
            painter.setBrush(theme.category_color(graph.nodes[name].type.partition("/")[0]))
            painter.drawRoundedRect(QRectF(box.left(), box.top(), WIDTH, HEADER * 1.6), 14, 14)
    painter.end()
    return QIcon(pixels)
