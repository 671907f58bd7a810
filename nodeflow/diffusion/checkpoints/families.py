"""The families of models, one entry each: how one is recognised, what it consists of, how it is used.

A family is what its denoiser was trained with: a kind of network, text encoders, a latent space. Its *task* is told by
the channels its denoiser takes: SD 1 that paints, repaints (inpaint) or edits is one family, and one adapter fits all.
The first entry that fits a model is its family, so special ones stand before general ones. Plain data, no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from nodeflow.errors import NodeflowError

SOUND = ("SpectrogramAutoencoder",)
"""Autoencoders of sounds. A denoiser on their latents makes the family "sound", whatever its own form."""
DENOISERS = ("unet", "transformer")
"""The names that a denoiser has among the components of a model."""
AUTOENCODERS = ("vae", "vqvae")
SOUNDS = (*SOUND, "AutoencoderOobleck")
"""All autoencoders of sounds."""
WAVE_DENOISER = "UNet1DModel"
"""Works on waves themselves."""
LINES = (WAVE_DENOISER, "StableAudioDiTModel")
"""Denoisers of [B, C, N]."""


@dataclass(frozen=True)
class Texts:
    """How a family reads prompts.

    Args:
        components: Its text encoders by the names they have among the components, in their order.
        reading: How what they say is put together; a name in `nodeflow.diffusion.reading`.
        states: Whose states the denoiser attends to; "sum" = all of them side by side.
        optional: Those that a model may lack.
        options: Keys of the denoiser's configuration that the reading wants to know.
    """

    components: tuple[str, ...] = ("text_encoder",)
    reading: str = "clip"
    states: Literal["first", "last", "sum"] = "first"
    optional: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Family:
    """What the models of a family have in common.

    Args:
        name: As users see it.
        denoisers: Class names of its denoiser.
        autoencoders: Class names of its autoencoder; "" = may have none and works on pixels or waves themselves.
        when: Keys of the denoiser's configuration and the values they may have; a missing key is None.
        lacks: Components that its models do not have, where that tells it from another family.
        has: Components that its models have, where that tells it from another family.
        texts: How it reads prompts; None = it does not.
        tasks: By name (n, m): a denoiser that takes n C + m channels, C those of the latent, does this.
        patch: So many cells of a latent along an edge are one token, whose channels the denoiser counts; 1 where it
            does that itself.
        width: The key of the configuration that says how wide the text states are.
        states: How wide they are in its published models.
        size: (width, height) in pixels that it was trained for where the configuration does not say.
        pixels: Channels of a picture where there is no autoencoder; 0 = as many as the denoiser takes.
        enlarges: How many pixels of the result are one of the small picture, along an edge, where there is no
            autoencoder to say it.
        scaled: Whether the latents of its autoencoder are scaled as that says; else they are taken as they are.
        guidance: What a guidance number means: a scale of classifier-free guidance, or a number that the denoiser is
            told ("embedded").
        scheduler: Its published scheduler, for files that bring none.
        levels: How its schedules lie where nobody says it: "even" = 1, 1 - 1/n, … 1/n before any shift; empty = as the
            scheduler lays them.
        pipeline: The class name that `model_index.json` names.
    """

    name: str
    denoisers: tuple[str, ...]
    autoencoders: tuple[str, ...] = ("AutoencoderKL",)
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    has: tuple[str, ...] = ()
    texts: Texts | None = None
    tasks: Mapping[str, tuple[int, int]] = field(default_factory=lambda: {"paint": (1, 0)})
    patch: int = 1
    width: str = "cross_attention_dim"
    states: tuple[int, ...] = ()
    size: tuple[int, int] = (0, 0)
    pixels: int = 0
    enlarges: int = 1
    scaled: bool = True
    guidance: Literal["classifier-free", "embedded"] = "classifier-free"
    scheduler: Mapping[str, Any] = field(default_factory=dict)
    levels: Literal["", "even"] = ""
    pipeline: str = "DiffusionPipeline"

    def fits(self, kind: str, config: Mapping[str, Any], components: Mapping[str, str]) -> bool:
        """Whether a model of these parts belongs to it; see `recognised`."""
        return (
            kind in self.denoisers
            and _autoencoder(components) in self.autoencoders
            and not any(name in components for name in self.lacks)
            and all(name in components for name in self.has)
            and all(config.get(key) in values for key, values in self.when.items())
        )

    def task(self, config: Mapping[str, Any], channels: int) -> str:
        """What a denoiser of this configuration does on latents of so many channels.

        Raises:
            NodeflowError: NF406, no denoiser of this family takes so many.
        """
        takes = config.get("in_channels", channels * self.patch**2) // self.patch**2
        known = {n * channels + m: task for task, (n, m) in self.tasks.items()}
        if takes not in known:
            ways = " or ".join(f"{count} ({task})" for count, task in known.items())
            raise NodeflowError(
                "NF406",
                f"a denoiser of {takes} channels on latents of {channels} is not supported",
                where="config.json",
                fix=f"choose a {self.name} model whose denoiser takes {ways}",
            )
        return known[takes]


_UNET = ("UNet2DConditionModel",)
_REPAINTS = {"paint": (1, 0), "inpaint": (2, 1), "edit": (2, 0)}
_SD_NOISE = {
    "num_train_timesteps": 1000, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012,
    "steps_offset": 1, "clip_sample": False, "set_alpha_to_one": False, "prediction_type": "epsilon",
}  # fmt: skip
_PNDM = {"_class_name": "PNDMScheduler", **_SD_NOISE, "skip_prk_steps": True}
_EULER = {"_class_name": "EulerDiscreteScheduler", **_SD_NOISE, "timestep_spacing": "leading"}
_DDIM = {
    "_class_name": "DDIMScheduler", "num_train_timesteps": 1000, "beta_schedule": "linear", "beta_start": 0.0001,
    "beta_end": 0.02, "clip_sample": False, "prediction_type": "epsilon",
}  # fmt: skip
_COSINE = {
    "_class_name": "CosineDPMSolverMultistepScheduler", "num_train_timesteps": 1000, "sigma_min": 0.3,
    "sigma_max": 500.0, "sigma_data": 1.0, "solver_order": 2, "prediction_type": "v_prediction",
    "sigma_schedule": "exponential",
}  # fmt: skip
_GLIDE: dict[str, Any] = {
    "denoisers": ("Text2ImUNet",), "autoencoders": ("",), "width": "encoder_channels", "states": (512,), "pixels": 3,
}  # fmt: skip
_GLIDE_NOISE = {
    "_class_name": "DDPMScheduler", "num_train_timesteps": 1000, "beta_schedule": "squaredcos_cap_v2",
    "variance_type": "learned_range", "clip_sample": True, "timestep_spacing": "linspace",
    "prediction_type": "epsilon",
}  # fmt: skip
_XL = {"addition_embed_type": ("text_time",)}
_FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000}

FAMILIES: tuple[Family, ...] = (
    Family("waves", (WAVE_DENOISER,), ("",), pipeline="DanceDiffusionPipeline"),
    Family("sound", (*_UNET, "UNet2DModel"), SOUND, texts=Texts()),
    Family(
        "stable-audio", ("StableAudioDiTModel",), ("AutoencoderOobleck",), width="cross_attention_input_dim",
        texts=Texts(("text_encoder", "projection_model"), "stable-audio", "last"), states=(768,), scheduler=_COSINE,
        pipeline="StableAudioPipeline",
    ),
    Family("pixels", ("UNet2DModel",), ("",), pipeline="DDPMPipeline"),
    Family(
        "ldm-upscale", ("UNet2DModel",), ("VQModel", "AutoencoderKL"), when={"in_channels": (6,)},
        tasks={"upscale": (2, 0)}, scaled=False, pipeline="LDMSuperResolutionPipeline",
    ),
    Family("ldm", ("UNet2DModel",), ("AutoencoderKL", "VQModel"), pipeline="LDMPipeline"),
    Family(
        "ldm-text", _UNET, ("AutoencoderKL", "VQModel"), has=("bert",), texts=Texts(("bert",), "bert"),
        scheduler=_DDIM | {"beta_schedule": "scaled_linear", "beta_start": 0.0015, "beta_end": 0.0195},
        pipeline="LDMTextToImagePipeline",
    ),
    Family(
        "glide-upscale", when={"in_channels": (6,)}, texts=Texts(reading="glide-upscale"), tasks={"upscale": (2, 0)},
        enlarges=4,
        scheduler=_GLIDE_NOISE | {"_class_name": "DDIMScheduler", "beta_schedule": "linear", "beta_start": 0.0001,
                                  "beta_end": 0.02},
        **_GLIDE,
    ),
    Family(
        "glide", texts=Texts(reading="glide"), tasks={"paint": (1, 0), "inpaint": (2, 1)}, scheduler=_GLIDE_NOISE,
        **_GLIDE,
    ),
    Family(
        "dit", ("DiTTransformer2DModel", "Transformer2DModel"), when={"norm_type": ("ada_norm_zero", None)},
        scheduler=_DDIM, pipeline="DiTPipeline",
    ),
    Family(
        "sdxl-refiner", _UNET, when=_XL, lacks=("text_encoder",), texts=Texts(("text_encoder_2",), "sdxl-refiner"),
        tasks=_REPAINTS, states=(1280,), scheduler=_EULER, pipeline="StableDiffusionXLImg2ImgPipeline",
    ),
    Family(
        "sdxl", _UNET, when=_XL, texts=Texts(("text_encoder", "text_encoder_2"), "sdxl", "sum"), tasks=_REPAINTS,
        states=(2048,), scheduler=_EULER, pipeline="StableDiffusionXLPipeline",
    ),
    Family(
        "sd2", _UNET, ("AutoencoderKL", ""), when={"addition_embed_type": (None,), "use_linear_projection": (True,)},
        texts=Texts(), tasks=_REPAINTS, states=(1024,), scheduler=_PNDM, pipeline="StableDiffusionPipeline",
    ),
    Family(
        "sd1", _UNET, ("AutoencoderKL", ""), when={"addition_embed_type": (None,)}, texts=Texts(), tasks=_REPAINTS,
        states=(768,), scheduler=_PNDM, pipeline="StableDiffusionPipeline",
    ),
    Family(
        "sd3", ("SD3Transformer2DModel",), width="joint_attention_dim",
        texts=Texts(
            ("text_encoder", "text_encoder_2", "text_encoder_3"), "sd3", "last", ("text_encoder_3",),
            ("joint_attention_dim",),
        ),
        tasks={"paint": (1, 0), "inpaint": (2, 1)}, scheduler={**_FLOW, "shift": 3.0},
        pipeline="StableDiffusion3Pipeline",
    ),
    Family(
        "flux", ("FluxTransformer2DModel",), width="joint_attention_dim",
        texts=Texts(("text_encoder", "text_encoder_2"), "flux", "last", options=("guidance_embeds",)),
        tasks={"paint": (1, 0), "inpaint": (2, 64), "edit": (2, 0)}, patch=2, size=(1024, 1024), guidance="embedded",
        scheduler={**_FLOW, "shift": 3.0, "use_dynamic_shifting": True}, levels="even", pipeline="FluxPipeline",
    ),
)  # fmt: skip

TEXT_ENCODERS = tuple(dict.fromkeys(name for one in FAMILIES if one.texts for name in one.texts.components))
"""The names that text encoders have among the components of a model."""


def known(name: str) -> Family | None:
    """The family of this name."""
    return next((family for family in FAMILIES if family.name == name), None)


def read_by(width: int, kinds: Sequence[str] = ()) -> str:
    """The families whose published models attend to text states of this width; of `kinds` only, if given."""
    among = [family for family in FAMILIES if not kinds or set(kinds) & set(family.denoisers)]
    names = [family.name for family in among if width in family.states]
    return f"models of {' and '.join(names)} (text states {width} wide)" if names else f"text states {width} wide"


def recognised(kind: str, config: Mapping[str, Any], components: Mapping[str, str]) -> Family:
    """The family of a model.

    Args:
        kind: The class name of its denoiser.
        config: The denoiser's configuration.
        components: The class names of all its parts, by their names ("vae", "text_encoder", …).

    Raises:
        NodeflowError: NF406, we know no such model.
    """
    require_known(kind)
    found = next((family for family in FAMILIES if family.fits(kind, config, components)), None)
    if found is None:
        beside = _autoencoder(components) or "no autoencoder"
        raise NodeflowError("NF406", f"a {kind} of this form beside {beside} is no model that we know",
                            fix="choose a model of a known family")  # fmt: skip
    return found


def require_known(kind: str) -> None:
    """Refuse a denoiser of a class that no family has: NF406."""
    if not any(kind in family.denoisers for family in FAMILIES):
        names = ", ".join(family.name for family in FAMILIES)
        raise NodeflowError("NF406", f"models around a {kind} are not supported", fix=f"choose a model of {names}")


def text_width(texts: Texts, configs: Sequence[Mapping[str, Any]]) -> int | None:
    """How wide the text states are that encoders of these configurations give together; None = unknown."""
    if len(configs) < len(texts.components) and texts.states != "first":
        return None
    keys = ("hidden_size", "d_model", "conditioning_dim", "xf_width")
    widths = [next((config[key] for key in keys if config.get(key)), None) for config in configs]
    chosen = {"first": widths[:1], "last": widths[-1:], "sum": widths}[texts.states]
    return sum(width for width in chosen if width) if all(chosen) and chosen else None


def require_fit(family: Family, denoiser: Mapping[str, Any], configs: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a denoiser that reads texts of another width than its text encoders write.

    Args:
        family: Of the model.
        denoiser: The denoiser's configuration.
        configs: Those of its text encoders, in their order.

    Raises:
        NodeflowError: NF404.
    """
    written = text_width(family.texts, configs) if family.texts else None
    width = denoiser.get(family.width, written)
    if written and isinstance(width, int) and width != written and denoiser.get("encoder_hid_dim") is None:
        raise NodeflowError(
            "NF404",
            f"the denoiser reads text states of {width} numbers, but the text encoders write {written}",
            fix="choose text encoders and a denoiser of one model",
        )


def _autoencoder(components: Mapping[str, str]) -> str:
    """The class name of a model's autoencoder; empty = it has none."""
    return next((components[name] for name in AUTOENCODERS if name in components), "")
