"""Laws of latents and pictures as training material."""

from __future__ import annotations

import math

import pytest
import torch

from nodeflow.diffusion.models.autoencoder_kl import AutoencoderKL
from nodeflow.diffusion.training.latents import encode_all, standardise
from nodeflow.diffusion.training.pictures import psnr, to_network, vary
from nodeflow.errors import NodeflowError

CONFIG = {
    "block_out_channels": [8, 8],
    "down_block_types": ["DownEncoderBlock2D"] * 2,
    "up_block_types": ["UpDecoderBlock2D"] * 2,
    "norm_num_groups": 4,
    "latent_channels": 3,
}


def pictures(count: int = 9) -> torch.Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(2)) * 2 - 1


def test_standardised_latents_have_unit_variance_and_decode_to_the_same_pictures() -> None:
    torch.manual_seed(0)
    net, x = AutoencoderKL.from_config(CONFIG), pictures()
    with torch.no_grad():
        before, sigma = net.decode(net.encode(x).mode()), net.encode(x).std
        snr = encode_all(net, x).std((0, 2, 3)) / sigma.mean((0, 2, 3))
        standardise(net, x)
        z = encode_all(net, x, batch=4)
        after, sigma = net.decode(z), net.encode(x).std
    assert z.mean((0, 2, 3)).abs().max() < 1e-5
    assert (z.std((0, 2, 3)) - 1).abs().max() < 1e-5
    assert torch.allclose(before, after, atol=1e-5)
    assert torch.allclose(1 / sigma.mean((0, 2, 3)), snr, rtol=1e-3)


def test_an_autoencoder_without_outer_convolutions_is_refused() -> None:
    net = AutoencoderKL.from_config({**CONFIG, "use_quant_conv": False, "use_post_quant_conv": False})
    with pytest.raises(NodeflowError, match="NF406"):
        standardise(net, pictures())


def test_bytes_span_minus_one_to_one() -> None:
    x = to_network(torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 2, 1).expand(1, 1, 2, 3))
    assert x.shape == (1, 3, 1, 2)
    assert x[0, 0, 0].tolist() == [-1, 1]


def test_varied_pictures_keep_their_colours_and_follow_the_generator() -> None:
    x = pictures()
    x[:, :, :3] = x[:, :, -3:] = 1.0
    x[..., :3] = x[..., -3:] = 1.0  # a white border: a move by 3 pixels loses nothing
    a = vary(x, torch.Generator().manual_seed(5))
    b = vary(x, torch.Generator().manual_seed(5))
    assert torch.equal(a, b)
    assert not torch.equal(a, x)
    assert torch.equal(a.flatten(1).sort().values, x.flatten(1).sort().values)


def test_psnr_of_a_known_error() -> None:
    y = torch.zeros(1, 3, 4, 4)
    assert psnr(y + 0.2, y) == pytest.approx(20 * math.log10(2 / 0.2), abs=1e-3)
