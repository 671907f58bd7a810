"""What is said of a picture: one of several captions, drawn anew each time it is shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

EMPTY = 0.1
"""How often nothing is said, so that guidance knows the picture nobody asked for."""
CHANCES = {
    "{name}": 0.28,
    "{name}, {style}": 0.32,
    "{style} {name}": 0.08,
    "a {name}": 0.14,
    "a {name}, {style}": 0.1,
    "the {name}": 0.04,
    "an emoji of a {name}": 0.04,
}
TEMPLATES = tuple(CHANCES)
FIRST_NAME = 0.6
"""How often the emoji's own name is taken where there are others."""


def read_rows(work: Path) -> list[dict[str, Any]]:
    """What is known of each picture: "names", "style", "weight"."""
    return json.loads(str(np.load(work / "pictures.npz")["captions"]))


def all_captions(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Every caption that may be drawn, each once, the empty one first."""
    said = (t.format(name=name, style=row["style"]) for row in rows for name in row["names"] for t in TEMPLATES)
    return list(dict.fromkeys(["", *said]))


def draw(row: dict[str, Any], generator: torch.Generator) -> str:
    """One caption of a picture."""
    silent, own = torch.rand(2, generator=generator).tolist()
    if silent < EMPTY:
        return ""
    names = row["names"]
    others = len(names) > 1 and own > FIRST_NAME
    name = names[1 + int(torch.randint(len(names) - 1, (), generator=generator))] if others else names[0]
    template = TEMPLATES[int(torch.multinomial(torch.tensor(list(CHANCES.values())), 1, generator=generator))]
    return template.format(name=name, style=row["style"])
