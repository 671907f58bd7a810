"""Laws of working in tiles: nothing changes where one tile is enough, no seam shows, and memory stays bounded."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nodeflow.diffusion.latents import seeded, to_image, to_latent
from nodeflow.diffusion.models import AutoencoderKL, model_class
from nodeflow.diffusion.models.vq import Exact
from nodeflow.diffusion.tiling import Pieces, sparing
from nodeflow.diffusion.windows import shares
from nodeflow.errors import NodeflowError
from nodeflow.values import Image, Latent, LatentSpace

SPACE = LatentSpace("toy", 4, 2, scale=0.5, shift=0.25)


class Enlarged(nn.Module):
    """An autoencoder whose pixels depend on their own cell alone, and which remembers the largest tile it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0), requires_grad=False)
        self.largest = 0

    def encode(self, x):
        self.largest = max(self.largest, x.numel())
        return Exact(nn.functional.avg_pool2d(x, 2) * self.scale)

    def decode(self, z):
        self.largest = max(self.largest, z.numel())
        return nn.functional.interpolate(z / self.scale, scale_factor=2.0)


@pytest.fixture(scope="module")
def vae() -> AutoencoderKL:
    torch.manual_seed(0)
    two = {"down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2}
    return AutoencoderKL.from_config({**two, "block_out_channels": [8, 8], "norm_num_groups": 4}).eval()


@given(length=st.integers(1, 300), tile=st.integers(4, 64), data=st.data())
def test_windows_cover_a_side_and_their_shares_sum_to_one(length, tile, data):
    overlap = data.draw(st.integers(1, tile - 1))
    scale = data.draw(st.sampled_from([1, 2, 8]))
    found = shares(length, tile, overlap, scale)
    assert found[0].start == 0 and found[-1].start == max(0, length - tile)
    assert all(b.start - a.start <= tile - overlap for a, b in pairwise(found))
    total = torch.zeros(length * scale)
    for start, long, weights in found:
        total[start * scale : (start + long) * scale] += weights
    torch.testing.assert_close(total, torch.ones_like(total))


@given(width=st.integers(1, 40), height=st.integers(1, 40), tile=st.integers(4, 16))
def test_what_depends_on_no_neighbour_does_not_change(width, height, tile):
    net, draw = Enlarged(), torch.Generator().manual_seed(width + height)
    z, x = torch.randn(2, 3, height, width, generator=draw), torch.randn(2, 3, 2 * height, 2 * width, generator=draw)
    pieces = Pieces(net, 2, 2 * tile)
    torch.testing.assert_close(pieces.decode(z), net.decode(z))
    torch.testing.assert_close(pieces.encode(x).mode(), net.encode(x).mode())


def test_memory_is_that_of_one_tile_of_one_picture():
    net = Enlarged()
    Pieces(net, 2, 16).decode(torch.zeros(3, 4, 50, 70))
    assert net.largest == 4 * 8 * 8
    net.largest = 0
    Pieces(net, 2).decode(torch.zeros(3, 4, 50, 70))
    assert net.largest == 4 * 50 * 70


@pytest.mark.parametrize("kind", ["AutoencoderKL", "VQModel"])
@pytest.mark.parametrize("tile", [0, 24])
def test_pictures_no_larger_than_a_tile_are_what_they_were(vae, kind, tile):
    net = vae if kind == "AutoencoderKL" else model_class(kind).from_config({**vae.config, "num_vq_embeddings": 9})
    pieces = Pieces(net.eval(), 2, tile)
    image = Image(torch.rand(2, 3, 16, 24, generator=seeded(1)))
    for generator in (None, 3):
        draws = [None if generator is None else seeded(generator) for _ in range(2)]
        whole, sliced = (to_latent(one, image, SPACE, draw)
                         for one, draw in zip((net, pieces), draws, strict=True))  # fmt: skip
        torch.testing.assert_close(sliced.data, whole.data, atol=1e-5, rtol=0)
    torch.testing.assert_close(to_image(pieces, whole).data, to_image(net, whole).data, atol=1e-5, rtol=0)


def test_no_seam_shows(vae):
    z = torch.randn(1, 4, 48, 64, generator=seeded(2))
    whole, tiled = to_image(vae, Latent(z, SPACE)).data, to_image(Pieces(vae, 2, 48), Latent(z, SPACE)).data
    wrong = (whole - tiled).abs()
    assert 0 < wrong.mean() < 0.02
    columns, rows = wrong.mean((0, 1, 2)), wrong.mean((0, 1, 3))
    assert max(columns.diff().abs().max(), rows.diff().abs().max()) < 0.01


def test_a_tile_that_is_all_border_is_refused(vae):
    with pytest.raises(NodeflowError, match=r"NF205.*6 pixels.*8, or 0"):
        Pieces(vae, 2, 6)


class Small(Enlarged):
    """One whose memory holds so many elements."""

    def __init__(self, room: int, error: Exception) -> None:
        super().__init__()
        self.room, self.error = room, error

    def decode(self, z):
        if z.numel() > self.room:
            raise self.error
        return super().decode(z)


CARD = torch.OutOfMemoryError("CUDA out of memory")
HOST = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")


@pytest.mark.parametrize("error", [CARD, HOST, MemoryError()])
@pytest.mark.parametrize(
    ("room", "said"),
    [(2 * 400**2, []), (400**2, ["one picture"]), (256**2, ["one picture", "of 512"]), (128**2, ["", "", "of 256"])],
)
def test_when_memory_runs_out_it_goes_on_with_less(error, room, said):
    net, z, lines = Small(room, error), torch.randn(2, 1, 400, 400, generator=seeded(1)), []
    found = sparing(lambda codec: codec.decode(z), net, 2, (800, 800), release=lambda: 3_000_000, say=lines.append)
    torch.testing.assert_close(found, Enlarged().decode(z))
    assert len(lines) == len(said) and all(
        part in line and "3 MB" in line for part, line in zip(said, lines, strict=True)
    )


def test_what_no_tile_helps_with_is_raised():
    for net in (Small(9, CARD), Small(9, ValueError("another"))):
        with pytest.raises(type(net.error)):
            sparing(lambda codec: codec.decode(torch.zeros(1, 1, 8, 8)), net, 2, (16, 16), release=int, say=print)
