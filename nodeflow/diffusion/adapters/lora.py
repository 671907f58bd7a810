"""Low-rank updates of layers, W' = W + s (α / r) · up · down (Hu et al. 2021, arXiv 2106.09685, section 4.1)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from ..models.stored import StoredLayer
from . import names

_SHOWN = 3


class Update(NamedTuple):
    """The change of one layer.

    Args:
        down: [r, C_in], or [r, C_in, k, k] of a convolution.
        up: [C_out, r], or [C_out, r, 1, 1].
        scale: α / r.
    """

    down: Tensor
    up: Tensor
    scale: float

    def delta(self) -> Tensor:
        """The change of the weight as a matrix, [C_out, C_in · k · k] float32."""
        return self.scale * (self.up.float().flatten(1) @ self.down.float().flatten(1))


def updates(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str], part: str, net: nn.Module, where: str = ""
) -> dict[str, Update]:
    """The updates in a file that belong to a network, by the names of its layers.

    Args:
        tensors: All tensors of the file.
        metadata: Of the file; diffusers says α there.
        part: "unet" or "text_encoder".
        net: The network.
        where: The file, for errors.

    Raises:
        NodeflowError: NF407, the file changes layers that the network has not, or half of an update is missing.
    """
    own = [name for name, module in net.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    layers = {spelt: name for name in own for spelt in names.spellings(name)}
    pieces: dict[str, dict[str, Tensor]] = {}
    strange = []
    for key, tensor in tensors.items():
        name = names.read(key)
        if name is None or name.part != part:
            continue
        if name.module not in layers:
            strange.append(name.module)
            continue
        pieces.setdefault(layers[name.module], {})[name.role] = tensor
    halves = [layer for layer, found in pieces.items() if not {"down", "up"} <= found.keys()]
    _refuse(strange, "which the network does not have", where)
    _refuse(halves, "of which one half is missing", where)
    settings = _settings(metadata, part)
    return {
        layer: Update(found["down"], found["up"], _scale(layer, found, settings)) for layer, found in pieces.items()
    }


@torch.no_grad()
def apply(net: nn.Module, found: Mapping[str, Update], strength: float) -> None:
    """Add updates to a network's weights in place, each s · (α / r) · up · down.

    Raises:
        NodeflowError: NF407, an update has another shape than its layer.
    """
    for name, update in found.items():
        layer: Any = net.get_submodule(name)
        weight: Any = layer.weight
        delta = update.delta()
        if delta.numel() != weight.numel() or len(delta) != len(weight):
            what = f"the update of {name} is {list(delta.shape)}, the layer {list(weight.shape)}"
            raise NodeflowError("NF407", what, fix="use an adapter made for this model")
        if isinstance(layer, StoredLayer):
            layer.change(partial(_added, update=update, strength=strength))
            continue
        changed = weight.float() + strength * delta.view(weight.shape).to(weight.device)
        weight.copy_(changed.to(weight.dtype))


def _added(weight: Tensor, update: Update, strength: float) -> Tensor:
    """A weight with an update; the factors stay small, the sum is made anew at every use of a stored weight."""
    return weight + strength * update.delta().view(weight.shape).to(weight)


def _refuse(layers: Iterable[str], why: str, where: str) -> None:
    found = sorted(set(layers))
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        what = f"the adapter changes {len(found)} layers {why} ({', '.join(found[:_SHOWN])}{more})"
        raise NodeflowError("NF407", what, where=where, fix="use an adapter made for this model")


def _settings(metadata: Mapping[str, str], part: str) -> dict[str, Any]:
    """What PEFT was told when it made the adapter of a part; empty where the file does not say."""
    try:
        said = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    except ValueError:
        return {}
    return {key.removeprefix(f"{part}."): value for key, value in said.items() if key.startswith(f"{part}.")}


def _scale(layer: str, found: Mapping[str, Tensor], settings: Mapping[str, Any]) -> float:
    """α / r: from the tensor beside the update (kohya), from the metadata (PEFT), else 1."""
    rank = len(found["down"])
    if "alpha" in found:
        return float(found["alpha"]) / rank
    patterns = settings.get("alpha_pattern") or {}
    alpha = next((value for name, value in patterns.items() if layer.endswith(name)), settings.get("lora_alpha"))
    if not isinstance(alpha, int | float):
        return 1.0
    return float(alpha) / (rank**0.5 if settings.get("use_rslora") else rank)
