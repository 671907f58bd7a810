"""`models`: which models are on this machine, what one is, getting and converting them; `lock`: which a graph uses."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

from ..errors import NodeflowError
from .command import Argument, Option, echo


def models(
    model: Annotated[str | None, Argument("A model to describe, or get or convert.")] = None,
    which: Annotated[str | None, Argument("After get: organisation/name. After convert: a pickle.")] = None,
    as_json: Annotated[bool, Option("--json", help="As JSON.")] = False,
    every: Annotated[bool, Option("--all", help="Also LoRAs and other parts, in the folders of other tools.")] = False,
    hashes: Annotated[bool, Option("--hash", help="With the SHA-256 of each file; reads new ones whole.")] = False,
    variant: Annotated[str, Option("--variant", help="With get: preferred files, such as fp16.")] = "",
    force: Annotated[bool, Option("--force", help="With convert: replace a file that is there.")] = False,
) -> None:
    """List the models on this machine, describe one, get one from the Hub, or convert pickled weights.

    Looked into are nodeflow's folders, the Hub's cache, those of ComfyUI and A1111, and what NODEFLOW_MODEL_PATHS or
    model-paths.txt in the data folder name.
    """
    from ..diffusion.checkpoints.handles import facts
    from ..models import folders

    if model in ("get", "convert"):
        if which is None:
            raise NodeflowError("NF701", f"{model} what?", fix="see `nodeflow models --help`")
        echo(_got(which, variant) if model == "get" else _converted(which, force))
        return
    if model is not None:
        found = facts(model, search_folders=folders())
        echo(json.dumps(found, indent=2) if as_json else _described(found))
        return
    if every or hashes:
        _list_all(as_json, hashes)
        return
    rows = [facts(str(path.parent)) for folder in folders() for path in sorted(folder.glob("*/model_index.json"))]
    if as_json:
        echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        echo(f"{row['folder'].rstrip('/').rpartition('/')[2]:<20}  {_summary(row)}")
    if not rows:
        echo(f"no models in {', '.join(map(str, folders()))}")


def lock(
    graph: Annotated[Path, Argument("A graph file.")],
    settings: Annotated[list[str] | None, Option("--set", "-s", help="name=value of a graph input.")] = None,
    check: Annotated[bool, Option("--check", help="Compare with the lock instead of writing it.")] = False,
) -> None:
    """Pin the models of a graph by their hashes, in a file beside it.

    `nodeflow run --locked` refuses to run with other ones.
    """
    from .. import lock as locks
    from ..engine import Engine
    from ..opening import open_graph
    from .arguments import read_values

    document = open_graph(str(graph))
    values = read_values(document, Engine().library, settings or [], []) if settings else {}
    path = locks.lock_path(graph)
    if check:
        echo(locks.verify(document, locks.read(path), values))
        return
    made = locks.locked(document, values)
    locks.write(made, path)
    count, files = len(made["models"]), sum(len(entry["files"]) for entry in made["models"].values())
    echo(f"{path}: {count} model{'s' * (count != 1)}, {files} file{'s' * (files != 1)}")


def _got(name: str, variant: str) -> str:
    """Fetch a model, with the Hub's own progress bars; what is here already is compared, not loaded again."""
    from ..diffusion.checkpoints.headers import read_header
    from ..diffusion.checkpoints.hub import get
    from ..diffusion.checkpoints.layout import INDEX
    from ..diffusion.checkpoints.marks import recognise
    from ..models import open_model

    path, count = get(name, variant)
    if path.is_file():
        what = recognise(read_header(path)).words if path.suffix in (".safetensors", ".gguf") else "a file"
    elif (path / INDEX).is_file():
        parts = open_model(str(path), variant=variant)
        what = f"a model of the family {parts.family if parts else ''}"
    else:
        what = "a network alone"
    return f"{path}: {what}, complete; {count} file{'s' * (count != 1)} verified by the Hub's hashes"


def _converted(file: str, force: bool) -> str:
    from ..diffusion.checkpoints.convert import convert

    return str(convert(Path(file).expanduser(), replace=force))


def _list_all(as_json: bool, hashes: bool) -> None:
    from dataclasses import asdict

    from .. import shelf

    rows = shelf.scan(hashes)
    if as_json:
        echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    names = Counter(row.name for row in rows)
    for row in rows:
        size = f", {_megabytes(row.bytes)}" if row.bytes else ""
        picture = "  [picture]" if row.preview else ""
        name = row.name if names[row.name] == 1 else f"{Path(row.path).parent.name}/{row.name}"
        shown = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in name)
        echo(f"{shown:<40}  {row.words}{size}  {row.sha256[:12]}{picture}".rstrip())
    echo(f"{len(rows)} in {', '.join(map(str, shelf.places()))}")


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB" if count >= 1e6 else f"{count / 1e3:,.1f} kB"


def _summary(found: dict[str, Any]) -> str:
    width, height = found["size"]
    size = f"{width}×{height}" if width else "any size"
    return f"{found['family']}, {size}, {found['parameters'] / 1e6:.1f} M parameters, {found['bytes'] / 1e6:.1f} MB"


def _described(found: dict[str, Any]) -> str:
    lines = [_summary(found)]
    for key in ("folder", "denoiser", "autoencoder", "text_encoder", "scheduler"):
        lines.append(f"  {key:<13} {found[key] or 'none'}")
    space = found["space"]
    lines.append(f"  {'latents':<13} {space['name']}: {space['channels']} channels, 1/{space['factor']} size")
    lines.append(f"  {'stored as':<13} {', '.join(found['formats'])}")
    return "\n".join(lines)
