"""Pictures of a folder as what a network learns from: pixels in −1..1, or latents that are encoded once and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from nodeflow.media import images
from nodeflow.training import Dataset
from nodeflow.values import Autoencoder, Image

from .. import imaging
from . import buckets
from .folder import Item
from .store import Store

Count = Callable[[int, int], None]
"""Told (done, in all) while something is prepared; what it raises ends it."""


class Samples(Protocol):
    """What a training of a denoiser needs of its data."""

    @property
    def items(self) -> Sequence[Item]:
        """The files."""

    @property
    def shapes(self) -> Sequence[buckets.Size]:
        """Of each file, as a denoiser counts its size: (width, height) in pixels, (samples, 1) of waves."""

    @property
    def groups(self) -> list[list[int]]:
        """The numbers of the files of each shape."""

    def __call__(self, chosen: Sequence[int], generator: torch.Generator) -> Tensor:
        """Clean samples of these files, all of one shape, float32 on the CPU."""


class Material:
    """Clean samples by the numbers of their pictures.

    A picture is scaled until it covers its shape, and what overhangs is cut off evenly; transparent parts are white.

    Args:
        items: The pictures.
        dataset: How they are shaped.
        store: Where they are kept.
        autoencoder: The handle and network that encode them; None for pixels.
    """

    def __init__(
        self, items: Sequence[Item], dataset: Dataset, store: Store, autoencoder: tuple[Autoencoder, Any] | None = None
    ) -> None:
        self.items, self.store, self.mirror = list(items), store, dataset.mirror
        shapes = buckets.sizes(dataset.size, dataset.step) if dataset.buckets else [(dataset.size, dataset.size)]
        self.shapes = [buckets.nearest(item.size, shapes) for item in items]
        self.handle: Autoencoder | None = autoencoder[0] if autoencoder else None
        self.net: Any = autoencoder[1] if autoencoder else None

    @property
    def groups(self) -> list[list[int]]:
        """The numbers of the pictures of each shape."""
        return [[i for i, own in enumerate(self.shapes) if own == shape] for shape in sorted(set(self.shapes))]

    def prepare(self, count: Count) -> None:
        """Encode every picture that is not kept yet, and let the autoencoder go."""
        views = [(i, mirrored) for i in range(len(self.items)) for mirrored in ((False, True)[: 1 + self.mirror])]
        for done, (i, mirrored) in enumerate(views):
            self._moments(i, mirrored)
            count(done + 1, len(views))
        self.net = None

    def __call__(self, chosen: Sequence[int], generator: torch.Generator) -> Tensor:
        """Clean samples, [B, C, H, W] float32 on the CPU; all chosen pictures must be of one shape.

        Latents are drawn from what the autoencoder says of the picture, (μ + σ ε − shift) · scale.
        """
        mirrored = torch.rand(len(chosen), generator=generator) < (0.5 if self.mirror else 0)
        views = [self._moments(i, bool(flip)) for i, flip in zip(chosen, mirrored, strict=True)]
        if self.handle is None:
            return torch.stack([view["pixels"] for view in views]).float() / 127.5 - 1
        mean, std = (torch.stack([view[name] for view in views]) for name in ("mean", "std"))
        z = mean + std * torch.randn(mean.shape, generator=generator)
        return (z - self.handle.space.shift) * self.handle.space.scale

    def _moments(self, i: int, mirrored: bool) -> dict[str, Tensor]:
        item, shape = self.items[i], self.shapes[i]
        if self.handle is None:
            key = Store.key("pixels", item.digest, shape, mirrored)
            return self.store.get(key, lambda: pixels(item, *shape, mirrored))
        key = Store.key("latent", self.handle.digest, self.handle.dtype, item.digest, shape, mirrored)
        return self.store.get(key, lambda: self._encoded(i, mirrored))

    @torch.no_grad()
    def _encoded(self, i: int, mirrored: bool) -> dict[str, Tensor]:
        x = pixels(self.items[i], *self.shapes[i], mirrored)["pixels"][None].float() / 127.5 - 1
        said = self.net.encode(x.to(next(self.net.parameters())))
        return {"mean": said.mean[0].float(), "std": said.std[0].float()}


def pixels(item: Item, width: int, height: int, mirrored: bool = False) -> dict[str, Tensor]:
    """A picture in a shape, [3, height, width] uint8."""
    rgb, alpha = images.read(item.path)
    picture, clear = imaging.from_pixels(rgb, alpha)
    if clear is not None:
        picture = Image(torch.lerp(picture.data, torch.ones(()), clear.data))
    fitted = imaging.fit(picture, width, height, "cover", "#ffffff").data[0]
    turned = fitted.flip(-1) if mirrored else fitted
    return {"pixels": (turned * 255).round().clamp(0, 255).byte()}
