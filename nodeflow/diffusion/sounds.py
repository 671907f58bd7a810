"""Sounds as tensors: change their rate, cut, mix, measure, and draw them as pictures."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import NodeflowError
from ..values import Audio, Denoiser, Image, Latent, LatentSpace
from .checkpoints.families import WAVE_DENOISER
from .checkpoints.spaces import wave_length
from .latents import empty as empty_map
from .spectrogram import Mel

ZERO_CROSSINGS = 16
"""Of the windowed sinc that resampling filters with: more is sharper and slower."""


def from_samples(samples: np.ndarray, rate: int) -> Audio:
    """One sound, from [channels, samples] float32."""
    return Audio(torch.from_numpy(np.ascontiguousarray(samples))[None], rate)


def resample(audio: Audio, rate: int) -> Audio:
    """The same sound at another rate, what it cannot hold left out: a Kaiser-windowed sinc, one phase an output.

    Smith, "Digital Audio Resampling", ccrma.stanford.edu/~jos/resample.
    """
    if rate == audio.rate:
        return audio
    divisor = math.gcd(rate, audio.rate)
    up, down = rate // divisor, audio.rate // divisor
    if up > 4096:
        raise NodeflowError("NF205", f"{audio.rate} to {rate} Hz has no common step", fix="take an ordinary rate")
    cutoff = 0.97 * min(1.0, up / down)
    reach = math.ceil(ZERO_CROSSINGS / cutoff)
    taps = torch.arange(-reach, reach + 1, dtype=torch.float64)
    at = taps[None] - torch.arange(up, dtype=torch.float64)[:, None] / up
    window = torch.special.i0(9.0 * (1 - (at / (reach + 1)) ** 2).clamp(min=0).sqrt()) / torch.special.i0(
        torch.tensor(9.0, dtype=torch.float64)
    )
    kernels = (cutoff * torch.sinc(cutoff * at) * window).to(audio.data.dtype)
    return replace(audio, data=_polyphase(audio.data, kernels, up, down, reach), rate=rate)


def _polyphase(x: Tensor, kernels: Tensor, up: int, down: int, reach: int) -> Tensor:
    """Output n lies at n · down / up of x: its fraction chooses the kernel. [B, C, N] -> [B, C, ⌈N · up / down⌉]."""
    b, c, n = x.shape
    count = -(-n * up // down)
    places = torch.arange(count) * down
    whole, phase = places // up, places % up
    padded = F.pad(x.reshape(b * c, n), (reach, reach + 1))
    out = x.new_empty(b * c, count)
    for i in range(min(up, count)):
        mine = (phase == i).nonzero().flatten()
        windows = padded.unfold(1, 2 * reach + 1, 1)[:, whole[mine]]
        out[:, mine] = windows @ kernels[i]
    return out.view(b, c, count)


def trim(audio: Audio, begin: float, seconds: float = 0.0) -> Audio:
    """A part of a sound.

    Args:
        audio: [B, C, N].
        begin: Seconds to leave out.
        seconds: How long the part is; 0 = to the end; what is beyond the end is silence.

    Raises:
        NodeflowError: NF205, nothing is left.
    """
    data = audio.data[..., round(begin * audio.rate) :]
    if not data.shape[-1]:
        raise NodeflowError("NF205", f"the sound is {audio.seconds:.2f} s long and begins at {begin:g} s",
                            fix="begin earlier")  # fmt: skip
    if seconds:
        length = round(seconds * audio.rate)
        data = F.pad(data, (0, max(0, length - data.shape[-1])))[..., :length]
    return replace(audio, data=data)


def mix(sounds: Sequence[Audio], offset: float = 0.0) -> Audio:
    """Sounds on top of each other, at the highest rate, each beginning `offset` seconds after the one before.

    The sum is turned down as a whole where it would clip. Mono joins every channel.

    Raises:
        NodeflowError: NF503, there is none; NF414, their channels or batches differ.
    """
    if not sounds:
        raise NodeflowError("NF503", "a mix needs at least one sound")
    rate = max(sound.rate for sound in sounds)
    parts = [resample(sound, rate).data for sound in sounds]
    for axis, what in ((0, "batches"), (1, "channels")):
        if len(sizes := {part.shape[axis] for part in parts} - {1}) > 1:
            raise NodeflowError("NF414", f"the {what} of the sounds are {sorted(sizes)}", fix="make them equal")
    gap = round(offset * rate)
    length = max(i * gap + part.shape[-1] for i, part in enumerate(parts))
    placed = [F.pad(part, (i * gap, length - i * gap - part.shape[-1])) for i, part in enumerate(parts)]
    whole = sum(placed[1:], start=placed[0])
    return Audio(whole / whole.abs().amax((1, 2), keepdim=True).clamp(min=1), rate)


def gain(audio: Audio, decibels: float = 0.0, peak: float | None = None) -> Audio:
    """Louder or softer; with `peak` (in decibels below full scale), brought to that first."""
    data = audio.data
    if peak is not None:
        data = data * (10 ** (peak / 20) / data.abs().amax((1, 2), keepdim=True).clamp(min=1e-9))
    return replace(audio, data=(data * 10 ** (decibels / 20)).clamp(-1, 1))


def empty(space: LatentSpace, samples: int, batch: int = 1) -> Latent:
    """Silence, from which a sampler starts with pure noise: zeros, [batch, C, samples]."""
    return Latent(torch.zeros(batch, space.channels, samples), space)


def empty_for(model: Denoiser, seconds: float = 0.0, batch: int = 1) -> Latent:
    """The empty latent of a model's sounds.

    Args:
        model: One of sounds.
        seconds: How long they are; 0 = as long as the model was trained for. One that is told the seconds always
            works on its own length, and what follows the sound is cut when it is decoded.
        batch: How many sounds.

    Raises:
        NodeflowError: NF414, the model cannot make sounds of this length.
    """
    space = model.space
    if space.rate:
        whole = model.sized()[0]
        if seconds * space.rate > whole:
            raise _length_error(f"{seconds:g} s are more than the model's {whole / space.rate:.4g} s")
        return replace(empty(space, whole // space.factor, batch), seconds=seconds)
    if model.kind == WAVE_DENOISER:
        return empty(space, wave_length(model.config, seconds), batch)
    if seconds:
        raise _length_error("the sounds of a model of spectrograms have one length")
    return empty_map(space, *model.sized(), batch)


def _length_error(what: str) -> NodeflowError:
    return NodeflowError("NF414", what, where="seconds", fix='leave it 0, and cut with "Trim sound"')


@torch.no_grad()
def to_latent(autoencoder: Any, audio: Audio, space: LatentSpace) -> Latent:
    """Encode sounds, brought to the autoencoder's rate; where it has other channels, mixed to mono in each of them.

    Raises:
        NodeflowError: NF414, the sound is too short.
    """
    data, channels = audio.data, autoencoder.channels
    if data.shape[1] != channels:
        data = data.mean(1, keepdim=True).expand(-1, channels, -1)
    wave = resample(replace(audio, data=data), autoencoder.rate).data
    seconds = wave.shape[-1] / space.rate if space.rate else 0.0
    return Latent(autoencoder.encode(wave).float() * space.scale, space, seconds=seconds)


@torch.no_grad()
def to_sound(autoencoder: Any, latent: Latent) -> Audio:
    """Decode latents to sounds, [B, channels, samples].

    Raises:
        NodeflowError: NF506, the latent is not finite.
    """
    if not torch.isfinite(latent.data).all():
        raise NodeflowError("NF506", "the latent is not finite", fix="run the model in float32 or bfloat16")
    z = (latent.data / latent.space.scale).to(next(autoencoder.parameters(), latent.data))
    wave = autoencoder.decode(z).to(latent.data.device)
    length = round(latent.seconds * autoencoder.rate) or wave.shape[-1]
    return Audio(wave[..., :length], autoencoder.rate)


def spectrogram(audio: Audio, width: int = 512, height: int = 256) -> Image:
    """Loudness (dark to light, 80 dB) over time (to the right) and frequency (upwards, mel scale), [B, 3, H, W]."""
    window = 1024
    hop = max(1, audio.data.shape[-1] // width)
    mel = Mel(audio.rate, window, hop, min(height, 256), floor=1e-5)
    bands = mel.of(F.pad(audio.data.mean(1), (0, max(0, window - audio.data.shape[-1]))))
    share = ((bands - bands.amax((1, 2), keepdim=True)) * (20 / math.log(10)) / 80 + 1).clamp(0, 1)
    picture = F.interpolate(share.flip(1)[:, None], (height, width), mode="bilinear")
    return Image(_coloured(picture))


def waveform(audio: Audio, width: int = 512, height: int = 128) -> Image:
    """The highest and lowest sample of each column, channels under each other, [B, 3, H, W]."""
    b, c, n = audio.data.shape
    step = -(-n // width)
    columns = F.pad(audio.data, (0, step * width - n)).view(b, c, width, step)
    rows = height // c
    level = torch.linspace(1, -1, rows).view(1, 1, rows, 1)
    half = 1 / rows
    inside = (level <= columns.amax(-1)[:, :, None] + half) & (level >= columns.amin(-1)[:, :, None] - half)
    lit = F.pad(inside.float().reshape(b, 1, c * rows, width), (0, 0, 0, height - c * rows))
    ink, paper = (torch.tensor(colour).view(1, 3, 1, 1) / 255 for colour in (_INK, _PAPER))
    return Image(paper + lit * (ink - paper))


_INK, _PAPER = (94.0, 200.0, 190.0), (24.0, 26.0, 32.0)
_HEAT = ((0, 8, 8, 20), (0.25, 60, 20, 90), (0.5, 170, 40, 90), (0.75, 245, 130, 50), (1, 255, 250, 200))
"""Colours of rising loudness: share, red, green, blue."""


def _coloured(share: Tensor) -> Tensor:
    """Shares 0..1, [B, 1, H, W], in rising brightness, [B, 3, H, W]."""
    out = torch.zeros(len(share), 3, *share.shape[-2:])
    for (low, *below), (high, *above) in itertools.pairwise(_HEAT):
        part = ((share - low) / (high - low)).clamp(0, 1)
        here = (share >= low).float()
        colour = torch.tensor([below, above]).view(2, 3, 1, 1) / 255
        out = torch.lerp(out, torch.lerp(colour[:1], colour[1:], part), here)
    return out
