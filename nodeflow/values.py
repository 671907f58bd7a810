"""What may travel a wire.

A value is immutable: a frozen dataclass of tensors, plain data and other values. Nothing here imports torch: an
*array* is whatever has `nbytes`, `device` and `to(device)`, so the executor moves, measures and stores values
without knowing what they are made of.

Conventions: images [B, 3, H, W] float32 in 0..1; masks [B, 1, H, W] float32 in 0..1, 1 = change here; audio
[B, channels, samples] float32 in -1..1. Tensors of one value share B.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from .errors import NodeflowError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True)
class Value:
    """Base of all that travels a wire besides numbers, texts and lists of values."""

    types: ClassVar[dict[str, type[Value]]] = {}
    """Every value type by name."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        known = Value.types.get(cls.__name__, cls)
        if known.__module__ != cls.__module__ and known.__module__.startswith("nodeflow"):
            where = f"{cls.__module__}.{cls.__name__}"
            raise NodeflowError("NF303", f"{known.__module__} has a value of this name", where=where, fix="rename it")
        Value.types[cls.__name__] = cls

    def parts(self) -> dict[str, Any]:
        """The fields by name."""
        return {part.name: getattr(self, part.name) for part in dataclasses.fields(self)}

    @classmethod
    def lineage(cls) -> tuple[str, ...]:
        """The names of this type and of the value types it extends, most special first."""
        return tuple(base.__name__ for base in cls.__mro__ if issubclass(base, Value) and base is not Value)


@dataclass(frozen=True, repr=False)
class Image(Value):
    """Pictures.

    Args:
        data: [B, 3, H, W] float32, 0..1, sRGB.
    """

    data: Tensor

    def __len__(self) -> int:
        return int(self.data.shape[0])

    def __repr__(self) -> str:
        return describe(self)

    def _repr_png_(self) -> bytes:
        """The pictures side by side, for notebooks."""
        import numpy as np

        from .media import images

        return images.encode(np.concatenate(list(self.numpy()), axis=1))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return int(self.data.shape[-1]), int(self.data.shape[-2])

    def numpy(self) -> np.ndarray:
        """The pictures as 8-bit arrays, [B, H, W, 3] uint8."""
        data = self.data.detach().clamp(0, 1).mul(255).round().byte()
        return data.permute(0, 2, 3, 1).cpu().numpy()

    def save(self, path: str | Path, *, graph: str | None = None) -> list[Path]:
        """Write PNG, WebP or JPEG by the name's ending; a batch gets `-0`, `-1`, … before it.

        Args:
            path: The file.
            graph: Graph JSON to carry inside the picture.

        Raises:
            NodeflowError: NF605 for an unknown ending, NF108 if the file cannot be written.
        """
        from .media import images

        arrays = self.numpy()
        names = numbered(path, len(arrays))
        for name, array in zip(names, arrays, strict=True):
            images.write(name, array, graph=graph)
        return names


@dataclass(frozen=True)
class Mask(Value):
    """Where to change a picture: [B, 1, H, W] float32, 1 = change, 0 = keep."""

    data: Tensor


@dataclass(frozen=True, repr=False)
class Audio(Value):
    """Sounds.

    Args:
        data: [B, channels, samples] float32, -1..1.
        rate: Samples a second.
    """

    data: Tensor
    rate: int

    def __len__(self) -> int:
        return int(self.data.shape[0])

    def __repr__(self) -> str:
        return describe(self)

    def _repr_html_(self) -> str:
        """Players for notebooks, one a sound."""
        from base64 import b64encode

        from .media import sounds

        wavs = (b64encode(sounds.encode(samples, self.rate, "WAV")).decode() for samples in self.numpy())
        return "".join(f'<audio controls src="data:audio/wav;base64,{wav}"></audio>' for wav in wavs)

    @property
    def seconds(self) -> float:
        """How long the sounds are."""
        return int(self.data.shape[-1]) / self.rate

    def numpy(self) -> np.ndarray:
        """The sounds as arrays, [B, channels, samples] float32."""
        return self.data.detach().clamp(-1, 1).float().cpu().numpy()

    def save(self, path: str | Path, *, graph: str | None = None) -> list[Path]:
        """Write FLAC, WAV or Ogg Vorbis by the name's ending; a batch gets `-0`, `-1`, … before it.

        Args:
            path: The file.
            graph: Graph JSON to carry inside the sound.

        Raises:
            NodeflowError: NF605 for an unknown ending, NF108 if the file cannot be written.
        """
        from .media import sounds

        arrays = self.numpy()
        names = numbered(path, len(arrays))
        for name, array in zip(names, arrays, strict=True):
            sounds.write(name, array, self.rate, graph=graph)
        return names


