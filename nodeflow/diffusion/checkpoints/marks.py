"""What a single file is, told from its header alone: family, task, what the denoiser predicts, which parts are inside.

A table of marks: names that a kind of file has and names it lacks, the first row that fits counts. Published names and
original names alike; names that a row wants may stand behind one of `PREFIXES`. Milliseconds, no torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from .headers import Header
from .originals.rules import Shapes

PREFIXES = ("", "model.diffusion_model.", "diffusion_model.", "model.model.", "net.")


class Part(NamedTuple):
    """A network inside a file.

    Args:
        component: Its name among the components of a model.
        kind: Its class name.
        prefix: What its names begin with.
        names: Its name map, a key of `originals.MAPS`.
        config: How its configuration is told, a key of `originals.configs.CONFIGS`; "" = it cannot be.
    """

    component: str
    kind: str
    prefix: str
    names: str
    config: str


@dataclass(frozen=True)
class Recognised:
    """What a file is.

    Args:
        what: "model" (a denoiser, maybe more), "denoiser", "text encoder", "autoencoder", "lora", "controlnet", … .
        words: In words, as in "a LoRA for SDXL".
        family: A name in `families`, or of a family that is only known by name; empty = unknown.
        task: "paint", "inpaint", "edit", …
        prediction: "epsilon", "v_prediction" or "flow"; empty = not said.
        zero_snr: Whether it was trained down to no signal at all (Lin et al. 2023).
        distilled: Whether it was distilled to few steps, where the file says so.
        parts: The networks inside that we can open.
    """

    what: str
    words: str
    family: str = ""
    task: str = ""
    prediction: str = ""
    zero_snr: bool = False
    distilled: bool = False
    parts: tuple[Part, ...] = ()

    @property
    def components(self) -> tuple[str, ...]:
        """The names of the parts."""
        return tuple(part.component for part in self.parts)


class Mark(NamedTuple):
    """A row of the table: what a file with these names is."""

    has: tuple[str, ...]
    what: str
    words: str
    family: str = ""
    lacks: tuple[str, ...] = ()


TITLES: Mapping[str, str] = {
    "sd1": "Stable Diffusion 1", "sd2": "Stable Diffusion 2", "sdxl": "SDXL", "sdxl-refiner": "the SDXL refiner",
    "sd3": "Stable Diffusion 3", "flux": "Flux.1", "stable-audio": "Stable Audio", "ldm": "Latent Diffusion",
    "glide": "GLIDE", "glide-upscale": "GLIDE's upsampler",
}  # fmt: skip

_UNET = "input_blocks.0.0.weight"
_DENOISERS = (
    Mark(("double_blocks.0.img_attn.qkv.weight", "distilled_guidance_layer.in_proj.bias"), "denoiser", "Chroma",
         "chroma"),
    Mark(("double_blocks.0.img_attn.qkv.weight", "single_stream_modulation.lin.weight"), "denoiser", "Flux.2", "flux2"),
    Mark(("txt_in.individual_token_refiner.blocks.0.adaLN_modulation.1.bias",), "denoiser", "Hunyuan Video", "hunyuan"),
    Mark(("double_blocks.0.img_attn.norm.key_norm.scale", "single_blocks.0.linear1.weight"), "denoiser", "Flux.1",
         "flux"),
    Mark(("joint_blocks.0.x_block.attn.qkv.weight",), "denoiser", "Stable Diffusion 3", "sd3"),
    Mark((_UNET, "transformer_proj.weight"), "denoiser", "GLIDE", "glide"),
    Mark((_UNET, "label_emb.0.0.weight"), "denoiser", "SDXL", "sdxl"),
    Mark((_UNET, "middle_block.1.transformer_blocks.0.attn2.to_k.weight"), "denoiser", "Stable Diffusion", "sd1"),
    Mark(("transformer.layers.0.cross_attn.to_kv.weight", "to_timestep_embed.0.weight"), "denoiser", "Stable Audio",
         "stable-audio"),
    Mark(("layers.0.adaLN_modulation.0.weight", "cap_embedder.0.weight"), "denoiser", "Z-Image", "z-image"),
    Mark(("cap_embedder.0.weight",), "denoiser", "Lumina 2", "lumina2"),
    Mark(("head.modulation",), "denoiser", "Wan", "wan"),
    Mark(("patchify_proj.weight",), "denoiser", "LTX Video", "ltx"),
    Mark(("transformer_blocks.0.attn.add_q_proj.weight", "txt_norm.weight"), "denoiser", "Qwen-Image", "qwen-image"),
    Mark(("double_layers.0.attn.w2q.weight",), "denoiser", "AuraFlow", "auraflow"),
    Mark(("x_embedder.weight", "single_transformer_blocks.0.proj_mlp.weight", "context_embedder.weight"), "denoiser",
         "Flux.1", "flux", ("controlnet_x_embedder.weight",)),
    Mark(("pos_embed.proj.weight", "transformer_blocks.0.attn.add_q_proj.weight"), "denoiser", "Stable Diffusion 3",
         "sd3", ("controlnet_blocks.0.weight",)),
    Mark(("conv_in.weight", "add_embedding.linear_1.weight"), "denoiser", "SDXL", "sdxl",
         ("controlnet_mid_block.weight",)),
    Mark(("conv_in.weight", "down_blocks.0.resnets.0.time_emb_proj.weight"), "denoiser", "Stable Diffusion", "sd1",
         ("controlnet_mid_block.weight",)),
)  # fmt: skip
"""Denoisers by names that no other has; behind any of `PREFIXES`."""

_OTHERS = (
    Mark(("lora_unet_*", "lora_te*"), "lora", "a LoRA"),
    Mark(("*.lora_A.*", "*.lora_down.*", "*.lora_B.*", "*.lora.down.*", "*.hada_w1_a", "*.lokr_w1*", "*.dora_scale",
          "*_lora.down.weight"), "lora", "a LoRA"),
    Mark(("controlnet_cond_embedding.*", "control_model.*", "controlnet_blocks.*", "controlnet_mid_block.*",
          "input_hint_block.*"), "controlnet", "a ControlNet"),
    Mark(("ip_adapter.*", "image_proj.*"), "ip-adapter", "an IP-Adapter"),
    Mark(("adapter.body.*", "body.0.in_conv.weight", "body.0.resnets.0.block1.weight"), "t2i-adapter", "a T2I-Adapter"),
    Mark(("emb_params", "string_to_param*", "clip_l", "clip_g"), "embedding", "learnt words"),
    Mark(("conv_first.weight", "model.0.weight", "layers.0.residual_group.*"), "upscaler", "an upscaler"),
    Mark(("taesd_*", "decoder.layers.*", "encoder.layers.0.weight"), "autoencoder", "a small autoencoder for previews"),
    Mark(("vision_model.*", "model.visual.*"), "image encoder", "an image encoder"),
)  # fmt: skip
"""Files of other kinds, by any one of these names; * stands for anything."""

_TEXTS = (
    ("cond_stage_model.transformer.", "text_encoder", "CLIPTextModel", "clip", "clip"),
    ("cond_stage_model.model.", "text_encoder", "CLIPTextModel", "open-clip-penultimate", "open-clip-penultimate"),
    ("conditioner.embedders.0.transformer.", "text_encoder", "CLIPTextModel", "clip", "clip"),
    ("conditioner.embedders.1.model.", "text_encoder_2", "CLIPTextModelWithProjection", "open-clip", "open-clip"),
    ("conditioner.embedders.0.model.", "text_encoder_2", "CLIPTextModelWithProjection", "open-clip", "open-clip"),
    ("text_encoders.clip_l.transformer.", "text_encoder", "CLIPTextModelWithProjection", "clip", "clip"),
    ("text_encoders.clip_g.transformer.", "text_encoder_2", "CLIPTextModelWithProjection", "clip", "clip-gelu"),
    ("", "text_encoder", "GlideTextModel", "glide-text", "glide-text"),
    ("text_encoders.t5xxl.transformer.", "text_encoder_3", "T5EncoderModel", "t5", "t5"),
)
"""Text encoders inside whole models: where, which component, class, name map, configuration."""

_TEXT_WORDS = ("token_embedding.weight", "shared.weight")
_AUTOENCODERS = ("first_stage_model.", "vae.", "")
_CROSS = {768: "sd1", 1024: "sd2", 2048: "sdxl", 1280: "sdxl-refiner"}
"""Width of the text states that a U-net reads -> its family."""


def recognise(header: Header) -> Recognised:
    """What a file is, by its header."""
    shapes = {name: tensor.shape for name, tensor in header.tensors.items()}
    return next(
        (
            found
            for look in (_denoiser, _other, _text_encoder, _autoencoder)
            if (found := look(shapes, header.metadata))
        ),
        Recognised("unknown", "no model that we know"),
    )


def _denoiser(shapes: Shapes, metadata: Mapping[str, str]) -> Recognised | None:
    for prefix in PREFIXES:
        for mark in _DENOISERS:
            has = all(prefix + name in shapes for name in mark.has)
            if has and not any(prefix + name in shapes for name in mark.lacks):
                return _of_family(mark, prefix, shapes, metadata)
    return None


_UNET_MAP = ("unet", "UNet2DConditionModel", "ldm-unet")
_MAPS = {
    "sd1": _UNET_MAP,
    "sd2": _UNET_MAP,
    "sdxl": _UNET_MAP,
    "sdxl-refiner": _UNET_MAP,
    "sd3": ("transformer", "SD3Transformer2DModel", "sd3"),
    "flux": ("transformer", "FluxTransformer2DModel", "flux"),
    "stable-audio": ("transformer", "StableAudioDiTModel", "stable-audio"),
    "glide": ("unet", "Text2ImUNet", "glide"),
    "glide-upscale": ("unet", "Text2ImUNet", "glide"),
}
"""Family -> component, class and name map of its denoiser."""


def _of_family(mark: Mark, prefix: str, shapes: Shapes, metadata: Mapping[str, str]) -> Recognised:
    original = prefix + _UNET in shapes or mark.has[0].startswith(_ORIGINAL)
    texts_inside = [row for row in _TEXTS if any(f"{row[0]}{name}" in shapes for name in _text_names(row[3]))]
    family = _family(mark.family, prefix, shapes, [row[0] for row in texts_inside])
    parts = [Part(component, kind, at, names, config) for at, component, kind, names, config in texts_inside]
    if family == "flux":
        parts = [part._replace(kind="CLIPTextModel") if part.component == "text_encoder" else part for part in parts]
    if family in _MAPS:
        component, kind, names = _MAPS[family]
        parts = [Part(component, kind, prefix, names if original else "", names if original else ""), *parts]
    parts += _beside(family, shapes)
    prediction, zero = _prediction(family, prefix, shapes, metadata)
    task = _task(family, prefix, shapes)
    whole = len(parts) > 1
    title = TITLES.get(family, mark.words)
    words = f"a model of {title}" if whole else f"the denoiser of {title} alone"
    distilled = family == "flux" and not any(name in shapes for name in _guided(prefix))
    return Recognised("model" if whole else "denoiser", words, family, task, prediction, zero, distilled, tuple(parts))


_ORIGINAL = ("double_blocks", "joint_blocks", "transformer.layers")
"""How names of the makers begin that have no others."""
_SOUND_PARTS = (
    Part("vae", "AutoencoderOobleck", "pretransform.model.", "oobleck", "oobleck"),
    Part("projection_model", "StableAudioProjectionModel", "conditioner.conditioners.", "stable-audio-seconds",
         "stable-audio-seconds"),
)  # fmt: skip
_SOUND_NAMES = ("decoder.layers.0.weight_v", "seconds_start.embedder.embedding.1.weight")
"""A name that each of `_SOUND_PARTS` cannot do without."""


def _beside(family: str, shapes: Shapes) -> list[Part]:
    """What a file has beside a denoiser of this family and text encoders."""
    if family == "stable-audio":
        pairs = zip(_SOUND_PARTS, _SOUND_NAMES, strict=True)
        return [part for part, name in pairs if part.prefix + name in shapes]
    coder = _coder_prefix(shapes) if family in _MAPS else None
    return [Part("vae", "AutoencoderKL", coder, "ldm-vae", "ldm-vae")] if coder else []


def _family(marked: str, prefix: str, shapes: Shapes, texts: list[str]) -> str:
    """The family of a U-net that carries the mark of SD or SDXL; that of others is what their mark says."""
    if marked == "sd1":
        return "sd2" if _linear(prefix, shapes) else "sd1"
    if marked == "sdxl":
        refines = "conditioner.embedders.0.model." in texts or _CROSS.get(_text_width(shapes)) == "sdxl-refiner"
        return "sdxl-refiner" if refines else "sdxl"
    if marked == "glide":
        return "glide-upscale" if _task(marked, prefix, shapes) == "upscale" else "glide"
    return marked


def _guided(prefix: str) -> tuple[str, ...]:
    """What Flux dev has and Flux schnell lacks."""
    return f"{prefix}guidance_in.in_layer.weight", f"{prefix}time_text_embed.guidance_embedder.linear_1.weight"


def _text_names(names: str) -> tuple[str, ...]:
    """A name that a text encoder of a map cannot do without."""
    if names.startswith("open-clip"):
        return ("token_embedding.weight",)
    if names == "t5":
        return ("shared.weight",)
    if names == "glide-text":
        return ("transformer.resblocks.0.attn.c_qkv.weight",)
    return "text_model.embeddings.token_embedding.weight", "embeddings.token_embedding.weight"


def _linear(prefix: str, shapes: Shapes) -> bool:
    names = (f"{prefix}middle_block.1.proj_in.weight", f"{prefix}mid_block.attentions.0.proj_in.weight")
    return any(len(shapes.get(name, ())) == 2 for name in names)


def _text_width(shapes: Shapes) -> int:
    """How wide the text states are that the network reads; 0 = unknown."""
    ends = (".attn2.to_k.weight", ".attn2.to_k.lora_A.weight", ".attn2.to_k.lora.down.weight",
            "attn2_to_k.lora_down.weight", "attn2_to_k.lora_A.weight",
            "attn2.processor.to_k_lora.down.weight", ".to_k_ip.weight")  # fmt: skip
    return next((shape[1] for name, shape in shapes.items() if name.endswith(ends) and len(shape) > 1), 0)


def _coder_prefix(shapes: Shapes) -> str | None:
    """Where an autoencoder's names begin; None for none."""
    return next((prefix for prefix in _AUTOENCODERS if f"{prefix}decoder.up.0.block.0.conv1.weight" in shapes
                 and f"{prefix}encoder.conv_in.weight" in shapes), None)  # fmt: skip


