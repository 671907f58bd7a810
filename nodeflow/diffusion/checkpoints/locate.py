"""Where a model is: a folder, the name of an embedded model, or a name on the Hub."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from nodeflow.errors import NodeflowError

from .layout import INDEX

_HUB_NAME = re.compile(r"[A-Za-z0-9_][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)
ENDINGS = (".safetensors", ".gguf")
"""Of files that may be models."""
_PLAIN_NAME = re.compile(r"\w[\w.-]{0,95}")


def local_folder(model: str, search_folders: Iterable[Path]) -> Path | None:
    """The folder or the file of a model on this machine; None for a name on the Hub.

    Args:
        model: A path, the name of a folder inside `search_folders`, or "organisation/name".
        search_folders: Where models with a plain name are.

    Raises:
        NodeflowError: NF401, there is no such model.
    """
    path = os.path.expanduser(model)
    if os.path.isdir(path) or os.path.isfile(path):
        return Path(path)
    searched = list(search_folders)
    if _PLAIN_NAME.fullmatch(model):
        for folder in searched:
            for place in (folder / model, *(folder / f"{model}{ending}" for ending in ENDINGS)):
                if place.exists():
                    return place
    if _HUB_NAME.fullmatch(model):
        return None
    known = sorted({index.parent.name for folder in searched for index in folder.glob(f"*/{INDEX}")})
    here = f"; models here: {', '.join(known)}" if known else ""
    raise NodeflowError(
        "NF401",
        f"there is no model {model[:60]!r}" if model else "no model is chosen",
        fix=f"give a folder, or organisation/name of the Hub{here}",
    )
