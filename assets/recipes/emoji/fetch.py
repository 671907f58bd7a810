"""Fetch the emoji sets and their names from npm, at pinned versions."""

from __future__ import annotations

import json
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


def archive(source: Source, folder: Path) -> Path:
    """The package's archive, downloaded into `folder` with `npm pack` unless it is there already."""
    path = folder / f"{source.package.lstrip('@').replace('/', '-')}-{source.version}.tgz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", "--silent", f"{source.package}@{source.version}"], cwd=folder, check=True)
    return path


def read_icons(source: Source, folder: Path) -> dict[str, Any]:
    """The set as its package stores it: "icons" by name (an SVG body each), "aliases", "width", "height"."""
    with tarfile.open(archive(source, folder)) as package:
        member = package.extractfile("package/icons.json")
        assert member is not None, f"{source.package} carries no icons.json"
        return json.load(member)
