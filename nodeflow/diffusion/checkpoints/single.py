"""Files without a folder around them: one that holds a whole model, or several that hold its parts.

They are described as a model folder is, by a `Layout`: what `model_index.json` and the configurations would say is told
from the headers, and what no header says (scheduler, tokenizers) comes with nodeflow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nodeflow.errors import NodeflowError

from . import families
from .files import read_json
from .headers import Header, read_header
from .layout import Component, Layout
from .marks import Part, Recognised, recognise
from .originals import part, within
from .originals.configs import CONFIGS, unet

_TOKENIZERS = Path(__file__).with_name("tokenizers")
"""Byte pairs (Copyright 2021 OpenAI, MIT licence), CLIP's, as it pads prompts and as OpenCLIP does, and GPT-2's; and
the pieces of T5 (Copyright 2019 The T5 Authors, Apache licence 2.0)."""
_T5_ROWS = 32128
"""Rows of the table of every T5 that reads those pieces."""
_DISTILLED: Mapping[str, Mapping[str, Any]] = {"flux": {"shift": 1.0, "use_dynamic_shifting": False}}
"""What a family's scheduler has otherwise for models of few steps."""
_SEATS: Mapping[tuple[str, str], tuple[str, str, str]] = {
    ("sd1", "text_encoder"): ("text_encoder", "CLIPTextModel", "clip-plain"),
    ("sd2", "text_encoder_2"): ("text_encoder", "CLIPTextModel", "clip-plain"),
    ("sdxl", "text_encoder"): ("text_encoder", "CLIPTextModel", "clip-plain"),
    ("flux", "text_encoder"): ("text_encoder", "CLIPTextModel", "clip-plain"),
    ("sd3", "text_encoder"): ("text_encoder", "CLIPTextModelWithProjection", "clip-identity"),
    ("stable-audio", "text_encoder_3"): ("text_encoder", "T5EncoderModel", "t5"),
    ("flux", "text_encoder_3"): ("text_encoder_2", "T5EncoderModel", "t5"),
}
"""(family, component as a file alone is recognised) -> its place in a model of that family, class and name map."""


def read_single(files: Sequence[Path]) -> Layout:
    """The parts of a model that are in single files.

    Args:
        files: A whole model or a denoiser first, then what takes the place of its other parts.

    Raises:
        NodeflowError: As `read_header`; NF404, the first is no model, or another is no part of one; NF406, a family or
            form that we cannot open.
    """
    first, header, found = _read(files[0])
    family = families.known(found.family)
    if found.what not in ("model", "denoiser"):
        raise NodeflowError("NF404", f"this is {found.words}, not a model", where=str(first), fix=_ADVICE.get(
            found.what, "choose a model, or load this file as the part that it is"))  # fmt: skip
    if family is None or not found.parts:
        raise NodeflowError(
            "NF406", f"this is {found.words}, and that family is not supported", where=str(first), fix=_known()
        )
    components = {each.component: _component(first, header, each, found) for each in map(_seated(found), found.parts)}
    for other in files[1:]:
        components |= _others(other, found)
    components["scheduler"] = _scheduler(first, found, family)
    for name in [name for name in components if name.startswith("text_encoder")]:
        components |= _tokenizer(name, components[name])
    _require_whole(first, found, family, components)
    return Layout(first, components, {"force_zeros_for_empty_prompt": True} if found.family == "sdxl" else {})


_ADVICE = {
    "lora": "apply it to a model with Apply LoRA",
    "embedding": "teach it to a model with Apply LoRA",
    "controlnet": "apply it with a ControlNet node",
}


def _known() -> str:
    return f"choose a model of {', '.join(family.name for family in families.FAMILIES)}"


def _read(file: Path) -> tuple[Path, Header, Recognised]:
    header = read_header(file)
    return file, header, recognise(header)


def _seated(found: Recognised) -> Any:
    """How a part of a file takes its place in a model of the family."""

    def seat(each: Part) -> Part:
        place = _SEATS.get((found.family, each.component)) if each.names == "clip" or each.names == "t5" else None
        if place is None:
            return each
        component, kind, names = place
        return each._replace(component=component, kind=kind, names=names)

    return seat


def _others(file: Path, model: Recognised) -> dict[str, Component]:
    """The parts besides a denoiser that a file has for a model."""
    _, header, found = _read(file)
    parts = [each for each in map(_seated(model), found.parts) if each.component not in families.DENOISERS]
    if not parts:
        raise NodeflowError("NF404", f"this is {found.words}, not a text encoder or an autoencoder", where=str(file),
                            fix="choose the file of a text encoder or an autoencoder")  # fmt: skip
    family = families.known(model.family)
    wanted = {*families.AUTOENCODERS, *(family.texts.components if family and family.texts else ())}
    for each in parts:
        if each.component not in wanted:
            raise NodeflowError("NF404", f"this is {found.words}, which a {model.family} model does not use",
                                where=str(file), fix=f"it has {', '.join(sorted(wanted))}")  # fmt: skip
    return {each.component: _component(file, header, each, model) for each in parts}


