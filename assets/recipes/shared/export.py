"""Write the trained networks as one folder in the diffusers layout, float16."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from text_denoiser import SCHEDULER
from torch import Tensor

from nodeflow.atomic import atomic_write

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "scheduler": ["diffusers", SCHEDULER["_class_name"]],
    "safety_checker": [None, None],
    "feature_extractor": [None, None],
    "requires_safety_checker": False,
}
ROOT = "text_model."


def export_denoiser(
    folder: Path,
    average: Mapping[str, Tensor],
    unet: Mapping[str, Any],
    text: Mapping[str, Any],
    autoencoder: tuple[str, str] = ("diffusers", "AutoencoderKL"),
) -> None:
    """Write unet/, text_encoder/, scheduler/ and model_index.json.

    Args:
        folder: The model's folder; its tokenizer stands there already.
        average: The averaged weights of both networks, names beginning with "unet." or "text_encoder.".
        unet: The U-net's configuration.
        text: The text encoder's configuration.
        autoencoder: The library and class of the model's autoencoder, for the index.
    """
    _write_network(folder / "unet", "diffusion_pytorch_model", unet, _part(average, "unet."))
    own = {ROOT + name.removeprefix(ROOT): tensor for name, tensor in _part(average, "text_encoder.").items()}
    _write_network(folder / "text_encoder", "model", {**text, "dtype": "float16"}, own)
    _write_json(folder / "scheduler" / "scheduler_config.json", SCHEDULER)
    _write_json(folder / "model_index.json", {**INDEX, "vae": list(autoencoder)})


def export_autoencoder(folder: Path, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
    """Write vae/."""
    _write_network(folder / "vae", "diffusion_pytorch_model", config, state)


def _part(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _write_network(folder: Path, stem: str, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
    _write_json(folder / "config.json", config)
    half = {name: tensor.to(torch.float16).contiguous() for name, tensor in state.items()}
    atomic_write(folder / f"{stem}.safetensors", save(half, {"format": "pt"}))


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, (json.dumps(data, indent=2) + "\n").encode())
