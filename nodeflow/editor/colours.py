"""The colours that people give to nodes, frames and notes."""

from __future__ import annotations

COLOURS = {
    "Red": "#b5424a", "Orange": "#b5623a", "Yellow": "#a8862d", "Green": "#3f8f55", "Teal": "#2b8a8a",
    "Blue": "#4a6fa5", "Violet": "#7a5bd6", "Pink": "#b04a8f", "Grey": "#5d6678",
}  # fmt: skip