@dataclass(frozen=True)
class LatentSpace(Value):
    """What the numbers of a latent mean; latents of different spaces do not mix.

    Args:
        name: Known spaces have names ("sd1", "sdxl", "pixels", "waves-44100"); others the digest of their autoencoder.
        channels: Channels of a latent.
        factor: Pixels a latent cell, along one edge; of waves, samples.
        scale: Latents are multiplied by this after encoding.
        shift: Latents are shifted down by this before scaling.
        rate: Samples a second of the sounds that they stand for; 0 = pictures, or not said.
    """

    name: str
    channels: int
    factor: int
    scale: float = 1.0
    shift: float = 0.0
    rate: int = 0


@dataclass(frozen=True)
class Latent(Value):
    """A point in a latent space, scaled for the denoiser.

    Args:
        data: [B, C, H, W] float32; [B, C, N] of waves.
        space: What the numbers mean.
        mask: [B, 1, H, W], 1 = repaint here; None = everywhere.
        masked: [B, C, H, W], the picture with the masked part blanked, for denoisers that were trained to repaint.
        beside: [B, C, H, W], what a denoiser was trained to see beside the latent: a picture to edit as its autoencoder
            gives it, unscaled, or a picture to enlarge, which may be smaller, in -1..1.
        fine: [B, f², H, W], the mask of every pixel in a cell, row by row, for those that see it so.
        seconds: How long the sound is, where what follows it is silence; 0 = as long as the latent.
    """

    data: Tensor
    space: LatentSpace
    mask: Tensor | None = None
    masked: Tensor | None = None
    beside: Tensor | None = None
    fine: Tensor | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Conditioning(Value):
    """What to paint.

    Args:
        states: Text states, [B, T, D]; of no width, [B, 0, 0], for denoisers that know classes instead.
        pooled: One vector a prompt, [B, D'], where the denoiser wants it.
        labels: Numbers of classes, [B], where the denoiser knows classes.
        more: What else a denoiser is told, by name, [B, ...] each: "original_size", "aesthetic_score", …; see
            `nodeflow.diffusion.calling` for the names that it knows.
    """

    states: Tensor
    pooled: Tensor | None = None
    labels: Tensor | None = None
    more: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class SchedulerConfig(Value):
    """A scheduler's published configuration, `_class_name` included."""

    config: Mapping[str, Any]


@dataclass(frozen=True)
class Schedule(Value):
    """The noise levels a sampler walks down, and the scheduler that walks.

    Args:
        config: The scheduler's configuration, `_class_name` included.
        request: The arguments that made the levels: `num_inference_steps`, `timesteps`, `sigmas`, `mu`,
            `levels`.
        timesteps: What the denoiser is told at each model call, [n].
        sigmas: The noise levels, [n + 1], as the scheduler counts them.
        solver: What the solver is told for this run besides the configuration: `eta`, `s_churn`, …
    """

    config: Mapping[str, Any]
    request: Mapping[str, Any]
    timesteps: tuple[float, ...] = ()
    sigmas: tuple[float, ...] = ()
    solver: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Guidance(Value):
    """How predictions become the one that a sampler follows: parts, from the innermost outward, as plain data.

    Args:
        chain: Each part a mapping with "part", its name, and its options by name.
        prompts: What the parts need besides the sampler's own prompts, by name ("empty").
        networks: What they need besides the sampler's own denoiser, by name ("weak").
    """

    chain: tuple[Mapping[str, Any], ...] = ()
    prompts: Mapping[str, Conditioning] = field(default_factory=dict)
    networks: Mapping[str, Denoiser] = field(default_factory=dict)

    def then(self, part: str, **options: Any) -> Guidance:
        """The same with one more part around it."""
        return dataclasses.replace(self, chain=(*self.chain, {"part": part, **options}))


@dataclass(frozen=True)
class Patch(Value):
    """A change to the weights of a network, such as a LoRA.

    Args:
        path: The file.
        digest: Identifies its content.
        part: The part of the model it changes, as the file names it: "unet" (any denoiser), "text_encoder",
            "text_encoder_2" or "text_encoder_3".
        strength: How much of it.
        blocks: How much of that each block gets, as `nodeflow.diffusion.adapters.blocks` reads it; empty = all.
    """

    path: str
    digest: str
    part: str
    strength: float = 1.0
    blocks: str = ""


