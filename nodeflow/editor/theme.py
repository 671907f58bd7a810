"""Every colour, font and style of the editor, in one place."""

from __future__ import annotations

from functools import cache

from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication

from .. import content

FAMILY = "Inter"

CANVAS, DOT = "#15171c", "#323743"
WINDOW, PANEL, RAISED, SUNK = "#191b21", "#1d2027", "#272b34", "#13151a"
BODY, BODY_EDGE, FIELD, FIELD_HOT, FILL = "#23262f", "#363b48", "#181a20", "#2b2f3a", "#34425e"
TEXT, DIM, FAINT = "#e6e8ee", "#9aa1b0", "#646b7a"
LINE = "#2c303a"
ACCENT, ACCENT_HOT = "#5b9dff", "#7db2ff"
GOOD, WAIT, BAD, BAD_DARK = "#58c98b", "#e8b84a", "#ff6b6b", "#4a2329"

CATEGORIES = {
    "model": "#7a5bd6",
    "text": "#b8832f",
    "schedule": "#2b8a8a",
    "scheduler": "#2b8a8a",
    "sigmas": "#2b8a8a",
    "sampling": "#c2496b",
    "latent": "#9a4fb8",
    "image": "#3f8f55",
    "mask": "#6d8f3a",
    "audio": "#2f7fb5",
    "value": "#5d6678",
    "logic": "#5d6678",
    "guidance": "#b5623a",
    "training": "#4a67c4",
    "data": "#3d7a8c",
}
"""Header by the first part of a node type's id; others get one of these by their letters."""

TYPES = {
    "Image": "#6fcf7c",
    "Mask": "#b5d65a",
    "Audio": "#56b4f0",
    "Latent": "#d77bf0",
    "LatentSpace": "#d77bf0",
    "Conditioning": "#f2b04e",
    "Schedule": "#4fd0c4",
    "SchedulerConfig": "#3fa59b",
    "Denoiser": "#a48bff",
    "Autoencoder": "#ff8fa3",
    "TextEncoder": "#ffd166",
    "Guidance": "#ff9d6e",
    "int": "#7fa8d9",
    "float": "#7fa8d9",
    "str": "#c8b79a",
    "bool": "#e08b7b",
}
OTHER_TYPE = "#a3a9b5"
CHEVRON = (content.folder("assets") / "icons" / "chevron.png").as_posix()


@cache
def color(name: str, alpha: float = 1.0) -> QColor:
    """A colour object, made once."""
    made = QColor(name)
    made.setAlphaF(alpha)
    return made


@cache
def type_color(type: str) -> QColor:
    """The colour of a port or wire."""
    return color(TYPES.get(type, OTHER_TYPE))


@cache
def on_canvas(type: str, share: float) -> QColor:
    """The colour of a type over the canvas, opaque: see-through curves take twice as long to paint."""
    one, other = type_color(type), color(CANVAS)
    pairs = ((one.red(), other.red()), (one.green(), other.green()), (one.blue(), other.blue()))
    return QColor(*(round(a * share + b * (1 - share)) for a, b in pairs))


@cache
def category_color(category: str) -> QColor:
    """The colour of a header."""
    if category in CATEGORIES:
        return color(CATEGORIES[category])
    known = sorted(set(CATEGORIES.values()))
    return color(known[sum(category.encode()) % len(known)])


@cache
def font(pixels: float, strong: bool = False) -> QFont:
    """The bundled font."""
    made = QFont(FAMILY)
    made.setPixelSize(round(pixels))
    made.setWeight(QFont.Weight.DemiBold if strong else QFont.Weight.Normal)
    made.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    return made


def apply(app: QApplication) -> None:
    """Give an application its fonts, palette and style sheet."""
    for file in sorted((content.folder("assets") / "fonts").glob("*.otf")):
        QFontDatabase.addApplicationFont(str(file))
    app.setStyle("Fusion")
    app.setFont(font(13))
    app.setPalette(_palette())
    app.setStyleSheet(_SHEET)


def _palette() -> QPalette:
    palette, role = QPalette(), QPalette.ColorRole
    for each, name in (
        (role.Window, WINDOW), (role.Base, SUNK), (role.AlternateBase, PANEL), (role.Button, RAISED),
        (role.Text, TEXT), (role.WindowText, TEXT), (role.ButtonText, TEXT), (role.PlaceholderText, FAINT),
        (role.Highlight, ACCENT), (role.HighlightedText, "#0b1220"), (role.ToolTipBase, RAISED),
        (role.ToolTipText, TEXT), (role.Link, ACCENT_HOT), (role.Mid, LINE), (role.Dark, SUNK), (role.Light, RAISED),
    ):  # fmt: skip
        palette.setColor(each, color(name))
    palette.setColor(QPalette.ColorGroup.Disabled, role.Text, color(FAINT))
    palette.setColor(QPalette.ColorGroup.Disabled, role.ButtonText, color(FAINT))
    palette.setColor(QPalette.ColorGroup.Disabled, role.WindowText, color(FAINT))
    return palette


