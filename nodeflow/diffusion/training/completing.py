"""What a denoiser in training is told of its pictures besides what is said of them, under the names of `calling`.

SDXL learnt from pictures of all sizes, and was told of each (Podell et al. 2023, arXiv 2307.01952, section 2.2):

    original_size   of the picture as it was found
    crop            what was cut off above and at the left, after it was scaled to cover its shape
    target_size     its shape

each in pixels, height before width. What nobody says is filled in as in sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from nodeflow.values import Conditioning, Denoiser, Latent

from .. import imaging, latents, sounds
from ..calling import completed
from ..checkpoints.families import WAVE_DENOISER
from .buckets import Size
from .clips import Clips
from .material import Samples


class Completed:
    """Completes what a denoiser is told.

    Args:
        net: Its network.
        denoiser: Its handle.
        material: What it learns from.
    """

    def __init__(self, net: Any, denoiser: Denoiser, material: Samples) -> None:
        self.net, self.denoiser, self.material = net, denoiser, material

    def __call__(self, said: Conditioning, chosen: Sequence[int]) -> Conditioning:
        """All that the network is told of these files, which must be of one shape.

        Raises:
            NodeflowError: NF414, the network is told what a training cannot say, such as a picture to edit.
        """
        more = {} if isinstance(self.material, Clips) else self.sizes(chosen)
        told = replace(said, more={**said.more, **more})
        start = blank(self.denoiser, self.material.shapes[chosen[0]], len(chosen))
        found = completed(self.net, {"positive": told}, start)["positive"]
        assert found is not None
        return found

    def sizes(self, chosen: Sequence[int]) -> dict[str, torch.Tensor]:
        """Original size, crop and target size of pictures, [B, 2] each."""
        sizes = [self.material.items[i].size for i in chosen]
        shapes = [self.material.shapes[i] for i in chosen]
        cut = [imaging.cut_off(size, *shape) for size, shape in zip(sizes, shapes, strict=True)]
        named = {"original_size": sizes, "crop": cut, "target_size": shapes}
        return {name: torch.tensor([(y, x) for x, y in pairs]).float() for name, pairs in named.items()}


def blank(denoiser: Denoiser, size: Size, count: int) -> Latent:
    """Where a sampler starts to make what a denoiser makes.

    Args:
        size: (width, height) in pixels; (samples, 1) of waves.
    """
    if denoiser.kind == WAVE_DENOISER:
        return sounds.empty(denoiser.space, size[0], count)
    return latents.empty(denoiser.space, *size, count)
