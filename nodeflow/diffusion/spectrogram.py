"""Sound as a picture of its frequencies over time, and back.

    mel   log( M |STFT(x)| ), M: triangles evenly spaced on the mel scale, m(f) = 2595 log10(1 + f / 700)
    back  |S| >= 0 with M |S| = exp(mel), by multiplicative updates (Lee & Seung 2001, eq. 4); then the phase that fits
          it best: x <- iSTFT(|S| exp(i arg STFT(x))), the fast version of Perraudin et al. 2013, "A fast Griffin-Lim
          algorithm", WASPAA

A spectrogram holds no phase: what comes back sounds alike and is another wave.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

MOMENTUM = 0.99
SMALL = 1e-8


@dataclass(frozen=True)
class Mel:
    """The grid of a log-mel spectrogram.

    Args:
        rate: Samples a second.
        window: Samples a frame looks at (Hann), n_fft.
        hop: Samples from frame to frame.
        bands: Frequency bands, lowest first.
        low: The lowest frequency, Hz.
        floor: Magnitudes below this are taken for silence.
    """

    rate: int
    window: int
    hop: int
    bands: int
    low: float = 20.0
    floor: float = 1e-3

    @property
    def ceiling(self) -> float:
        """What no wave within ±1 exceeds, ln(window / 2): |STFT| <= Σ w, and a band is a mean of magnitudes."""
        return math.log(self.window / 2)

    def filters(self) -> Tensor:
        """M, each row of unit sum, [bands, window / 2 + 1]."""
        ends = [2595 * math.log10(1 + f / 700) for f in (self.low, self.rate / 2)]
        mels = torch.linspace(ends[0], ends[1], self.bands + 2, dtype=torch.float64)
        edges = 700 * (10 ** (mels / 2595) - 1)
        f = torch.linspace(0, self.rate / 2, self.window // 2 + 1, dtype=torch.float64)
        rising = (f - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
        falling = (edges[2:, None] - f) / (edges[2:] - edges[1:-1])[:, None]
        triangles = torch.minimum(rising, falling).clamp(min=0)
        return (triangles / triangles.sum(1, keepdim=True).clamp(min=1e-9)).float()

    def of(self, wave: Tensor) -> Tensor:
        """The log-mel spectrogram of waves [B, samples], [B, bands, samples / hop]."""
        magnitude = self._stft(wave).abs()[..., : wave.shape[-1] // self.hop]
        return (self.filters() @ magnitude).clamp(min=self.floor).log()

    def wave(self, mel: Tensor, rounds: int = 32) -> Tensor:
        """Waves whose log-mel spectrogram is about `mel` [B, bands, frames], [B, frames · hop].

        Args:
            mel: Natural logarithms; what lies above `ceiling` is cut, and moments louder than a sine of full scale are
                turned down to it: a model makes such, and at a sound's own peak they would make the rest soft.
            rounds: How often the phase is mended; 32 are about as good as more.
        """
        frames, mel = mel.shape[-1], mel.clamp(max=self.ceiling)
        loud = torch.where(mel > math.log(self.floor) + 0.05, mel.exp(), 0.0)
        magnitude = self._bounded(self._unmelled(torch.nn.functional.pad(loud, (0, 1))))
        phase = torch.rand(magnitude.shape, generator=torch.Generator().manual_seed(0)) * (2 * math.pi)
        turn, before = torch.polar(torch.ones_like(phase), phase), torch.zeros(magnitude.shape, dtype=torch.complex64)
        for _ in range(rounds):
            now = self._stft(self._istft(magnitude * turn, frames))
            turn = now - MOMENTUM / (1 + MOMENTUM) * before
            turn, before = turn / (turn.abs() + SMALL), now
        return self._istft(magnitude * turn, frames)

    def _bounded(self, S: Tensor) -> Tensor:
        """Magnitudes [B, window / 2 + 1, frames] with no frame louder than a sine of full scale (0 dBFS of AES17).

        By Parseval a frame's mean square is 2 Σ S² / (window Σ w²), w the window, and that of the sine is 1/2. A frame
        that is louder is turned down as a whole.
        """
        power = 2 * S.square().sum(1, keepdim=True) / (self.window * torch.hann_window(self.window).square().sum())
        return S * (0.5 / power.clamp(min=0.5)).sqrt()

    def _unmelled(self, mel: Tensor, rounds: int = 60) -> Tensor:
        """Magnitudes [B, window / 2 + 1, frames], not negative, whose bands are `mel`."""
        M = self.filters()
        S = (M.T @ mel).clamp(min=1e-6)
        for _ in range(rounds):
            S = S * (M.T @ mel) / (M.T @ (M @ S) + SMALL)
        return S

    def _stft(self, wave: Tensor) -> Tensor:
        hann = torch.hann_window(self.window)
        return torch.stft(wave, self.window, self.hop, window=hann, return_complex=True)

    def _istft(self, spectrum: Tensor, frames: int) -> Tensor:
        hann = torch.hann_window(self.window)
        return torch.istft(spectrum, self.window, self.hop, window=hann, length=frames * self.hop)
