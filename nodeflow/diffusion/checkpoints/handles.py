"""A model's name becomes plain-data handles for the wires: what it consists of, without its weights, without torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from nodeflow.errors import Fault, NodeflowError
from nodeflow.values import Autoencoder, Denoiser, SchedulerConfig, TextEncoder, Weights

from . import families, hub
from .files import STEMS, weight_files
from .headers import read_header
from .identity import digest
from .layout import SCHEDULER_CONFIG, Component, Layout, read_layout
from .locate import local_folder


@dataclass(frozen=True)
class ModelParts:
    """The parts of a model, as handles.

    Args:
        folder: Where it is.
        family: "sd1", "sd2", "sd-inpaint", "sdxl", "sdxl-refiner", "ldm", "pixels", "sound" or "waves".
        denoiser: Its UNet or transformer, with its latent space and trained size.
        autoencoder: Kind "Pixels" or "Waves" for models without one.
        text_encoder: None for models that take no text.
        text_encoder_2: The second one, where the family has two.
        scheduler: As published with the model.
    """

    folder: Path
    family: str
    denoiser: Denoiser
    autoencoder: Autoencoder
    text_encoder: TextEncoder | None
    text_encoder_2: TextEncoder | None
    scheduler: SchedulerConfig


def open_model(
    model: str,
    *,
    variant: str = "",
    dtype: str = "auto",
    search_folders: Iterable[Path] = (),
    download: bool = True,
) -> ModelParts:
    """Find a model and describe its parts from configurations and headers; milliseconds when it is on this machine.

    Args:
        model: A folder in the diffusers layout, the name of a folder inside `search_folders`, or "org/name" on the
            Hub, tried in this order.
        variant: Preferred variant of the weights, such as "fp16"; components without it come plain.
        dtype: Number format that the handles ask for; "auto" leaves it to the device.
        search_folders: Where models with a plain name are.
        download: Whether to fetch what the Hub's cache lacks.

    Raises:
        NodeflowError: NF401 files are missing, NF402 cut or corrupt, NF403 no model, NF404 another kind of model,
            NF405 pickles, NF406 a model we do not know. Carries all faults of all components.
    """
    describe = partial(_open, variant=variant, dtype=dtype)
    folder = local_folder(model, search_folders)
    if folder is not None:
        return describe(folder)
    here = hub.cached(model)
    lacking = ""
    if here is not None:
        try:
            return describe(here)
        except NodeflowError as error:
            if any(fault.code != "NF401" for fault in error.faults):
                raise
            lacking = "; ".join(f"{fault.what} in {fault.where}" for fault in error.faults)
    if not download:
        raise NodeflowError("NF401", lacking or "the model is not on this machine", where=model, fix="download it once")
    return describe(hub.fetch(model, variant, lacking))


def facts(model: str, *, variant: str = "", search_folders: Iterable[Path] = ()) -> dict[str, Any]:
    """What `check` and `models` say about a model, as plain data. Nothing is downloaded.

    Returns:
        `family`, `folder`, `denoiser`, `autoencoder`, `text_encoder` (class names, None where absent), `scheduler`,
        `space` (name, channels, factor, scale, shift), `size` (width, height), `parameters`, `bytes`, `formats`
        (the number formats in the files).

    Raises:
        NodeflowError: As `open_model`.
    """
    parts = open_model(model, variant=variant, search_folders=search_folders, download=False)
    networks = [part for part in (parts.denoiser, parts.autoencoder, parts.text_encoder, parts.text_encoder_2) if part]
    tensors = [
        tensor
        for network in networks
        if network.folder
        for path in files_of(network)
        for tensor in read_header(path).tensors.values()
    ]
    space = parts.denoiser.space
    return {
        "family": parts.family,
        "folder": str(parts.folder),
        "denoiser": parts.denoiser.kind,
        "autoencoder": parts.autoencoder.kind,
        "text_encoder": parts.text_encoder.kind if parts.text_encoder else None,
        "scheduler": parts.scheduler.config.get("_class_name"),
        "space": {field: getattr(space, field) for field in ("name", "channels", "factor", "scale", "shift")},
        "size": list(parts.denoiser.size),
        "parameters": sum(math.prod(tensor.shape) for tensor in tensors),
        "bytes": sum(tensor.end - tensor.start for tensor in tensors),
        "formats": sorted({tensor.dtype for tensor in tensors}),
    }


def files_of(handle: Weights) -> tuple[Path, ...]:
    """The files that hold a handle's weights.

    Raises:
        NodeflowError: NF401, NF402, NF405: they are missing, or an index is corrupt, or they are pickles.
    """
    stem = STEMS["transformers" if isinstance(handle, TextEncoder) else "diffusers"]
    return weight_files(Path(handle.folder), stem, handle.variant)[0]


def _open(folder: Path, variant: str, dtype: str) -> ModelParts:
    layout = read_layout(folder)
    _require_parts(layout)
    read = _read_all(layout, variant, dtype)
    unet = read["unet"]
    autoencoder = _autoencoder(read["vae"]) if "vae" in read else _identity(unet, dtype)
    space = autoencoder.space
    sound = autoencoder.kind in families.SOUND
    family = "sound" if sound else families.family(unet["kind"], unet["config"], space)
    waves = family == "waves"
    size = (families.wave_length(unet["config"]), 1) if waves else families.trained_size(unet["config"], space)
    texts = [_text_encoder(layout, name, read[name]) for name in _TEXT_ENCODERS if name in read]
    _require_texts(folder, family, [text.config for text in texts], unet["config"])
    scheduler = layout.components["scheduler"]
    return ModelParts(
        folder=folder,
        family=family,
        denoiser=Denoiser(**unet, space=space, size=size),
        autoencoder=autoencoder,
        text_encoder=texts[0] if texts else None,
        text_encoder_2=texts[1] if len(texts) > 1 else None,
        scheduler=SchedulerConfig({"_class_name": scheduler.kind, **scheduler.config()}),
    )


def _autoencoder(read: Mapping[str, Any]) -> Autoencoder:
    handle = Autoencoder(**read)
    space = families.latent_space(handle.config, digest(files_of(handle), timed=False))
    return replace(handle, space=space, media="audio" if handle.kind in families.SOUND else "image")


def _identity(unet: Mapping[str, Any], dtype: str) -> Autoencoder:
    """What stands for the autoencoder of a denoiser that works on pictures or waves themselves."""
    config = unet["config"]
    if unet["kind"] != families.WAVE_DENOISER:
        return Autoencoder("", "Pixels", {}, "", dtype, space=families.pixel_space(config))
    space = families.wave_space(config)
    what = {"in_channels": space.channels, "sample_rate": config["sample_rate"]}
    return Autoencoder("", "Waves", what, "", dtype, space=space, media="audio")


_TEXT_ENCODERS = ("text_encoder", "text_encoder_2")
_TEXTS_OF = {"sd1": 1, "sd2": 1, "sd-inpaint": 1, "sdxl": 2, "sdxl-refiner": 1, "sound": 1}
"""How many text encoders a family has; the others have none."""


def _require_parts(layout: Layout) -> None:
    if "unet" not in layout.components:
        parts = ", ".join(layout.components) or "nothing"
        other = layout.components.get("transformer")
        code, why = ("NF406", f"models around a {other.kind} are not supported") if other else (
            "NF404", f"the model has no denoiser, it consists of {parts}")  # fmt: skip
        raise NodeflowError(
            code, why, where=str(layout.folder), fix="choose a Stable Diffusion, DDPM or Dance Diffusion model"
        )
    if "scheduler" not in layout.components:
        raise NodeflowError("NF401", f"the model has no {SCHEDULER_CONFIG}", where=str(layout.folder))


def _read_all(layout: Layout, variant: str, dtype: str) -> dict[str, dict[str, Any]]:
    """The fields of a `Weights` for each network of a model; all faults of all networks at once."""
    read: dict[str, dict[str, Any]] = {}
    faults: list[Fault] = []
    for name in ("unet", "vae", *_TEXT_ENCODERS):
        if name in layout.components:
            try:
                read[name] = _read(layout.components[name], variant, dtype)
            except NodeflowError as error:
                faults += error.faults
    try:
        layout.components["scheduler"].config()
    except NodeflowError as error:
        faults += error.faults
    if faults:
        raise NodeflowError.of(faults)
    return read


def _read(component: Component, variant: str, dtype: str) -> dict[str, Any]:
    config = component.config()
    files, found = weight_files(component.folder, component.stem, variant)
    return {
        "folder": str(component.folder),
        "kind": component.kind,
        "config": config,
        "digest": digest(files),
        "dtype": dtype,
        "variant": found,
    }


def _text_encoder(layout: Layout, name: str, read: Mapping[str, Any]) -> TextEncoder:
    tokenizer = layout.components.get(name.replace("text_encoder", "tokenizer"))
    if tokenizer is None:
        raise NodeflowError("NF408", f"the {name} has no tokenizer", where=str(layout.folder))
    return TextEncoder(**read, tokenizer=str(tokenizer.folder))


def _require_texts(folder: Path, family: str, texts: list[Mapping[str, Any]], denoiser: Mapping[str, Any]) -> None:
    needed = _TEXTS_OF.get(family, 0)
    if len(texts) < needed:
        raise NodeflowError(
            "NF404",
            f"a model of the family {family} needs {needed} text encoders, {len(texts)} are here",
            where=str(folder),
            fix="download the whole model",
        )
    if needed:
        families.require_fit(denoiser, sum(text.get("hidden_size", 0) for text in texts))
