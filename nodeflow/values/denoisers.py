"""The network that a sampler asks."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import NodeflowError
from .controls import Control, PicturePrompt
from .latents import LatentSpace
from .weights import Weights


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
