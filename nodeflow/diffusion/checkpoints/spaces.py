"""The space a model works in and the size it was trained for, by its configurations. Pure functions of plain data."""

from __future__ import annotations

import math
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
KNOWN_SOUNDS = {(64, 2048, 44_100): "stable-audio"}
"""(channels, factor, rate) of autoencoders of sounds."""
_DEFAULT_SCALE = 0.18215


def latent_space(config: Mapping[str, Any], digest: str) -> LatentSpace:
    """The space an autoencoder of this configuration encodes into.

    Args:
        config: Of an `AutoencoderKL` or kin.
        digest: Of its weights; names the space when it is none of the known ones.
    """
    if "downsampling_ratios" in config:
        return _sound_space(config, digest)
    levels = len(config.get("block_out_channels") or (64,))
    channels, factor = config.get("latent_channels", 4), config.get("patch_size") or 2 ** (levels - 1)
    scale = float(config.get("scaling_factor") or _DEFAULT_SCALE)
    shift = float(config.get("shift_factor") or 0.0)
    name = KNOWN_SPACES.get((channels, factor, scale, shift), digest[:12])
    return LatentSpace(name, channels, factor, scale, shift)


def _sound_space(config: Mapping[str, Any], digest: str) -> LatentSpace:
    """The space of an `AutoencoderOobleck`."""
    channels, factor = config.get("decoder_input_channels", 64), math.prod(config["downsampling_ratios"])
    rate = config.get("sampling_rate", 44_100)
    return LatentSpace(KNOWN_SOUNDS.get((channels, factor, rate), digest[:12]), channels, factor, rate=rate)


def wave_space(config: Mapping[str, Any]) -> LatentSpace:
    """The space of a denoiser that works on waves themselves, by their rate.

    Raises:
        NodeflowError: NF406, the configuration does not say the rate, or gives more channels than it takes.
    """
    channels = config.get("in_channels", 2)
    if channels != config.get("out_channels", channels):
        raise NodeflowError("NF406", "a denoiser of waves that gives more channels than it takes is not supported")
    rate = config.get("sample_rate")
    if not isinstance(rate, int) or rate < 1:
        raise NodeflowError("NF406", f"sample_rate is {rate!r}, so the model does not say what its waves are",
                            where="config.json", fix="write samples a second there")  # fmt: skip
    return LatentSpace(f"waves-{rate}", channels, 1)


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


def trained_size(
    kind: str, config: Mapping[str, Any], space: LatentSpace, usual: tuple[int, int] = (0, 0)
) -> tuple[int, int]:
    """(width, height) in pixels of the pictures a denoiser was trained on; (samples, 1) of waves.

    Args:
        kind: Its class name.
        config: Its configuration.
        space: Of its latents.
        usual: What it is where the configuration does not say; (0, 0) = unknown.
    """
    if kind == "UNet1DModel":
        return wave_length(config), 1
    if space.rate:
        return config.get("sample_size", 1024) * space.factor, 1
    match config.get("sample_size"):
        case int(edge):
            height = width = edge
        case [int(height), int(width)]:
            pass
        case _:
            return usual
    return width * space.factor, height * space.factor
