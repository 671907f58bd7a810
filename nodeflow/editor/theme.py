"""Every colour, font and style of the editor, in one place.

A colour is named by its role (`theme.TEXT`); which colour that is depends on the look that is applied. `color(role)`
is asked while painting, so that another look needs a repaint and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import ParamSpec, TypeVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication

from .. import content
from .sheet import SHEET

P = ParamSpec("P")
R = TypeVar("R")

FAMILY = "Inter"
"""The bundled font."""

CANVAS, DOT, SHADOW = "canvas", "dot", "shadow"
WINDOW, PANEL, RAISED, SUNK, FLOAT, GAP = "window", "panel", "raised", "sunk", "float", "gap"
BODY, BODY_EDGE, FIELD, FIELD_HOT, FILL = "body", "body_edge", "field", "field_hot", "fill"
TEXT, DIM, FAINT, ON_HEADER, ON_ACCENT, ON_BAD = "text", "dim", "faint", "on_header", "on_accent", "on_bad"
PENDING = "pending"
"""On a header: will run."""
LINE, SELECTED, NOTICE = "line", "selected", "notice"
ACCENT, ACCENT_HOT = "accent", "accent_hot"
GOOD, WAIT, BAD, BAD_DARK, BAD_SOFT = "good", "wait", "bad", "bad_dark", "bad_soft"

LOOKS: dict[str, dict[str, str]] = {
    "dark": {
        CANVAS: "#15171c", DOT: "#323743", SHADOW: "#000000",
        WINDOW: "#191b21", PANEL: "#1d2027", RAISED: "#272b34", SUNK: "#13151a", FLOAT: "#272b34", GAP: "#13151a",
        BODY: "#23262f", BODY_EDGE: "#363b48", FIELD: "#181a20", FIELD_HOT: "#2b2f3a", FILL: "#34425e",
        TEXT: "#e6e8ee", DIM: "#9aa1b0", FAINT: "#737b8c", ON_HEADER: "#ffffff", ON_ACCENT: "#0b1220",
        ON_BAD: "#2a0d10", LINE: "#2c303a", SELECTED: "#2b4470", NOTICE: "#3a2f16",
        ACCENT: "#5b9dff", ACCENT_HOT: "#7db2ff",
        PENDING: "#ffce5c", GOOD: "#58c98b", WAIT: "#e8b84a", BAD: "#ff6b6b", BAD_DARK: "#6b2b33", BAD_SOFT: "#4a2329",
    },
    "light": {
        CANVAS: "#e9ecf1", DOT: "#c3c9d4", SHADOW: "#5a6478",
        WINDOW: "#eff1f5", PANEL: "#f8f9fb", RAISED: "#e6e9ef", SUNK: "#ffffff", FLOAT: "#ffffff", GAP: "#dce0e8",
        BODY: "#ffffff", BODY_EDGE: "#c2c8d4", FIELD: "#f0f2f6", FIELD_HOT: "#e3e7ee", FILL: "#c9dbfb",
        TEXT: "#1b202a", DIM: "#535c6c", FAINT: "#7a8393", ON_HEADER: "#ffffff", ON_ACCENT: "#ffffff",
        ON_BAD: "#ffffff", LINE: "#d6dbe4", SELECTED: "#cfe0fd", NOTICE: "#fff1cc",
        ACCENT: "#2868d8", ACCENT_HOT: "#1c57be",
        PENDING: "#ffce5c", GOOD: "#15824e", WAIT: "#b5790b", BAD: "#c93434", BAD_DARK: "#a8434b", BAD_SOFT: "#fbdfe0",
    },
}  # fmt: skip

CATEGORIES = {
    "model": "#7a5bd6",
    "text": "#b07c2a",
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
    "control": "#8a5a9e",
    "training": "#4a67c4",
    "data": "#3d7a8c",
    "graph": "#3b7a9e",
    "saved": "#3b7a9e",
}
"""Header by the first part of a node type's id, in each look; others get one of these by their letters."""

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
    "ControlNetwork": "#9aa7ff",
    "IPAdapter": "#9aa7ff",
    "ImageEncoder": "#ffd166",
    "ImageStates": "#f2b04e",
    "Upscaler": "#8fd3c8",
    "int": "#7fa8d9",
    "float": "#7fa8d9",
    "str": "#c8b79a",
    "bool": "#e08b7b",
}
OTHER_TYPE = "#a3a9b5"
FRAME = "#4a6fa5"
"""Of a new frame; it is kept in the graph."""
ON_LIGHT = 150
"""Percent by which the colours of types are darker on a light canvas."""
SIZE = 13
"""Pixels of ordinary text, unless the settings say otherwise."""