def _task(family: str, prefix: str, shapes: Shapes) -> str:
    names = (
        f"{prefix}input_blocks.0.0.weight",
        f"{prefix}conv_in.weight",
        f"{prefix}img_in.weight",
        f"{prefix}x_embedder.weight",
    )
    channels = next((shapes[name][1] for name in names if len(shapes.get(name, ())) > 1), 0)
    return _TASKS.get((family if family in ("flux", "glide", "glide-upscale") else "", channels), "paint")


_TASKS = {
    ("", 9): "inpaint", ("", 8): "edit", ("flux", 384): "inpaint", ("flux", 128): "control", ("glide", 6): "upscale",
    ("glide-upscale", 6): "upscale", ("glide", 7): "inpaint",
}  # fmt: skip
"""(family where it counts other channels than the U-nets on latents, channels of its input) -> task."""


def _prediction(family: str, prefix: str, shapes: Shapes, metadata: Mapping[str, str]) -> tuple[str, bool]:
    if family in ("flux", "sd3"):
        return "flow", False
    zero = any(name in shapes for name in ("ztsnr", f"{prefix}ztsnr"))
    said = metadata.get("modelspec.prediction_type", "")
    if "v_pred" in shapes or f"{prefix}v_pred" in shapes or said == "v":
        return "v_prediction", zero
    if said == "epsilon":
        return said, zero
    # Files of SD 2 do not say whether they are the one of 768 pixels or of 512; the first is by far the more common.
    return "v_prediction" if family == "sd2" and _task(family, prefix, shapes) == "paint" else "epsilon", zero


