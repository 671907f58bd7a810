"""What runs have made: a picture or a sound, of this session or in a file, and the graph that made it. No Qt."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import NodeflowError
from ..media import images, sounds
from ..worker.messages import Picture, Sound
from ..worker.sounds import heard

PICTURES = tuple(images.SUFFIXES)
SOUNDS = tuple(sounds.SUFFIXES)


@dataclass(frozen=True)
class Made:
    """A picture or a sound.

    Args:
        title: What it is called.
        item: It; None for one that is read from its file when it is looked at.
        graph: The text of the graph that made it; of a file, read when it is asked for.
        file: Where it is kept; empty = nowhere.
        words: What a search finds it by; made from the graph where that is known.
        at: When it was made, in seconds since 1970.
        thumb: A file with a small picture of it.
    """

    title: str
    item: Picture | Sound | None = None
    graph: str = ""
    file: str = ""
    words: str = ""
    at: float = 0.0
    thumb: str = ""

    @cached_property
    def found_by(self) -> str:
        """What a search looks into."""
        return f"{self.title} {Path(self.file).name} {self.words or words_of(self.graph)}".casefold()

    def opened(self) -> Picture | Sound:
        """The picture or the sound.

        Raises:
            NodeflowError: NF107 or NF6xx, its file cannot be read.
        """
        return self.item if self.item is not None else read(self.file)

    def graph_text(self) -> str:
        """The graph that made it.

        Raises:
            NodeflowError: NF604, its file carries none.
        """
        if self.graph or not self.file:
            return self.graph
        return (sounds if is_sound(self.file) else images).graph_in(self.file)

    @property
    def is_sound(self) -> bool:
        return isinstance(self.item, Sound) or (self.item is None and is_sound(self.file))


def is_sound(path: str) -> bool:
    """Is that the name of a sound?"""
    return Path(path).suffix.lower() in SOUNDS


def read(path: str) -> Picture | Sound:
    """A file as a picture or a sound. NF107 where it is not there, NF601 where it is neither."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise NodeflowError("NF107", f"it cannot be read: {error.strerror}", where=path) from error
    if is_sound(path):
        return heard(data)
    height, width = images.read(path)[0].shape[:2]
    return Picture(data, width, height, images.format_of(path))


def words_of(graph: str) -> str:
    """The prompts and parameters of a graph: "text a red heart steps 20 …"."""
    try:
        nodes = json.loads(graph)["nodes"].values()
        return " ".join(f"{node.get('type', '')} {_said(node.get('values', {}))}" for node in nodes)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def _said(values: dict[str, Any]) -> str:
    return " ".join(f"{name} {value}" for name, value in values.items())
