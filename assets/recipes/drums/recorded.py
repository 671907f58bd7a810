"""Recorded one-shots from Sonic Pi's samples (CC0), and what each is."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import soundfile
from synth import RATE, SAMPLES, Described, finished

PACKAGE, VERSION = "supersonic-scsynth-samples", "0.84.2"
KINDS = (
    ("bd_*", "kick drum", []), ("drum_bass_*", "kick drum", ["acoustic"]), ("elec_*kick", "kick drum", []),
    ("drum_heavy_kick", "kick drum", ["acoustic"]), ("sn_*", "snare drum", []),
    ("drum_snare_*", "snare drum", ["acoustic"]), ("elec_*snare", "snare drum", []),
    ("drum_tom_hi_*", "tom", ["high", "acoustic"]),
    ("drum_tom_mid_*", "tom", ["acoustic"]), ("drum_tom_lo_*", "tom", ["low", "acoustic"]),
    ("drum_cymbal_closed", "closed hi-hat", ["acoustic"]), ("drum_cymbal_pedal", "closed hi-hat", ["acoustic"]),
    ("drum_cymbal_*", "crash cymbal", ["acoustic"]), ("drum_splash_*", "crash cymbal", ["acoustic"]),
    ("ride_*", "crash cymbal", []), ("elec_cymbal", "crash cymbal", []), ("drum_cowbell", "cowbell", ["acoustic"]),
    ("hat_*", "hi-hat", []), ("tabla_*", "tabla", []), ("bass_*", "bass", []), ("elec_bell", "bell", []),
    ("perc_bell*", "bell", []), ("guit_harmonics", "guitar", []), ("perc_snap*", "clap", ["dry"]),
)  # fmt: skip
"""File names, the kind of sound, and words for it; the first match counts. Loops, voices and noises are left out."""
OPEN_HAT = 0.24
"""A hi-hat that keeps sounding longer than this many seconds is open."""


def recordings(folder: Path) -> Iterator[tuple[str, np.ndarray, list[str]]]:
    """Kind, mono wave at `RATE`, and words of each usable sample; the package is fetched into `folder` if needed."""
    archive = folder / f"{PACKAGE}-{VERSION}.tgz"
    if not archive.exists():
        subprocess.run(["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}"], cwd=folder, check=True)
    with tarfile.open(archive) as package:
        for member in sorted(package.getnames()):
            stem = Path(member).stem
            match = next(((kind, words) for pattern, kind, words in KINDS if fnmatch(stem, pattern)), None)
            if match and member.endswith(".flac"):
                wave, rate = soundfile.read(package.extractfile(member), always_2d=True)
                mono = resampled(wave.mean(1), rate / RATE)
                kind, words = match
                if kind == "hi-hat":
                    kind = "open hi-hat" if sounding(mono) > OPEN_HAT else "closed hi-hat"
                yield kind, mono, words


def varied(wave: np.ndarray, words: list[str], rng: np.random.Generator) -> Described:
    """A recording at another speed, from two semitones lower to two higher."""
    return finished(resampled(wave, 2 ** rng.uniform(-2 / 12, 2 / 12))), [*words, "recorded"]


def sounding(wave: np.ndarray) -> float:
    """Seconds until a wave has given 95 % of its energy."""
    energy = (wave**2).cumsum()
    return float(np.searchsorted(energy, 0.95 * energy[-1])) / RATE


def resampled(wave: np.ndarray, speed: float) -> np.ndarray:
    """A wave read `speed` times as fast, what would alias left out; one clip's length at most."""
    spectrum = np.fft.rfft(wave)
    length = int(len(wave) / speed)
    kept = np.zeros(length // 2 + 1, complex)
    n = min(len(kept), len(spectrum))
    kept[:n] = spectrum[:n]
    return (np.fft.irfft(kept, length) / speed)[:SAMPLES]
