"""What travels the wires of a training graph: what to learn from, what to learn, and how. Plain data, all of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from .values import Value


@dataclass(frozen=True)
class Folder(Value):
    """A folder of files to learn from, and what is said of each.

    Args:
        folder: Where the files are.
        captions: Where their captions are: "text" (a .txt beside each), "metadata" (`metadata.jsonl` with
            `file_name` and `text`), "names" (the file's name), "folders" (the folder's name, which is also the
            class), "none", or "auto" (the first of metadata, text, names that is there).
        skip_unreadable: Leave out files that cannot be read, instead of refusing them.
        digest: Identifies the content of the folder.
    """

    folder: str
    captions: str = "auto"
    skip_unreadable: bool = field(default=False, kw_only=True)
    digest: str = field(default="", kw_only=True)


@dataclass(frozen=True)
class Dataset(Folder):
    """A folder of pictures.

    Args:
        size: Length of a picture's side in pixels; with buckets the side of a square of the same area.
        buckets: Keep shapes: pictures of like aspect ratio are trained together, instead of cut square.
        step: Sides of buckets are multiples of this, pixels.
        mirror: Show every picture mirrored too.
        controls: Where each picture's control picture is: a folder with pictures of the same names, or "metadata"
            (the column `conditioning_image` of `metadata.jsonl`); empty = they have none.
    """

    size: int = 64
    buckets: bool = False
    step: int = 64
    mirror: bool = False
    controls: str = ""


@dataclass(frozen=True)
class Sounds(Folder):
    """A folder of sounds; each is brought to the rate and the channels of the model that learns from it.

    Args:
        seconds: How long a clip is: longer sounds are cut, shorter ones end in silence; 0 = as long as the model's.
        pieces: Show all of a longer sound, piece by piece, instead of its beginning.
    """

    seconds: float = 0.0
    pieces: bool = False


@dataclass(frozen=True)
class Objective(Value):
    """What a denoiser is asked at which noise levels, and how much each answer counts.

    Args:
        prediction: "epsilon", "sample", "v_prediction", "flow_prediction", "edm"; empty = the scheduler's.
        weighting: "constant", "min_snr", "p2" or "edm".
        gamma: γ of min-SNR (usually 5) and of P2 (usually 1); 0 = the usual one.
        timesteps: "uniform", "logit_normal", "mode" or "log_normal".
        mean: Of the logit of time, or of the logarithm of noise over signal.
        std: Of the same; the scale s of "mode".
        shift: How far a flow's times are moved towards noise; 1 = not at all.
        offset: Strength of the noise that is one number for a whole channel.
        dropout: How often nothing is said of a picture, so that guidance knows the picture nobody asked for.
        sigma_data: Standard deviation of the data, for the weighting and the prediction "edm".
    """

    prediction: str = ""
    weighting: str = "constant"
    gamma: float = 0.0
    timesteps: str = "uniform"
    mean: float = 0.0
    std: float = 1.0
    shift: float = 1.0
    offset: float = 0.0
    dropout: float = 0.0
    sigma_data: float = 0.5


@dataclass(frozen=True)
class Optimiser(Value):
    """How weights follow a gradient: AdamW, and the learning rate over time.

    Args:
        learning_rate: The highest rate.
        schedule: "constant", "cosine" or "linear".
        warmup: Steps in which the rate climbs.
        horizon: The step at which the rate of "cosine" and "linear" reaches 0.
        weight_decay: λ of AdamW.
        betas: β₁ and β₂.
        clip: The largest norm of the whole gradient; 0 = any.
        kind: "adamw", or "adamw8bit", whose moments take a quarter of the memory (needs bitsandbytes).
    """

    learning_rate: float = 1e-4
    schedule: str = "constant"
    warmup: int = 0
    horizon: int = 0
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    clip: float = 1.0
    kind: str = "adamw"


@dataclass(frozen=True)
class Settings(Value):
    """What else decides the course of a training, besides data, objective and optimiser.

    Args:
        batch: Pictures a micro-batch.
        accumulate: Micro-batches a step.
        precision: "float32", "bfloat16" or "float16": what the networks compute in; weights stay in float32.
        ema: β of the moving average of the weights; 0 = no average.
        seed: Of everything drawn.
        checkpointing: Keep few activations and compute the others again: less memory, more time.
    """

    batch: int = 4
    accumulate: int = 1
    precision: str = "float32"
    ema: float = 0.999
    seed: int = 0
    checkpointing: bool = False
