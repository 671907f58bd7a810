"""The first page: recent files, and templates with a picture of what they make. Arrows go from card to card."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QIcon, QKeyEvent, QPainter, QPainterPath, QPen, QPixmap
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from .. import content
from ..errors import NodeflowError
from ..graph import Graph
from ..opening import open_graph
from . import icons, theme
from .clipping import spot
from .faces import HEADER, WIDTH
from .guard import guarded
from .made import PICTURES
from .shelf import ago

CARD = QSize(212, 168)
SKETCH = QSize(192, 114)
PICTURE = 98
"""Points of the picture of what a template makes."""
FIRST = ("text-to-image", "image-to-image", "inpaint", "variations", "text-to-sound", "unconditional", "guidance")
COLUMNS = 4
SPELLED = {"ays timesteps": "AYS timesteps", "lora": "LoRA", "dreambooth": "DreamBooth"}

DRAWN = {"class-to-image": "label", "edit": "pencil", "instruct": "pencil", "super-resolution": "enlarge",
         "text-to-image-upscaled": "enlarge"}  # fmt: skip
"""Icons for templates of models that do not come with nodeflow: what they would make cannot be shown."""
NEEDS = "needs its model"


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

    def __init__(self) -> None:
        super().__init__()
        self.cards: list[QToolButton] = []
        self._recent: list[tuple[str, float]] = []
        self.area = QScrollArea()
        self.area.setWidgetResizable(True)
        self.area.setObjectName("welcome")
        self.area.setAccessibleName("Templates and recent files")
        around = QVBoxLayout(self)
        around.setContentsMargins(0, 0, 0, 0)
        around.addWidget(self.area)

    def show_recent(self, recent: list[tuple[str, float]]) -> None:
        """Show the page.

        Args:
            recent: Files and when they were opened, in seconds since 1970.
        """
        self._recent = [(path, at) for path, at in recent if Path(path).is_file()]
        self.retint()

    def retint(self) -> None:
        """Make the page again."""
        page = QWidget()
        self.cards = []
        outer = QHBoxLayout(page)
        outer.addStretch(1)
        column = QVBoxLayout()
        outer.addLayout(column)
        outer.addStretch(1)
        column.setSpacing(12)
        column.addSpacing(30)
        self._head(column)
        if self._recent:
            cards = [self._recent_card(path, at) for path, at in self._recent[:COLUMNS]]
            self._group(column, "Recent", cards)
        for group, files in templates().items():
            self._group(column, group.capitalize() or "Templates", [self._template_card(file) for file in files])
        column.addSpacing(24)
        column.addStretch(1)
        self.area.setWidget(page)
        if self.isVisible():
            self.cards[0].setFocus()

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

    def _group(self, column: QVBoxLayout, title: str, cards: list[QToolButton]) -> None:
        column.addSpacing(8)
        column.addWidget(_dim(title))
        grid = QGridLayout()
        grid.setSpacing(12)
        grid.setColumnStretch(COLUMNS, 1)
        for place, card in enumerate(cards):
            grid.addWidget(card, place // COLUMNS, place % COLUMNS, Qt.AlignmentFlag.AlignLeft)
        column.addLayout(grid)
        self.cards += cards

    def _template_card(self, file: Path) -> QToolButton:
        words = file.stem.replace("-", " ")
        card = self._card(SPELLED.get(words, words.capitalize()), file, made_by(file))
        card.clicked.connect(lambda: self.template_wanted.emit(str(file)))
        return card

    def _recent_card(self, path: str, at: float) -> QToolButton:
        file = Path(path)
        picture = file if file.suffix.lower() in PICTURES else _latest(file)
        card = self._card(f"{file.stem}   {ago(at)}" if at else file.stem, file, picture)
        card.setToolTip(path)
        card.clicked.connect(lambda: self.file_wanted.emit(path))
        return card

    def _card(self, text: str, file: Path, picture: Path | None) -> QToolButton:
        card = QToolButton()
        card.setObjectName("card")
        card.setFixedSize(CARD)
        card.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        card.setText(text)
        card.setAccessibleName(text)
        card.setIconSize(SKETCH)
        card.setIcon(_sketch(file, picture, self.devicePixelRatioF()))
        return card

    @guarded
    def showEvent(self, event: Any) -> None:
        if self.cards:
            self.cards[0].setFocus()

    @guarded
    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows go to the next card that way, Enter opens it."""
        focused = self.focusWidget()
        here = next((card for card in self.cards if card is focused), None)
        ways = {Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1)}
        if here is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            here.click()
        elif here is not None and event.key() in ways:
            if there := self._next(here, *ways[Qt.Key(event.key())]):
                there.setFocus()
                self.area.ensureWidgetVisible(there)
        else:
            super().keyPressEvent(event)

    def _next(self, here: QToolButton, x: int, y: int) -> QToolButton | None:
        """The nearest card that way, those straight ahead before others."""
        found = []
        for card in self.cards:
            way = card.pos() - here.pos()
            ahead, aside = (way.x() * x, abs(way.y())) if x else (way.y() * y, abs(way.x()))
            if ahead > 0 and (y or aside == 0):
                found.append((ahead + aside, card))
        return min(found, key=lambda each: each[0])[1] if found else None


