"""The training clips: latents, and what is said of each sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from recorded import recordings, varied
from synth import INSTRUMENTS, RATE, Described, played
from torch import Tensor

from nodeflow.diffusion.models.autoencoder_spectrogram import SpectrogramAutoencoder

CONFIG = {
    "_class_name": "SpectrogramAutoencoder",
    "sampling_rate": RATE,
    "n_fft": 768,
    "hop_length": 192,
    "num_mel_bins": 128,
    "sample_size": 128,
    "patch_size": 16,
    "latent_channels": 64,
    "scaling_factor": 1.0,
}
EACH = 500
"""Clips a kind of sound."""
VARIATIONS = 12
"""Clips a recording, unless a kind has nothing but recordings."""
WHITEN = 0.7
"""How far the latents' channels are brought to one size: 1 would give the faintest detail the weight of the loudest."""


@dataclass
class Clips:
    """Latents [N, C, H, W], with the kind and the words of each."""

    latents: Tensor
    kinds: list[str]
    words: list[list[str]]


def described(
    folder: Path, seed: int, each: int = EACH, variations: int = VARIATIONS
) -> Iterator[tuple[str, Described]]:
    """Synthesised and recorded clips by kind, in a fixed order for a seed."""
    rng = np.random.default_rng(seed)
    for kind in INSTRUMENTS:
        for _ in range(each):
            yield kind, played(kind, rng)
    own = list(recordings(folder))
    for kind, wave, words in own:
        alone = kind not in INSTRUMENTS
        count = each // sum(other == kind for other, *_ in own) if alone else variations
        for _ in range(count):
            yield kind, varied(wave, words, rng)


def fitted(mels: Tensor) -> SpectrogramAutoencoder:
    """The autoencoder whose map is the principal components of these spectrograms' patches, [N, bands, frames]."""
    net = SpectrogramAutoencoder.from_config(CONFIG)
    patch, channels = CONFIG["patch_size"], CONFIG["latent_channels"]
    patches = mels.unfold(1, patch, patch).unfold(2, patch, patch).reshape(-1, patch * patch)
    mean = patches.mean(0)
    variances, directions = torch.linalg.eigh(torch.cov((patches - mean).T))
    variances, directions = variances.flip(0)[:channels], directions.flip(1)[:, :channels]
    sizes = variances.sqrt()
    scale = sizes**WHITEN * (sizes.pow(2 - 2 * WHITEN).mean().sqrt())
    E = (directions / scale).T
    with torch.no_grad():
        net.mean.copy_(mean.view(patch, patch))
        net.encoder.weight.copy_(E.view(channels, 1, patch, patch))
        net.encoder.bias.copy_(-E @ mean)
        net.decoder.weight.copy_((directions * scale).T.reshape(channels, 1, patch, patch))
    return net


@torch.no_grad()
def spectrograms(net: SpectrogramAutoencoder, waves: Sequence[np.ndarray]) -> Tensor:
    """Log-mel spectrograms, [N, bands, frames]."""
    return torch.cat(
        [net.mel.of(torch.from_numpy(np.stack(waves[i : i + 64])).float()) for i in range(0, len(waves), 64)]
    )


@torch.no_grad()
def make(folder: Path, seed: int = 0, each: int = EACH) -> tuple[SpectrogramAutoencoder, Clips]:
    """Draw all clips and fit the autoencoder to them."""
    kinds, mels, words, waves = [], [], [], []
    blank = SpectrogramAutoencoder.from_config(CONFIG)
    for kind, (wave, said) in described(folder, seed, each):
        kinds.append(kind)
        words.append(said)
        waves.append(wave)
        if len(waves) == 64:
            mels.append(spectrograms(blank, waves).half())
            waves = []
    mels.append(spectrograms(blank, waves).half())
    mel = torch.cat(mels)
    net = fitted(mel[torch.randperm(len(mel), generator=torch.Generator().manual_seed(seed))[:3000]].float())
    latents = torch.cat([net.encoder(part[:, None].float()) for part in mel.split(256)])
    return net, Clips(latents, kinds, words)


def captions(kind: str, words: Sequence[str]) -> list[str]:
    """All that may be said of a sound: fewer or more of its words."""
    said = [kind, f"a {kind}"]
    for word in words:
        said += [f"{word} {kind}", f"a {word} {kind}", f"{kind}, {word}"]
    if len(words) > 1:
        said += [f"{' '.join(words)} {kind}", f"a {' '.join(words)} {kind}", f"{kind}, {', '.join(words)}"]
    return said
