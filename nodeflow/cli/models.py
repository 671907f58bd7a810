"""`models`: which models are on this machine, and what one of them is. Reads configs and headers, never weights."""

from __future__ import annotations

import json
from typing import Annotated, Any

from .command import Argument, Option, echo


def models(
    model: Annotated[str | None, Argument("A model to describe: a folder, or a name.")] = None,
    as_json: Annotated[bool, Option("--json", help="As JSON.")] = False,
) -> None:
    """List the models that have names, or describe one."""
    from ..diffusion.checkpoints.handles import facts
    from ..models import folders

    if model is not None:
        found = facts(model, search_folders=folders())
        echo(json.dumps(found, indent=2) if as_json else _described(found))
        return
    rows = [facts(str(path.parent)) for folder in folders() for path in sorted(folder.glob("*/model_index.json"))]
    if as_json:
        echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        echo(f"{row['folder'].rstrip('/').rpartition('/')[2]:<20}  {_summary(row)}")
    if not rows:
        echo(f"no models in {', '.join(map(str, folders()))}")


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
