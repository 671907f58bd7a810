"""`models`: which models are on this machine, and what one of them is. Reads configs and headers, never weights."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer


def models(
    model: Annotated[str | None, typer.Argument(help="A model to describe: a folder, or a name.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the models that have names, or describe one."""
    from ..diffusion.checkpoints.handles import facts
    from ..models import folders

    if model is not None:
        found = facts(model, search_folders=folders())
        typer.echo(json.dumps(found, indent=2) if as_json else _described(found))
        return
    rows = [facts(str(path.parent)) for folder in folders() for path in sorted(folder.glob("*/model_index.json"))]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        typer.echo(f"{row['folder'].rstrip('/').rpartition('/')[2]:<20}  {_summary(row)}")
    if not rows:
        typer.echo(f"no models in {', '.join(map(str, folders()))}")


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
