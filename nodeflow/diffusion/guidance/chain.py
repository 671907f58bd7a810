"""From a guidance as it travels a wire, a list of parts in plain data, to one that works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ...errors import NodeflowError
from ...values import Guidance as Described
from .around import Adaptive, Auto, Interval, Rescaled, Thresholded
from .base import Around, Guidance
from .free import ClassifierFree, MagnitudeAware, PerpNeg, Tangential, ZeroStar
from .instructed import Instructed
from .perturbed import PerturbedAttention, SelfAttention, SkipLayers, SmoothedEnergy
from .projected import AdaptiveProjected, FrequencyDecoupled, Mimic

PARTS: dict[str, type[Guidance]] = {
    "adaptive": Adaptive,
    "auto": Auto,
    "classifier-free": ClassifierFree,
    "frequency-decoupled": FrequencyDecoupled,
    "instructed": Instructed,
    "interval": Interval,
    "magnitude-aware": MagnitudeAware,
    "mimic": Mimic,
    "perp-neg": PerpNeg,
    "perturbed-attention": PerturbedAttention,
    "projected": AdaptiveProjected,
    "rescale": Rescaled,
    "self-attention": SelfAttention,
    "skip-layers": SkipLayers,
    "smoothed-energy": SmoothedEnergy,
    "tangential": Tangential,
    "threshold": Thresholded,
    "zero-star": ZeroStar,
}
"""The parts by the names they have on a wire, which are those of the nodes that make them."""

ONCE = (Adaptive, Auto, SelfAttention)
"""Parts that would disturb another of their kind: they share a memory, a sample or a network."""


def built(described: Described) -> Guidance:
    """The guidance that a description means: parts from the innermost outward; without a first one, no guidance.

    Raises:
        NodeflowError: NF205, an unknown part or option; NF211, parts that do not go together.
    """
    made: Guidance | None = None
    used: list[type[Guidance]] = []
    for part in described.chain:
        kind = _kind(part)
        options = {name: value for name, value in part.items() if name != "part" and value is not None}
        _check(kind, part["part"], options)
        if kind in ONCE and kind in used:
            raise NodeflowError("NF211", f"{part['part']} is there twice", where="guidance", fix="remove one of them")
        if issubclass(kind, Around):
            made = kind(made or ClassifierFree(1.0), **options)
        elif made is None:
            made = kind(**options)
        else:
            raise NodeflowError("NF211", f"{part['part']} stands on nothing", where="guidance", fix="put it first")
        used.append(kind)
    return made or ClassifierFree(1.0)


def _kind(part: Mapping[str, Any]) -> type[Guidance]:
    name = part.get("part")
    if name not in PARTS:
        raise NodeflowError(
            "NF205", f"there is no guidance {name!r}", where="guidance", fix=f"use one of {', '.join(PARTS)}"
        )
    return PARTS[name]


def _check(kind: type[Guidance], name: str, options: Mapping[str, Any]) -> None:
    known = {one.name for one in fields(kind)} - {"inner"}  # type: ignore[arg-type]
    if unknown := sorted(options.keys() - known):
        raise NodeflowError("NF205", f"{name} has no option {unknown[0]}", where="guidance")
