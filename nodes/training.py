"""Training: what to learn from, what to learn and how; and the trained model as a folder."""

from typing import Annotated, Any, Literal, NamedTuple

from nodeflow import (
    Autoencoder,
    Denoiser,
    Path,
    Range,
    Run,
    SchedulerConfig,
    Seed,
    Text,
    TextEncoder,
    node,
)
from nodeflow.training import Dataset, Objective, Optimiser, Settings, Sounds

from ._training import course


def _folder(folder: str, controls: str) -> Any:
    from nodeflow.diffusion.training.folder import fingerprint
    from nodeflow.diffusion.training.partners import IN_METADATA

    return fingerprint(folder), fingerprint("" if controls == IN_METADATA else controls)


class Data(NamedTuple):
    """What a folder holds.

    Args:
        dataset: For training nodes.
        count: How many pictures can be read.
        classes: How many classes they have; 0 without classes.
    """

    dataset: Dataset
    count: int
    classes: int


@node("training/dataset", version=2, title="Picture folder", waits=True, fingerprint=_folder)
def dataset(
    run: Run,
    folder: Annotated[str, Path("folder")],
    captions: Literal["auto", "text", "metadata", "names", "folders", "none"] = "auto",
    size: Annotated[int, Range(8, 4096, step=8, unit="px")] = 64,
    buckets: bool = False,
    step: Annotated[int, Range(8, 256, step=8, unit="px")] = 64,
    mirror: bool = False,
    skip_unreadable: bool = False,
    controls: Annotated[str, Path("folder")] = "",
) -> Data:
    """Read a folder of pictures to learn from; every file is looked at, and what cannot be read is named.

    Args:
        folder: Pictures, also in subfolders.
        captions: A .txt beside each picture, metadata.jsonl, the file's name, the folder's name (then also the
            class), or none; auto takes the first of metadata, text, names that is there.
        size: Side of the square that pictures are cut to.
        buckets: Keep their shapes instead, near this square's area.
        step: Sides of shapes are multiples of this.
        mirror: Show every picture mirrored too.
        skip_unreadable: Leave out what cannot be read instead of refusing.
        controls: For ControlNets, a folder of control pictures with the same names as the pictures, or "metadata":
            the column conditioning_image of metadata.jsonl; empty = none.
    """
    from dataclasses import replace

    from nodeflow.diffusion.training.folder import scan
    from nodeflow.diffusion.training.pairing import paired_digest

    wanted = Dataset(folder, captions, size, buckets, step, mirror, controls, skip_unreadable=skip_unreadable)
    found = scan(wanted)
    beside = paired_digest(wanted, found.items) if controls else ""
    for fault in found.unreadable:
        run.log(f"left out: {fault.line}")
    return Data(replace(wanted, digest=found.digest + beside), len(found.items), len(found.classes))


@dataset.migrate(1)
def _without_controls(saved: dict[str, Any]) -> dict[str, Any]:
    """Version 1 knew no control pictures; what it had means the same."""
    return saved


def _heard(folder: str) -> Any:
    from nodeflow.diffusion.training.folder import SOUND, fingerprint

    return fingerprint(folder, SOUND)


class Heard(NamedTuple):
    """What a folder holds.

    Args:
        sounds: For training nodes.
        count: How many sounds can be read.
        classes: How many classes they have; 0 without classes.
    """

    sounds: Sounds
    count: int
    classes: int


@node("training/sounds", title="Sound folder", waits=True, fingerprint=_heard)
def sounds(
    run: Run,
    folder: Annotated[str, Path("folder")],
    captions: Literal["auto", "text", "metadata", "names", "folders", "none"] = "auto",
    seconds: Annotated[float, Range(0, 3600, step=0.01, unit="s")] = 0.0,
    pieces: bool = False,
    skip_unreadable: bool = False,
) -> Heard:
    """Read a folder of sounds to learn from; every file is read once, and what cannot be read is named.

    Sounds are brought to the rate and the channels of the model that learns from them.

    Args:
        folder: WAV, FLAC, Ogg and other sounds, also in subfolders.
        captions: A .txt beside each sound, metadata.jsonl, the file's name, the folder's name (then also the class),
            or none; auto takes the first of metadata, text, names that is there.
        seconds: Length of a clip; 0 = the model's own. Shorter sounds end in silence.
        pieces: Show all of a longer sound, piece by piece, instead of its beginning.
        skip_unreadable: Leave out what cannot be read instead of refusing.
    """
    from dataclasses import replace

    from nodeflow.diffusion.training.folder import scan

    wanted = Sounds(folder, captions, seconds, pieces, skip_unreadable=skip_unreadable)
    found = scan(wanted)
    for fault in found.unreadable:
        run.log(f"left out: {fault.line}")
    return Heard(replace(wanted, digest=found.digest), len(found.items), len(found.classes))


