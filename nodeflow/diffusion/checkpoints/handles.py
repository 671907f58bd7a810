"""A model's name becomes plain-data handles for the wires: what it consists of, without its weights, without torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from nodeflow.errors import Fault, NodeflowError
from nodeflow.values import Autoencoder, Denoiser, ImageEncoder, SchedulerConfig, TextEncoder, Weights

from . import families, hub, spaces
from .files import OWN_TEXTS, STEMS, weight_files
from .headers import TensorInfo, read_header
from .identity import part_digest
from .layout import SCHEDULER_CONFIG, Component, Layout, read_layout
from .locate import local_folder
from .originals import sources
from .single import read_single

T = TypeVar("T")


@dataclass(frozen=True)
class ModelParts:
    """The parts of a model, as handles.

    Args:
        folder: Where it is.
        denoiser: Its UNet or transformer, with its family, latent space and trained size.
        autoencoder: Kind "Pixels" or "Waves" for models without one.
        text_encoder: With those beside it, where the family has several; None for models that take no text.
        scheduler: As published with the model.
    """

    folder: Path
    denoiser: Denoiser
    autoencoder: Autoencoder
    text_encoder: TextEncoder | None
    scheduler: SchedulerConfig

    @property
    def family(self) -> str:
        """The name of its family; see `families`."""
        return self.denoiser.family

    @property
    def networks(self) -> tuple[Weights, ...]:
        """Every network that it consists of."""
        return (self.denoiser, self.autoencoder, *(self.text_encoder.all if self.text_encoder else ()))


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
        model: A folder in the diffusers layout, a single file, the name of either inside `search_folders`, or
            "org/name" on the Hub, tried in this order.
        variant: Preferred variant of the weights, such as "fp16"; components without it come plain.
        dtype: Number format that the handles ask for; "auto" leaves it to the device.
        search_folders: Where models with a plain name are.
        download: Whether to fetch what the Hub's cache lacks.

    Raises:
        NodeflowError: NF401 files are missing, NF402 cut or corrupt, NF403 no model, NF404 another kind of model,
            NF405 pickles, NF406 a model we do not know. Carries all faults of all components.
    """
    return found(model, partial(_open, variant=variant, dtype=dtype), variant, search_folders, download)


def found(model: str, describe: Callable[[Path], T], variant: str, search: Iterable[Path], download: bool) -> T:
    """What a folder, a file, a copy from the Hub or a fresh download holds; see `open_model`."""
    folder = local_folder(model, search)
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
        `family`, `task`, `folder`, `denoiser`, `autoencoder`, `text_encoder` (class names, None where absent),
        `scheduler`, `space` (name, channels, factor, scale, shift), `size` (width, height), `parameters`, `bytes`,
        `formats` (the number formats in the files).

    Raises:
        NodeflowError: As `open_model`.
    """
    parts = open_model(model, variant=variant, search_folders=search_folders, download=False)
    tensors = [tensor for network in parts.networks if network.folder for tensor in tensors_of(network)]
    space = parts.denoiser.space
    return {
        "family": parts.family,
        "task": parts.denoiser.task,
        "folder": str(parts.folder),
        "denoiser": parts.denoiser.kind,
        "autoencoder": parts.autoencoder.kind,
        "text_encoder": " + ".join(one.kind for one in parts.text_encoder.all) if parts.text_encoder else None,
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
    if handle.part:
        return (Path(handle.folder),)
    foreign = isinstance(handle, TextEncoder | ImageEncoder) and handle.kind not in OWN_TEXTS
    stem = STEMS["transformers" if foreign else "diffusers"]
    return weight_files(Path(handle.folder), stem, handle.variant)[0]


def tensors_of(handle: Weights) -> list[TensorInfo]:
    """The tensors of a handle's network, as its files have them.

    Raises:
        NodeflowError: As `files_of` and `read_header`.
    """
    headers = [read_header(path) for path in files_of(handle)]
    if not handle.part:
        return [tensor for header in headers for tensor in header.tensors.values()]
    tensors = headers[0].tensors
    found = sources(handle.part, {name: tensor.shape for name, tensor in tensors.items()})
    return [tensors[name] for name in {source.name for source in found.values()}]


def _open(folder: Path, variant: str, dtype: str) -> ModelParts:
    return _described(read_single((folder,)) if folder.is_file() else read_layout(folder), variant, dtype)


def open_files(files: Sequence[Path], *, dtype: str = "auto") -> ModelParts:
    """Describe a model whose parts are in several files, as `open_model` does one.

    Args:
        files: The denoiser's, or a whole model's, then those of other parts, which take the place of its own.
        dtype: As for `open_model`.

    Raises:
        NodeflowError: As `open_model`; NF404, the files do not make a model, or one is no part of it.
    """
    return _described(read_single(files), "", dtype)


def _described(layout: Layout, variant: str, dtype: str) -> ModelParts:
    place = _denoiser(layout)
    read = _read_all(layout, (place, *families.AUTOENCODERS, *families.TEXT_ENCODERS), variant, dtype)
    denoiser = read[place]
    kinds = {name: component.kind for name, component in layout.components.items()}
    family = families.recognised(denoiser["kind"], denoiser["config"], kinds)
    coder = next((read[name] for name in families.AUTOENCODERS if name in read), None)
    autoencoder = _pixels(family, denoiser, dtype) if coder is None else _autoencoder(coder)
    if not family.scaled:
        autoencoder = replace(autoencoder, space=replace(autoencoder.space, scale=1.0, shift=0.0))
    space = autoencoder.space
    scheduler = layout.components["scheduler"]
    return ModelParts(
        folder=layout.folder,
        denoiser=Denoiser(
            **denoiser,
            space=space,
            size=spaces.trained_size(denoiser["kind"], denoiser["config"], space, family.size),
            family=family.name,
            task=family.task(denoiser["config"], space.channels),
        ),
        autoencoder=autoencoder,
        text_encoder=_texts(layout, family, read),
        scheduler=SchedulerConfig({"_class_name": scheduler.kind, **_levels(family), **scheduler.config()}),
    )


def _levels(family: families.Family) -> dict[str, str]:
    """What a family's schedules are laid like, as a key of its scheduler's configuration; see `scheduling`."""
    return {"_levels": family.levels} if family.levels else {}


def _autoencoder(read: Mapping[str, Any]) -> Autoencoder:
    handle = Autoencoder(**read)
    space = spaces.latent_space(handle.config, part_digest(files_of(handle), handle.part, timed=False))
    return replace(handle, space=space, media="audio" if handle.kind in families.SOUNDS else "image")


def _pixels(family: families.Family, denoiser: Mapping[str, Any], dtype: str) -> Autoencoder:
    """What stands for the autoencoder of a model that has none."""
    config = {**denoiser["config"], **({"in_channels": family.pixels} if family.pixels else {})}
    made = identity(denoiser["kind"], config, dtype)
    return replace(made, config={**made.config, "enlarges": family.enlarges}) if family.enlarges > 1 else made


def identity(kind: str, config: Mapping[str, Any], dtype: str = "auto") -> Autoencoder:
    """What stands for the autoencoder of a denoiser that works on pictures or waves themselves.

    Raises:
        NodeflowError: NF406, as `spaces.wave_space`.
    """
    if kind != families.WAVE_DENOISER:
        return Autoencoder("", "Pixels", {}, "", dtype, space=spaces.pixel_space(config))
    space = spaces.wave_space(config)
    what = {"in_channels": space.channels, "sample_rate": config["sample_rate"]}
    return Autoencoder("", "Waves", what, "", dtype, space=space, media="audio")


def _denoiser(layout: Layout) -> str:
    """The name of the denoiser among a model's components; refuses a model without one or without a scheduler."""
    found = next((name for name in families.DENOISERS if name in layout.components), None)
    if found is None:
        parts = ", ".join(layout.components) or "nothing"
        raise NodeflowError(
            "NF404",
            f"the model has no denoiser, it consists of {parts}",
            where=str(layout.folder),
            fix="choose a whole model",
        )
    families.require_known(layout.components[found].kind)
    if "scheduler" not in layout.components:
        raise NodeflowError("NF401", f"the model has no {SCHEDULER_CONFIG}", where=str(layout.folder))
    return found


