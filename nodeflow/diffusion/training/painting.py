"""Pictures of a denoiser in training: to look at on the way, and to remember what it could paint before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodeflow.errors import NodeflowError
from nodeflow.training import Dataset
from nodeflow.values import Conditioning, Image

from .. import latents, sounds, text
from ..denoising import denoise, usual
from ..reading import conditioning
from ..scheduling import make_schedule
from .completing import blank
from .conditions import Classes, Nothing, TrainedTexts, first_window, labelled
from .course import Course, identity
from .lessons import Base, Lesson
from .prior import own_pictures
from .store import Store

HEARD = (192, 128)
"""Width and height of the spectrogram of a sound."""


@dataclass(frozen=True)
class Wanted:
    """Pictures to draw with a network in training.

    Args:
        prompts: One a picture; for a network with classes their names; empty = some of what it learns from.
        guidance: Classifier-free guidance.
        count: How many pictures, where no prompts are given.
        seed: Of their noise.
        steps: In how many steps.
    """

    prompts: tuple[str, ...] = ()
    guidance: float = 3.0
    count: int = 4
    seed: int = 0
    steps: int = 20


def painter(
    course: Course, lesson: Lesson, wanted: Wanted, more: Mapping[str, Any] | None = None
) -> Callable[[], Image]:
    """Draws pictures with the network as it is, the same noise each time.

    Args:
        course: Where it runs.
        lesson: Network and data.
        wanted: What to draw.
        more: Further arguments of `denoise`.

    Raises:
        NodeflowError: NF205, there is no class of a name that is wanted.
    """
    told = lesson.task.conditions
    said = wanted.prompts or _some([item.caption for item in lesson.found.items], wanted.count)
    count = wanted.count if isinstance(told, Nothing) else len(said)
    size, own = lesson.base.denoiser.size, lesson.task.material.shapes[0]
    shape = size if size[0] and not lesson.base.in_sound else own
    if isinstance(told, Classes):
        labels = [_class(prompt, lesson) for prompt in said]

    def draw() -> Image:
        if isinstance(told, Nothing):
            return paint(course, lesson.base, lesson.net, {}, shape, count, wanted.seed, wanted.steps)
        if isinstance(told, Classes):
            both = {"positive": labelled(labels), "negative": labelled([told.any])}
        else:
            trained = told if isinstance(told, TrainedTexts) else None
            both = {name: texts(course, lesson.base, prompts, trained) for name, prompts in _pair(said).items()}
        return paint(
            course,
            lesson.base,
            lesson.net,
            {**both, **_followed(lesson.base, wanted.guidance), **(more or {})},
            shape,
            count,
            wanted.seed,
            wanted.steps,
        )

    return draw


def paint(
    course: Course,
    base: Base,
    net: Any,
    told: dict[str, Any],
    size: tuple[int, int],
    count: int,
    seed: int,
    steps: int = 20,
) -> Image:
    """Pictures of a denoiser's network, or spectrograms of its sounds, [count, 3, H, W].

    Args:
        told: `positive`, `negative` and `guidance` of `denoise`.
        size: (width, height) in pixels; (samples, 1) of waves.
    """
    start = blank(base.denoiser, size, count)
    done = denoise(net, start, make_schedule(base.scheduler, steps=steps), seed=seed, **told).latent
    if base.coder is None:
        return latents.to_image(None, done)
    with course.host.weights(base.coder) as decoder:
        if base.in_sound:
            return sounds.spectrogram(sounds.to_sound(decoder, done), *HEARD)
        return latents.to_image(decoder, done)


def class_pictures(
    course: Course, base: Base, prompt: str, count: int, guidance: float = 5.0, seed: int = 0
) -> Dataset:
    """A folder of pictures that a model paints of a prompt, so that training does not make it forget them.

    Args:
        course: Where it runs.
        base: The model as it is.
        prompt: The class that something new will belong to, such as "a dog".
        count: How many.
        guidance: How strongly to follow the prompt.
        seed: Of the first; picture i has seed + i.
    """
    size = base.denoiser.sized()
    key = Store.key("prior", *map(identity, base.decides), prompt, guidance, seed)[:24]

    def some(first: int, number: int) -> Image:
        both = {name: texts(course, base, prompts, None) for name, prompts in _pair((prompt,)).items()}
        with course.host.weights(base.denoiser) as net:
            return paint(
                course, base, net, {**both, **_followed(base, guidance)}, size, number, seed + first, Wanted.steps
            )

    return own_pictures(course, Path(key), prompt, count, max(size), some)


def texts(course: Course, base: Base, prompts: Sequence[str], trained: TrainedTexts | None) -> Conditioning:
    """Prompts as text states, by the text encoder in training or else the model's own."""
    if trained is not None:
        return text.encode(prompts, trained.tokenizer, trained.encoder, weighting="none", windows=1)
    assert base.text_encoder is not None
    return conditioning(base.text_encoder, first_window(prompts), course.host.weights)


def _followed(base: Base, scale: float) -> dict[str, Any]:
    """The arguments of `denoise` that say how strongly to follow a prompt."""
    guidance, told = usual(base.denoiser.family, scale)
    return {"guidance": guidance, "told_guidance": told}


def _pair(prompts: Sequence[str]) -> dict[str, Sequence[str]]:
    return {"positive": prompts, "negative": [""]}


def _class(name: str, lesson: Lesson) -> int:
    """The number of a class's name; the last one is any class, which has no name."""
    known = [" ".join(one.replace("_", " ").split()) for one in lesson.found.classes]
    if name and name not in known:
        fix = f"known are {', '.join(known)}"
        raise NodeflowError("NF205", f"there is no class {name!r}", where="prompts", fix=fix)
    return known.index(name) if name else lesson.net.config["num_class_embeds"] - 1


def _some(captions: Sequence[str], count: int) -> tuple[str, ...]:
    """So many different captions, spread evenly."""
    distinct = list(dict.fromkeys(captions))
    return tuple(distinct[:: max(1, len(distinct) // count)][:count])