def made_by(file: Path) -> Path | None:
    """The picture of what a template makes; None without one."""
    picture = content.folder("assets") / "templates" / f"{file.stem}.png"
    return picture if picture.is_file() and file.parent == content.folder("graphs") else None


def drawn_for(file: Path) -> tuple[str, str] | None:
    """The icon, and the words below it, of a template that has no picture."""
    root = content.folder("graphs")
    if file.parent == root / "training":
        return "curve", "trains"
    usual = "sound" if "sound" in file.stem else "picture"
    return (DRAWN.get(file.stem, usual), NEEDS) if file.parent == root else None


def _latest(file: Path) -> Path | None:
    """The newest picture that was kept of a graph's runs."""
    kept = [
        *content.user_folder("outputs").glob(f"*/{file.stem}-*.png"),
        *(file.parent / "out").glob(f"{file.stem}-*.png"),
    ]
    return max(kept, key=lambda each: each.stat().st_mtime, default=None)


def _dim(text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("dim")
    return label


def _sketch(file: Path, picture: Path | None, ratio: float) -> QIcon:
    """The graph as coloured boxes and lines; at its right what it makes."""
    pixels = QPixmap(SKETCH * max(1.0, ratio))
    pixels.setDevicePixelRatio(max(1.0, ratio))
    pixels.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixels)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.color(theme.CANVAS))
    whole = QRectF(0, 0, SKETCH.width(), SKETCH.height())
    painter.drawRoundedRect(whole, 7, 7)
    room = whole.adjusted(12, 12, -12, -12)
    if picture is not None:
        place = QRectF(whole.right() - PICTURE - 8, (whole.height() - PICTURE) / 2, PICTURE, PICTURE)
        _paint_picture(painter, place, QPixmap(str(picture)))
        room = QRectF(10, 14, place.left() - 20, whole.height() - 28)
    elif drawn := drawn_for(file):
        place = QRectF(whole.right() - PICTURE - 8, (whole.height() - PICTURE) / 2, PICTURE, PICTURE)
        _paint_drawn(painter, place, *drawn)
        room = QRectF(10, 14, place.left() - 20, whole.height() - 28)
    with contextlib.suppress(NodeflowError):
        _paint_graph(painter, room, open_graph(file))
    painter.end()
    return QIcon(pixels)


def _paint_picture(painter: QPainter, place: QRectF, pixels: QPixmap) -> None:
    path = QPainterPath()
    path.addRoundedRect(place, 6, 6)
    painter.save()
    painter.setClipPath(path)
    painter.fillRect(place, theme.color(theme.FIELD))
    side = min(pixels.width(), pixels.height())
    cut = QRectF((pixels.width() - side) / 2, (pixels.height() - side) / 2, side, side)
    painter.drawPixmap(place, pixels, cut)
    painter.restore()


def _paint_drawn(painter: QPainter, place: QRectF, name: str, words: str) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.color(theme.FIELD))
    painter.drawRoundedRect(place, 6, 6)
    side = 38.0
    icons.paint(painter, name, QRectF(place.center().x() - side / 2, place.top() + 18, side, side), theme.DIM, 1.2)
    painter.setPen(theme.color(theme.DIM))
    painter.setFont(theme.font(11))
    painter.drawText(place.adjusted(4, 0, -4, -12), Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom, words)
    painter.setPen(Qt.PenStyle.NoPen)


def _paint_graph(painter: QPainter, room: QRectF, graph: Graph) -> None:
    boxes = {name: QRectF(*spot(graph.view.get(name)), WIDTH, 150.0) for name in graph.nodes}
    whole = QRectF()
    for box in boxes.values():
        whole = whole.united(box)
    if whole.isEmpty():
        return
    scale = min(room.width() / whole.width(), room.height() / whole.height())
    painter.save()
    painter.translate(room.center())
    painter.scale(scale, scale)
    painter.translate(-whole.center())
    painter.setPen(QPen(theme.color(theme.FAINT), 1.2 / scale))
    for wire in graph.wires():
        if wire.source in boxes and wire.target in boxes:
            one, other = boxes[wire.source], boxes[wire.target]
            painter.drawLine(QPointF(one.right(), one.top() + 40), QPointF(other.left(), other.top() + 40))
    painter.setPen(Qt.PenStyle.NoPen)
    for name, box in boxes.items():
        painter.setBrush(theme.color(theme.BODY_EDGE))
        painter.drawRoundedRect(box, 14, 14)
        painter.setBrush(theme.category_color(graph.nodes[name].type.partition("/")[0]))
        painter.drawRoundedRect(QRectF(box.left(), box.top(), WIDTH, HEADER * 1.6), 14, 14)
    painter.restore()
