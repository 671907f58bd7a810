"""Which models a graph was made with, by their hashes, in a file beside it: `graph.lock.json`.

    {"nodeflow-lock": 1, "models": {"load": {"model": "emoji", "files": {"unet/….safetensors": "sha256…"}}}}

For each node that names a model, every file of its weights with its SHA-256. A lock is data: reading one opens nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .atomic import atomic_write
from .errors import Fault, NodeflowError
from .graph import Graph
from .models import adapter_file, open_control, open_files, open_image_encoder, open_ip_adapter, open_model
from .saving import with_values
from .values import Weights

VERSION = 1
_FIELDS = {
    "model/load": ("model",), "model/files": ("denoiser", "autoencoder", "text_encoder", "second", "third"),
    "model/lora": ("path",), "control/load": ("network",), "control/load-ip-adapter": ("adapter",),
    "control/load-image-encoder": ("encoder",),
}  # fmt: skip
"""Nodes that open models -> the inputs that name them."""
_ALONE: Mapping[str, Callable[[str], Weights | None]] = {
    "control/load": open_control, "control/load-ip-adapter": open_ip_adapter,
    "control/load-image-encoder": open_image_encoder,
}  # fmt: skip
"""Nodes that open one network -> how."""


class _Named(NamedTuple):
    """A model that a node names.

    Args:
        node: The type of the node.
        model: Its name, or the names of its files, a line each.
    """

    node: str
    model: str


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
    named = _models(graph, values or {})
    models = {name: {"model": one.model, "files": _hashes(one)} for name, one in named.items()}
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
    for name, one in models.items():
        if name not in pinned:
            wrong.append(Fault("NF415", f"{one.model!r} is not in the lock", name))
        elif differing := _differences(pinned[name], one):
            wrong.append(Fault("NF415", f"{one.model!r} differs from the lock in {differing}", name))
    good = len(models) - len(wrong)
    verified = f"{good} of {len(models)} model{'s' * (len(models) != 1)} verified"
    if not wrong:
        return verified
    words = f"{verified}, {len(wrong)} differ{'s' * (len(wrong) == 1)}: {'; '.join(_told(fault) for fault in wrong)}"
    raise NodeflowError("NF415", words, fix="use the models it was made with, or lock it anew")


def _told(fault: Fault) -> str:
    return f"{fault.what} (node {fault.where})"


def _differences(pinned: Mapping[str, Any], named: _Named) -> str:
    """Which files differ, in words; empty = none. What files without folders are called does not count."""
    here = _hashes(named)
    alone = not any("/" in name for name in {*here, *pinned["files"]})
    if alone and sorted(here.values()) == sorted(pinned["files"].values()):
        return ""
    files = sorted(name for name in {*here, *pinned["files"]} if here.get(name) != pinned["files"].get(name))
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    return ", ".join(files[:3]) + more


def _models(graph: Graph, values: Mapping[str, Any]) -> dict[str, _Named]:
    """The models that a graph names, by node."""
    found: dict[str, _Named] = {}
    for name, node in with_values(graph, values).nodes.items():
        fields = _FIELDS.get(node.type, ())
        chosen = [str(node.values[field]) for field in fields if node.values.get(field)]
        if not chosen and node.type == "model/load":
            chosen = ["emoji"]
        if chosen:
            found[name] = _Named(node.type, "\n".join(chosen))
    return found


def _hashes(named: _Named) -> dict[str, str]:
    """The SHA-256 of every file of a model's weights, by its place in the model's folder."""
    from .diffusion.checkpoints.identity import full_digest

    folder, files = _files(named)
    return {_place(file, folder): full_digest(file) for file in files}


def _files(named: _Named) -> tuple[Path, Iterable[Path]]:
    """A model's folder, and the files of its weights."""
    from .diffusion.checkpoints.handles import files_of

    if named.node == "model/lora":
        file = Path(adapter_file(named.model)).expanduser()
        if not file.is_file():
            raise NodeflowError("NF401", "the file is missing", where=str(file))
        return file.parent, (file,)
    if named.node in _ALONE:
        network = _ALONE[named.node](named.model)
        assert network is not None
        return Path(network.folder), files_of(network)
    several = named.model.split("\n")
    parts = open_model(named.model) if len(several) == 1 else open_files(several)
    assert parts is not None
    return parts.folder, dict.fromkeys(file for one in parts.networks if one.folder for file in files_of(one))


def _place(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix() if folder in file.parents else file.name


def _well_formed(entry: Any) -> bool:
    match entry:
        case {"model": str(), "files": {**files}}:
            return all(isinstance(value, str) for value in _all(files))
    return False


def _all(files: Mapping[Any, Any]) -> Iterable[Any]:
    return (*files, *files.values())