@node("training/objective", title="Objective")
def objective(
    weighting: Literal["constant", "min_snr", "p2", "edm"] = "constant",
    gamma: Annotated[float, Range(0, 100)] = 0.0,
    timesteps: Literal["uniform", "logit_normal", "mode", "log_normal"] = "uniform",
    mean: Annotated[float, Range(-10, 10)] = 0.0,
    std: Annotated[float, Range(-10, 10)] = 1.0,
    shift: Annotated[float, Range(0.01, 100)] = 1.0,
    offset: Annotated[float, Range(0, 1, step=0.01)] = 0.0,
    dropout: Annotated[float, Range(0, 1, step=0.05)] = 0.1,
) -> Objective:
    """What a denoiser is asked at which noise levels; what it predicts is the scheduler's affair.

    Args:
        weighting: How much each level counts: min-SNR (2303.09556), P2 (2204.00227), EDM (2206.00364).
        gamma: γ of min-SNR (usually 5) or P2 (usually 1); 0 = the usual one.
        timesteps: How often each level is asked about: logit-normal and mode (2403.03206), log-normal (2206.00364).
        mean: Of the logit of time, or of the logarithm of noise over signal.
        std: Of the same; the scale of mode.
        shift: How far a flow's times are moved towards noise.
        offset: Noise that is one number for a whole channel, so that dark and bright pictures are learnt.
        dropout: How often the caption is left out, so that guidance works.
    """
    return Objective("", weighting, gamma, timesteps, mean, std, shift, offset, dropout)


@node("training/optimiser", title="Optimiser")
def optimiser(
    learning_rate: Annotated[float, Range(0, 1, log=True)] = 1e-4,
    schedule: Literal["constant", "cosine", "linear"] = "constant",
    warmup: Annotated[int, Range(0, 1_000_000)] = 0,
    horizon: Annotated[int, Range(0, 10_000_000)] = 0,
    weight_decay: Annotated[float, Range(0, 1)] = 0.01,
    beta1: Annotated[float, Range(0, 0.9999)] = 0.9,
    beta2: Annotated[float, Range(0, 0.999999)] = 0.999,
    clip: Annotated[float, Range(0, 1000)] = 1.0,
    kind: Literal["adamw", "adamw8bit"] = "adamw",
) -> Optimiser:
    """How weights follow the gradient.

    Args:
        learning_rate: The highest rate.
        schedule: Constant after the warm-up, or falling to 0 at the horizon.
        warmup: Steps in which the rate climbs.
        horizon: The step at which a falling rate is 0. It is not the number of steps: asking for more steps goes on,
            changing the horizon begins anew.
        weight_decay: λ of AdamW.
        beta1: How long the gradient's mean remembers.
        beta2: How long its square remembers.
        clip: The largest norm of the gradient; 0 = any.
        kind: adamw8bit needs bitsandbytes and a GPU.
    """
    return Optimiser(learning_rate, schedule, warmup, horizon, weight_decay, (beta1, beta2), clip, kind)


@node("training/settings", title="Training settings")
def settings(
    batch: Annotated[int, Range(1, 4096)] = 4,
    accumulate: Annotated[int, Range(1, 4096)] = 1,
    precision: Literal["float32", "bfloat16", "float16"] = "float32",
    ema: Annotated[float, Range(0, 0.99999)] = 0.999,
    checkpointing: bool = False,
    seed: Annotated[int, Seed()] = 0,
) -> Settings:
    """What else decides the course of a training.

    Args:
        batch: Pictures at once.
        accumulate: So many batches make one step.
        precision: What networks compute in; weights stay in float32.
        ema: How long the average of the weights remembers, which is what one samples from; 0 = no average.
        checkpointing: Less memory for more time.
        seed: Of everything drawn.
    """
    return Settings(batch, accumulate, precision, ema, seed, checkpointing)


@node("training/class-pictures", title="Class pictures")
def class_pictures(
    run: Run,
    model: Denoiser,
    scheduler: SchedulerConfig,
    text_encoder: TextEncoder,
    autoencoder: Autoencoder | None = None,
    prompt: Annotated[str, Text(1)] = "a dog",
    count: Annotated[int, Range(1, 10_000)] = 100,
    guidance: Annotated[float, Range(1, 30)] = 5.0,
    seed: Annotated[int, Seed()] = 0,
) -> Dataset:
    """Let a model paint pictures that it must not forget while it learns something new of their class.

    Args:
        model: The model as it is.
        scheduler: How to sample from it.
        text_encoder: Reads the prompt.
        autoencoder: None for pixels.
        prompt: The class, such as "a dog" where "a sks dog" is learnt.
        count: How many pictures.
        guidance: How strongly to follow the prompt.
        seed: Of the first picture.
    """
    from nodeflow.diffusion.training import painting
    from nodeflow.diffusion.training.lessons import Base

    base = Base(model, scheduler, autoencoder, text_encoder)
    return painting.class_pictures(course(run, 1, 0), base, prompt, count, guidance, seed)