_SHEET = f"""
QMainWindow, QDialog {{ background: {WINDOW}; }}
QMainWindow::separator {{ background: {SUNK}; width: 4px; height: 4px; }}
QMainWindow::separator:hover {{ background: {ACCENT}; }}
QToolBar {{ background: {WINDOW}; border: none; border-bottom: 1px solid {SUNK}; padding: 6px 8px; spacing: 4px; }}
QToolBar QToolButton {{ border-radius: 6px; padding: 5px 10px; color: {TEXT}; background: transparent; }}
QToolBar QToolButton:hover {{ background: {RAISED}; }}
QToolBar QToolButton:pressed {{ background: {LINE}; }}
QToolBar QToolButton:disabled {{ color: {FAINT}; }}
QToolBar::separator {{ background: {LINE}; width: 1px; margin: 6px 6px; }}
#run {{ background: {ACCENT}; color: #0b1220; font-weight: 600; padding: 6px 16px; border-radius: 7px; border: none; }}
#run:hover {{ background: {ACCENT_HOT}; }}
#run[running="true"] {{ background: {BAD_DARK}; color: {BAD}; }}
#run:disabled {{ background: {RAISED}; color: {FAINT}; }}
#summary {{ color: {DIM}; padding: 0 10px; }}
#path {{ color: {DIM}; padding: 0 10px; }}
QMenuBar {{ background: {WINDOW}; color: {DIM}; padding: 2px 4px; }}
QMenuBar::item {{ padding: 4px 9px; border-radius: 5px; background: transparent; }}
QMenuBar::item:selected {{ background: {RAISED}; color: {TEXT}; }}
QMenu {{ background: {RAISED}; border: 1px solid {BODY_EDGE}; border-radius: 8px; padding: 5px; }}
QMenu::item {{ padding: 6px 26px 6px 12px; border-radius: 5px; }}
QMenu::item:selected {{ background: {ACCENT}; color: #0b1220; }}
QMenu::item:disabled {{ color: {FAINT}; }}
QMenu::separator {{ height: 1px; background: {BODY_EDGE}; margin: 5px 8px; }}
QMenu::indicator {{ width: 14px; height: 14px; left: 4px; }}
QDockWidget {{ color: {DIM}; font-weight: 600; titlebar-close-icon: none; }}
QDockWidget::title {{ background: {PANEL}; padding: 8px 12px; border: none; }}
QDockWidget > QWidget {{ background: {PANEL}; }}
QTabBar {{ background: {PANEL}; }}
QTabBar::tab {{ background: transparent; color: {FAINT}; padding: 7px 14px; border: none;
  border-bottom: 2px solid transparent; }}
QTabBar::tab:selected {{ color: {TEXT}; border-bottom: 2px solid {ACCENT}; }}
QTabBar::tab:hover {{ color: {TEXT}; }}
QTabWidget::pane {{ border: none; background: {PANEL}; }}
QStatusBar {{ background: {WINDOW}; color: {DIM}; border-top: 1px solid {SUNK}; }}
QStatusBar::item {{ border: none; }}
QStatusBar QLabel {{ color: {DIM}; padding: 2px 8px; }}
QTreeView, QListView, QPlainTextEdit, QTextBrowser, QScrollArea {{ background: {PANEL}; border: none; outline: none; }}
QScrollArea > QWidget > QWidget {{ background: {PANEL}; }}
#palette {{ background: {PANEL}; }}
QTreeView::item, QListView::item {{ padding: 5px 6px; border-radius: 5px; }}
QTreeView::item:hover, QListView::item:hover {{ background: {RAISED}; }}
QTreeView::item:selected, QListView::item:selected {{ background: #2b4470; }}
QLineEdit, QPlainTextEdit#editor, QComboBox {{
  background: {SUNK}; border: 1px solid {LINE}; border-radius: 6px; padding: 5px 8px; color: {TEXT};
  selection-background-color: {ACCENT}; selection-color: #0b1220; }}
QLineEdit:focus, QPlainTextEdit#editor:focus, QComboBox:focus {{ border-color: {ACCENT}; }}
QComboBox::drop-down {{ border: none; width: 22px; }}
QComboBox::down-arrow {{ image: url("{CHEVRON}"); width: 10px; height: 10px; }}
QComboBox QAbstractItemView {{ background: {RAISED}; border: 1px solid {BODY_EDGE};
  selection-background-color: {ACCENT}; selection-color: #0b1220; }}
QCheckBox {{ spacing: 8px; }}
QPushButton {{ background: {RAISED}; border: 1px solid {LINE}; border-radius: 6px; padding: 6px 12px; color: {TEXT}; }}
QPushButton:hover {{ border-color: {ACCENT}; }}
QPushButton:pressed {{ background: {LINE}; }}
QPushButton:focus {{ border-color: {ACCENT}; }}
QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
QScrollBar::handle {{ background: {BODY_EDGE}; border-radius: 4px; min-height: 28px; min-width: 28px; margin: 2px; }}
QScrollBar::handle:hover {{ background: {FAINT}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ height: 0; width: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
QToolTip {{ background: {RAISED}; color: {TEXT}; border: 1px solid {BODY_EDGE}; padding: 6px 8px; }}
#popup {{ background: {RAISED}; border: 1px solid {BODY_EDGE}; border-radius: 10px; }}
#popup QLineEdit {{ font-size: 15px; padding: 8px 10px; background: {SUNK}; }}
#popup QListView {{ background: transparent; }}
#welcome, #welcome > QWidget > QWidget {{ background: {WINDOW}; }}
#heading {{ font-size: 17px; font-weight: 600; color: {TEXT}; }}
#dim {{ color: {DIM}; }}
#faint {{ color: {FAINT}; }}
#card {{ background: {BODY}; border: 1px solid {BODY_EDGE}; border-radius: 10px; }}
#card:hover {{ border-color: {ACCENT}; background: {RAISED}; }}
#card:focus {{ border-color: {ACCENT}; }}
#notice {{ background: #3a2f16; color: {TEXT}; border-bottom: 1px solid {WAIT}; }}
"""
