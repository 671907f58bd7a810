"""Networks from scratch, to train."""

from typing import Annotated, Literal, NamedTuple

from nodeflow import (
    Autoencoder,
    ControlNetwork,
    Denoiser,
    NodeflowError,
    Range,
    SchedulerConfig,
    Seed,
    TextEncoder,
    node,
)
from nodeflow.content import user_folder
from nodeflow.training import Folder

Prediction = Literal["epsilon", "sample", "v_prediction", "flow_prediction", "edm"]


def _widths(text: str) -> list[int]:
    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise NodeflowError(
            "NF205", f"{text!r} is not a list of whole numbers", where="widths", fix='as in "32, 64, 128"'
        ) from None


class NewDenoiser(NamedTuple):
    """A denoiser that has learnt nothing.

    Args:
        denoiser: To train.
        scheduler: Of its prediction.
    """

    denoiser: Denoiser
    scheduler: SchedulerConfig


@node("training/new-denoiser", title="New denoiser")
def new_denoiser(
    autoencoder: Autoencoder | None = None,
    text_encoder: TextEncoder | None = None,
    size: Annotated[int, Range(8, 4096, step=8, unit="px")] = 64,
    widths: str = "32, 64, 128",
    layers: Annotated[int, Range(1, 8)] = 1,
    attention: Annotated[int, Range(0, 8)] = 2,
    classes: Annotated[int, Range(0, 100_000)] = 0,
    prediction: Prediction = "v_prediction",
    seed: Annotated[int, Seed()] = 0,
) -> NewDenoiser:
    """A U-net with random weights.

    Args:
        autoencoder: Whose latents it will work on; none = pixels.
        text_encoder: Whose texts it will read; none = no text.
        size: Side of its pictures.
        widths: Channels at each resolution, finest first.
        layers: Residual blocks at each resolution.
        attention: At how many of the coarsest resolutions pixels read each other and the text.
        classes: How many classes it will know; 0 = none.
        prediction: What it will predict; decides the scheduler.
        seed: Of the weights.
    """
    from nodeflow.diffusion.training import fresh

    space = autoencoder.space if autoencoder else fresh.PIXELS
    width = int(text_encoder.config.get("hidden_size", 0)) if text_encoder else 0
    config = fresh.denoiser_config(
        size=size,
        space=space,
        widths=_widths(widths),
        layers=layers,
        attention=attention,
        text_width=width,
        classes=classes,
    )
    made = fresh.new_denoiser(user_folder("training") / "new", config, space, seed)
    return NewDenoiser(made, fresh.scheduler_for(prediction, space))


class NewWaveDenoiser(NamedTuple):
    """A denoiser of waves that has learnt nothing.

    Args:
        denoiser: To train.
        scheduler: Of Dance Diffusion: velocity on a quarter circle.
        autoencoder: The identity, which says what rate the waves have.
    """

    denoiser: Denoiser
    scheduler: SchedulerConfig
    autoencoder: Autoencoder


@node("training/new-wave-denoiser", title="New denoiser of waves")
def new_wave_denoiser(
    seconds: Annotated[float, Range(0.001, 3600, step=0.01, unit="s")] = 1.0,
    rate: Annotated[int, Range(1000, 384_000, unit="Hz")] = 16_000,
    channels: Annotated[int, Range(1, 64)] = 1,
    widths: str = "32, 32, 64, 64, 128",
    attention: Annotated[int, Range(1, 16)] = 1,
    seed: Annotated[int, Seed()] = 0,
) -> NewWaveDenoiser:
    """A U-net with random weights that works on waves themselves, like Dance Diffusion's.

    Args:
        seconds: Length of its sounds; made longer until it can be halved so often.
        rate: Samples a second.
        channels: 1 is mono, 2 stereo.
        widths: Channels at each resolution, finest first, multiples of 32; every resolution halves the rate.
        attention: At how many of the coarsest resolutions samples hear each other.
        seed: Of the weights.
    """
    from nodeflow.diffusion.checkpoints.handles import identity
    from nodeflow.diffusion.training import fresh

    config = fresh.wave_config(
        seconds=seconds, rate=rate, channels=channels, widths=_widths(widths), attention=attention
    )
    coder = identity("UNet1DModel", config)
    made = fresh.new_denoiser(user_folder("training") / "new", config, coder.space, seed)
    return NewWaveDenoiser(made, SchedulerConfig(fresh.ON_WAVES), coder)


@node("training/new-autoencoder", title="New autoencoder")
def new_autoencoder(
    size: Annotated[int, Range(8, 4096, step=8, unit="px")] = 64,
    widths: str = "16, 32, 64",
    layers: Annotated[int, Range(1, 8)] = 1,
    channels: Annotated[int, Range(1, 256)] = 8,
    seed: Annotated[int, Seed()] = 0,
) -> Autoencoder:
    """An autoencoder with random weights.

    Args:
        size: Side of its pictures.
        widths: Channels at each resolution, finest first; each after the first halves the picture.
        layers: Residual blocks at each resolution.
        channels: Of a latent.
        seed: Of the weights.
    """
    from nodeflow.diffusion.training import fresh

    config = fresh.autoencoder_config(size=size, widths=_widths(widths), layers=layers, channels=channels)
    return fresh.new_autoencoder(user_folder("training") / "new", config, seed)


@node("training/new-text-encoder", title="New text encoder")
def new_text_encoder(
    data: Folder,
    width: Annotated[int, Range(8, 4096, step=8)] = 128,
    layers: Annotated[int, Range(1, 48)] = 2,
    heads: Annotated[int, Range(1, 64)] = 4,
    merges: Annotated[int, Range(0, 100_000)] = 1500,
    seed: Annotated[int, Seed()] = 0,
) -> TextEncoder:
    """A text encoder with random weights, and a tokenizer learnt from a folder's captions.

    Args:
        data: Whose captions are read.
        width: Of the text states.
        layers: Of the encoder.
        heads: Of its attention.
        merges: The most pieces of words that the tokenizer learns.
        seed: Of the weights.
    """
    from nodeflow.diffusion.training import fresh

    place = user_folder("training") / "new"
    return fresh.new_text_encoder(place, data, tokens=merges, width=width, layers=layers, heads=heads, seed=seed)


@node("training/new-control", title="New ControlNet")
def new_control(model: Denoiser, seed: Annotated[int, Seed()] = 0) -> ControlNetwork:
    """A ControlNet that changes nothing yet: a copy of a denoiser's way down, behind convolutions of zero.

    Args:
        model: Whose way down is copied.
        seed: Of what reads the picture.
    """
    from nodeflow.diffusion.training import control

    return control.new_control(user_folder("training") / "new", model, seed)
