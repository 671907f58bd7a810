"""Which models a graph was made with, by their hashes, in a file beside it: `graph.lock.json`.

    {"nodeflow-lock": 1, "models": {"load": {"model": "emoji", "files": {"unet/….safetensors": "sha256…"}}}}

For each node that names a model, every file of its weights with its SHA-256. A lock is data: reading one opens nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .atomic import atomic_write
from .errors import Fault, NodeflowError
from .graph import Graph
from .models import open_files, open_model
from .saving import with_values

VERSION = 1
_FIELDS = {"model/load": ("model",), "model/files": ("denoiser", "autoencoder", "text_encoder", "second", "third")}
"""Nodes that open models -> the inputs that name them."""


def lock_path(graph: Path) -> Path:
    """Where the lock of a graph is."""
    return graph.with_name(f"{graph.stem}.lock.json")


def locked(graph: Graph, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The lock of a graph: reads every byte of its models.

    Args:
        graph: Its nodes with the models that they name.
        values: What a run sets besides, by graph input.

    Raises:
        NodeflowError: NF401 and others, a model cannot be opened; NF212, the graph opens none.
    """
    models = {name: {"model": model, "files": _hashes(model)} for name, model in _models(graph, values or {}).items()}
    if not models:
        raise NodeflowError("NF212", "the graph opens no model, so there is nothing to lock", fix="add Load model")
    return {"nodeflow-lock": VERSION, "models": models}


def write(lock: Mapping[str, Any], path: Path) -> None:
    """Write a lock, whole or not at all."""
    atomic_write(path, (json.dumps(lock, indent=2, sort_keys=True) + "\n").encode())


def read(path: Path) -> dict[str, Any]:
    """Read a lock.

    Raises:
        NodeflowError: NF107, there is none; NF105, it is not one; NF106, it is of a newer version.
    """
    try:
        data = json.loads(path.read_bytes())
    except OSError:
        fix = "make it with nodeflow lock"
        raise NodeflowError("NF107", "the graph has no lock file", where=str(path), fix=fix) from None
    except ValueError:
        data = None
    match data:
        case {"nodeflow-lock": int(version)} if version > VERSION:
            raise NodeflowError("NF106", "the lock was made by a newer nodeflow", where=str(path))
        case {"nodeflow-lock": 1, "models": {**models}} if all(map(_well_formed, models.values())):
            return data
    raise NodeflowError("NF105", "this is not a lock file", where=str(path), fix="make it anew with nodeflow lock")


def verify(graph: Graph, lock: Mapping[str, Any], values: Mapping[str, Any] | None = None) -> str:
    """Compare a graph's models with a lock.

    Returns:
        What was found, in a sentence.

    Raises:
        NodeflowError: NF415, a model differs from the lock, is not in it or is no longer in the graph; says how many
            and which.
    """
    models, pinned = _models(graph, values or {}), lock["models"]
    wrong: list[Fault] = []
    for name, model in models.items():
        if name not in pinned:
            wrong.append(Fault("NF415", f"{model!r} is not in the lock", name))
        elif differing := _differences(pinned[name], model):
            wrong.append(Fault("NF415", f"{model!r} differs from the lock in {differing}", name))
    good = len(models) - len(wrong)
    verified = f"{good} of {len(models)} model{'s' * (len(models) != 1)} verified"
    if not wrong:
        return verified
    words = f"{verified}, {len(wrong)} differ{'s' * (len(wrong) == 1)}: {'; '.join(_told(fault) for fault in wrong)}"
    raise NodeflowError("NF415", words, fix="use the models it was made with, or lock it anew")


def _told(fault: Fault) -> str:
    return f"{fault.what} (node {fault.where})"


def _differences(pinned: Mapping[str, Any], model: str) -> str:
    """Which files differ, in words; empty = none."""
    here = _hashes(model)
    files = sorted(name for name in {*here, *pinned["files"]} if here.get(name) != pinned["files"].get(name))
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    return ", ".join(files[:3]) + more


def _models(graph: Graph, values: Mapping[str, Any]) -> dict[str, str]:
    """The models that a graph names, by node."""
    found: dict[str, str] = {}
    for name, node in with_values(graph, values).nodes.items():
        fields = _FIELDS.get(node.type, ())
        chosen = [str(node.values[field]) for field in fields if node.values.get(field)]
        if not chosen and node.type == "model/load":
            chosen = ["emoji"]
        if chosen:
            found[name] = "\n".join(chosen)
    return found


def _hashes(model: str) -> dict[str, str]:
    """The SHA-256 of every file of a model's weights, by its place in the model's folder."""
    from .diffusion.checkpoints.handles import files_of
    from .diffusion.checkpoints.identity import full_digest

    several = model.split("\n")
    parts = open_model(model) if len(several) == 1 else open_files(several)
    assert parts is not None
    files = dict.fromkeys(file for network in parts.networks if network.folder for file in files_of(network))
    return {_place(file, parts.folder): full_digest(file) for file in files}


def _place(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix() if folder in file.parents else file.name


def _well_formed(entry: Any) -> bool:
    match entry:
        case {"model": str(), "files": {**files}}:
            return all(isinstance(value, str) for value in _all(files))
    return False


def _all(files: Mapping[Any, Any]) -> Iterable[Any]:
    return (*files, *files.values())
