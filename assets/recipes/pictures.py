"""Run each template once and keep a small picture of what it makes, for the editor's first page.

python assets/recipes/pictures.py            all templates, into assets/templates
"""

from __future__ import annotations

import sys
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import nodeflow
from nodeflow import content
from nodeflow.media import hearing

SIDE = 192
INK = (86, 180, 240, 255)


def main(names: list[str]) -> None:
    target = content.folder("assets") / "templates"
    target.mkdir(exist_ok=True)
    for file in sorted(content.folder("graphs").glob("*.json")):
        if not names or file.stem in names:
            try:
                drawn(file).save(target / f"{file.stem}.png", optimize=True)
                print(file.stem)
            except nodeflow.NodeflowError as error:
                print(f"{file.stem}: {error}")


def drawn(file: Path) -> Image.Image:
    """What the first picture or sound of a template looks like."""
    flow = nodeflow.load(str(file))
    outputs = flow(**{name: value for name, value in _given(file.stem).items() if name in flow.inputs})
    for name in outputs:
        value = outputs[name]
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, nodeflow.Image):
                picture = Image.fromarray(item.numpy()[0])
                picture.thumbnail((2 * SIDE, SIDE))
                return picture
            if isinstance(item, nodeflow.Audio):
                return _wave(item.numpy()[0])
    raise SystemExit(f"{file.stem} makes no picture and no sound")


PROMPTS = {
    "image-to-image": "a purple heart, glossy style",
    "inpaint": "a green heart, glossy style",
    "ays-timesteps": "a red rocket, glossy style",
    "custom-sigmas": "a green apple, glossy style",
}
"""So that not all of them are the same red heart."""


def _given(template: str) -> dict[str, str]:
    """What a template is asked for."""
    return {**_files(), **({"prompt": PROMPTS[template]} if template in PROMPTS else {})}


@cache
def _files() -> dict[str, str]:
    """A picture to begin with, and the part of it to be drawn anew."""
    folder = Path(tempfile.mkdtemp())
    graphs = content.folder("graphs")
    nodeflow.load(str(graphs / "text-to-image.json"))().image.save(str(folder / "image.png"))
    mask = Image.new("L", (64, 64))
    ImageDraw.Draw(mask).rectangle((32, 0, 63, 63), 255)
    mask.save(folder / "mask.png")
    return {"image": str(folder / "image.png"), "mask": str(folder / "mask.png")}


def _wave(samples: np.ndarray) -> Image.Image:
    columns = np.frombuffer(hearing.outline(samples / max(1e-6, abs(samples).max()), SIDE), np.int8).reshape(-1, 2)
    picture = Image.new("RGBA", (SIDE, SIDE))
    pen = ImageDraw.Draw(picture)
    for x, (low, high) in enumerate(columns):
        pen.line([(x, SIDE / 2 - high / 127 * SIDE * 0.4 - 1), (x, SIDE / 2 - low / 127 * SIDE * 0.4 + 1)], INK)
    return picture


if __name__ == "__main__":
    main(sys.argv[1:])