@dataclass(frozen=True)
class Mix(Value):
    """Another network's weights B mixed into those of a network, W: (1 − s) W + s B, or W + s (B − C).

    Args:
        plus: B.
        minus: C; None = the network itself.
        strength: s.
        blocks: How much of s each block gets, as in `Patch`.
    """

    plus: Weights
    minus: Weights | None = None
    strength: float = 0.5
    blocks: str = ""


@dataclass(frozen=True)
class Weights(Value):
    """A handle on a network whose weights are borrowed while used: `with run.weights(handle) as net`.

    Args:
        folder: Where its `config.json` and weights are, or the single file that has them.
        kind: The network's class name.
        config: The published configuration.
        digest: Identifies the weight files' content.
        dtype: "float32", "float16" or "bfloat16".
        variant: The variant of the files, such as "fp16"; empty = plain.
        part: Which part of a single file it is, and how names there are read: "map@prefix", see
            `nodeflow.diffusion.checkpoints.originals`; empty = `folder` is a folder.
        patches: Changes to the weights, applied in order.
    """

    folder: str
    kind: str
    config: Mapping[str, Any]
    digest: str
    dtype: str = "float32"
    variant: str = ""
    part: str = ""
    patches: tuple[Patch | Mix, ...] = ()

    @property
    def identity(self) -> bool:
        """Whether it stands for a network that changes nothing, which has neither folder nor weights."""
        return self.kind in IDENTITIES


@dataclass(frozen=True)
class ControlNetwork(Weights):
    """A network that steers a denoiser by a picture."""


@dataclass(frozen=True)
class Control(Value):
    """A picture that steers a denoiser, through a network of its own.

    Args:
        network: What reads the picture.
        image: [B, 3, H, W], 0..1; B = 1, or as many as there are latents.
        strength: Multiplies what is added.
        start: From which share of the steps on, 0..1.
        end: Up to which share of the steps.
        guess: Steer the positive prompt alone, finer features less (Zhang et al. 2023, section 3.4).
        mode: Which kind of picture it is, for networks that know several.
        autoencoder: Of the denoiser's model, for networks that are shown latents.
        latent: What such a network is shown in a run, [B, C, H, W].
    """

    network: ControlNetwork
    image: Tensor
    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0
    guess: bool = False
    mode: int = 0
    autoencoder: Autoencoder | None = None
    latent: Tensor | None = None


@dataclass(frozen=True)
class ImageEncoder(Weights):
    """A network that says what is seen in a picture."""


@dataclass(frozen=True)
class ImageStates(Value):
    """What an image encoder says of N pictures.

    Args:
        pooled: Each in one vector, [N, P].
        states: Of every patch, before the last layer, [N, T, D].
        nothing: The same of no picture, [1, T, D].
    """

    pooled: Tensor
    states: Tensor
    nothing: Tensor


@dataclass(frozen=True)
class IPAdapter(Weights):
    """Layers through which a denoiser reads pictures beside its text."""


@dataclass(frozen=True)
class Upscaler(Weights):
    """A network that enlarges pictures by a factor of its own."""


@dataclass(frozen=True)
class PicturePrompt(Value):
    """Pictures that a denoiser reads beside its text.

    Args:
        network: What the denoiser reads them through.
        picture: What is seen in them; several are read together.
        strength: How much of what is read.
        start: From which share of the steps on, 0..1.
        end: Up to which share of the steps.
        blocks: How much in which blocks of the denoiser, by published names; empty = all of it in all.
    """

    network: IPAdapter
    picture: ImageStates
    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0
    blocks: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Denoiser(Weights):
    """A network that predicts noise, data or velocity from a noisy latent.

    Args:
        space: The latent space it works in.
        size: The (width, height) in pixels it was trained for; (samples, 1) of waves.
        family: A name in `nodeflow.diffusion.checkpoints.families`; empty = unknown.
        task: What it was trained to do, by the channels it takes: "paint", "inpaint", "edit", …
        controls: What steers it while it is sampled.
        window: (width, height) in pixels of the windows in which it sees larger latents; (0, 0) = all at once.
        overlap: The share of a window that it has in common with the next.
    """

    space: LatentSpace = field(default_factory=lambda: LatentSpace("pixels", 3, 1))
    size: tuple[int, int] = (0, 0)
    family: str = ""
    task: str = "paint"
    controls: tuple[Control | PicturePrompt, ...] = ()
    window: tuple[int, int] = (0, 0)
    overlap: float = 0.25

    def sized(self, width: int = 0, height: int = 0) -> tuple[int, int]:
        """(width, height) in pixels, where 0 means the size it was trained for.

        Raises:
            NodeflowError: NF414, the model does not say its size and none is given.
        """
        if not (width or self.size[0]) or not (height or self.size[1]):
            raise NodeflowError("NF414", "the model does not say its own size", fix="give a width and a height")
        return width or self.size[0], height or self.size[1]