def _component(file: Path, header: Header, each: Part, model: Recognised) -> Component:
    library = "transformers" if each.component.startswith("text_encoder") else "diffusers"
    return Component(library, each.kind, file, part(each.names, each.prefix), _config(file, header, each, model))


def _config(file: Path, header: Header, each: Part, model: Recognised) -> Mapping[str, Any]:
    if not each.config and (file.parent / "config.json").is_file():
        return read_json(file.parent / "config.json")
    if not each.config:
        raise NodeflowError(
            "NF406",
            f"the {each.component} in this file has the names of a model folder, but no config.json tells its form",
            where=str(file),
            fix="put its config.json beside it",
        )
    shapes = within({name: tensor.shape for name, tensor in header.tensors.items()}, each.prefix)
    try:
        if each.config == "ldm-unet":
            return unet(shapes, model.family, model.prediction)
        return CONFIGS[each.config](shapes, model.family)
    except NodeflowError as error:
        raise NodeflowError.of(fault.at(str(file)) for fault in error.faults) from None
    except (ValueError, IndexError, ZeroDivisionError):
        what = f"the tensors of the {each.component} have shapes that no {each.kind} has"
        raise NodeflowError("NF402", what, where=str(file), fix="download the file again") from None


def _scheduler(file: Path, found: Recognised, family: families.Family) -> Component:
    config = {**family.scheduler, **(_DISTILLED.get(found.family, {}) if found.distilled else {})}
    if not config:
        raise NodeflowError(
            "NF406", f"models of the family {family.name} in one file bring no scheduler", where=str(file)
        )
    prediction = _beside(file) or found.prediction
    if prediction == "v_prediction":
        config["prediction_type"] = prediction
    if found.zero_snr:
        config |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
        config.pop("skip_prk_steps", None)
    return Component("diffusers", config.pop("_class_name"), file, "scheduler", config)


def _beside(file: Path) -> str:
    """What the original configuration beside a file says that it predicts, as other tools keep it; empty = nothing."""
    config = file.with_suffix(".yaml")
    try:
        text = config.read_bytes()[:_MAX_YAML].decode("utf-8", "replace") if config.is_file() else ""
    except OSError:
        return ""
    said = re.search(r"""^\s*parameterization:\s*["']?(\w+)""", text, re.MULTILINE)
    return {"v": "v_prediction", "eps": "epsilon"}.get(said[1], "") if said else ""


_MAX_YAML = 1 << 16


def _tokenizer(name: str, encoder: Component) -> dict[str, Component]:
    """The tokenizer that a text encoder in a file was trained with."""
    place = name.replace("text_encoder", "tokenizer")
    if encoder.kind.startswith("CLIP"):
        form = "open-clip" if encoder.config().get("hidden_act") == "gelu" else "clip"
        return {place: Component("transformers", "CLIPTokenizer", _TOKENIZERS / form)}
    if encoder.kind == "GlideTextModel":
        return {place: Component("transformers", "GPT2Tokenizer", _TOKENIZERS / "gpt2")}
    beside = encoder.folder.parent
    if encoder.config().get("vocab_size") == _T5_ROWS:
        return {place: Component("transformers", "T5TokenizerFast", _TOKENIZERS / "t5")}
    if not any((beside / name).is_file() for name in ("tokenizer.json", "spiece.model")):
        raise NodeflowError("NF408", "this T5 has a vocabulary of its own, and its tokenizer is not in the file",
                            where=str(encoder.folder),
                            fix=f"put its tokenizer.json or spiece.model into {beside}")  # fmt: skip
    return {place: Component("transformers", "T5TokenizerFast", beside)}


def _require_whole(file: Path, found: Recognised, family: families.Family, components: Mapping[str, Component]) -> None:
    """Refuse a model that lacks a part, by name."""
    texts = [name for name in family.texts.components if name not in family.texts.optional] if family.texts else []
    coder = ["vae"] if any(family.autoencoders) and "vae" not in components else []
    lacking = [name for name in (*texts, *coder) if name not in components]
    if lacking:
        names = {"vae": "autoencoder (vae)"}
        raise NodeflowError(
            "NF404",
            f"this is {found.words}: it lacks {', '.join(names.get(name, name.replace('_', ' ')) for name in lacking)}",
            where=str(file),
            fix="give the files of these parts in Load model from files",
        )
