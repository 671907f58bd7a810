"""What `check` can say about parts that do not fit, before anything runs.

Facts are plain dicts that travel beside the wires: of a model {"family", "space", "size", "states", …} as the loader
reads them from configs; None = unknown, and what is unknown is not refused.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path as FilePath
from typing import Any

from nodeflow import NodeflowError

Facts = dict[str, Any] | None

LOOKING = ("flux",)
"""Families whose denoisers may be shown a picture beside the one they paint."""


def same_space(latent: Facts, other: Facts, what: str) -> None:
    """Refuse a latent that another part cannot read.

    Raises:
        NodeflowError: NF211, naming both spaces.
    """
    have, need = (latent or {}).get("space"), (other or {}).get("space")
    if have and need and have != need:
        raise NodeflowError(
            "NF211",
            f"the latent is in the space {_name(have)}, the {what} works in {_name(need)}",
            fix="wire both from one model",
        )


def fit_task(latent: Facts, denoiser: Facts) -> None:
    """Refuse a latent without what a denoiser was trained to see beside it: a mask, or a picture to edit.

    Raises:
        NodeflowError: NF211, naming the node that makes one.
    """
    have, task = (latent or {}).get("for"), (denoiser or {}).get("task")
    nodes = {"inpaint": "Encode image for inpainting", "edit": "Encode image for editing",
             "upscale": "Encode image for upscaling"}  # fmt: skip
    if have and task in nodes and have != task:
        words = {"inpaint": "repaint what a mask marks", "edit": "edit a picture", "upscale": "enlarge a picture"}
        what = f"the model was trained to {words[task]}, and the latent has none beside it"
        raise NodeflowError("NF211", what, where="latent", fix=f'make it with "{nodes[task]}"')


def guides(guide: Facts, denoiser: Facts) -> None:
    """Refuse a guidance for what a denoiser was not trained to do.

    Raises:
        NodeflowError: NF211.
    """
    need, task = (guide or {}).get("task"), (denoiser or {}).get("task")
    if need and task and need != task:
        what = f"the guidance is for models that {need}, this one was trained to {task}"
        raise NodeflowError("NF211", what, where="guide", fix="choose another guidance, or another model")


def fit_adapter(file: FilePath, denoiser: Facts, text_encoder: Facts) -> None:
    """Refuse a LoRA or a learnt word that was made for models of another family.

    Raises:
        NodeflowError: NF211, saying which models it fits; and as reading the file's header raises.
    """
    from nodeflow.diffusion.adapters.fits import made_for, word_widths
    from nodeflow.diffusion.adapters.patch import parts_in

    model = denoiser or {}
    parts_in(file)
    made = made_for(file)
    if made is not None and not made.fits(model.get("kind"), model.get("states"), model.get("wide")):
        reads = f", reading text states {model['states']} wide" if model.get("states") else ""
        what = f"this LoRA is for {made.words}, and this model is {model.get('family')}{reads}"
        wanted = made.wanted(model.get("family", ""), model.get("states"))
        raise NodeflowError("NF211", what, where="path", fix=f"choose a LoRA for {wanted}")
    _fit_word(text_encoder or {}, word_widths(file), model.get("family") or "this model")


def _fit_word(encoder: Mapping[str, Any], need: Mapping[str, int], family: str) -> None:
    """Refuse a word that was learnt by other text encoders; SDXL's refiner has but the second of two."""
    have = encoder.get("clips")
    second = have and "text_encoder" not in have and have.items() <= need.items()
    if have is None or not need or have == need or second:
        return
    wide = " and one ".join(str(have[part]) for part in sorted(have))
    own = f"this model's is {wide} wide" if have else "this model does not read with CLIP"
    learnt = " and one ".join(str(need[part]) for part in sorted(need))
    what = f"this word was learnt by a CLIP {learnt} wide, and {own}"
    fix = f"choose a word that was learnt with {family}" if have else "leave it out"
    raise NodeflowError("NF211", what, where="path", fix=fix)


def same_names(text: str | None, denoiser: Facts) -> None:
    """Refuse strengths for blocks that a denoiser has not.

    Raises:
        NodeflowError: NF205, naming the line.
    """
    from nodeflow.diffusion.adapters.blocks import shares

    if text and (denoiser or {}).get("blocks") is not None:
        shares(text, (denoiser or {})["blocks"])


def require_media(autoencoder: Facts, media: str) -> None:
    """Refuse an autoencoder of sounds where pictures are meant, and the other way round.

    Raises:
        NodeflowError: NF211, saying which node is meant.
    """
    have = (autoencoder or {}).get("media", media)
    if have != media:
        names = {"image": "pictures", "audio": "sounds"}
        fix = f"use the nodes for {names[have]}, or a model for {names[media]}"
        raise NodeflowError("NF211", f"the autoencoder is for {names[have]}", where="autoencoder", fix=fix)


