"""Tiny IP-Adapters and the image encoder they look through, in the published layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tiny import write_network
from torch import Tensor

EYE: dict[str, Any] = {
    "architectures": ["CLIPVisionModelWithProjection"], "model_type": "clip_vision_model",
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 16,
    "image_size": 16, "patch_size": 4, "projection_dim": 20, "hidden_act": "gelu",
}  # fmt: skip
SD1, SDXL = (32, (16, 16, 16, 32)), (56, (*(32,) * 2, *(32,) * 4, *(32,) * 2))
"""Width of the text states, and of the blocks that read them, in the tiny models."""


def write_eye(folder: Path, seed: int = 31, **options: Any) -> Path:
    """An image encoder as transformers reads it."""
    write_network(folder, "transformers", "CLIPVisionModelWithProjection", EYE | options, seed)
    return folder


def write_adapter(
    file: Path, fits: tuple[int, tuple[int, ...]] = SD1, plus: bool = False, seed: int = 0, image: int = 0
) -> Path:
    """An IP-Adapter as its makers write it; a "plus" reads all patches."""
    width, layers = fits
    draw = torch.Generator().manual_seed(100 + seed)

    def random(*shape: int) -> Tensor:
        return 0.3 * torch.randn(*shape, generator=draw)

    state = _resampler(random, width, image or 32) if plus else {
        "image_proj.proj.weight": random(4 * width, image or 20), "image_proj.proj.bias": random(4 * width),
        "image_proj.norm.weight": 1 + random(width), "image_proj.norm.bias": random(width),
    }  # fmt: skip
    for i, channels in enumerate(layers):
        for name in ("to_k_ip", "to_v_ip"):
            state[f"ip_adapter.{2 * i + 1}.{name}.weight"] = random(channels, width)
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, file)
    return file


def _resampler(random: Any, width: int, image: int, hidden: int = 24, inner: int = 64) -> dict[str, Tensor]:
    state = {
        "latents": random(1, 6, hidden), "proj_in.weight": random(hidden, image), "proj_in.bias": random(hidden),
        "proj_out.weight": random(width, hidden), "proj_out.bias": random(width),
        "norm_out.weight": 1 + random(width), "norm_out.bias": random(width),
    }  # fmt: skip
    for i in range(4):
        for name in ("0.norm1", "0.norm2", "1.0"):
            state[f"layers.{i}.{name}.weight"] = 1 + random(hidden)
            state[f"layers.{i}.{name}.bias"] = random(hidden)
        shapes = {"0.to_q": (inner, hidden), "0.to_kv": (2 * inner, hidden), "0.to_out": (hidden, inner),
                  "1.1": (4 * hidden, hidden), "1.3": (hidden, 4 * hidden)}  # fmt: skip
        state |= {f"layers.{i}.{name}.weight": random(*shape) for name, shape in shapes.items()}
    return {f"image_proj.{name}": tensor for name, tensor in state.items()}
