"""Drums and simple instruments from formulas: each is a random patch of its kind, with the words that describe it.

    sound, words = INSTRUMENTS["kick drum"](np.random.default_rng(3))

Sounds are mono float64 in -1..1, `SECONDS` long at `RATE`, begin at once and end in silence. The words come from the
parameters, so a caption never lies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.random import Generator

RATE = 22_050
SAMPLES = 24_576
SECONDS = SAMPLES / RATE
t = np.arange(SAMPLES) / RATE

Sound = np.ndarray
Described = tuple[Sound, list[str]]


def kick(rng: Generator) -> Described:
    """A sine that falls fast from a click to the note of the skin."""
    note, decay = log_uniform(rng, 38, 75), log_uniform(rng, 0.06, 0.4)
    fall, click = log_uniform(rng, 0.008, 0.04), rng.uniform(0, 0.5)
    drive = rng.choice([0.0, 0.0, rng.uniform(2, 8)])
    body = np.sin(sweep(note * rng.uniform(2.5, 7), note, fall)) * decaying(decay, attack=0.0008)
    sound = body + click * band(rng, 1500, 8000) * decaying(0.004)
    words = [word(note, "deep", 47, 62, "high"), word(decay, "short", 0.11, 0.24, "long")]
    if drive:
        sound, words = np.tanh(drive * sound), [*words, "distorted"]
    return sound, words


def snare(rng: Generator) -> Described:
    """Two modes of the skin and the rattle of the wires."""
    note, decay = log_uniform(rng, 140, 280), log_uniform(rng, 0.05, 0.25)
    wires, top = rng.uniform(0.5, 1.6), log_uniform(rng, 4000, 10500)
    skin = sum(np.sin(sweep(note * r * 1.4, note * r, 0.01)) * a for r, a in ((1, 1.0), (1.59, 0.6)))
    sound = skin * decaying(0.4 * decay) + wires * band(rng, 900, top) * decaying(decay)
    return sound, [
        word(note, "low", 170, 230, "high"),
        word(decay, "tight", 0.085, 0.16, "long"),
        word(top, "dark", 5500, 8000, "bright"),
    ]


def clap(rng: Generator) -> Described:
    """Three or four hands a few milliseconds apart, then the room."""
    centre, room = log_uniform(rng, 900, 2200), log_uniform(rng, 0.05, 0.25)
    hands, gap = int(rng.integers(3, 5)), rng.uniform(0.008, 0.014)
    envelope = sum(shifted(decaying(0.004), i * gap) for i in range(hands)) + 0.7 * shifted(decaying(room), hands * gap)
    return band(rng, 0.6 * centre, 2.5 * centre) * envelope, [
        word(centre, "low", 1150, 1700, "high"),
        word(room, "dry", 0.085, 0.15, "roomy"),
    ]


def closed_hat(rng: Generator) -> Described:
    """A short tick of metal."""
    return metal(rng, decay=log_uniform(rng, 0.012, 0.05), lengths=(0.019, 0.033))


def open_hat(rng: Generator) -> Described:
    """Metal left to ring."""
    return metal(rng, decay=log_uniform(rng, 0.12, 0.4), lengths=(0.18, 0.28))


def metal(rng: Generator, decay: float, lengths: tuple[float, float]) -> Described:
    """Six square waves out of tune, as in the old machines, mixed with noise and cut low."""
    base, tone, low = log_uniform(rng, 280, 520), rng.uniform(0.1, 0.9), log_uniform(rng, 4500, 8000)
    squares = sum(
        np.sign(np.sin(2 * np.pi * base * r * t + rng.uniform(0, 6))) for r in (1, 1.34, 1.62, 1.93, 2.43, 2.9)
    )
    sound = filtered(tone * squares / 4 + (1 - tone) * rng.normal(size=SAMPLES), low, 11000) * decaying(decay, 0.0005)
    return sound, [
        word(decay, "short", *lengths, "long"),
        word(low, "dark", 5400, 6700, "bright"),
        "metallic" if tone > 0.6 else "",
    ]


def cymbal(rng: Generator) -> Described:
    """Dense inharmonic modes and a splash of noise that outlive the clip."""
    decay, low = log_uniform(rng, 0.5, 1.5), log_uniform(rng, 1500, 4000)
    modes = sum(np.sin(2 * np.pi * f * t + rng.uniform(0, 6)) for f in rng.uniform(low, 10500, 60)) / 8
    sound = (modes + band(rng, low, 10500)) * decaying(decay, 0.002) + 0.8 * band(rng, 800, 9000) * decaying(0.06)
    return sound, [word(low, "dark", 2100, 3000, "bright"), word(decay, "short", 0.7, 1.05, "long")]


def tom(rng: Generator) -> Described:
    """A skin with a little fall of pitch and a soft stick."""
    note, decay = log_uniform(rng, 75, 230), log_uniform(rng, 0.12, 0.4)
    body = np.sin(sweep(note * rng.uniform(1.2, 1.7), note, 0.05)) + 0.35 * np.sin(sweep(note * 2.2, note * 1.59, 0.05))
    sound = body * decaying(decay, 0.001) + rng.uniform(0.05, 0.25) * band(rng, 300, 4000) * decaying(0.015)
    return sound, [word(note, "low", 110, 160, "high"), word(decay, "short", 0.18, 0.27, "long")]


def conga(rng: Generator) -> Described:
    """A tight skin struck by the hand: no fall of pitch, a slap, an air mode."""
    note, decay, slap = log_uniform(rng, 170, 430), log_uniform(rng, 0.05, 0.2), rng.uniform(0.1, 0.9)
    body = np.sin(2 * np.pi * note * t) + 0.4 * np.sin(2 * np.pi * 1.5 * note * t) * decaying(0.05)
    sound = body * decaying(decay, 0.0015) + slap * band(rng, 1200, 5000) * decaying(0.006)
    return sound, [
        word(note, "low", 230, 320, "high"),
        "slapped" if slap > 0.6 else "",
        word(decay, "short", 0.08, 0.13, ""),
    ]


def rimshot(rng: Generator) -> Described:
    """Two short wooden tones and a crack."""
    note = log_uniform(rng, 380, 620)
    tones = np.sin(2 * np.pi * note * t) + np.sin(2 * np.pi * note * rng.uniform(3.4, 3.8) * t)
    sound = tones * decaying(log_uniform(rng, 0.007, 0.018)) + 0.9 * band(rng, 2000, 9000) * decaying(0.004)
    return sound, [word(note, "low", 450, 530, "high")]


def cowbell(rng: Generator) -> Described:
    """Two square waves a rough fifth apart, and a band around them."""
    note, decay = log_uniform(rng, 480, 820), log_uniform(rng, 0.06, 0.25)
    squares = np.sign(np.sin(2 * np.pi * note * t)) + np.sign(np.sin(2 * np.pi * 1.48 * note * t))
    sound = filtered(squares, 0.9 * note, 5 * note) * (0.6 * decaying(0.012) + 0.4 * decaying(decay))
    return sound, [word(note, "low", 570, 690, "high"), word(decay, "short", 0.1, 0.16, "long")]


def shaker(rng: Generator) -> Described:
    """Grains in a shell: noise that swells and dies."""
    swell, decay, low = rng.uniform(0.02, 0.07), log_uniform(rng, 0.02, 0.08), log_uniform(rng, 3000, 6500)
    sound = band(rng, low, 10800) * np.where(t < swell, (t / swell) ** 2, np.exp(-(t - swell) / decay))
    return sound, [word(swell + decay, "short", 0.07, 0.1, "long"), word(low, "dark", 3900, 5000, "bright")]


def bass(rng: Generator) -> Described:
    """A saw tooth under a closing filter."""
    note, decay, cut = log_uniform(rng, 41, 110), log_uniform(rng, 0.15, 0.7), log_uniform(rng, 3, 25)
    partials = [(k, 1 / k / (1 + (k / cut) ** 4), 1 + 0.25 * k) for k in range(1, 60) if k * note < 9000]
    return additive(note, partials, decay, 0.003), [
        *pitch(note, 57, 80),
        word(cut, "dark", 6, 13, "bright"),
        word(decay, "short", 0.25, 0.42, "long"),
    ]


def guitar(rng: Generator) -> Described:
    """A plucked string: partials by where it is plucked, the high ones dying first."""
    note, place, decay = log_uniform(rng, 110, 440), rng.uniform(0.1, 0.4), log_uniform(rng, 0.25, 0.7)
    partials = [(k * (1 + 4e-5 * k**2), abs(np.sin(np.pi * k * place)) / k**1.2, 1 + 0.35 * k) for k in range(1, 40)]
    return additive(note, partials, decay, 0.001), [*pitch(note, 175, 277), word(place, "bright", 0.18, 0.3, "soft")]


def piano(rng: Generator) -> Described:
    """A struck string: two rates of decay, stretched partials, the thud of the hammer."""
    note, hardness = log_uniform(rng, 110, 880), rng.uniform(1.2, 2.2)
    partials = [
        (k * np.sqrt(1 + 4e-4 * k**2), k**-hardness * (0.6 + 0.4 * rng.uniform()), 0.6 + 0.25 * k) for k in range(1, 25)
    ]
    string = 0.6 * additive(note, partials, 0.25, 0.002) + 0.6 * additive(note * 1.0008, partials, 1.1, 0.002)
    return string + 0.1 * band(rng, 60, 700) * decaying(0.02), [
        *pitch(note, 220, 440),
        word(hardness, "bright", 1.5, 1.9, "soft"),
    ]


def organ(rng: Generator) -> Described:
    """Drawbars: steady sines that stop at once."""
    note, length = log_uniform(rng, 110, 660), rng.uniform(0.35, 0.95)
    bars = [
        (r, rng.uniform(0.1, 1) * a, 0)
        for r, a in ((0.5, 0.5), (1, 1), (1.5, 0.4), (2, 0.7), (3, 0.4), (4, 0.4), (6, 0.2), (8, 0.2))
    ]
    return additive(note, bars, np.inf, 0.008) * gate(length, 0.03), [
        *pitch(note, 200, 370),
        word(length, "short", 0.55, 0.78, "long"),
    ]


def flute(rng: Generator) -> Described:
    """Few partials, breath, and a vibrato that comes late."""
    note, breath, length = log_uniform(rng, 300, 1100), rng.uniform(0.02, 0.25), rng.uniform(0.45, 0.95)
    wobble = 0.006 * np.sin(2 * np.pi * rng.uniform(4.5, 6) * t) * np.clip((t - 0.25) * 3, 0, 1)
    phase = 2 * np.pi * note * np.cumsum(1 + wobble) / RATE
    tone = sum(a * np.sin(k * phase) for k, a in ((1, 1.0), (2, 0.35), (3, 0.12), (4, 0.04)))
    sound = (
        (tone + breath * band(rng, 0.8 * note, 4 * note))
        * gate(length, 0.06)
        * np.clip(t / rng.uniform(0.03, 0.08), 0, 1)
    )
    return sound, [*pitch(note, 460, 720), "breathy" if breath > 0.15 else ""]


def strings(rng: Generator) -> Described:
    """Several bowed saw teeth, slightly out of tune, that swell."""
    note, swell = log_uniform(rng, 130, 700), rng.uniform(0.05, 0.3)
    sound = sum(
        additive(note * d, [(k, 1 / k, 0) for k in range(1, 30) if k * note < 8000], np.inf, 0.01)
        for d in rng.normal(1, 0.004, 5)
    )
    return filtered(sound, 80, 6000) * np.clip(t / swell, 0, 1) * gate(0.95, 0.12), [
        *pitch(note, 230, 400),
        word(swell, "sharp", 0.12, 0.2, "slow"),
    ]


def bell(rng: Generator) -> Described:
    """The inharmonic partials of a bell: hum, prime, tierce, quint, nominal."""
    note, decay = log_uniform(rng, 350, 1400), log_uniform(rng, 0.4, 1.2)
    ratios = (
        (0.5, 0.4, 0.5),
        (1, 0.7, 1),
        (1.2, 0.5, 1.3),
        (1.5, 0.3, 1.6),
        (2, 1.0, 1.4),
        (2.74, 0.5, 3),
        (3.76, 0.35, 4.5),
        (5.4, 0.2, 7),
    )
    return additive(note, ratios, decay, 0.001), [*pitch(note, 550, 880), word(decay, "short", 0.58, 0.83, "long")]


def marimba(rng: Generator) -> Described:
    """A wooden bar tuned to 1 : 4 : 10, and the felt."""
    note, decay = log_uniform(rng, 130, 900), log_uniform(rng, 0.1, 0.3)
    sound = additive(note, ((1, 1.0, 1), (3.93, 0.35, 3), (9.2, 0.12, 8)), decay, 0.001)
    return sound + 0.1 * band(rng, 200, 2500) * decaying(0.006), pitch(note, 250, 470)


def zap(rng: Generator) -> Described:
    """A laser: a tone that dives."""
    top, fall = log_uniform(rng, 1800, 6000), log_uniform(rng, 0.03, 0.18)
    wave = np.sin(sweep(top, log_uniform(rng, 60, 200), fall))
    shape = rng.uniform()
    return ((1 - shape) * wave + shape * np.sign(wave)) * decaying(1.5 * fall), [
        word(fall, "short", 0.055, 0.1, "long"),
        "harsh" if shape > 0.6 else "",
    ]


INSTRUMENTS: dict[str, Callable[[Generator], Described]] = {
    "kick drum": kick, "snare drum": snare, "clap": clap, "closed hi-hat": closed_hat, "open hi-hat": open_hat,
    "crash cymbal": cymbal, "tom": tom, "conga": conga, "rimshot": rimshot, "cowbell": cowbell, "shaker": shaker,
    "bass": bass, "guitar": guitar, "piano": piano, "organ": organ, "flute": flute, "strings": strings, "bell": bell,
    "marimba": marimba, "laser zap": zap,
}  # fmt: skip


def played(name: str, rng: Generator) -> Described:
    """A finished clip: no DC, the end faded out, at a level of its own; words that say something."""
    sound, words = INSTRUMENTS[name](rng)
    return finished(sound), [one for one in words if one]


def finished(sound: Sound) -> Sound:
    """Cut to length, without DC, faded at the end, at -1 dB."""
    sound = filtered(np.pad(sound, (0, max(0, SAMPLES - len(sound))))[:SAMPLES], 20, RATE / 2)
    sound = sound * np.clip((SECONDS - t) / 0.08, 0, 1) * np.clip(t / 0.0005, 0, 1)
    return 0.89 * sound / max(np.abs(sound).max(), 1e-9)


def log_uniform(rng: Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def word(value: float, below: str, low: float, high: float, above: str) -> str:
    """What is said of a value, which is nothing in the middle."""
    return below if value < low else above if value > high else ""


def pitch(note: float, low: float, high: float) -> list[str]:
    return [word(note, "low", low, high, "high") or "middle"]


def decaying(seconds: float, attack: float = 0.0) -> Sound:
    """An exponential decay, with a soft beginning."""
    return np.exp(-t / seconds) * (1 - np.exp(-t / attack) if attack else 1)


def gate(length: float, release: float) -> Sound:
    return np.clip((length - t) / release, 0, 1)


def shifted(envelope: Sound, seconds: float) -> Sound:
    n = int(seconds * RATE)
    return np.concatenate([np.zeros(n), envelope[: SAMPLES - n]])


def sweep(start: float, end: float, seconds: float) -> Sound:
    """The phase of a tone whose frequency falls exponentially from start to end."""
    return 2 * np.pi * (end * t + (start - end) * seconds * (1 - np.exp(-t / seconds)))


def additive(note: float, partials: Sequence[tuple[float, float, float]], decay: float, attack: float) -> Sound:
    """Sines (ratio, loudness, how many times faster it dies)."""
    kept = [(ratio, loud, rate) for ratio, loud, rate in partials if ratio * note < 0.48 * RATE]
    return sum(
        loud * np.sin(2 * np.pi * ratio * note * t) * np.exp(-t * rate / decay) for ratio, loud, rate in kept
    ) * (1 - np.exp(-t / attack))


def band(rng: Generator, low: float, high: float) -> Sound:
    """Noise of a band, of unit power."""
    noise = filtered(rng.normal(size=SAMPLES), low, high)
    return 0.4 * noise / noise.std()


def filtered(sound: Sound, low: float, high: float) -> Sound:
    """A gentle band pass, 12 dB an octave."""
    f = np.fft.rfftfreq(SAMPLES, 1 / RATE)
    gain = 1 / (1 + (low / np.maximum(f, 1e-3)) ** 4) ** 0.5 / (1 + (f / high) ** 4) ** 0.5
    return np.fft.irfft(np.fft.rfft(sound) * gain, SAMPLES)
