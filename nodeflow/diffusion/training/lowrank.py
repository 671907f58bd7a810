"""Layers that learn a low-rank update and nothing else (Hu et al. 2021, arXiv 2106.09685, section 4.1).

h = W x + (α / r) B A x, with A [r, C_in] drawn from N(0, 1/r²) and B [C_out, r] zero, so that training begins at the
network as it is. W stays; A and B are parameters of the layer beside it, and the rest of the network does not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from ..adapters.deltas import Lora
from ..models.attention import PointwiseConv

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
"""The layers of a denoiser that are usually adapted."""
TEXT = ("q_proj", "k_proj", "v_proj", "out_proj")
"""The same of a CLIP text encoder."""
DOWN, UP = "lora_down", "lora_up"


def adapt(net: nn.Module, targets: Sequence[str], rank: int, scale: float, seed: int) -> list[str]:
    """Freeze a network and give each target layer an update to learn, in place; returns the layers' names.

    Args:
        net: The network.
        targets: Endings of the names of layers, such as "to_q" or "ff.net.2".
        rank: r.
        scale: α / r.
        seed: Of the first A.

    Raises:
        NodeflowError: NF205, no layer of the network has such a name.
    """
    net.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    found = [
        name
        for name, module in net.named_modules()
        if isinstance(module, nn.Linear | PointwiseConv) and any(f".{name}".endswith(f".{end}") for end in targets)
    ]
    if not found:
        what = f"no layer of the network is called {', '.join(targets)}"
        raise NodeflowError("NF205", what, where="targets", fix=f"such as {', '.join(ATTENTION)}")
    for name in found:
        layer: Any = net.get_submodule(name)
        width, height = layer.weight.shape[:2]
        down = torch.randn(rank, height, generator=generator) / rank
        layer.register_parameter(DOWN, nn.Parameter(down.to(layer.weight.device)))
        layer.register_parameter(UP, nn.Parameter(torch.zeros(width, rank, device=layer.weight.device)))
        layer.register_forward_hook(_added(scale))
    return found


def learnt(net: nn.Module, state: dict[str, Tensor], layers: Sequence[str], scale: float) -> dict[str, Lora]:
    """The updates in a network's state dict, by layer, in the shapes that adapter files have.

    Args:
        net: The network.
        state: Its state dict, or the averages of it.
        layers: From `adapt`.
        scale: α / r.
    """
    found = {}
    for name in layers:
        flat = isinstance(net.get_submodule(name), nn.Linear)
        down, up = (state[f"{name}.{half}"] for half in (DOWN, UP))
        found[name] = Lora(down, up, scale) if flat else Lora(down[..., None, None], up[..., None, None], scale)
    return found


def _added(scale: float) -> Any:
    def hook(layer: Any, given: tuple[Tensor, ...], out: Tensor) -> Tensor:
        return out + scale * F.linear(F.linear(given[0], layer.lora_down), layer.lora_up)

    return hook
