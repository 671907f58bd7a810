"""Notes: free text on the canvas, lightly formatted (`# heading`, `**strong**`, `*slanted*`, `- item`, `` `code` ``).

A note is an entry of the graph's view, as a frame is:
`{"at": [x, y], "size": [w, h], "text": "…", "color": "#c9a53a"}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import (
    QAbstractTextDocumentLayout,
    QFont,
    QPainter,
    QPainterPath,
    QPalette,
    QPen,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
)

from .. import theme
from ..colours import COLOURS
from ..guard import guarded
from .frame import FlowFrame

if TYPE_CHECKING:
    from ...graph import Graph
    from .canvas import Canvas

MARK = ".note"
PAD = 12.0
COLOR = COLOURS["Yellow"]
SIZE = [260, 150]
Z_NOTE = -2.0
MOST = 20_000
"""Characters of a note that are shown."""


def notes_of(graph: Graph) -> dict[str, dict[str, Any]]:
    """The notes of a graph by name."""
    return {name: view for name, view in graph.view.items() if name.startswith(MARK) and isinstance(view, dict)}


def new_note(graph: Graph, at: tuple[float, float], text: str = "") -> tuple[str, dict[str, Any]]:
    """A free name for a note, and its view."""
    count = 1
    while f"{MARK} {count}" in graph.view:
        count += 1
    return f"{MARK} {count}", {"at": [round(at[0]), round(at[1])], "size": SIZE, "text": text, "color": COLOR}


class FlowNote(FlowFrame):
    """A note; it is dragged anywhere, its lower right corner changes its size."""

    moves_nodes = False

    def __init__(self, key: str, canvas: Canvas) -> None:
        super().__init__(key, canvas)
        self.color = COLOR
        self.text = ""
        self._page: QTextDocument | None = None
        self.setZValue(Z_NOTE)

    def show_view(self, view: dict[str, Any]) -> None:
        """Show another state of the note."""
        self.text = str(view.get("text", ""))[:MOST]
        self._page = None
        super().show_view({"color": COLOR, **view})
        self.setZValue(Z_NOTE)

    def retint(self) -> None:
        """Another look."""
        self._page = None

    def shape(self) -> QPainterPath:
        path = QPainterPath()
        path.addRect(self.rect())
        return path

    def sizes(self, place: Any) -> bool:
        return bool(place.x() > self.size[0] - 16 and place.y() > self.size[1] - 16)

    def _text(self) -> QTextDocument:
        """The text, laid out once for many paints."""
        wide = self.size[0] - 2 * PAD
        if self._page is None or self._page.textWidth() != wide:
            page = self._page = QTextDocument()
            page.setDefaultFont(theme.font(13))
            page.setDocumentMargin(0)
            features = QTextDocument.MarkdownFeature
            plain = features.MarkdownDialectGitHub | features.MarkdownNoHTML
            page.setMarkdown(self.text or "*Double-click to write*", plain)
            page.setTextWidth(wide)
            _soften(page)
        return self._page

    @guarded
    def paint(self, painter: QPainter, option: Any, widget: Any = None) -> None:
        rect = self.rect()
        painter.setPen(QPen(theme.color(theme.ACCENT if self.isSelected() else self.color, 0.9), 1.2))
        painter.setBrush(theme.color(theme.BODY))
        painter.drawRoundedRect(rect, 7, 7)
        painter.setBrush(theme.color(self.color, 0.2))
        painter.drawRoundedRect(rect, 7, 7)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color(self.color))
        painter.drawRoundedRect(QRectF(0, 0, 4, self.size[1]), 2, 2)
        context = QAbstractTextDocumentLayout.PaintContext()
        context.palette.setColor(QPalette.ColorRole.Text, theme.color(theme.TEXT if self.text else theme.DIM))
        painter.save()
        painter.setClipRect(rect.adjusted(PAD, PAD, -PAD / 2, -PAD / 2))
        painter.translate(PAD, PAD)
        self._text().documentLayout().draw(painter, context)
        painter.restore()
        self.paint_corner(painter)

    def resized(self) -> None:
        self._page = None


def _soften(page: QTextDocument) -> None:
    """Strong text in the weight that the bundled font has."""
    strong = QTextCharFormat()
    strong.setFontWeight(QFont.Weight.DemiBold)
    block = page.begin()
    while block.isValid():
        for part in block:
            piece = part.fragment()
            if piece.charFormat().fontWeight() > QFont.Weight.DemiBold:
                cursor = QTextCursor(page)
                cursor.setPosition(piece.position())
                cursor.setPosition(piece.position() + piece.length(), QTextCursor.MoveMode.KeepAnchor)
                cursor.mergeCharFormat(strong)
        block = block.next()