@dataclass(frozen=True)
class Look:
    """How the editor looks.

    Args:
        name: "dark", "light" or "system".
        family: A font that is installed; empty = the bundled one.
        size: Pixels of ordinary text.
    """

    name: str = "dark"
    family: str = ""
    size: int = SIZE

    @property
    def shade(self) -> str:
        """ "dark" or "light": what the system says, where it is asked."""
        if self.name != "system":
            return self.name
        return "light" if QApplication.styleHints().colorScheme() == Qt.ColorScheme.Light else "dark"


_look = Look()
_colours = LOOKS["dark"]
_memories: list[Callable[[], None]] = []


def remembered(function: Callable[P, R]) -> Callable[P, R]:
    """What the function returned is kept until another look is applied."""
    made = lru_cache(20_000)(function)
    _memories.append(made.cache_clear)
    return made  # type: ignore[return-value]


def applied() -> Look:
    """The look that was applied last."""
    return _look


def code(role: str) -> str:
    """The colour of a role as text, for rich text and style sheets."""
    return _colours[role]


@remembered
def color(name: str, alpha: float = 1.0) -> QColor:
    """The colour of a role; a colour that is a value ("#rrggbb") is itself."""
    made = QColor(_colours.get(name, name))
    made.setAlphaF(alpha)
    return made


@remembered
def type_color(type: str) -> QColor:
    """The colour of a port or wire."""
    made = QColor(TYPES.get(type, OTHER_TYPE))
    return made if _look.shade == "dark" else made.darker(ON_LIGHT)


@remembered
def on_canvas(type: str, share: float) -> QColor:
    """The colour of a type over the canvas, opaque: see-through curves take twice as long to paint."""
    one, other = type_color(type), color(CANVAS)
    pairs = ((one.red(), other.red()), (one.green(), other.green()), (one.blue(), other.blue()))
    return QColor(*(round(a * share + b * (1 - share)) for a, b in pairs))


def faded(color: QColor, alpha: float) -> QColor:
    """A colour, see-through."""
    made = QColor(color)
    made.setAlphaF(alpha)
    return made


@remembered
def category_color(category: str) -> QColor:
    """The colour of a header."""
    if category in CATEGORIES:
        return QColor(CATEGORIES[category])
    known = sorted(set(CATEGORIES.values()))
    return QColor(known[sum(category.encode()) % len(known)])


@remembered
def font(pixels: float, strong: bool = False) -> QFont:
    """The font in a size of its own, as on the canvas."""
    made = QFont(_look.family or FAMILY)
    made.setPixelSize(round(pixels))
    made.setWeight(QFont.Weight.DemiBold if strong else QFont.Weight.Normal)
    made.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    return made


def text_font(share: float = 1.0, strong: bool = False) -> QFont:
    """The font in the size of ordinary text, or a share of it."""
    return font(_look.size * share, strong)


@cache
def _bundled() -> None:
    for file in sorted((content.folder("assets") / "fonts").glob("*.otf")):
        QFontDatabase.addApplicationFont(str(file))


def apply(app: QApplication, look: Look | None = None) -> None:
    """Give an application its fonts, palette and style sheet."""
    global _look, _colours
    _look = look or Look()
    _colours = LOOKS[_look.shade]
    for forget in _memories:
        forget()
    _bundled()
    app.setStyle("Fusion")
    app.setFont(text_font())
    app.setPalette(_palette())
    icons = content.folder("assets") / "icons"
    drawn = {name: (icons / f"{name}-{_look.shade}.png").as_posix() for name in ("chevron", "close")}
    sizes = {"big": round(_look.size * 1.15), "heading_size": round(_look.size * 1.3), "title_size": _look.size * 2.6}
    app.setStyleSheet(SHEET.format(**_colours, **sizes, **drawn))


def _palette() -> QPalette:
    palette, role = QPalette(), QPalette.ColorRole
    for each, name in (
        (role.Window, WINDOW), (role.Base, SUNK), (role.AlternateBase, PANEL), (role.Button, RAISED),
        (role.Text, TEXT), (role.WindowText, TEXT), (role.ButtonText, TEXT), (role.PlaceholderText, FAINT),
        (role.Highlight, ACCENT), (role.HighlightedText, ON_ACCENT), (role.ToolTipBase, FLOAT),
        (role.ToolTipText, TEXT), (role.Link, ACCENT_HOT), (role.Mid, LINE), (role.Dark, GAP), (role.Light, RAISED),
    ):  # fmt: skip
        palette.setColor(each, color(name))
    for each in (role.Text, role.ButtonText, role.WindowText):
        palette.setColor(QPalette.ColorGroup.Disabled, each, color(FAINT))
    return palette