def _read_all(layout: Layout, names: Iterable[str], variant: str, dtype: str) -> dict[str, dict[str, Any]]:
    """The fields of a `Weights` for each network of these names; all faults of all networks at once."""
    read: dict[str, dict[str, Any]] = {}
    faults: list[Fault] = []
    for name in names:
        if name in layout.components:
            try:
                read[name] = read_part(layout.components[name], variant, dtype)
            except NodeflowError as error:
                faults += error.faults
    try:
        layout.components["scheduler"].config()
    except NodeflowError as error:
        faults += error.faults
    if faults:
        raise NodeflowError.of(faults)
    return read


def read_part(component: Component, variant: str, dtype: str) -> dict[str, Any]:
    """The fields of a `Weights` for a component.

    Raises:
        NodeflowError: As `open_model`.
    """
    config = component.config()
    single = ((component.folder,), "")
    files, found = single if component.part else weight_files(component.folder, component.stem, variant)
    return {
        "folder": str(component.folder),
        "kind": component.kind,
        "config": config,
        "digest": part_digest(files, component.part),
        "dtype": dtype,
        "variant": found,
        "part": component.part,
    }


def _texts(layout: Layout, family: families.Family, read: Mapping[str, Mapping[str, Any]]) -> TextEncoder | None:
    """The text encoders of a model, the others behind the first."""
    texts = family.texts
    if texts is None:
        return None
    there = [name for name in texts.components if name in read]
    if missing := [name for name in texts.components if name not in read and name not in texts.optional]:
        raise NodeflowError(
            "NF404",
            f"a model of the family {family.name} needs {len(texts.components)} text encoders, {len(there)} are here",
            where=str(layout.folder),
            fix=f"download the whole model, {' and '.join(missing)} included",
        )
    handles = [_text_encoder(layout, name, read[name]) for name in there]
    denoiser = next(read[name] for name in families.DENOISERS if name in read)
    families.require_fit(family, denoiser["config"], [handle.config for handle in handles])
    told = {key: denoiser["config"][key] for key in texts.options if key in denoiser["config"]}
    options = {**{key: value for key, value in layout.options.items() if not key.startswith("_")}, **told}
    return replace(handles[0], reading=texts.reading, more=tuple(handles[1:]), options=options)


def _text_encoder(layout: Layout, name: str, read: Mapping[str, Any]) -> TextEncoder:
    own = name.replace("text_encoder", "tokenizer")
    tokenizer = layout.components.get(own if own != name and own in layout.components else "tokenizer")
    if tokenizer is None:
        raise NodeflowError("NF408", f"the {name} has no tokenizer", where=str(layout.folder))
    return TextEncoder(**read, tokenizer=str(tokenizer.folder))
