"""Autoencoders in less memory: one picture after the other, and each in overlapping tiles.

A tile sees only itself, so two neighbours disagree a little where they meet. They share a quarter of a tile, over which
one fades linearly into the other (`windows`). What all tiles agree on is not changed. What they disagree on is mostly
norms and attention over the whole map: throwing borders of one or two of eight cells away brought the error of the
emoji model's decoder from 0.126 to 0.124 and 0.119, for up to four times the work, so none is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, TypeVar

import torch
from torch import Tensor

from ..errors import NodeflowError, is_out_of_memory
from .windows import shares

Made = TypeVar("Made")
OVERLAP = 0.25
"""The share of a tile that it has in common with the next, at least."""
SMALLEST = 4
"""Cells a side: below, a tile is all border."""
SIDES = (512, 256)
"""Tiles in pixels, to be tried one after the other when memory runs out."""


class Pieces:
    """An autoencoder that is asked for one picture at a time, and for that in tiles; it is asked as the whole one is.

    Args:
        net: `AutoencoderKL` or `VQModel`.
        factor: Pixels of a latent cell, along an edge.
        tile: Side of a tile in pixels, rounded down to cells; 0 = whole pictures.

    Raises:
        NodeflowError: NF205, a tile has fewer than `SMALLEST` cells a side.
    """

    def __init__(self, net: Any, factor: int, tile: int = 0) -> None:
        self._net, self._factor, self._cells = net, factor, tile // factor
        if tile and self._cells < SMALLEST:
            fix = f"take at least {SMALLEST * factor}, or 0 for no tiles"
            raise NodeflowError("NF205", f"a tile of {tile} pixels is all border", where="tile", fix=fix)

    def parameters(self) -> Iterator[Tensor]:
        """Those of the network."""
        return self._net.parameters()

    def encode(self, x: Tensor) -> Any:
        """What the network says of the latents of pictures [B, C_in, H, W]; the moments of tiles are blended."""
        said: list[Any] = []

        def moments(tile: Tensor) -> Tensor:
            said[:] = [self._net.encode(tile)]
            return said[0].moments

        whole = torch.cat([self._blended(moments, one, self._factor, 1) for one in x.split(1)])
        return type(said[0])(whole)

    def decode(self, z: Tensor) -> Tensor:
        """The pictures of latents, [B, C, H, W] -> [B, C_out, f H, f W]."""
        return torch.cat([self._blended(self._net.decode, one, 1, self._factor) for one in z.split(1)])

    def _blended(self, call: Callable[[Tensor], Tensor], x: Tensor, unit: int, becomes: int) -> Tensor:
        return blended(call, x, self._cells, max(1, round(OVERLAP * self._cells)), unit, becomes)


def blended(
    call: Callable[[Tensor], Tensor], x: Tensor, tile: int, overlap: int, unit: int = 1, becomes: int = 1
) -> Tensor:
    """A call in tiles, each of which fades into its neighbours; of what fits into one tile, the call itself.

    Args:
        call: Makes of each `unit` elements along a side `becomes` elements.
        x: [..., H, W].
        tile: Side of a tile in units; 0 = no tiles.
        overlap: Units that neighbours share at least, fewer than a tile has.
        unit: Elements.
        becomes: Elements of the result.
    """
    height, width = (side // unit for side in x.shape[-2:])
    if not tile or max(height, width) <= tile:
        return call(x)
    whole: Tensor | None = None
    for top, tall, down in shares(height, tile, overlap, becomes):
        for left, wide, across in shares(width, tile, overlap, becomes):
            y = call(x[..., top * unit : (top + tall) * unit, left * unit : (left + wide) * unit])
            if whole is None:
                whole = y.new_zeros(*y.shape[:-2], height * becomes, width * becomes)
            rows = slice(top * becomes, (top + tall) * becomes)
            columns = slice(left * becomes, (left + wide) * becomes)
            whole[..., rows, columns] += y * down.to(y)[:, None] * across.to(y)
    assert whole is not None
    return whole


def sparing(
    work: Callable[[Any], Made],
    net: Any,
    factor: int,
    size: tuple[int, int],
    *,
    tile: int = 0,
    release: Callable[[], int],
    say: Callable[[str], None],
) -> Made:
    """Do something with an autoencoder; when memory runs out, again in a way that takes less, and say so.

    Args:
        work: Called with an autoencoder, or None where the latents are the pixels themselves.
        net: The network, or None.
        factor: Pixels of a latent cell, along an edge.
        size: Of the pictures, in pixels.
        tile: Side of tiles in pixels; 0 = the whole at once, and what helps when memory runs out.
        release: Frees what nobody uses; returns the bytes.
        say: Tells the user.

    Raises:
        NodeflowError: NF205, as `Pieces`.
        torch.OutOfMemoryError, MemoryError, RuntimeError: Memory ran out in the thriftiest way, too.
    """
    if net is None:
        return work(None)
    tiles = [tile] if tile else [0, *(side for side in SIDES if side < max(size) and side >= SMALLEST * factor)]
    ways = [(f"in tiles of {side} pixels" if side else "one picture at a time", side) for side in tiles]
    with_all = [] if tile else [("at once", net)]
    codecs = [*with_all, *((name, Pieces(net, factor, side)) for name, side in ways)]
    for (_, codec), (following, _) in pairwise(codecs):
        try:
            return work(codec)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        say(f"memory ran out: {release() / 1e6:.0f} MB of idle weights were released, and it goes on {following}")
    return work(codecs[-1][1])
