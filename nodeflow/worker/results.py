"""What the nodes inside a graph made, small enough to be shown on each of them."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import TYPE_CHECKING

from ..values import Audio, Image, Latent, Mask, Schedule
from .messages import Result
from .pictures import Decode, preview
from .sounds import first

if TYPE_CHECKING:
    from ..engine import Engine
    from ..execution import Report

SHOWN = ("Image", "Mask", "Schedule", "Audio", "Latent")

SEEN = (Image, Mask, Schedule, Audio, Latent)


def results(
    job: str, engine: Engine, report: Report, told: Container[str], decode: Decode | None = None
) -> Iterator[Result]:
    """Of each node of a run whose result is kept: its first picture or sound, or its noise levels.

    Args:
        job: The run.
        engine: Where it ran.
        report: What it did.
        told: Nodes that are left out, since all they made is told.
        decode: Makes pictures of latents.
    """
    for name, steps in report.plan.calls.items():
        step = steps[0] if steps else None
        if step is None or step.kind is None or step.key is None or name in told:
            continue
        if all(out.type not in SHOWN for out in step.kind.spec.outputs):
            continue
        hit = engine.results.get(step.key)
        value = next((each for each in hit.outputs if isinstance(each, SEEN)), None) if hit else None
        if isinstance(value, Schedule):
            yield Result(job, name, curve=tuple(float(sigma) for sigma in value.sigmas))
        elif isinstance(value, Audio):
            yield Result(job, name, sound=first(value))
        elif value is not None and not _blank(value):
            picture = preview(value, decode)
            if picture is not None and not picture.note:
                yield Result(job, name, picture)


def _blank(value: object) -> bool:
    """Is it a latent in which nothing is yet?"""
    return isinstance(value, Latent) and not bool(value.data.any())
