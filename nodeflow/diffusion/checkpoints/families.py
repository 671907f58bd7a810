"""What kind of model the configurations describe: its family, latent space and size. Pure functions of plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nodeflow.errors import NodeflowError
from nodeflow.values import LatentSpace

PIXELS = LatentSpace("pixels", 3, 1)
KNOWN_SPACES = {
    (4, 8, 0.18215, 0.0): "sd1",
    (4, 8, 0.13025, 0.0): "sdxl",
    (16, 8, 1.5305, 0.0609): "sd3",
    (16, 8, 0.3611, 0.1159): "flux",
}
"""(channels, factor, scale, shift) of autoencoders whose latents many models share."""
_DEFAULT_SCALE = 0.18215
WAVE_DENOISER = "UNet1DModel"
"""Works on waves themselves."""
SOUND = ("SpectrogramAutoencoder",)
"""Autoencoders of sounds. A denoiser on their latents makes the family "sound", whatever its own form."""


def family(denoiser: str, config: Mapping[str, Any], space: LatentSpace) -> str:
    """The family of a denoiser: "sd1", "sd2", "sdxl", "sdxl-refiner", "sd-inpaint", "ldm", "pixels" or "waves".

    SD 2 differs from SD 1 by linear projections around its transformers; the families that repaint take the mask
    and the masked picture as channels besides the latent.

    Args:
        denoiser: Its class name.
        config: Its configuration.
        space: The latent space of the autoencoder beside it.

    Raises:
        NodeflowError: NF406, we know no such model.
    """
    if denoiser == WAVE_DENOISER:
        if space.channels != config.get("out_channels", space.channels):
            raise NodeflowError("NF406", "a denoiser of waves that gives more channels than it takes is not supported")
        return "waves"
    if denoiser == "UNet2DModel":
        return "pixels" if space.name == "pixels" else "ldm"
    if denoiser != "UNet2DConditionModel":
        raise NodeflowError("NF406", f"models around a {denoiser} are not supported", fix="choose an SD or DDPM model")
    channels = config.get("in_channels", 4)
    if channels == 2 * space.channels + 1:
        return "sd-inpaint"
    if channels != space.channels:
        raise NodeflowError(
            "NF406",
            f"a denoiser of {channels} channels on latents of {space.channels} is not supported",
            fix=f"choose one of {space.channels} or, for repainting, {2 * space.channels + 1} channels",
        )
    if config.get("addition_embed_type") == "text_time":
        return "sdxl-refiner" if config.get("cross_attention_dim") == 1280 else "sdxl"
    return "sd2" if config.get("use_linear_projection") else "sd1"


def latent_space(config: Mapping[str, Any], digest: str) -> LatentSpace:
    """The space an autoencoder of this configuration encodes into.

    Args:
        config: Of an `AutoencoderKL` or kin.
        digest: Of its weights; names the space when it is none of the known ones.
    """
    levels = len(config.get("block_out_channels") or (64,))
    channels, factor = config.get("latent_channels", 4), config.get("patch_size") or 2 ** (levels - 1)
    scale = float(config.get("scaling_factor") or _DEFAULT_SCALE)
    shift = float(config.get("shift_factor") or 0.0)
    name = KNOWN_SPACES.get((channels, factor, scale, shift), digest[:12])
    return LatentSpace(name, channels, factor, scale, shift)


def wave_space(config: Mapping[str, Any]) -> LatentSpace:
    """The space of a denoiser that works on waves themselves, by their rate.

    Raises:
        NodeflowError: NF406, the configuration does not say the rate.
    """
    rate = config.get("sample_rate")
    if not isinstance(rate, int) or rate < 1:
        raise NodeflowError("NF406", f"sample_rate is {rate!r}, so the model does not say what its waves are",
                            where="config.json", fix="write samples a second there")  # fmt: skip
    return LatentSpace(f"waves-{rate}", config.get("in_channels", 2), 1)


def wave_length(config: Mapping[str, Any], seconds: float = 0.0) -> int:
    """Samples of the waves that a denoiser takes for so many seconds, rounded up to what it can halve.

    Args:
        config: Its configuration, with a rate.
        seconds: 0 = as long as it was trained for.

    Raises:
        NodeflowError: NF414, so short a wave cannot be halved so often.
    """
    cell, rate = 2 ** len(config.get("block_out_channels") or (32, 32, 64)), config["sample_rate"]
    samples = round(seconds * rate) if seconds else config.get("sample_size", 65536)
    if samples < 3 * cell:
        raise NodeflowError("NF414", f"{samples} samples are too few for the model, which halves them to pieces",
                            where="seconds", fix=f"make it {3 * cell / rate:.3g} s or more")  # fmt: skip
    return -(-samples // cell) * cell


def pixel_space(config: Mapping[str, Any]) -> LatentSpace:
    """The space of a denoiser that works on pictures themselves."""
    channels = config.get("in_channels", PIXELS.channels)
    return LatentSpace(PIXELS.name, channels, PIXELS.factor)


def trained_size(config: Mapping[str, Any], space: LatentSpace) -> tuple[int, int]:
    """(width, height) in pixels of the pictures a denoiser was trained on; (0, 0) when it does not say."""
    match config.get("sample_size"):
        case int(edge):
            height = width = edge
        case [int(height), int(width)]:
            pass
        case _:
            return 0, 0
    return width * space.factor, height * space.factor


def require_fit(denoiser: Mapping[str, Any], text_widths: int) -> None:
    """Refuse a denoiser that reads texts of another width than its text encoders write.

    Args:
        denoiser: Its configuration.
        text_widths: `hidden_size` of the text encoder, or the sum of several.

    Raises:
        NodeflowError: NF404.
    """
    width = denoiser.get("cross_attention_dim", text_widths)
    if isinstance(width, int) and width != text_widths and denoiser.get("encoder_hid_dim") is None:
        raise NodeflowError(
            "NF404",
            f"the denoiser reads text states of {width} numbers, but the text encoder writes {text_widths}",
            fix="choose a text encoder and a denoiser of one model",
        )


def describe_keys(names: list[str]) -> tuple[str, bool]:
    """What a single file is, by the names in it.

    Returns:
        In words, and whether it is a whole model in the original, one-file form.
    """
    marks = (
        ("model.diffusion_model.", "a whole model in one file", True),
        ("lora_", "a LoRA", False), (".lora", "a LoRA", False),
        ("controlnet_cond_embedding", "a ControlNet", False), ("control_model.", "a ControlNet", False),
        ("text_model.encoder", "a text encoder", False), ("first_stage_model.", "an autoencoder", False),
        ("decoder.mid", "an autoencoder", False), ("decoder.up", "an autoencoder", False),
        ("down_blocks.", "a denoiser alone", False), ("double_blocks.", "a denoiser alone", False),
    )  # fmt: skip
    return next(((words, whole) for mark, words, whole in marks if any(mark in name for name in names)),
                ("no model that we know", False))  # fmt: skip
