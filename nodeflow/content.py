"""Where nodeflow's own nodes, graphs and models lie: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).parent


def folder(name: str) -> Path:
    """The folder "nodes", "graphs" or "assets"."""
    carried = _PACKAGE / "_content" / name
    return carried if carried.is_dir() else _PACKAGE.parent / name


def variable(name: str) -> str:
    """The environment variable that moves one of the user's folders: `NODEFLOW_MODELS` for "models"."""
    return f"NODEFLOW_{name.upper()}"


def user_folder(name: str) -> Path:
    """A folder in the user's data directory, such as "packs" or "models".

    `NODEFLOW_DATA` moves all of them, a variable of its own (`NODEFLOW_MODELS`) one of them.
    """
    moved = os.environ.get(variable(name)) if name else ""
    return Path(moved) if moved else data_folder() / name


def data_folder() -> Path:
    """The user's data directory."""
    import platformdirs

    return Path(os.environ.get("NODEFLOW_DATA") or platformdirs.user_data_dir("nodeflow", appauthor=False))


def cache_folder() -> Path:
    """Where results and catalogues are kept between runs; `NODEFLOW_CACHE` moves it."""
    import platformdirs

    return Path(os.environ.get("NODEFLOW_CACHE") or platformdirs.user_cache_dir("nodeflow", appauthor=False))
