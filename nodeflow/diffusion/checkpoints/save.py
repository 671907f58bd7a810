"""Networks to folders in the published layout, `config.json` and safetensors, which other tools read too."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from nodeflow.atomic import atomic_path, atomic_write
from nodeflow.errors import NodeflowError
from nodeflow.values import Autoencoder, Denoiser, SchedulerConfig, TextEncoder, Weights

from .files import STEMS
from .handles import files_of
from .identity import digest
from .layout import INDEX, SCHEDULER_CONFIG
from .load import load_weights

W = TypeVar("W", bound=Weights)

_PIPELINES = {
    ("UNet2DConditionModel", True): "StableDiffusionPipeline",
    ("UNet2DModel", False): "DDPMPipeline",
    ("UNet1DModel", False): "DanceDiffusionPipeline",
}


def save_network(
    folder: Path, kind: str, config: Mapping[str, Any], state: Mapping[str, Tensor], dtype: torch.dtype | None = None
) -> None:
    """Write one network.

    Args:
        folder: Made if need be.
        kind: The class name.
        config: Its configuration.
        state: Its weights by published name.
        dtype: Number format of the file; None keeps that of the weights.

    Raises:
        NodeflowError: NF108, the folder cannot be written.
    """
    make_folder(folder)
    is_text = "Text" in kind
    named = {"architectures": [kind]} if is_text else {"_class_name": kind}
    write_json(folder / "config.json", {**config, **named})
    tensors = {
        name: (tensor.to(dtype) if dtype and tensor.is_floating_point() else tensor).detach().cpu().contiguous()
        for name, tensor in state.items()
    }
    write_tensors(folder / f"{STEMS['transformers' if is_text else 'diffusers']}.safetensors", tensors)


def saved_handle(handle: W, folder: Path) -> W:
    """The handle of a network that `save_network` wrote, otherwise like another handle."""
    fresh = replace(handle, folder=str(folder), variant="", patches=(), digest="")
    return replace(fresh, digest=digest(files_of(fresh)))


def save_model(
    folder: Path,
    denoiser: Denoiser,
    scheduler: SchedulerConfig,
    autoencoder: Autoencoder | None = None,
    text_encoder: TextEncoder | None = None,
    dtype: str = "float32",
) -> None:
    """Write a whole model with `model_index.json`, changes to its weights (such as a LoRA) merged into them.

    Raises:
        NodeflowError: NF108, the folder cannot be written; NF401 and others, as loading the networks raises.
    """
    parts: dict[str, Weights] = {"unet": denoiser}
    if autoencoder is not None and not autoencoder.identity:
        parts["vae"] = autoencoder
    if text_encoder is not None:
        parts["text_encoder"] = text_encoder
    formats = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
    index: dict[str, Any] = {
        "_class_name": _PIPELINES.get((denoiser.kind, text_encoder is not None), "DiffusionPipeline")
    }
    for name, handle in parts.items():
        net = load_weights(handle)
        save_network(folder / name, handle.kind, handle.config, net.state_dict(), formats[dtype])
        index[name] = ["transformers" if isinstance(handle, TextEncoder) else "diffusers", handle.kind]
    write_json(folder / "scheduler" / SCHEDULER_CONFIG, scheduler.config)
    index["scheduler"] = ["diffusers", scheduler.config["_class_name"]]
    if text_encoder is not None:
        shutil.copytree(text_encoder.tokenizer, folder / "tokenizer", dirs_exist_ok=True)
        index["tokenizer"] = ["transformers", "CLIPTokenizer"]
        index |= {"safety_checker": [None, None], "feature_extractor": [None, None], "requires_safety_checker": False}
    write_json(folder / INDEX, index)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write a safetensors file, whole or not at all.

    Raises:
        NodeflowError: NF108, it cannot be written.
    """
    try:
        with atomic_path(path) as temporary:
            save_file(dict(tensors), temporary, {"format": "pt", **(metadata or {})})
    except SafetensorError as error:
        raise NodeflowError("NF108", f"the weights cannot be written: {error}", where=str(path)) from None


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write a JSON file, its folder made if need be."""
    make_folder(path.parent)
    atomic_write(path, (json.dumps(dict(data), indent=2) + "\n").encode())


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises:
        NodeflowError: NF108, it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NodeflowError("NF108", f"the folder cannot be made: {error.strerror}", where=str(folder)) from None
