"""The changes in an adapter file, found for the layers of a network and added to its weights."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from ..models.stored import StoredLayer
from . import names
from .blocks import Shares
from .deltas import Delta, made
from .exchange import Exchange
from .targets import targets

_SHOWN = 3


def updates(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str], part: str, net: nn.Module, where: str = ""
) -> dict[str, Delta]:
    """The changes in a file that belong to a network, by the names of its parameters.

    Args:
        tensors: All tensors of the file.
        metadata: Of the file; diffusers says α there.
        part: As `names.read` has it.
        net: The network.
        where: The file, for errors.

    Raises:
        NodeflowError: NF407, the file changes layers that the network has not, or half of a change is missing.
    """
    pieces: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        name = names.read(key)
        if name is not None and name.part == part:
            pieces.setdefault(name.module, {})[name.role] = tensor
    layers = targets(net)
    _refuse([module for module in pieces if module not in layers], "which the network does not have", where)
    settings = _settings(metadata, part)
    found: dict[str, Delta] = {}
    halves = []
    for module, own in pieces.items():
        for target in layers[module]:
            scale = partial(_scale, target.layer, own.get("alpha"), settings)
            changes = made(own, scale)
            halves += [] if changes else [module]
            found |= {f"{target.layer}.{leaf}": change.rows(target.spans) for leaf, change in changes.items()}
    _refuse(halves, "of which one half is missing", where)
    return found


@torch.no_grad()
def apply(net: nn.Module, found: Mapping[str, Delta], strength: float, shares: Shares | None = None) -> None:
    """Add changes to a network's parameters, W + s · ΔW each; what they were stays as it is for others who hold it.

    Args:
        net: The network.
        found: The changes by the names of its parameters.
        strength: s.
        shares: How much of s each layer gets; None = all of it.

    Raises:
        NodeflowError: NF407, a change has another shape than its parameter, or the parameter does not exist.
    """
    exchange = Exchange(net)
    for name, change in found.items():
        path, _, leaf = name.rpartition(".")
        layer: Any = net.get_submodule(path)
        weight: Any = getattr(layer, leaf)
        if weight is None:
            raise NodeflowError("NF407", f"{path} has no {leaf} to change", fix="use an adapter made for this model")
        share = strength * (shares.of(path) if shares else 1.0)
        if not share:
            continue
        delta = _delta(name, change, weight)
        if isinstance(layer, StoredLayer) and leaf == "weight":
            layer.change(partial(_added, change=change, strength=share))
            continue
        exchange.put(weight, weight.float() + share * delta)


def _delta(name: str, change: Delta, weight: Tensor) -> Tensor:
    try:
        return change.delta(weight)
    except (RuntimeError, IndexError):
        what = f"the change of {name} has another shape than the layer, {list(weight.shape)}"
        raise NodeflowError("NF407", what, fix="use an adapter made for this model") from None


def _added(weight: Tensor, change: Delta, strength: float) -> Tensor:
    """A weight with a change; the factors stay small, the sum is made anew at every use of a stored weight."""
    return weight + (strength * change.delta(weight)).to(weight)


def _refuse(layers: Iterable[str], why: str, where: str) -> None:
    found = sorted(set(layers))
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        what = f"the adapter changes {len(found)} layers {why} ({', '.join(found[:_SHOWN])}{more})"
        raise NodeflowError("NF407", what, where=where, fix="use an adapter made for this model")


_TOLD = {"unet": ("unet.", "transformer.")}
"""What a part is called in metadata, where it has other names there."""


def _settings(metadata: Mapping[str, str], part: str) -> dict[str, Any]:
    """What PEFT was told when it made the adapter of a part; empty where the file does not say."""
    try:
        said = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    except ValueError:
        return {}
    prefixes = _TOLD.get(part, (f"{part}.",))
    return {key.removeprefix(root): value for key, value in said.items() for root in prefixes if key.startswith(root)}


def _scale(layer: str, alpha: Tensor | None, settings: Mapping[str, Any], rank: int) -> float:
    """α / r: from the tensor beside the update (kohya), from the metadata (PEFT), else 1."""
    if alpha is not None:
        return float(alpha) / rank
    patterns = settings.get("alpha_pattern") or {}
    told = next((value for name, value in patterns.items() if layer.endswith(name)), settings.get("lora_alpha"))
    if not isinstance(told, int | float):
        return 1.0
    return float(told) / (rank**0.5 if settings.get("use_rslora") else rank)
