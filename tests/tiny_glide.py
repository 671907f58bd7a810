"""Tiny checkpoints of GLIDE as its files are: the denoiser and its text transformer side by side, no configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tiny import seeded

UNET: dict[str, Any] = {
    "in_channels": 3, "model_channels": 32, "num_res_blocks": 1, "channel_mult": [1, 2], "attention_resolutions": [2],
    "encoder_channels": 32, "sample_size": 16,
}  # fmt: skip
UPSAMPLER: dict[str, Any] = UNET | {
    "in_channels": 6, "channel_mult": [1, 1, 2, 2], "attention_resolutions": [4, 8], "sample_size": 64,
}  # fmt: skip
TEXT: dict[str, Any] = {"xf_width": 32, "xf_layers": 2, "xf_heads": 1, "pooled_width": 128}


def state(unet: dict[str, Any], seed: int = 0) -> dict[str, torch.Tensor]:
    """All tensors of a file, none of them at a trivial value."""
    parts = seeded("Text2ImUNet", unet, seed), seeded("GlideTextModel", TEXT, seed + 1)
    found = {name: tensor for part in parts for name, tensor in part.state_dict().items()}
    return {name: tensor + 0.05 * torch.randn_like(tensor) for name, tensor in found.items()}


def glide(folder: Path) -> Path:
    """Text to pictures of 16×16."""
    save_file(state(UNET), folder / "base.safetensors", {"format": "pt"})
    return folder / "base.safetensors"


def glide_inpaint(folder: Path) -> Path:
    """The same with a denoiser that sees the blanked picture and where it is to stay."""
    save_file(state(UNET | {"in_channels": 7}, 10), folder / "base_inpaint.safetensors", {"format": "pt"})
    return folder / "base_inpaint.safetensors"


def glide_upsampler(folder: Path) -> Path:
    """Pictures of 16×16 to 64×64."""
    save_file(state(UPSAMPLER, 20), folder / "upsample.safetensors", {"format": "pt"})
    return folder / "upsample.safetensors"


GLIDES = (glide, glide_inpaint, glide_upsampler)
