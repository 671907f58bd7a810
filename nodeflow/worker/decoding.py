"""Decoding previews with the graph's own autoencoder, where it is small enough to do so at each step."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..values import Autoencoder, Image, Latent
from .pictures import Decode

if TYPE_CHECKING:
    from ..engine import Engine
    from ..execution import Plan

SMALL = 32 * 2**20
"""Bytes of weights up to which an autoencoder is small: one step of it is far below that of its denoiser."""


def decoder(engine: Engine, plan: Plan) -> Decode:
    """What decodes latents of this plan's models."""
    known: dict[str, Autoencoder | None] = {}

    def decode(latent: Latent) -> Image | None:
        space = latent.space.name
        if space not in known:
            known[space] = _small_autoencoder(engine, plan, space)
        handle = known[space]
        if handle is None or handle.identity or handle.media != "image":
            return None
        from ..diffusion.latents import to_image

        first = replace(latent, data=latent.data[:1], mask=None, masked=None)
        with engine.residency.weights(handle, plan.environment.device, plan.environment.dtype) as net:
            return to_image(net, first)

    return decode


def _small_autoencoder(engine: Engine, plan: Plan, space: str) -> Autoencoder | None:
    """The autoencoder of a latent space that one of the plan's nodes has loaded; None without one that is small."""
    from ..diffusion.checkpoints.load import weight_bytes

    for step in plan.steps:
        if step.kind is None or step.key is None or all(out.type != "Autoencoder" for out in step.kind.spec.outputs):
            continue
        hit = engine.results.get(step.key)
        for value in hit.outputs if hit else ():
            if isinstance(value, Autoencoder) and value.space.name == space:
                small = value.identity or weight_bytes(value, "float32") <= SMALL
                return value if small else None
    return None