@dataclass(frozen=True)
class Autoencoder(Weights):
    """A network between pictures or sounds and latents; kinds "Pixels" and "Waves" are the identity, for models
    without one.

    Args:
        space: The space of its latents.
        media: What it encodes, "image" or "audio".
    """

    space: LatentSpace = field(default_factory=lambda: LatentSpace("pixels", 3, 1))
    media: str = "image"


@dataclass(frozen=True)
class TextEncoder(Weights):
    """A text encoder, and those that read the same prompt beside it.

    Args:
        tokenizer: Its tokenizer's folder.
        reading: How what all of them say becomes a conditioning; a name in `nodeflow.diffusion.reading`.
        more: The others, in their order.
        options: What the model's index says about texts, such as `force_zeros_for_empty_prompt`, and what its reading
            wants to know of the denoiser.
    """

    tokenizer: str = ""
    reading: str = "clip"
    more: tuple[TextEncoder, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def all(self) -> tuple[TextEncoder, ...]:
        """Every encoder that reads the prompt, this one first."""
        return (self, *self.more)


IDENTITIES = ("Pixels", "Waves")
"""Kinds of autoencoders that change nothing."""


def numbered(path: str | Path, count: int) -> list[Path]:
    """File names for a batch: the name itself for one, else with `-0`, `-1`, … before the ending."""
    path = Path(path)
    return [path] if count == 1 else [path.with_stem(f"{path.stem}-{i}") for i in range(count)]


def is_array(value: object) -> bool:
    """Whether a value is a leaf that has bytes and lives on a device."""
    return hasattr(value, "nbytes") and hasattr(value, "to") and hasattr(value, "device")


def arrays(value: object) -> Iterator[Any]:
    """Every array inside a value."""
    if is_array(value):
        yield value
    elif isinstance(value, Value):
        for item in value.parts().values():
            yield from arrays(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from arrays(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from arrays(item)


def mapped(value: T, change: Callable[[Any], Any]) -> T:
    """The same value with each array replaced by `change(array)`; the very same object where nothing changed."""
    result: Any = value
    if is_array(value):
        result = change(value)
    elif isinstance(value, Value):
        parts = value.parts()
        new = {name: mapped(part, change) for name, part in parts.items()}
        if any(new[name] is not parts[name] for name in new):
            result = dataclasses.replace(value, **new)
    elif isinstance(value, Mapping):
        pairs = {key: mapped(item, change) for key, item in value.items()}
        if any(pairs[key] is not value[key] for key in pairs):
            result = pairs
    elif isinstance(value, list | tuple):
        items = [mapped(item, change) for item in value]
        if any(a is not b for a, b in zip(items, value, strict=True)):
            result = type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return result


def nbytes(value: object) -> int:
    """Bytes of the arrays inside a value."""
    return sum(array.nbytes for array in arrays(value))


def device_of(value: object) -> str:
    """The device of a value's arrays, "cpu" for one without."""
    return next((str(array.device) for array in arrays(value)), "cpu")


def moved(value: T, device: str) -> T:
    """The same value with its arrays on `device`."""
    return mapped(value, lambda array: array if str(array.device) == device else array.to(device))


def stamp(value: object) -> tuple[int, ...]:
    """Changes when an array inside the value is written to; torch counts the writes of each tensor."""
    return tuple(getattr(array, "_version", 0) for array in arrays(value))


def describe(value: object) -> str:
    """A value in a few words, for errors and logs: "Latent float32 [1, 4, 64, 64] on cuda:0"."""
    if value is None or isinstance(value, bool | int | float | str):
        text = repr(value)
        return text if len(text) <= 60 else f"{text[:57]}…"
    if isinstance(value, list | tuple):
        return f"list of {len(value)}" + (f" × {describe(value[0])}" if value else "")
    first = next(arrays(value), None)
    if first is None:
        return type(value).__name__
    dtype = str(getattr(first, "dtype", "")).removeprefix("torch.")
    place = "" if str(first.device) == "cpu" else f" on {first.device}"
    return f"{type(value).__name__} {dtype} {list(getattr(first, 'shape', ()))}{place}"