def require_form(denoiser: Facts, *, lines: bool) -> None:
    """Refuse a denoiser of lines, such as waves, where maps are meant, and the other way round.

    Raises:
        NodeflowError: NF211, saying which node is meant.
    """
    from nodeflow.diffusion.checkpoints.families import LINES

    kind = (denoiser or {}).get("kind")
    if kind and (kind in LINES) != lines:
        have, node = ("maps", "Empty latent") if lines else ("sounds as lines", "Empty sound latent")
        raise NodeflowError("NF211", f"the model works on {have}", where="model", fix=f'use the node "{node}"')


def same_states(conditioning: Facts, denoiser: Facts, port: str) -> None:
    """Refuse text states that a denoiser cannot attend to: of another width, or put together for another family.

    Raises:
        NodeflowError: NF211, naming both.
    """
    said, read = conditioning or {}, denoiser or {}
    fix = "use the text encoder of the denoiser's own model"
    if said.get("width") and read.get("states") and said["width"] != read["states"]:
        what = f"the {port} text states are {said['width']} wide, the denoiser attends to {read['states']}"
        raise NodeflowError("NF211", what, fix=fix)
    if said.get("reading") and read.get("reading") and said["reading"] != read["reading"]:
        what = f"the {port} text was read for {said['reading']}, the denoiser was trained with {read['reading']}"
        raise NodeflowError("NF211", what, fix=fix)
    if said.get("reference") and read.get("family") not in (None, *LOOKING):
        what = f"a model of the family {read['family']} does not look at pictures"
        raise NodeflowError("NF211", what, fix="choose a Flux Kontext model, or use another way to show the picture")


