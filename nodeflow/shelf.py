"""The models on this machine, wherever other tools keep them: found, described from their headers, never copied.

Looked into are nodeflow's own folders, the Hub's cache, the usual folders of ComfyUI and A1111's web UI, and those that
the user names: in `NODEFLOW_MODEL_PATHS`, or one a line in `model-paths.txt` in the data folder. What a file is, is
remembered by its size and time of change, so that the second look at hundreds of files costs one `stat` each.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from . import content
from .atomic import atomic_write
from .errors import NodeflowError
from .models import folders

INDEX = "model_index.json"
ENDINGS = (".safetensors", ".gguf")
PICTURES = (".preview.png", ".png", ".preview.jpg", ".jpg", ".jpeg", ".webp")
"""What other tools call the picture beside a model, after the model's name."""
USUAL = ("ComfyUI/models", "stable-diffusion-webui/models", "stable-diffusion-webui-forge/models")
"""Folders of other tools, in the home folder."""
_DEPTH = 6
_MOST = 20_000


@dataclass(frozen=True)
class Found:
    """A model or a part of one on this machine.

    Args:
        name: As a user knows it: the file's name, or "org/name" of the Hub.
        path: Its file or folder.
        what: "model", "denoiser", "lora", "autoencoder", …, or "unreadable".
        words: In words; why, if it cannot be read.
        family: Its family; empty = unknown.
        bytes: Its size.
        stamp: Changes when the file does.
        preview: A picture beside it; empty = none.
        sha256: Of the file, once it was computed; empty for folders.
    """

    name: str
    path: str
    what: str
    words: str
    family: str
    bytes: int
    stamp: str
    preview: str = ""
    sha256: str = ""


def places() -> list[Path]:
    """The folders that are looked into, each once, those that are there."""
    named = os.environ.get("NODEFLOW_MODEL_PATHS", "").split(os.pathsep) + listed()
    hub = os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME") or "~/.cache/huggingface") / "hub"
    usual = [Path.home() / place for place in USUAL]
    every = [*folders(), Path(hub), *usual, *(Path(name) for name in named if name.strip())]
    return [path for path in dict.fromkeys(path.expanduser() for path in every) if path.is_dir()]


def listed() -> list[str]:
    """The folders that the user's list names."""
    return [line.strip() for line in _lines() if line.strip() and not line.startswith("#")]


def list_folders(folders: Iterable[str]) -> None:
    """Write the user's list; its comments stay.

    Raises:
        NodeflowError: NF108, it cannot be written.
    """
    lines = [*(line for line in _lines() if line.startswith("#")), *dict.fromkeys(folders)]
    _list().parent.mkdir(parents=True, exist_ok=True)
    atomic_write(_list(), "".join(f"{line}\n" for line in lines).encode())


def _lines() -> list[str]:
    try:
        return _list().read_text("utf-8").splitlines()
    except OSError:
        return []


def _list() -> Path:
    return content.data_folder() / "model-paths.txt"


def scan(hashes: bool = False) -> list[Found]:
    """Everything in `places()`, by name.

    Args:
        hashes: Whether to compute the SHA-256 of files that have none yet, which reads them whole.
    """
    before = {found.path: found for found in remembered()}
    rows: dict[str, Found] = {}
    for path in _paths():
        if len(rows) >= _MOST:
            break
        stamp = _stamp(path)
        known = before.get(str(path))
        found = known if known and known.stamp == stamp else _described(path, stamp)
        found = replace(found, preview=_preview(path))
        if hashes and not found.sha256 and path.is_file() and found.what != "unreadable":
            found = replace(found, sha256=_sha256(path))
        rows[found.path] = found
    result = sorted(rows.values(), key=lambda found: (found.name.lower(), found.path))
    if result != list(before.values()):
        _remember(result)
    return result


def renew() -> None:
    """Scan for the sake of the next `remembered`, in silence."""
    try:
        scan()
    except (OSError, NodeflowError):
        return


def remembered() -> list[Found]:
    """What the last `scan` found; no folder is looked into."""
    try:
        rows = json.loads(_memory().read_text("utf-8"))
        return [Found(**row) for row in rows]
    except (OSError, ValueError, TypeError):
        return []


def _memory() -> Path:
    return content.cache_folder() / "models.json"


def _remember(rows: list[Found]) -> None:
    data = json.dumps([asdict(row) for row in rows], indent=1).encode()
    _memory().parent.mkdir(parents=True, exist_ok=True)
    atomic_write(_memory(), data)


def _paths() -> Iterator[Path]:
    """Model folders and files below the places; what lies inside a model folder belongs to it.

    Links to folders are followed, each folder once.
    """
    seen: set[tuple[int, int]] = set()
    for place in places():
        for folder, names, files in os.walk(place, followlinks=True):
            here = Path(folder)
            depth = len(here.relative_to(place).parts)
            if (at := _identity(here)) is None or at in seen:
                names[:] = []
                continue
            seen.add(at)
            names[:] = sorted(name for name in names if not name.startswith(".") and name != "blobs")
            if INDEX in files:
                names[:] = []
                yield here
                continue
            if depth >= _DEPTH:
                names[:] = []
            yield from (here / file for file in sorted(files) if file.endswith(ENDINGS))


def _identity(folder: Path) -> tuple[int, int] | None:
    """What two ways to one folder have in common; None for one that cannot be looked at."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _stamp(path: Path) -> str:
    try:
        status = (path / INDEX if path.is_dir() else path).stat()
    except OSError:
        return ""
    return f"{status.st_size} {status.st_mtime_ns}"


def described(path: Path) -> Found:
    """What a file or folder is, from its header; "unreadable", and why, where that cannot be told."""
    return _described(path, _stamp(path))


def _described(path: Path, stamp: str) -> Found:
    from .diffusion.checkpoints.handles import facts
    from .diffusion.checkpoints.headers import read_header
    from .diffusion.checkpoints.marks import recognise

    blank = Found(_name(path), str(path), "unreadable", "", "", 0, stamp)
    try:
        if path.is_dir():
            told: dict[str, Any] = facts(str(path))
            words = f"a model of the family {told['family']}"
            return replace(blank, what="model", words=words, family=told["family"], bytes=told["bytes"])
        found = recognise(read_header(path))
        return replace(blank, what=found.what, words=found.words, family=found.family, bytes=path.stat().st_size)
    except NodeflowError as error:
        return replace(blank, words=error.faults[0].what)
    except OSError as error:
        return replace(blank, words=error.strerror or str(error))


def _name(path: Path) -> str:
    """ "org/name" for a snapshot in the Hub's cache, else the name of the file or folder."""
    for part in path.parts:
        if part.startswith("models--"):
            inside = path.parts[path.parts.index("snapshots") + 2 :] if "snapshots" in path.parts else ()
            return "/".join((*part.removeprefix("models--").split("--"), *inside))
    return path.name


def _preview(path: Path) -> str:
    stem = path if path.is_dir() else path.with_suffix("")
    beside = (stem.parent / f"{stem.name}{ending}" for ending in PICTURES)
    return next((str(picture) for picture in beside if picture.is_file()), "")


def _sha256(path: Path) -> str:
    from .diffusion.checkpoints.identity import full_digest

    return full_digest(path)
