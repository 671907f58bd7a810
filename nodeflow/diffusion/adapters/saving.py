"""Low-rank updates to files that other tools read: diffusers' (PEFT names) and kohya's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..checkpoints.save import make_folder, write_tensors
from .deltas import Lora

FILE_NAME = "pytorch_lora_weights.safetensors"
"""What diffusers looks for in a folder."""

Parts = Mapping[str, Mapping[str, Lora]]
"""Updates by part ("unet", "transformer", "text_encoder") and layer."""


def save_diffusers(path: Path, parts: Parts) -> None:
    """Write updates as `pipeline.load_lora_weights` reads them; α / r is folded into the way up.

    Raises:
        NodeflowError: NF108, the file cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    for part, found in parts.items():
        for layer, update in found.items():
            tensors[f"{part}.{layer}.lora_A.weight"] = _plain(update.down)
            tensors[f"{part}.{layer}.lora_B.weight"] = _plain(update.scale * update.up)
    make_folder(path.parent)
    write_tensors(path, tensors)


def save_kohya(path: Path, parts: Parts) -> None:
    """Write updates as the web interfaces read them, α beside each.

    Raises:
        NodeflowError: NF108, the file cannot be written.
    """
    prefixes = {"unet": "lora_unet_", "transformer": "lora_transformer_", "text_encoder": "lora_te_"}
    tensors: dict[str, Tensor] = {}
    for part, found in parts.items():
        for layer, update in found.items():
            name = prefixes[part] + layer.replace(".", "_")
            tensors[f"{name}.lora_down.weight"] = _plain(update.down)
            tensors[f"{name}.lora_up.weight"] = _plain(update.up)
            tensors[f"{name}.alpha"] = torch.tensor(update.scale * len(update.down))
    make_folder(path.parent)
    write_tensors(path, tensors)


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().float().cpu().contiguous()