def named_layers(text: str) -> list[str]:
    """The names of blocks in a list with commas.

    Raises:
        NodeflowError: NF205, there is none.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise NodeflowError("NF205", "no block is named", where="layers", fix='name one, as in "mid_block"')
    return names


def attention_blocks(config: Mapping[str, Any]) -> list[str] | None:
    """The parts of a network that have self-attention, by their published names; None = unknown."""
    stacks = {"transformer_blocks": "num_layers", "single_transformer_blocks": "num_single_layers"}
    if str(config.get("_class_name")).startswith(("SD3", "Flux")):
        return [f"{name}.{i}" for name, key in stacks.items() for i in range(config.get(key) or 0)]
    kinds = {side: config.get(f"{side}_block_types") for side in ("down", "up")}
    middles = {
        "UNet2DConditionModel": "CrossAttn" in str(config.get("mid_block_type", "UNetMidBlock2DCrossAttn")),
        "UNet2DModel": bool(config.get("mid_block_type", "UNetMidBlock2D")) and bool(config.get("add_attention", True)),
    }
    name = config.get("_class_name")
    if name not in middles or not all(kinds.values()):
        return None
    found = [f"{side}_blocks.{i}" for side in kinds for i, kind in enumerate(kinds[side] or ()) if "Attn" in kind]
    return [*found, *(["mid_block"] if middles[name] else [])]


def same_blocks(guide: Facts, denoiser: Facts) -> None:
    """Refuse guidance through blocks that a denoiser does not have.

    Raises:
        NodeflowError: NF211, naming the blocks it has.
    """
    blocks = (denoiser or {}).get("attention")
    for layer in (guide or {}).get("inside", []) if blocks is not None else ():
        if not any(_within(layer, block) for block in blocks):
            raise NodeflowError(
                "NF211",
                f"the guidance works in {layer}, where the denoiser has no self-attention",
                where="guide",
                fix=f"name one of {', '.join(blocks)}" if blocks else "choose another guidance",
            )


def same_kind(weak: Facts, denoiser: Facts) -> None:
    """Refuse a weaker denoiser that cannot stand beside another.

    Raises:
        NodeflowError: NF211, they work in other latent spaces or attend to other text states.
    """
    one, other = weak or {}, denoiser or {}
    for what in ("space", "states"):
        if one.get(what) and other.get(what) and one[what] != other[what]:
            raise NodeflowError(
                "NF211",
                f"the guidance's weaker denoiser has other {'latents' if what == 'space' else 'text states'}",
                where="guide",
                fix="take a weaker version of the same model",
            )


def _within(layer: str, block: str) -> bool:
    pairs = zip(block.split("."), layer.split("."), strict=False)
    return layer.startswith("*") or all(fnmatchcase(name, pattern) for name, pattern in pairs)


def _name(space: dict[str, Any]) -> str:
    return f"{space['name']} ({space['channels']} channels, 1/{space['factor']} size)"


STEERED = {
    "ControlNetModel": "UNet2DConditionModel", "T2IAdapter": "UNet2DConditionModel",
    "FluxControlNetModel": "FluxTransformer2DModel", "SD3ControlNetModel": "SD3Transformer2DModel",
}  # fmt: skip
"""Class name of a control network -> that of the denoisers it steers."""
_MODELS = {
    "UNet2DConditionModel": "a Stable Diffusion model", "FluxTransformer2DModel": "a Flux.1 model",
    "SD3Transformer2DModel": "a Stable Diffusion 3 model",
}  # fmt: skip


def steers(control: Facts, denoiser: Facts) -> None:
    """Refuse a control network that was made for another denoiser.

    Raises:
        NodeflowError: NF211, saying what fits.
    """
    network, model = control or {}, denoiser or {}
    wanted = STEERED.get(network.get("kind", ""), "")
    if wanted and model.get("kind") and model["kind"] != wanted:
        own = "T2I-Adapter" if network["kind"] == "T2IAdapter" else "ControlNet"
        what = f"this {own} steers a {wanted}, the model has a {model['kind']}"
        raise NodeflowError("NF211", what, where="model", fix=f"use {_MODELS[wanted]}, or another {own}")
    have, need = network.get("states"), model.get("states")
    if have and need and have != need:
        what = f"the ControlNet reads text states of {have} numbers, the model {need}"
        raise NodeflowError("NF211", what, where="network", fix="use a ControlNet of the model's own family")
    levels, wide = network.get("levels"), model.get("levels")
    is_xl = str(model.get("family")).startswith("sdxl")
    if levels and wide and (levels[: len(wide)] != wide or network["xl"] != is_xl):
        title = "SDXL" if network["xl"] else "Stable Diffusion 1"
        what = f"this T2I-Adapter is for models of {title} with {', '.join(map(str, levels))} channels"
        what += f", and this model is {model.get('family')} with {', '.join(map(str, wide))}"
        raise NodeflowError("NF211", what, where="network", fix="use a T2I-Adapter of the model's own family")


def fit_mode(control: Facts, mode: int | None) -> None:
    """Refuse a kind of picture that a control network does not know.

    Raises:
        NodeflowError: NF205.
    """
    known = (control or {}).get("modes")
    if known and mode is not None and mode >= known:
        what, fix = f"the ControlNet knows the modes 0 to {known - 1}, not {mode}", "see its page for what they mean"
        raise NodeflowError("NF205", what, where="mode", fix=fix)


def prompts_by_picture(adapter: Facts, denoiser: Facts, seen: Facts) -> None:
    """Refuse an IP-Adapter that was made for another denoiser, or for pictures seen by another image encoder.

    Raises:
        NodeflowError: NF211, saying what fits.
    """
    from nodeflow.diffusion.checkpoints.families import read_by

    own, model = adapter or {}, denoiser or {}
    if own and model.get("kind") and model["kind"] != "UNet2DConditionModel":
        what = f"an IP-Adapter prompts a UNet2DConditionModel, the model has a {model['kind']}"
        raise NodeflowError("NF211", what, where="model", fix="use a Stable Diffusion model")
    have, need = model.get("states"), own.get("states")
    if have and need and have != need:
        what = f"this IP-Adapter is for {read_by(need)}, and this model is {model.get('family')}, reading {have}"
        raise NodeflowError("NF211", what, where="adapter", fix=f"choose an IP-Adapter for {read_by(have)}")
    have, need = (seen or {}).get(own.get("reads", "")), own.get("image")
    if have and need and have != need:
        what = f"the IP-Adapter reads {own['reads']} image states {need} wide, the image encoder gives {have}"
        raise NodeflowError("NF211", what, where="picture", fix=f"load {_eye(own['reads'], need)}")


def _eye(reads: str, width: int) -> str:
    """The published image encoder whose states are so wide."""
    eyes = {
        "pooled": {768: "CLIP ViT-L", 1024: "CLIP ViT-H", 1280: "CLIP ViT-bigG"},
        "states": {1024: "CLIP ViT-L", 1280: "CLIP ViT-H", 1664: "CLIP ViT-bigG"},
    }
    return eyes[reads].get(width, "the image encoder that it was trained with")


def some_steps(start: float | None, end: float | None) -> None:
    """Refuse a part of a run that has no step.

    Raises:
        NodeflowError: NF410.
    """
    if start is not None and end is not None and start >= end:
        raise NodeflowError("NF410", f"no step lies between {start:g} and {end:g}", where="end", fix="end after start")


def check_tiles(tile: int, overlap: int) -> None:
    """Refuse tiles that are all overlap; a tile of 0 stands for none.

    Raises:
        NodeflowError: NF205.
    """
    if tile and overlap >= tile:
        what, fix = f"tiles of {tile} pixels cannot overlap by {overlap}", "take a smaller overlap, or larger tiles"
        raise NodeflowError("NF205", what, where="overlap", fix=fix)
