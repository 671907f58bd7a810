"""Laws of the way between pictures and latents."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.diffusion.latents import binary, blanked, empty, scaled, to_image, to_latent, to_repaint, with_mask
from nodeflow.diffusion.models import AutoencoderKL
from nodeflow.errors import NodeflowError
from nodeflow.values import Image, Latent, LatentSpace, Mask

PIXELS = LatentSpace("pixels", 3, 1)
SPACE = LatentSpace("toy", 4, 2, scale=0.5, shift=0.25)


@pytest.fixture(scope="module")
def vae() -> AutoencoderKL:
    torch.manual_seed(0)
    two = {"down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2}
    return AutoencoderKL.from_config({**two, "block_out_channels": [8, 8], "norm_num_groups": 4}).eval()


@pytest.fixture
def picture() -> Image:
    return Image(torch.rand(2, 3, 8, 12, generator=torch.Generator().manual_seed(1)))


def test_pixels_come_back(picture):
    latent = to_latent(None, picture, PIXELS)
    assert latent.data.min() >= -1 and latent.data.max() <= 1 and latent.data.min() < 0
    assert torch.allclose(to_image(None, latent).data, picture.data, atol=1e-6)


def test_pictures_are_clipped_and_grey_gets_three_channels():
    image = to_image(None, Latent(torch.tensor([-3.0, 0.0, 3.0]).view(1, 1, 1, 3), LatentSpace("grey", 1, 1)))
    assert image.data.shape == (1, 3, 1, 3)
    assert image.data[0, 0, 0].tolist() == [0, 0.5, 1]


def test_latents_are_shifted_then_scaled(vae, picture):
    z = vae.encode(2 * picture.data - 1).mode()
    latent = to_latent(vae, picture, SPACE)
    assert torch.allclose(latent.data, (z - 0.25) * 0.5, atol=1e-6) and latent.data.shape == (2, 4, 4, 6)
    expected = (vae.decode(z) / 2 + 0.5).clamp(0, 1)
    assert torch.allclose(to_image(vae, latent).data, expected, atol=1e-5)


def test_only_a_generator_makes_encoding_random(vae, picture):
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 1, 2)]
    one, same, other = (to_latent(vae, picture, SPACE, generator).data for generator in generators)
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal(to_latent(vae, picture, SPACE).data, to_latent(vae, picture, SPACE).data)


def test_the_autoencoder_computes_in_its_own_format(vae, picture):
    half = AutoencoderKL.from_config(vae.config).to(torch.bfloat16)
    latent = to_latent(half, picture, SPACE)
    assert latent.data.dtype == to_image(half, latent).data.dtype == torch.float32


def test_values_that_are_not_finite_are_refused(vae, picture):
    with pytest.raises(NodeflowError, match=r"NF506.*encode.*float32"):
        to_latent(vae, Image(picture.data * torch.nan), SPACE)
    with pytest.raises(NodeflowError, match=r"NF506.*decode"):
        to_image(None, Latent(torch.full((1, 3, 2, 2), torch.inf), PIXELS))


@given(width=st.integers(1, 200), height=st.integers(1, 200), factor=st.sampled_from([1, 2, 8, 64]))
def test_a_size_fits_or_the_nearest_that_does_is_named(width, height, factor):
    space = LatentSpace("toy", 4, factor)
    if width % factor == 0 and height % factor == 0:
        assert empty(space, width, height, 2).data.shape == (2, 4, height // factor, width // factor)
        return
    with pytest.raises(NodeflowError, match="NF414") as caught:
        empty(space, width, height)
    near = [int(side) for side in caught.value.faults[0].fix.removeprefix("make it ").split(" × ")]
    assert empty(space, *near).data.numel()
    assert all(abs(a - b) <= max(factor / 2, factor - b) for a, b in zip(near, (width, height), strict=True))


def test_a_mask_becomes_one_or_zero_and_takes_the_nearest_pixel():
    mask = torch.zeros(1, 1, 4, 4)
    mask[0, 0, 0, 0], mask[0, 0, 2, 2], mask[0, 0, 3, 3] = 0.5, 0.49, 1
    latent = with_mask(empty(SPACE, 4, 4, batch=3), Mask(mask))
    assert latent.mask.shape == (3, 1, 2, 2)
    assert latent.mask[2, 0].tolist() == [[1, 0], [0, 0]]


def test_the_masked_part_is_grey_and_the_rest_untouched(picture):
    mask = Mask((torch.rand(1, 1, 8, 12) > 0.5).float())
    image, inside = blanked(picture, mask).data, binary(mask).bool().expand(2, 3, -1, -1)
    assert (image[inside] == 0.5).all()
    assert torch.equal(image[~inside], picture.data[~inside])


def test_what_is_to_be_repainted_does_not_show_in_masked(vae, picture):
    mask = torch.zeros(1, 1, 8, 12)
    mask[..., :4] = 1
    other = picture.data.clone()
    other[..., :4] = torch.rand(2, 3, 8, 4)
    first, second = (to_repaint(vae, image, Mask(mask), SPACE) for image in (picture, Image(other)))
    assert torch.equal(first.masked, second.masked) and not torch.equal(first.data, second.data)
    assert first.mask.shape == (2, 1, 4, 6) and first.masked.shape == first.data.shape


def test_masks_must_fit(picture):
    with pytest.raises(NodeflowError, match=r"NF414.*8 × 8.*12 × 8"):
        blanked(picture, Mask(torch.ones(1, 1, 8, 8)))
    with pytest.raises(NodeflowError, match=r"NF414.*3 masks"):
        with_mask(to_latent(None, picture, PIXELS), Mask(torch.ones(3, 1, 8, 12)))


@pytest.mark.parametrize("filter", ["nearest", "bilinear", "bicubic"])
def test_a_scaled_latent_keeps_what_it_is(filter):
    latent = Latent(torch.full((2, 4, 6, 8), 0.25), LatentSpace("x", 4, 8), mask=torch.ones(2, 1, 6, 8))
    latent = replace(latent, beside=latent.data)
    for factor, size in ((1.0, (6, 8)), (2.0, (12, 16)), (0.4, (2, 3))):
        found = scaled(latent, factor, filter)
        assert found.data.shape == found.beside.shape == (2, 4, *size) and found.mask.shape == (2, 1, *size)
        assert torch.allclose(found.data, torch.tensor(0.25)) and (found.mask == 1).all() and found.masked is None


def test_nearest_cells_are_repeated_and_nothing_is_refused():
    latent = Latent(torch.rand(1, 4, 3, 3), LatentSpace("x", 4, 8))
    assert torch.equal(scaled(latent, 2.0, "nearest").data, latent.data.repeat_interleave(2, 2).repeat_interleave(2, 3))
    with pytest.raises(NodeflowError, match="NF414"):
        scaled(latent, 0.1)
