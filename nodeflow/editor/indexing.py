"""What lies in the folders of outputs: found, read for the graph inside, and drawn small, in a thread; kept for the
next start, so that a file is looked into once. No Qt.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from .. import content
from ..atomic import atomic_write
from ..errors import NodeflowError
from ..media import hearing, images, sounds
from .made import PICTURES, SOUNDS, Made, is_sound, words_of

SIDE = 168
"""Pixels of a small picture's longer side."""
BATCH = 24
LONG = 30_000_000
"""Bytes above which a sound is not drawn."""
MOST = 20_000
"""Files, the newest ones."""


class Entry(msgspec.Struct, array_like=True):
    """What is known of a file as it was then: its words, and the file of its small picture."""

    written: int
    size: int
    words: str
    thumb: str


class Index:
    """The outputs in some folders.

    Args:
        cache: Where what was found is kept.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self.cache = cache or content.cache_folder() / "gallery"
        self._file = self.cache / "index"

    def scan(self, folders: Iterable[Path], stopped: Callable[[], bool] = lambda: False) -> Iterator[list[Made]]:
        """The outputs in the folders, newest first, some at a time.

        Args:
            folders: Where to look, and in all folders in them.
            stopped: Asked before each file: is nobody interested any more?
        """
        known, entries, batch = self._known(), {}, []
        new = False
        for path, written, size in _listed(folders):
            if stopped():
                break
            entry = known.get(path)
            if entry is None or (entry.written, entry.size) != (written, size):
                entry, new = self._looked(path, written, size), True
            entries[path] = entry
            batch.append(Made(Path(path).stem, None, "", path, entry.words, written / 1e9, entry.thumb))
            if len(batch) >= BATCH:
                yield batch
                batch = []
        if batch:
            yield batch
        if new or len(entries) != len(known):
            self._keep({**known, **entries} if stopped() else entries)

    def _known(self) -> dict[str, Entry]:
        try:
            return msgspec.msgpack.decode(self._file.read_bytes(), type=dict[str, Entry])
        except (OSError, msgspec.MsgspecError):
            return {}

    def _keep(self, entries: dict[str, Entry]) -> None:
        with contextlib.suppress(OSError, NodeflowError):
            self.cache.mkdir(parents=True, exist_ok=True)
            atomic_write(self._file, msgspec.msgpack.encode(entries))

    def _looked(self, path: str, written: int, size: int) -> Entry:
        """A file that cannot be read is known by its name alone."""
        words = thumb = ""
        with contextlib.suppress(NodeflowError):
            words = words_of((sounds if is_sound(path) else images).graph_in(path))
        with contextlib.suppress(NodeflowError, OSError, ValueError):
            data = b"" if size > LONG and is_sound(path) else _small(path)
            if data:
                name = hashlib.blake2b(f"{path} {written} {size}".encode(), digest_size=12).hexdigest()
                self.cache.mkdir(parents=True, exist_ok=True)
                target = self.cache / f"{name}.png"
                target.write_bytes(data)
                thumb = str(target)
        return Entry(written, size, words, thumb)


def _listed(folders: Iterable[Path]) -> list[tuple[str, int, int]]:
    """Each output as (path, when it was written in ns, bytes), newest first."""
    found: dict[str, tuple[str, int, int]] = {}
    for folder in folders:
        for root, _, names in os.walk(folder):
            for name in names:
                if name.lower().endswith((*PICTURES, *SOUNDS)):
                    with contextlib.suppress(OSError):
                        path = os.path.join(root, name)
                        stat = os.stat(path)
                        found[path] = (path, stat.st_mtime_ns, stat.st_size)
    return sorted(found.values(), key=lambda each: -each[1])[:MOST]


def _small(path: str) -> bytes:
    """A small picture, as PNG."""
    if is_sound(path):
        samples, rate = sounds.read(path)
        return images.encode(hearing.spectrum(samples, rate, SIDE, SIDE // 2))
    pixels, _ = images.read(path)
    picture: Any = _pillow().fromarray(pixels)
    picture.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _pillow() -> Any:
    from PIL import Image

    return Image
