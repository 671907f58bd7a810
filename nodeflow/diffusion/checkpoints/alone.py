"""Networks that stand alone: control networks, image encoders, IP-Adapters; a folder or a single file each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from nodeflow.errors import Fault, NodeflowError
from nodeflow.values import Weights

from .files import STEMS
from .handles import found, read_part
from .headers import Header, read_header
from .layout import Component
from .marks import Recognised, recognise
from .originals import part, sources
from .originals.alone import ALONE

W = TypeVar("W", bound=Weights)


class Form(NamedTuple):
    """How a network stands in a file.

    Args:
        kind: Its class name.
        mark: A name that no other form has.
        prefix: What its names begin with.
        names: Its name map, a key of `originals.MAPS`.
    """

    kind: str
    mark: str
    prefix: str = ""
    names: str = ""


FORMS = (
    Form("ControlNetModel", "control_model.input_hint_block.0.weight", "control_model.", "ldm-controlnet"),
    Form("ControlNetModel", "input_hint_block.0.weight", "", "ldm-controlnet"),
    Form("ControlNetModel", "controlnet_cond_embedding.conv_in.weight"),
    Form("FluxControlNetModel", "controlnet_x_embedder.weight"),
    Form("IPAdapter", "ip_adapter.1.to_k_ip.weight"),
    Form("CLIPVisionModelWithProjection", "visual_projection.weight"),
)
"""The first whose mark is there counts."""
NAMES = {
    "ControlNetModel": "a ControlNet", "T2IAdapter": "a T2I-Adapter", "IPAdapter": "an IP-Adapter",
    "CLIPVisionModelWithProjection": "an image encoder (CLIP vision model with projection)",
    "FluxControlNetModel": "a ControlNet", "SD3ControlNetModel": "a ControlNet",
}  # fmt: skip


def open_network(
    handle: type[W],
    kinds: Collection[str],
    model: str,
    *,
    variant: str = "",
    dtype: str = "auto",
    search_folders: Iterable[Path] = (),
    download: bool = True,
) -> W:
    """Find a network that stands alone, and describe it from its configuration or from the header of its file.

    Args:
        handle: The type of the handle.
        kinds: The class names that it may have.

    The others are those of `open_model`; a folder has a `config.json` and weights.

    Raises:
        NodeflowError: NF404, it is a network of another kind; NF406, of a form that we cannot open; and as
            `open_model`.
    """

    def describe(place: Path) -> W:
        component = _in_file(place, kinds) if place.is_file() else _in_folder(place, kinds)
        return handle(**read_part(component, variant, dtype))

    try:
        return found(model, describe, variant, search_folders, download)
    except NodeflowError as error:
        raise NodeflowError.of(_sought(fault, model, kinds) for fault in error.faults) from None


def _sought(fault: Fault, model: str, kinds: Collection[str]) -> Fault:
    """What is missing, by what it would be: the names of whole models are no help here."""
    if fault.code != "NF401" or not fault.what.startswith(("there is no model", "no model is chosen")):
        return fault
    wanted = " or ".join(dict.fromkeys(NAMES[kind] for kind in kinds))
    what = f"there is no {model[:60]!r} on this machine" if model else "nothing is chosen"
    return replace(fault, what=what, fix=f"choose the folder or file of {wanted}, or put it into the models folder")


def _in_folder(folder: Path, kinds: Collection[str]) -> Component:
    config = Component("", "", folder).config()
    kind = _kind(config)
    if kind not in kinds:
        raise _refused(f"this is {kind or 'a network without a name'}", kinds, folder, "folder")
    return Component("diffusers" if "_class_name" in config else "transformers", kind, folder)


def _kind(config: Mapping[str, Any]) -> str:
    return config.get("_class_name") or next(iter(config.get("architectures") or ()), "")


def _in_file(file: Path, kinds: Collection[str]) -> Component:
    header = read_header(file)
    form = next((form for form in FORMS if form.kind in kinds and form.mark in header.tensors), None)
    if form is None:
        known = recognise(header)
        if known.what in _BY_CONFIG and (file.parent / "config.json").is_file():
            return _in_folder(file.parent, kinds)
        raise _not_alone(known, kinds, file)
    config = _beside(file, form.kind) or _config(file, header, form)
    return Component("", form.kind, file, part(form.names, form.prefix), config)


def _beside(file: Path, kind: str) -> dict[str, Any] | None:
    """The configuration beside a file that has the name of the weights in a published folder."""
    own = file.stem in STEMS.values() and (file.parent / "config.json").is_file()
    config = Component("", "", file.parent).config() if own else {}
    return config if _kind(config) == kind else None


def _config(file: Path, header: Header, form: Form) -> dict[str, Any]:
    own = {name: tensor.shape for name, tensor in header.tensors.items()}
    try:
        published = {name: own[source.name] for name, source in sources(part(form.names, form.prefix), own).items()}
        return ALONE[form.kind](published)
    except NodeflowError as error:
        raise NodeflowError.of(fault.at(str(file)) for fault in error.faults) from None
    except (ValueError, IndexError, ZeroDivisionError):
        what = f"its tensors have shapes that no {form.kind} has"
        raise NodeflowError("NF402", what, where=str(file), fix="download the file again") from None


_BY_CONFIG = ("controlnet", "t2i-adapter")
"""What may open by the configuration beside it, where its header does not tell its form."""


def _not_alone(known: Recognised, kinds: Collection[str], file: Path) -> NodeflowError:
    if known.what not in _BY_CONFIG or "ControlNetModel" not in kinds:
        return _refused(f"this is {known.words}", kinds, file, "file")
    what = f"this is {known.words}, whose form no header tells"
    return NodeflowError("NF406", what, where=str(file), fix="put its config.json beside it")


def _refused(what: str, kinds: Collection[str], place: Path, where: str) -> NodeflowError:
    wanted = " or ".join(dict.fromkeys(NAMES[kind] for kind in kinds))
    return NodeflowError("NF404", f"{what}, not {wanted}", where=str(place), fix=f"choose another {where}")
