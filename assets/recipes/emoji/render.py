"""Draw emoji: SVG to [64, 64, 3] bytes on white; those that the model paints with their captions."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import resvg_py
from fetch import SOURCES, read_icons, read_things, slug
from PIL import Image

SIZE, MARGIN = 64, 3
OVERSAMPLING = 1.5
NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


@dataclass(frozen=True)
class Concept:
    """One thing: the emoji's name, other words for it, and how often it is shown."""

    name: str
    aliases: tuple[str, ...]
    weight: float

    @property
    def slug(self) -> str:
        """The name as the sets spell it."""
        return slug(self.name)


def read_concepts(path: Path) -> list[Concept]:
    """The concepts of a list like `concepts.txt`."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return [_concept(line) for line in lines if line and line[0] not in "#["]


def _concept(line: str) -> Concept:
    name, _, aliases = line.removeprefix("*").partition(":")
    words = tuple(alias.strip() for alias in aliases.split(",") if alias.strip())
    return Concept(name.strip(), words, OVERSAMPLING if line.startswith("*") else 1.0)


def draw(icons: dict[str, Any], slug: str) -> np.ndarray:
    """One icon of a set, [64, 64, 3] uint8, on white with a small margin."""
    icon = icons["icons"].get(slug) or icons["icons"][icons["aliases"][slug]["parent"]]
    width, height = icon.get("width", icons.get("width", 16)), icon.get("height", icons.get("height", 16))
    view = f"{icon.get('left', 0)} {icon.get('top', 0)} {width} {height}"
    svg = f'<svg {NAMESPACES} viewBox="{view}">{icon["body"]}</svg>'
    inner = SIZE - 2 * MARGIN
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=inner, height=inner))
    drawn = Image.open(io.BytesIO(png)).convert("RGBA")
    page = Image.new("RGBA", (SIZE, SIZE), "white")
    page.alpha_composite(drawn, ((SIZE - drawn.width) // 2, (SIZE - drawn.height) // 2))
    return np.asarray(page.convert("RGB"))


def render(concepts: list[Concept], work: Path) -> Path:
    """Draw every concept in every style into `work/pictures.npz`: images, and a JSON list of captions."""
    images, rows = [], []
    for source in SOURCES:
        icons = read_icons(source, work / "packages")
        for concept in concepts:
            images.append(draw(icons, concept.slug))
            names = [concept.name.lower(), *concept.aliases]
            rows.append({"names": names, "style": source.style, "weight": concept.weight})
    path = work / "pictures.npz"
    np.savez(path, images=np.stack(images), captions=json.dumps(rows))
    return path


def render_all(concepts: list[Concept], held_out: list[Concept], work: Path) -> None:
    """Draw what the autoencoder sees, and what it never sees.

    Into `work/all.npz` every emoji that all sets have but for those held out: images, and as weights how often each is
    shown (most often what the model paints, seldom people, symbols and flags). Into `work/held_out.npz` the others.
    """
    sets = [read_icons(source, work / "packages") for source in SOURCES]
    shared = set.intersection(*({*icons["icons"], *icons["aliases"]} for icons in sets))
    unseen, painted, things = ({c.slug for c in held_out}, {c.slug for c in concepts}, read_things(work / "packages"))
    seen = sorted(name for name in shared - unseen if "skin-tone" not in name)
    weights = [3.0 if name in painted else 1.0 if name in things else 0.25 for name in seen]
    images = [draw(icons, name) for icons in sets for name in seen]
    np.savez(work / "all.npz", images=np.stack(images), weights=np.array(weights * len(sets), np.float32))
    np.savez(work / "held_out.npz", images=np.stack([draw(icons, c.slug) for icons in sets for c in held_out]))
