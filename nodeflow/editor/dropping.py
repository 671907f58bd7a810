"""A file dropped on the canvas: a graph, or a picture or sound that carries one, opens; another one becomes a node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import NodeflowError
from ..media import images, sounds

if TYPE_CHECKING:
    from .window import Window

READABLE = (*images.SUFFIXES, ".bmp", ".gif", ".tif", ".tiff")


def dropped_file(window: Window, path: str, at: tuple[float, float]) -> None:
    """Do what is meant by dropping a file at a point of the canvas."""
    space, suffix = window.current, Path(path).suffix.lower()
    if space is None or suffix == ".json" or _carries_graph(path):
        window.files.open_path(path)
    elif suffix in READABLE:
        name = space.document.add("image/load", at)
        space.document.set_value(name, "path", path)
        space.canvas.select([name])
    elif suffix in sounds.READABLE:
        name = space.document.add("audio/load", at)
        space.document.set_value(name, "path", path)
        space.canvas.select([name])
    elif suffix == ".safetensors" or Path(path).is_dir():
        name = space.document.add("model/load", at)
        space.document.set_value(name, "model", path)
        space.canvas.select([name])
    else:
        window.say(f"{Path(path).name}: drop a graph, a picture, a sound or a model")


def _carries_graph(path: str) -> bool:
    media = next((each for each in (images, sounds) if Path(path).suffix.lower() in each.SUFFIXES), None)
    if media is None:
        return False
    try:
        return bool(media.graph_in(path))
    except NodeflowError:
        return False