def _other(shapes: Shapes, metadata: Mapping[str, str]) -> Recognised | None:
    for mark in _OTHERS:
        if any(_matches(pattern, shapes) for pattern in mark.has):
            family = _adapted(shapes, metadata) if mark.what in ("lora", "controlnet", "ip-adapter") else ""
            words = f"{mark.words} for {TITLES[family]}" if family in TITLES else mark.words
            if mark.what == "embedding" and not all(len(shape) == 2 for shape in shapes.values()):
                continue
            return Recognised(mark.what, words, family)
    return None


def _matches(pattern: str, shapes: Shapes) -> bool:
    if "*" not in pattern:
        return pattern in shapes
    regex = re.compile(re.escape(pattern).replace(r"\*", ".*"))
    return any(regex.fullmatch(name) for name in shapes)


_ADAPTED = (
    ("double_blocks", "flux"), ("single_transformer_blocks", "flux"), ("joint_blocks", "sd3"),
    ("controlnet_x_embedder", "flux"), ("pos_embed_input", "sd3"), ("lora_te2_", "sdxl"), ("text_encoder_2.", "sdxl"),
    ("add_embedding", "sdxl"), ("label_emb", "sdxl"),
)  # fmt: skip
"""Pieces of names by which an adapter tells the family it is for."""
_SAID = (("stable-diffusion-xl", "sdxl"), ("sdxl", "sdxl"), ("flux", "flux"), ("stable-diffusion-3", "sd3"),
         ("sd3", "sd3"), ("stable-diffusion-v2", "sd2"), ("sd_v2", "sd2"), ("stable-diffusion-v1", "sd1"),
         ("sd_v1", "sd1"))  # fmt: skip
