"""Fetch the emoji sets, and what kind of thing each emoji is, from npm at pinned versions."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Source:
    """One set of pictures: its npm package and version, its licence, and the words that name its style."""

    package: str
    version: str
    licence: str
    style: str


SOURCES = (
    Source("@iconify-json/noto", "1.2.9", "Apache-2.0", "classic style"),
    Source("@iconify-json/fluent-emoji-flat", "1.2.6", "MIT", "flat style"),
    Source("@iconify-json/fluent-emoji", "1.2.7", "MIT", "glossy style"),
)


NAMES = Source("emojibase-data", "17.0.0", "MIT", "")
"""Names and groups of all emoji; no picture."""
THINGS = frozenset({0, 3, 4, 5, 6, 7})
"""Groups of emoji that show a thing or a face: all but people, components, symbols and flags."""


def archive(source: Source, folder: Path) -> Path:
    """The package's archive, downloaded into `folder` with `npm pack` unless it is there already."""
    path = folder / f"{source.package.lstrip('@').replace('/', '-')}-{source.version}.tgz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", "--silent", f"{source.package}@{source.version}"], cwd=folder, check=True)
    return path


def read_icons(source: Source, folder: Path) -> dict[str, Any]:
    """The set as its package stores it: "icons" by name (an SVG body each), "aliases", "width", "height"."""
    return _read(source, folder, "icons.json")


def read_things(folder: Path) -> frozenset[str]:
    """Slugs of the emoji that show a thing or a face."""
    emoji = _read(NAMES, folder, "en/data.json")
    return frozenset(slug(one["label"]) for one in emoji if one.get("group") in THINGS)


def slug(name: str) -> str:
    """A name as the sets spell it: "cat face" -> "cat-face"."""
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")


def _read(source: Source, folder: Path, member: str) -> Any:
    with tarfile.open(archive(source, folder)) as package:
        file = package.extractfile(f"package/{member}")
        assert file is not None, f"{source.package} carries no {member}"
        return json.load(file)
