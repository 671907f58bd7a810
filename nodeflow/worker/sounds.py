"""Sounds as messages: the file, what it looks like, and how long it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import NodeflowError
from ..media import hearing, images, sounds
from ..values import Audio
from .messages import Picture, Sound

if TYPE_CHECKING:
    import numpy as np


def whole(value: object, graph: str) -> tuple[Sound, ...]:
    """All sounds of a batch, without loss, each with the graph inside."""
    if not isinstance(value, Audio):
        return ()
    return tuple(_sound(samples, value.rate, graph) for samples in value.numpy())


def first(value: Audio) -> Sound:
    """The first sound of a batch."""
    return _sound(value.numpy()[0], value.rate, None)


def heard(data: bytes) -> Sound:
    """A sound from the bytes of a file.

    Raises:
        NodeflowError: NF601, this is no sound.
    """
    samples, rate = sounds.decode(data)
    return _seen(samples, rate, data)


def _sound(samples: np.ndarray, rate: int, graph: str | None) -> Sound:
    """As FLAC; as WAV where FLAC has not so many channels or samples a second."""
    try:
        data = sounds.encode(samples, rate, "FLAC", graph=graph)
    except NodeflowError:
        data = sounds.encode(samples, rate, "WAV", graph=graph)
    return _seen(samples, rate, data)


def _seen(samples: np.ndarray, rate: int, data: bytes) -> Sound:
    pixels = hearing.spectrum(samples, rate)
    picture = Picture(images.encode(pixels), pixels.shape[1], pixels.shape[0])
    return Sound(data, rate, len(samples), samples.shape[1] / rate, hearing.outline(samples), picture)
