"""Sounds of a folder as what a network learns from: clips of one length, as waves or latents, made once and kept.

A sound is brought to the rate and the channels of the model. What is longer than a clip is cut: to its beginning, or
to pieces that begin evenly apart, so that the last one ends where the sound does. What is shorter ends in silence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nodeflow.errors import NodeflowError
from nodeflow.media import sounds as files
from nodeflow.training import Sounds
from nodeflow.values import Audio, Autoencoder, Denoiser

from .. import sounds
from ..checkpoints.families import WAVE_DENOISER
from ..checkpoints.spaces import wave_length
from ..models.autoencoder_spectrogram import SpectrogramAutoencoder
from .buckets import Size
from .folder import Item
from .material import Count
from .store import Store


class Clips:
    """Clean samples by the numbers of their sounds; a material like `material.Material`.

    Args:
        items: The sounds.
        data: How they are cut.
        store: Where clips are kept.
        coder: The handle and network that encode them; the identity for waves.
        shape: Of a clip, see `clip_shape`.
    """

    def __init__(
        self, items: Sequence[Item], data: Sounds, store: Store, coder: tuple[Autoencoder, Any], shape: Size
    ) -> None:
        self.items, self.store, self.shapes = list(items), store, [shape] * len(items)
        self.handle, self.net, self.rate = coder[0], coder[1], int(coder[1].rate)
        self.samples = shape[0] * (1 if coder[0].identity else coder[1].mel.hop)
        lengths = [-(-item.size[0] * self.rate // item.size[1]) for item in items]
        self.starts = [starts(length, self.samples) if data.pieces else [0] for length in lengths]
        self._open: tuple[int, Audio] | None = None

    @property
    def groups(self) -> list[list[int]]:
        """All sounds: their clips are of one shape."""
        return [list(range(len(self.items)))]

    def prepare(self, count: Count) -> None:
        """Make every clip that is not kept yet, and let the autoencoder go.

        Raises:
            NodeflowError: NF205, a sound's rate and the model's have no common step; and as reading raises.
        """
        views = [(i, start) for i, own in enumerate(self.starts) for start in own]
        for done, (i, start) in enumerate(views):
            self._clip(i, start)
            count(done + 1, len(views))
        self.net, self._open = None, None

    def __call__(self, chosen: Sequence[int], generator: torch.Generator) -> Tensor:
        """Clips, [B, C, N] of waves, [B, C, H, W] of spectrograms; of a longer sound one of its pieces by chance."""
        shares = torch.rand(len(chosen), generator=generator).tolist()
        pieces = [self.starts[i][int(share * len(self.starts[i]))] for i, share in zip(chosen, shares, strict=True)]
        return torch.stack([self._clip(i, start) for i, start in zip(chosen, pieces, strict=True)])

    def _clip(self, i: int, start: int) -> Tensor:
        own = self.handle.kind, self.handle.digest, self.handle.dtype, sorted(self.handle.config.items())
        key = Store.key("clip", *own, self.items[i].digest, start, self.samples)
        return self.store.get(key, lambda: {"clip": self._made(i, start)})["clip"]

    def _made(self, i: int, start: int) -> Tensor:
        sound = self._sound(i)
        wave = cut(sound.data, start, self.samples)
        return sounds.to_latent(self.net, replace(sound, data=wave), self.handle.space).data[0]

    def _sound(self, i: int) -> Audio:
        """A sound at the model's rate; the last one stays, as its pieces are made one after the other."""
        if self._open is None or self._open[0] != i:
            path = self.items[i].path
            try:
                self._open = i, sounds.resample(sounds.from_samples(*files.read(path)), self.rate)
            except NodeflowError as error:
                fault = error.faults[0]
                raise NodeflowError(fault.code, fault.what, where=str(path), fix=fault.fix) from None
        return self._open[1]


def starts(length: int, samples: int) -> list[int]:
    """Where the pieces of a sound begin: as few as cover all of it, evenly apart.

    Args:
        length: Of the sound, samples.
        samples: Of a piece.
    """
    more = max(0, -(-length // samples) - 1)
    return [round(k * (length - samples) / more) for k in range(more + 1)] if more else [0]


def cut(wave: Tensor, start: int, samples: int) -> Tensor:
    """So many samples from `start` on, silence after the end, [B, C, samples]."""
    piece = wave[..., start : start + samples]
    return F.pad(piece, (0, samples - piece.shape[-1]))


def clip_shape(denoiser: Denoiser, coder: Any, seconds: float) -> Size:
    """The shape of clips of a length, as a denoiser counts its size: (samples, 1) of waves, else (frames, bands).

    Args:
        denoiser: Whose length it is where none is asked for, and that must be able to halve it.
        coder: The autoencoder's network.
        seconds: At least so long; 0 = the denoiser's own length.

    Raises:
        NodeflowError: NF414, so short a wave cannot be halved so often; NF404, the autoencoder is of another kind.
    """
    if denoiser.kind == WAVE_DENOISER:
        return wave_length(denoiser.config, seconds), 1
    if not isinstance(coder, SpectrogramAutoencoder):
        what = f"models with a {type(coder).__name__} cannot be trained on sounds"
        raise NodeflowError("NF404", what, where="autoencoder", fix="choose one of spectrograms or of waves")
    cell = denoiser.space.factor * 2 ** (len(denoiser.config.get("block_out_channels") or (1,)) - 1)
    own = denoiser.size[0] or coder.config["sample_size"]
    frames = math.ceil(seconds * coder.rate / coder.mel.hop) if seconds else own
    return max(1, -(-frames // cell)) * cell, coder.mel.bands
