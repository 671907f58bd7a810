"""Text on pictures, in the font that comes with nodeflow."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from .. import content

if TYPE_CHECKING:
    import numpy as np

_BREAKS = re.compile(r"(?<=[\s\-_/,])|(?<=[a-z0-9])(?=[A-Z])")
"""Where a line may end: after a space or a sign, and inside names written LikeThis."""


@cache
def font(size: int, bold: bool = False) -> Any:
    """The font at a size in pixels, as Pillow draws it."""
    from PIL import ImageFont

    name = "Inter-SemiBold.otf" if bold else "Inter-Regular.otf"
    return ImageFont.truetype(content.folder("assets") / "fonts" / name, size)


def wrapped(text: str, size: int, width: int, bold: bool = False) -> list[str]:
    """The text in lines of at most `width` pixels, where it can be broken at all."""
    lines = [""]
    for part in _BREAKS.split(text):
        longer = lines[-1] + part
        if lines[-1] and font(size, bold).getlength(longer.rstrip()) > width:
            lines.append(part)
        else:
            lines[-1] = longer
    return [line.strip() for line in lines]


def label(text: str, width: int, size: int, ink: str, paper: str) -> np.ndarray:
    """A text in the middle of a strip of its own, [H, W, 3] uint8; letters shrink until the longest line fits.

    Args:
        text: What it says.
        width: Of the strip, in pixels.
        size: Of the letters, in pixels.
        ink: The colour of the letters, "#rrggbb".
        paper: The colour around them, "#rrggbb".
    """
    import numpy as np
    from PIL import Image, ImageDraw

    room = max(width - 4, 1)
    while size > 6 and max(font(size).getlength(line) for line in wrapped(text, size, room)) > room:
        size -= 1
    lines, step = wrapped(text, size, room), round(size * 1.25)
    strip = Image.new("RGB", (width, step * len(lines) + size // 3), paper)
    draw = ImageDraw.Draw(strip)
    for place, line in enumerate(lines):
        draw.text((width / 2, step * (place + 0.5) + size // 6), line, ink, font(size), anchor="mm")
    return np.asarray(strip)


def ink_on(paper: str) -> str:
    """Black or white, whichever is read better on a colour "#rrggbb"."""
    red, green, blue = bytes.fromhex(paper[1:])
    return "#1b1b1f" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "#f2f2f4"
