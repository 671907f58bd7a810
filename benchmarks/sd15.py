"""Stable Diffusion 1.5 at full size with seeded weights, and LoRAs for it: what the benchmarks measure."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parent.parent

UNET: dict[str, Any] = {
    "sample_size": 64,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
    "norm_num_groups": 32,
    "layers_per_block": 2,
    "block_out_channels": [320, 640, 1280, 1280],
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
}
VAE: dict[str, Any] = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "latent_channels": 4,
    "sample_size": 512,
}
TEXT: dict[str, Any] = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "projection_dim": 768,
}


def tiny() -> Any:
    """The maker of checkpoints that the tests have."""
    sys.path.insert(0, str(ROOT / "tests"))
    import tiny as maker

    return maker


def checkpoint(folder: Path, dtype: str = "float32") -> int:
    """Write the model in the layout of the Hub; returns the bytes of its weights.

    Args:
        dtype: Number format of the files.
    """
    maker = tiny()
    maker.UNET |= UNET
    maker.VAE |= VAE
    maker.TEXT |= TEXT
    maker.text_to_image(folder)
    files = list(folder.rglob("*.safetensors"))
    for file in files if dtype != "float32" else ():
        tensors = {name: tensor.to(getattr(torch, dtype)) for name, tensor in load_file(file).items()}
        file.unlink()
        save_file(tensors, file, {"format": "pt"})
    return sum(file.stat().st_size for file in files)


def lora(path: Path, seed: int, rank: int = 16) -> Path:
    """Write a LoRA for every attention of the denoiser, under diffusers' names."""
    from nodeflow.diffusion.models import model_class

    with torch.device("meta"):
        unet = model_class("UNet2DConditionModel").from_config(UNET)
    dice = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {}
    for name, layer in unet.named_modules():
        if isinstance(layer, nn.Linear) and ".attn" in name:
            down, up = (rank, layer.in_features), (layer.out_features, rank)
            tensors[f"unet.{name}.lora_A.weight"] = 0.02 * torch.randn(down, generator=dice)
            tensors[f"unet.{name}.lora_B.weight"] = 0.02 * torch.randn(up, generator=dice)
    save_file(tensors, path)
    return path