"""What trainers write about the model, and its family."""


def _adapted(shapes: Shapes, metadata: Mapping[str, str]) -> str:
    """The family an adapter is for: by its width, its names, what its trainer wrote; empty = unknown."""
    width = _text_width(shapes)
    if width in _CROSS:
        return _CROSS[width]
    for piece, family in _ADAPTED:
        if any(piece in name for name in shapes):
            return family
    said = " ".join(metadata.get(key, "") for key in ("modelspec.architecture", "ss_base_model_version")).lower()
    return next((family for piece, family in _SAID if piece in said), "")


def _text_encoder(shapes: Shapes, metadata: Mapping[str, str]) -> Recognised | None:
    del metadata
    if any(name in shapes for name in ("shared.weight", "token_embd.weight")) and any(
        name in shapes for name in ("encoder.block.0.layer.0.SelfAttention.q.weight", "enc.blk.0.attn_q.weight")
    ):
        part = Part("text_encoder_3", "T5EncoderModel", "", "t5", "t5")
        return Recognised("text encoder", "the text encoder T5", parts=(part,))
    embedded = next((name for name in _text_names("clip") if name in shapes), None)
    if embedded is None:
        return None
    big = shapes[embedded][-1] > _CLIP_L
    projected = "text_projection.weight" in shapes
    kind = "CLIPTextModelWithProjection" if projected else "CLIPTextModel"
    part = Part("text_encoder_2" if big else "text_encoder", kind, "", "clip", "clip-gelu" if big else "clip")
    return Recognised("text encoder", f"the text encoder CLIP {'G' if big else 'L'}", parts=(part,))


_CLIP_L = 768
"""Width of CLIP L; the larger ones are OpenCLIP's."""


def _autoencoder(shapes: Shapes, metadata: Mapping[str, str]) -> Recognised | None:
    del metadata
    prefix = _coder_prefix(shapes)
    if prefix is not None:
        channels = shapes.get(f"{prefix}decoder.conv_in.weight", (0, 0))[1]
        part = Part("vae", "AutoencoderKL", prefix, "ldm-vae", "ldm-vae")
        return Recognised("autoencoder", f"an autoencoder of {channels} channels", parts=(part,))
    if any(name.startswith(("decoder.up_blocks.", "decoder.mid_block.")) for name in shapes):
        return Recognised("autoencoder", "an autoencoder", parts=(Part("vae", "AutoencoderKL", "", "", ""),))
    return None
