"""Line plots as pictures: curves over one axis, with ticks, labels and a legend.

Drawn with Pillow at several times the size and brought down, which smooths lines and letters. Matplotlib was rejected:
its import costs more than a run's, for the one kind of plot that is wanted here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .lettering import font

if TYPE_CHECKING:
    import numpy as np

COLOURS = ("#2f6fed", "#e4572e", "#19a974", "#9b5de5", "#f0a202", "#00a6c7", "#d6336c", "#6c757d")
"""Told apart by people who see few colours, in this order."""

SCALE = 3
"""How many times larger it is drawn than it becomes."""


@dataclass(frozen=True)
class Line:
    """A curve; points that are not finite, or not above 0 on a logarithmic axis, are gaps.

    Args:
        x: Where, [n].
        y: How high, [n].
        name: In the legend.
    """

    x: Sequence[float]
    y: Sequence[float]
    name: str = ""


@dataclass(frozen=True)
class Panel:
    """Curves on one pair of axes.

    Args:
        lines: The curves.
        title: Above the panel.
        x: Under the horizontal axis.
        log: Whether the vertical axis is logarithmic.
    """

    lines: Sequence[Line]
    title: str = ""
    x: str = ""
    log: bool = False


@dataclass(frozen=True)
class Look:
    """Colours of everything but the curves."""

    paper: str = "#ffffff"
    ink: str = "#1b1b1f"
    faint: str = "#6b6b76"
    grid: str = "#e6e6eb"
    frame: str = "#c9c9d1"


LIGHT = Look()
DARK = Look("#1c1c21", "#f2f2f4", "#a0a0ab", "#303038", "#4a4a55")


def plot(panels: Sequence[Panel], width: int = 960, height: int = 360, look: Look = LIGHT) -> np.ndarray:
    """Panels side by side under one legend, [H, W, 3] uint8.

    Args:
        panels: From left to right; a name in several of them is one curve of one colour.
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.
        look: Light or dark.
    """
    import numpy as np
    from PIL import Image, ImageDraw

    sheet = Image.new("RGB", (width * SCALE, height * SCALE), look.paper)
    pen = _Pen(ImageDraw.Draw(sheet), look, _colours(panels))
    top = pen.legend(width)
    for place, panel in enumerate(panels):
        left, right = (round(width * edge / len(panels)) for edge in (place, place + 1))
        _panel(pen, panel, (left + 56, top + 30, right - 16, height - (44 if panel.x else 28)))
    return np.asarray(sheet.resize((width, height), Image.Resampling.LANCZOS))


@dataclass
class _Pen:
    """Draws in pixels of the finished picture."""

    draw: Any
    look: Look
    colours: dict[str, str] = field(default_factory=dict)

    def text(
        self, x: float, y: float, said: str, anchor: str, size: int = 12, color: str = "", bold: bool = False
    ) -> None:
        place = (x * SCALE, y * SCALE)
        self.draw.text(place, said, color or self.look.ink, font(size * SCALE, bold), anchor=anchor)

    def path(self, points: Sequence[tuple[float, float]], color: str, width: float) -> None:
        scaled = [(x * SCALE, y * SCALE) for x, y in points]
        self.draw.line(scaled, color, round(width * SCALE), joint="curve")

    def dot(self, x: float, y: float, color: str, radius: float) -> None:
        box = [value * SCALE for value in (x - radius, y - radius, x + radius, y + radius)]
        self.draw.ellipse(box, fill=color)

    def legend(self, width: int) -> int:
        """The names of the curves in rows at the top; the height they take."""
        x, y, row = 20.0, 18, 20
        names = {name: color for name, color in self.colours.items() if name}
        for name, color in names.items():
            long = font(12 * SCALE).getlength(name) / SCALE + 44
            if x + long > width and x > 20:
                x, y = 20.0, y + row
            self.path([(x, y), (x + 18, y)], color, 2.5)
            self.text(x + 25, y, name, "lm")
            x += long
        return y + row // 2 if names else 0


def _colours(panels: Sequence[Panel]) -> dict[str, str]:
    names = dict.fromkeys(line.name for panel in panels for line in panel.lines)
    return {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}


def _panel(pen: _Pen, panel: Panel, box: tuple[float, float, float, float]) -> None:
    left, top, right, bottom = box
    height = _above_zero if panel.log else math.isfinite
    points = [[(x, y) for x, y in zip(line.x, line.y, strict=True) if height(y)] for line in panel.lines]
    xs = [x for line in panel.lines for x in line.x] or [0.0, 1.0]
    ys = [y for line in points for _, y in line] or [1.0, 10.0]
    low, high = _widened(min(xs), max(xs), 0)
    x_ticks = _ticks(low, high, max(2, int((right - left) // 60)))
    bottom_value, top_value, y_ticks = _decades(min(ys), max(ys)) if panel.log else _rounded(min(ys), max(ys))
    x_at = _between(low, high, left + 8, right - 8)
    rise: Callable[[float], float] = math.log if panel.log else float
    y_at = _between(rise(bottom_value), rise(top_value), bottom, top)

    def to_y(value: float) -> float:
        return y_at(rise(value))

    for tick in y_ticks:
        pen.path([(left, to_y(tick)), (right, to_y(tick))], pen.look.grid, 1)
        pen.text(left - 8, to_y(tick), _said(tick), "rm", 11, pen.look.faint)
    for tick in x_ticks:
        pen.path([(x_at(tick), bottom), (x_at(tick), bottom + 4)], pen.look.frame, 1)
        pen.text(x_at(tick), bottom + 8, _said(tick), "mt", 11, pen.look.faint)
    pen.path([(left, bottom), (right, bottom)], pen.look.frame, 1)
    pen.text(left, top - 14, panel.title, "lm", 13, bold=True)
    pen.text((left + right) / 2, bottom + 38, panel.x, "mb", 11, pen.look.faint)
    for line, its in zip(panel.lines, points, strict=True):
        _curve(pen, [(x_at(x), to_y(y)) for x, y in its], pen.colours[line.name])


def _curve(pen: _Pen, points: Sequence[tuple[float, float]], color: str) -> None:
    if len(points) > 1:
        pen.path(points, color, 2)
    if len(points) <= 60:
        for x, y in points:
            pen.dot(x, y, color, 2.6)


def _between(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    return lambda value: start + (value - low) / (high - low) * (end - start)


def _widened(low: float, high: float, share: float) -> tuple[float, float]:
    room = (high - low) * share or (0.5 if high == low else 0)
    return low - room, high + room


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers between two ends, at most so many steps apart: 1, 2 or 5 times a power of ten."""
    rough = (high - low) / max(most, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(place * step, 12) for place in range(first, math.floor(high / step + 1e-9) + 1)]


def _rounded(low: float, high: float) -> tuple[float, float, list[float]]:
    low, high = _widened(low, high, 0.04)
    return low, high, _ticks(low, high, 6)


def _decades(low: float, high: float) -> tuple[float, float, list[float]]:
    low, high = low / 1.15, high * 1.15
    ends = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1,) if len(ends) > 3 else (1, 2, 5)
    ticks = [factor * 10.0**power for power in ends for factor in factors]
    return low, high, [tick for tick in ticks if low <= tick <= high]


def _above_zero(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _said(number: float) -> str:
    return f"{number:g}".replace("-", "−")
