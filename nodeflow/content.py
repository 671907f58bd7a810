"""Where nodeflow's own nodes, graphs and models lie: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).parent


def folder(name: str) -> Path:
    """The folder "nodes", "graphs" or "assets"."""
    carried = _PACKAGE / "_content" / name
    return carried if carried.is_dir() else _PACKAGE.parent / name


def user_folder(name: str) -> Path:
    """A folder in the user's data directory, such as "packs" or "models"; `NODEFLOW_DATA` moves it."""
    import platformdirs

    return Path(os.environ.get("NODEFLOW_DATA") or platformdirs.user_data_dir("nodeflow", appauthor=False)) / name


def cache_folder() -> Path:
    """Where results and catalogues are kept between runs; `NODEFLOW_CACHE` moves it."""
    import platformdirs

    return Path(os.environ.get("NODEFLOW_CACHE") or platformdirs.user_cache_dir("nodeflow", appauthor=False))
