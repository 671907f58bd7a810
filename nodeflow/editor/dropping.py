"""Files dropped on the window: a graph, or what carries one, opens; a picture, a sound, a model becomes its node.

What a file of weights is, its header says. One dropped on a node that takes such files is what the node takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import NodeflowError
from ..media import images, sounds

if TYPE_CHECKING:
    from .window import Window

READABLE = (*images.SUFFIXES, ".bmp", ".gif", ".tif", ".tiff")
WEIGHTS = (".safetensors", ".gguf")
PICKLES = (".ckpt", ".pt", ".pth", ".bin")
STEP = 40.0
"""How far the nodes of several files stand from each other."""


@dataclass(frozen=True)
class Meant:
    """What a file is meant for.

    Args:
        kind: The node type that opens it; empty = nothing does.
        ports: The inputs that take its path, the first empty one counts.
        path: What they are given.
        why: Why nothing opens it.
    """

    kind: str = ""
    ports: tuple[str, ...] = ()
    path: str = ""
    why: str = ""


def dropped_files(window: Window, paths: Iterable[str], at: tuple[float, float] | None = None) -> None:
    """Do what is meant by dropping files, at a point of the canvas or anywhere else on the window."""
    made = []
    for place, path in enumerate(paths):
        if carries_graph(path):
            window.files.open_path(path)
            continue
        meant = meaning(path)
        if meant.why:
            window.say(f"{Path(path).name}: {meant.why}")
            continue
        space = window.current or window.files.open_empty()
        x, y = at or (space.canvas.center().x() - 120, space.canvas.center().y() - 60)
        made.append(_placed(window, meant, (x + place * STEP, y + place * STEP)))
    if window.current is not None and made:
        window.current.canvas.select(made)


def _placed(window: Window, meant: Meant, at: tuple[float, float]) -> str:
    """The file goes to the node under it that takes such files, else to a new one; returns its name."""
    from PySide6.QtCore import QPointF

    space = window.current
    assert space is not None
    document = space.document
    under = space.canvas.node_at(QPointF(*at))
    name = under.name_ if under is not None else ""
    if name in document.graph.nodes and document.graph.nodes[name].type == meant.kind:
        free = [port for port in meant.ports if port not in document.graph.nodes[name].wires]
        if free:
            port = next((port for port in free if not document.value(name, port)), free[0])
            document.set_value(name, port, meant.path)
            return name
    return document.add(meant.kind, at, values={meant.ports[0]: meant.path})


def carries_graph(path: str) -> bool:
    """Is it a graph, or a picture or a sound that one is in?"""
    suffix = Path(path).suffix.lower()
    media = next((each for each in (images, sounds) if suffix in each.SUFFIXES), None)
    if media is None:
        return suffix == ".json"
    try:
        return bool(media.graph_in(path))
    except NodeflowError:
        return False


def meaning(path: str) -> Meant:
    """What a file or folder is meant for, by its name and its header."""
    suffix = Path(path).suffix.lower()
    if Path(path).is_dir():
        return _of_folder(Path(path))
    if suffix in READABLE:
        return Meant("image/load", ("path",), path)
    if suffix in sounds.READABLE:
        return Meant("audio/load", ("path",), path)
    if suffix in WEIGHTS:
        return _of_weights(Path(path))
    if suffix in PICKLES:
        return Meant(why=f"a pickle may run code when it is opened; nodeflow models convert {Path(path).name}")
    return Meant(why="drop a graph, a picture, a sound, a model or a folder of these")


def _of_weights(path: Path) -> Meant:
    from ..shelf import described

    found, file = described(path), str(path)
    match found.what:
        case "model":
            return Meant("model/load", ("model",), file)
        case "denoiser":
            return Meant("model/files", ("denoiser",), file)
        case "autoencoder":
            return Meant("model/files", ("autoencoder",), file)
        case "text encoder":
            return Meant("model/files", ("text_encoder", "second", "third"), file)
        case "lora" | "embedding":
            return Meant("model/lora", ("path",), file)
        case "controlnet" | "t2i-adapter" if (path.parent / "config.json").is_file():
            return Meant("control/load", ("network",), str(path.parent))
        case "controlnet":
            return Meant("control/load", ("network",), file)
        case "ip-adapter":
            return Meant("control/load-ip-adapter", ("adapter",), file)
        case "image encoder":
            return Meant("control/load-image-encoder", ("encoder",), file)
        case "t2i-adapter":
            return Meant(why=f"{found.words}, which opens as a folder with its config.json; there is none beside it")
    return Meant(why=f"{found.words}; no node opens it")


def _of_folder(path: Path) -> Meant:
    folder = str(path)
    if (path / "model_index.json").is_file():
        return Meant("model/load", ("model",), folder)
    if (path / "config.json").is_file():
        from ..models import CONTROLS

        text = (path / "config.json").read_text("utf-8", "replace")
        if any(name in text for name in CONTROLS):
            return Meant("control/load", ("network",), folder)
        if "CLIPVisionModelWithProjection" in text:
            return Meant("control/load-image-encoder", ("encoder",), folder)
    suffixes = {each.suffix.lower() for each in path.iterdir()}
    if suffixes & {*READABLE}:
        return Meant("training/dataset", ("folder",), folder)
    if suffixes & {*sounds.READABLE}:
        return Meant("training/sounds", ("folder",), folder)
    return Meant(why="in this folder is no model, no picture and no sound")
