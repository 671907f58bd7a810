"""Sounds: load, save, change, draw; and between sounds and latents."""

from typing import Annotated, Any, Literal, NamedTuple

from nodeflow import Audio, Autoencoder, Denoiser, Image, Latent, Path, Range, Run, node
from nodeflow.media import sounds
from nodeflow.media.files import fingerprint

from ._fits import require_form, require_media, same_space

Seconds = Annotated[float, Range(0, 3600, step=0.01, unit="s")]


class Measured(NamedTuple):
    """What can be said of a sound.

    Args:
        seconds: Its length.
        rate: Samples a second.
        level: Its loudness, root mean square, in decibels below full scale.
        peak: Its highest sample, in decibels below full scale.
    """

    seconds: float
    rate: int
    level: float
    peak: float


def _content(path: str) -> str:
    return fingerprint(path)


@node("audio/load", title="Load sound", waits=True, fingerprint=_content)
def load(path: Annotated[str, Path("file", sounds.READABLE)]) -> Audio:
    """Load a sound from a file.

    Args:
        path: WAV, FLAC, Ogg, MP3 and other formats that libsndfile reads.
    """
    from nodeflow.diffusion.sounds import from_samples

    return from_samples(*sounds.read(path))


@node("audio/save", title="Save sound", sink=True, waits=True, volatile=True)
def save(
    run: Run,
    audio: Audio,
    name: str = "{graph}-{seed}-{index:04}",
    format: Literal["flac", "wav", "ogg"] = "flac",
    embed: bool = True,
) -> list[str]:
    """Save sounds into the output folder, with the graph inside.

    Args:
        audio: The sounds.
        name: May use {graph}, {seed}, {index}, {date}, {time} and every input of the graph, such as {prompt}.
        format: FLAC and WAV are lossless, 24 bit.
        embed: Whether the files carry the graph that made them.

    Returns:
        The files written.
    """
    return run.save(audio, name, f".{format}", embed=embed)


@node("audio/resample", title="Resample sound")
def resample(audio: Audio, rate: Annotated[int, Range(1000, 384_000, unit="Hz")] = 44_100) -> Audio:
    """Change the number of samples a second; the sound stays as it is.

    Args:
        audio: The sounds.
        rate: Samples a second.
    """
    from nodeflow.diffusion import sounds

    return sounds.resample(audio, rate)


@node("audio/trim", title="Trim sound")
def trim(audio: Audio, begin: Seconds = 0.0, seconds: Seconds = 0.0) -> Audio:
    """Cut out a part.

    Args:
        audio: The sounds.
        begin: Where the part begins.
        seconds: How long it is; 0 = to the end. What is beyond the end is silence.
    """
    from nodeflow.diffusion import sounds

    return sounds.trim(audio, begin, seconds)


@node("audio/mix", title="Mix sounds")
def mix(audio: list[Audio], offset: Seconds = 0.0) -> Audio:
    """Play sounds together, or one after the other; turned down as a whole where the sum would clip.

    Args:
        audio: The sounds, in the order of the wires.
        offset: Each begins so long after the one before it.
    """
    from nodeflow.diffusion import sounds

    return sounds.mix(audio, offset)


@node("audio/gain", title="Gain")
def gain(
    audio: Audio, decibels: Annotated[float, Range(-60, 60, step=0.5, unit="dB")] = 0.0, normalise: bool = False
) -> Audio:
    """Make sounds louder or softer.

    Args:
        audio: The sounds.
        decibels: 6 doubles, -6 halves.
        normalise: Bring the highest sample to full scale first.
    """
    from nodeflow.diffusion import sounds

    return sounds.gain(audio, decibels, 0.0 if normalise else None)


@node("audio/measure", title="Measure sound")
def measure(audio: Audio) -> Measured:
    """Length, rate and loudness of a sound.

    Args:
        audio: The sounds; a batch is measured as one.
    """
    rms = float(audio.data.square().mean().sqrt().clamp(min=1e-6).log10()) * 20
    peak = float(audio.data.abs().max().clamp(min=1e-6).log10()) * 20
    return Measured(audio.seconds, audio.rate, rms, peak)


@node("audio/spectrogram", title="Spectrogram")
def spectrogram(
    audio: Audio,
    width: Annotated[int, Range(16, 8192, unit="px")] = 512,
    height: Annotated[int, Range(16, 4096, unit="px")] = 256,
) -> Image:
    """Draw how loud each frequency is over time.

    Args:
        audio: The sounds.
        width: Of the picture.
        height: Of the picture.
    """
    from nodeflow.diffusion import sounds

    return sounds.spectrogram(audio, width, height)


@node("audio/waveform", title="Waveform")
def waveform(
    audio: Audio,
    width: Annotated[int, Range(16, 8192, unit="px")] = 512,
    height: Annotated[int, Range(16, 4096, unit="px")] = 128,
) -> Image:
    """Draw a sound's wave.

    Args:
        audio: The sounds.
        width: Of the picture.
        height: Of the picture, all channels together.
    """
    from nodeflow.diffusion import sounds

    return sounds.waveform(audio, width, height)


def _of_sounds(model: dict[str, Any] | None, **_: Any) -> dict[str, Any]:
    if (model or {}).get("family") != "sound":
        require_form(model, lines=True)
    return {"latent": {"space": (model or {}).get("space")}}


@node("audio/empty", title="Empty sound latent", describe=_of_sounds)
def empty(model: Denoiser, seconds: Seconds = 0.0, batch: Annotated[int, Range(1, 256)] = 1) -> Latent:
    """An empty latent, to make sounds from nothing.

    Args:
        model: Whose sounds they will be.
        seconds: 0 = the model's own length, the only one that models of spectrograms know. For models of waves it is
            rounded up to what the model can halve, and "Trim sound" cuts the rest.
        batch: How many sounds at once.
    """
    from nodeflow.diffusion.sounds import empty_for

    if model.family != "sound":
        require_form({"kind": model.kind}, lines=True)
    return empty_for(model, seconds, batch)


def _encoded(autoencoder: dict[str, Any] | None, **_: Any) -> dict[str, Any]:
    require_media(autoencoder, "audio")
    return {"latent": {"space": (autoencoder or {}).get("space")}}


def _decoded(autoencoder: dict[str, Any] | None, latent: dict[str, Any] | None, **_: Any) -> dict[str, Any]:
    require_media(autoencoder, "audio")
    same_space(latent, autoencoder, "decoder")
    return {}


@node("audio/encode", title="Encode sound", describe=_encoded)
def encode(run: Run, autoencoder: Autoencoder, audio: Audio) -> Latent:
    """Turn sounds into latents.

    Args:
        autoencoder: Of a model for sounds.
        audio: The sounds; brought to the model's rate, and mixed to mono where it has other channels.
    """
    from nodeflow.diffusion.sounds import to_latent

    require_media({"media": autoencoder.media}, "audio")
    with run.weights(autoencoder) as net:
        return to_latent(net, audio, autoencoder.space)


@node("audio/decode", title="Decode sound", describe=_decoded)
def decode(run: Run, autoencoder: Autoencoder, latent: Latent) -> Audio:
    """Turn latents into sounds.

    Args:
        autoencoder: The one of the latent's own model.
        latent: What a sampler made.
    """
    from nodeflow.diffusion.sounds import to_sound

    require_media({"media": autoencoder.media}, "audio")
    with run.weights(autoencoder) as net:
        return to_sound(net, latent)
