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
    QScrollArea,
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

CARD = QSize(204, 160)
SKETCH = QSize(184, 112)
PATH = Qt.ItemDataRole.UserRole


FIRST = ("text-to-image", "image-to-image", "inpaint", "variations", "unconditional", "guidance")
COLUMNS = 4


def templates() -> dict[str, list[Path]]:
    """The graphs that come with nodeflow by folder, those that people begin with first."""
    found: dict[str, list[Path]] = {}
    root = content.folder("graphs")
    for file in sorted(root.rglob("*.json")):
        group = file.relative_to(root).parent.as_posix()
        found.setdefault("" if group == "." else group, []).append(file)
    rank = {name: place for place, name in enumerate(FIRST)}
    return {group: sorted(files, key=lambda file: rank.get(file.stem, 99)) for group, files in sorted(found.items())}


class Welcome(QWidget):
    """Templates and recent files; `template_wanted` and `file_wanted` carry a path, `empty_wanted` nothing."""

    template_wanted = Signal(str)
    file_wanted = Signal(str)
    empty_wanted = Signal()
    open_wanted = Signal()

    def __init__(self, recent: list[str]) -> None:
        super().__init__()
        page = QWidget()
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setObjectName("welcome")
        area.setWidget(page)
        around = QVBoxLayout(self)
        around.setContentsMargins(0, 0, 0, 0)
        around.addWidget(area)
        outer = QHBoxLayout(page)
        outer.addStretch(1)
        column = QVBoxLayout()
        outer.addLayout(column)
        outer.addStretch(1)
        column.setSpacing(12)
        column.addSpacing(36)
        self._head(column)
        self._recent(column, [path for path in recent if Path(path).is_file()])
        for group, files in templates().items():
            column.addSpacing(8)
            column.addWidget(_dim(group.capitalize() or "Templates"))
            grid = QGridLayout()
            grid.setSpacing(12)
            for place, file in enumerate(files):
                grid.addWidget(self._card(file), place // COLUMNS, place % COLUMNS, Qt.AlignmentFlag.AlignLeft)
            column.addLayout(grid)
        column.addStretch(1)

    def _head(self, column: QVBoxLayout) -> None:
        title = QLabel("nodeflow")
        title.setObjectName("title")
        column.addWidget(title)
        column.addWidget(_dim("Diffusion as a graph. Start from a template, or from nothing."))
        buttons = QHBoxLayout()
        for text, signal in (("Empty graph", self.empty_wanted), ("Open…", self.open_wanted)):
            button = QPushButton(text)
            button.clicked.connect(signal)
            buttons.addWidget(button)
        buttons.addStretch(1)
        column.addLayout(buttons)

    def _card(self, file: Path) -> QToolButton:
        card = QToolButton()
        card.setObjectName("card")
        card.setFixedSize(CARD)
        card.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        card.setText(file.stem.replace("-", " ").capitalize())
        card.setIconSize(SKETCH)
        card.setIcon(_sketch(file, card.devicePixelRatioF()))
        card.clicked.connect(lambda: self.template_wanted.emit(str(file)))
        return card

    def _recent(self, column: QVBoxLayout, recent: list[str]) -> None:
        if not recent:
            return
        column.addSpacing(8)
        column.addWidget(_dim("Recent"))
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


def _dim(text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("dim")
    return label


def _sketch(file: Path, ratio: float) -> QIcon:
    """A picture of the graph: its nodes as coloured boxes, its wires as lines."""
    try:
        graph = load(file)
    except NodeflowError:
        graph = Graph()
    pixels = QPixmap(SKETCH * max(1.0, ratio))
    pixels.setDevicePixelRatio(max(1.0, ratio))
    pixels.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixels)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.color(theme.CANVAS))
    painter.drawRoundedRect(QRectF(0, 0, SKETCH.width(), SKETCH.height()), 7, 7)
    boxes = {name: QRectF(*spot(graph.view.get(name)), WIDTH, 150.0) for name in graph.nodes}
    whole = QRectF()
    for box in boxes.values():
        whole = whole.united(box)
    if not whole.isEmpty():
        scale = min(158 / whole.width(), 88 / whole.height())
        painter.translate(SKETCH.width() / 2, SKETCH.height() / 2)
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
