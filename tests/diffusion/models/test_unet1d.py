"""The U-net on waves: its filters, its lengths, and the configurations it refuses."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from nodeflow.diffusion.models import model_class
from nodeflow.diffusion.models.blocks1d import Downsample1D, Upsample1D, cubic_kernel
from nodeflow.diffusion.models.unet1d import UNet1DModel
from nodeflow.errors import NodeflowError

SMALL: dict[str, Any] = {
    "block_out_channels": [32, 64],
    "down_block_types": ["DownBlock1DNoSkip", "AttnDownBlock1D"],
    "up_block_types": ["AttnUpBlock1D", "UpBlock1DNoSkip"],
    "extra_in_channels": 16,
    "sample_rate": 8000,
}


def built(**changes: Any) -> UNet1DModel:
    torch.manual_seed(0)
    net = model_class("UNet1DModel").from_config(SMALL | changes)
    assert isinstance(net, UNet1DModel)
    return net.eval().requires_grad_(False)


def test_the_filter_keeps_what_is_slow_and_stops_what_the_lower_rate_cannot_hold() -> None:
    kernel = cubic_kernel()
    assert float(kernel.sum()) == 1 and torch.equal(kernel, kernel.flip(0))
    n = torch.arange(256.0)
    slow, fast = ((2 * math.pi * n / period).sin()[None, None] for period in (64, 2.2))
    there = Upsample1D()(Downsample1D()(slow))
    assert (there - slow)[..., 8:-8].abs().max() < 1e-2
    assert Downsample1D()(fast)[..., 4:-4].abs().max() < 0.06


def test_steps_halve_and_double() -> None:
    x = torch.randn(2, 3, 12)
    assert Downsample1D()(x).shape == (2, 3, 6)
    assert Upsample1D()(x).shape == (2, 3, 24)


@pytest.mark.parametrize("length", [12, 16, 100])
def test_any_length_that_halves_comes_back(length: int) -> None:
    net = built()
    x = torch.randn(1, 2, length)
    assert net(x, 0.5).shape == x.shape
    assert not torch.equal(net(x, 0.5), net(x, 0.6))


def test_samples_of_a_batch_do_not_touch() -> None:
    net, x = built(), torch.randn(2, 2, 16)
    both = net(x, torch.tensor([0.2, 0.7]))
    assert torch.allclose(both[1:], net(x[1:], 0.7), atol=1e-5)


@pytest.mark.parametrize(
    ("x", "word"),
    [
        (torch.ones(1, 2, 13), "make it 12"),
        (torch.ones(1, 2, 8), "make it 12"),
        (torch.ones(1, 1, 16), "[B, 2, N]"),
        (torch.ones(1, 2, 4, 4), "[1, 2, 4, 4]"),
    ],
)
def test_waves_that_do_not_fit_are_refused(x: torch.Tensor, word: str) -> None:
    with pytest.raises(NodeflowError) as caught:
        built()(x, 0.5)
    assert caught.value.code == "NF414" and word in str(caught.value)


def test_prompts_and_missing_weights_are_refused() -> None:
    with pytest.raises(NodeflowError, match=r"NF414.*neither prompts nor classes"):
        built()(torch.ones(1, 2, 16), 0.5, torch.ones(1))
    with torch.device("meta"):
        net = built()
    with pytest.raises(NodeflowError, match=r"NF407.*no weights"):
        net(torch.ones(1, 2, 16), 0.5)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("down_block_types", ["DownResnetBlock1D", "DownResnetBlock1D"]),
        ("down_block_types", ["DownBlock1D", "DownBlock1DNoSkip"]),
        ("down_block_types", ["DownBlock1DNoSkip"]),
        ("up_block_types", ["UpBlock1D", "UpBlock1D"]),
        ("mid_block_type", "ValueFunctionMidBlock1D"),
        ("out_block_type", "ValueFunction"),
        ("extra_in_channels", 0),
        ("time_embedding_dim", 15),
        ("block_out_channels", [32, 16]),
        ("block_out_channels", [32, 33, 64]),
        ("use_timestep_embedding", True),
        ("downsample_each_block", True),
    ],
)
def test_a_configuration_that_cannot_be_built_is_refused_by_its_key(key: str, value: Any) -> None:
    with pytest.raises(NodeflowError) as caught:
        built(**{key: value})
    assert caught.value.code == "NF406"
    wrong = "down_block_types" if value == [32, 33, 64] else key
    assert wrong in str(caught.value)


def test_the_width_of_the_time_is_what_the_first_block_has_room_for() -> None:
    assert built().time_proj.weight.shape == (8,)
    assert built(time_embedding_dim=16).time_proj.weight.shape == (8,)
