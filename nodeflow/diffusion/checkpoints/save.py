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

from nodeflow.atomic import atomic_folder, atomic_path, atomic_write
from nodeflow.errors import NodeflowError
from nodeflow.values import Autoencoder, Denoiser, SchedulerConfig, TextEncoder, Weights

from ..devices import torch_dtype
from .families import FAMILIES, SOUND, WAVE_DENOISER, known
from .files import STEMS
from .handles import files_of
from .identity import digest
from .layout import INDEX, SCHEDULER_CONFIG
from .load import load_weights

W = TypeVar("W", bound=Weights)
TEXT_TYPES = {
    "CLIPTextModel": "clip_text_model", "CLIPTextModelWithProjection": "clip_text_model", "T5EncoderModel": "t5",
    "LDMBertModel": "ldmbert",
}  # fmt: skip
"""Text encoders that transformers, or a repository in its form, publishes, and what it calls their kind."""


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
    is_text = kind in TEXT_TYPES
    named = {"architectures": [kind], "model_type": TEXT_TYPES[kind]} if is_text else {"_class_name": kind}
    write_json(folder / "config.json", {**config, **named})
    tensors = {
        name: (tensor.to(dtype) if dtype and tensor.is_floating_point() else tensor).detach().cpu().contiguous()
        for name, tensor in state.items()
    }
    write_tensors(folder / f"{STEMS['transformers' if is_text else 'diffusers']}.safetensors", tensors)


def save_again(folder: Path, handle: Weights, dtype: str = "float32") -> None:
    """Write the network of a handle, changes to its weights merged into them.

    Raises:
        NodeflowError: NF108, the folder cannot be written; and as `load_weights`.
    """
    save_network(folder, handle.kind, handle.config, load_weights(handle).state_dict(), torch_dtype(dtype))


def saved_handle(handle: W, folder: Path) -> W:
    """The handle of a network that `save_network` wrote, otherwise like another handle."""
    fresh = replace(handle, folder=str(folder), variant="", part="", patches=(), digest="")
    return replace(fresh, digest=digest(files_of(fresh)))


def save_model(
    folder: Path,
    denoiser: Denoiser,
    scheduler: SchedulerConfig,
    autoencoder: Autoencoder | None = None,
    text_encoder: TextEncoder | None = None,
    dtype: str = "float32",
    *,
    overwrite: bool = False,
    graph: str = "",
) -> None:
    """Write a whole model with `model_index.json`, changes to its weights (such as a LoRA) merged into them.

    Args:
        folder: All of it is there in the end, or nothing.
        denoiser: With its changes.
        scheduler: As it will be published with the model.
        autoencoder: None for models on pixels.
        text_encoder: With those beside it; None for models without text.
        dtype: Number format of the files.
        overwrite: Whether it may take the place of a folder.
        graph: What made the model, as JSON, for `graph.json` in the folder; empty = not known.

    Raises:
        NodeflowError: NF108, the name is taken or the folder cannot be written; NF401 and others, as loading the
            networks raises.
    """
    parts: dict[str, Weights] = {component(denoiser): denoiser}
    if autoencoder is not None and not autoencoder.identity:
        parts["vae"] = autoencoder
    encoders = _encoders(denoiser, text_encoder)
    index: dict[str, Any] = {"_class_name": _pipeline(denoiser, text_encoder), **_absent(denoiser, encoders)}
    with atomic_folder(folder, overwrite) as place:
        for name, handle in {**parts, **encoders}.items():
            net = load_weights(handle)
            save_network(place / name, handle.kind, handle.config, net.state_dict(), torch_dtype(dtype))
            index[name] = [_library(handle), handle.kind]
        write_json(place / "scheduler" / SCHEDULER_CONFIG, scheduler.config)
        index["scheduler"] = ["diffusers", scheduler.config["_class_name"]]
        for name, encoder in encoders.items():
            tokenizer = name.replace("text_encoder", "tokenizer") if name.startswith("text_encoder") else "tokenizer"
            shutil.copytree(encoder.tokenizer, place / tokenizer, dirs_exist_ok=True)
            index[tokenizer] = ["transformers", _TOKENIZERS.get(encoder.kind, "CLIPTokenizer")]
        if index["_class_name"] == "StableDiffusionPipeline":
            none = {"safety_checker": [None, None], "feature_extractor": [None, None]}
            index |= {**none, "requires_safety_checker": False}
        write_json(place / INDEX, index | (_plain(text_encoder.options) if text_encoder else {}))
        if graph:
            (place / "graph.json").write_text(graph, encoding="utf-8")


_TOKENIZERS = {"GlideTextModel": "GPT2Tokenizer", "T5EncoderModel": "T5TokenizerFast", "LDMBertModel": "BertTokenizer"}
"""The tokenizers of text encoders that are no CLIP."""


def _absent(denoiser: Denoiser, encoders: Mapping[str, TextEncoder]) -> dict[str, Any]:
    """What an index says of text encoders that a model does without."""
    family = known(denoiser.family)
    names = [name for name in family.texts.optional if name not in encoders] if family and family.texts else []
    return {each: [None, None] for name in names for each in (name, name.replace("text_encoder", "tokenizer"))}


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those options of a text encoder that an index holds: what its reading knows of the denoiser is not among them."""
    told = {key for family in FAMILIES if family.texts for key in family.texts.options}
    return {key: value for key, value in options.items() if key not in told}


def component(denoiser: Denoiser) -> str:
    """The name of a denoiser among the components of its model."""
    return "transformer" if "Transformer" in denoiser.kind else "unet"


def _encoders(denoiser: Denoiser, encoder: TextEncoder | None) -> dict[str, TextEncoder]:
    """Text encoders by their names among the components of a model."""
    if encoder is None:
        return {}
    family = known(denoiser.family)
    names = family.texts.components if family and family.texts else ("text_encoder",)
    return dict(zip(names, encoder.all, strict=False))


def _library(handle: Weights) -> str:
    """Who publishes a network's class."""
    if handle.kind in SOUND:
        return "nodeflow"
    return "transformers" if handle.kind in TEXT_TYPES else "diffusers"


def _pipeline(denoiser: Denoiser, encoder: TextEncoder | None) -> str:
    """The class name of the pipeline that other tools open a model with."""
    if family := known(denoiser.family):
        return family.pipeline
    plain = {
        ("UNet2DConditionModel", True): "StableDiffusionPipeline",
        ("UNet2DModel", False): "DDPMPipeline",
        (WAVE_DENOISER, False): "DanceDiffusionPipeline",
    }
    return plain.get((denoiser.kind, encoder is not None), "DiffusionPipeline")


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
