"""The faster kernels compute what torch's own layers compute."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nodeflow.diffusion.models import kernels
from nodeflow.diffusion.models.kernels import Conv3x3, Linear


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """The inputs that a convolution computed as a matrix product, whatever the number of weights."""
    seen: list[Tensor] = []
    product = Conv3x3._product
    monkeypatch.setattr(kernels, "_MANY_WEIGHTS", 0)
    monkeypatch.setattr(Conv3x3, "_product", lambda self, x: (seen.append(x), product(self, x))[1])
    return seen


@pytest.mark.parametrize("shape", [(1, 6, 1, 1), (2, 6, 4, 4), (2, 6, 5, 9), (1, 6, 8, 16)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_convolution_of_few_pixels_is_still_that_convolution(
    shape: tuple[int, ...], layout: torch.memory_format, products: list[Tensor]
) -> None:
    conv, x = Conv3x3(6, 10), torch.randn(shape).contiguous(memory_format=layout)
    with torch.no_grad():
        torch.testing.assert_close(conv(x), F.conv2d(x, conv.weight, conv.bias, padding=1), rtol=0, atol=1e-6)
    assert len(products) == 1


def test_many_pixels_training_and_other_formats_take_the_usual_kernel(products: list[Tensor]) -> None:
    conv = Conv3x3(6, 10)
    conv(torch.randn(1, 6, 4, 4)).sum().backward()
    with torch.no_grad():
        conv(torch.randn(3, 6, 8, 8))
        conv.double()(torch.randn(1, 6, 4, 4, dtype=torch.float64))
    assert products == []


@pytest.mark.parametrize("shape", [(1, 6, 12, 12), (2, 6, 9, 17), (200, 6, 1, 1), (1, 6, 2, 2)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_convolution_of_a_doubled_map_needs_no_doubled_map(
    shape: tuple[int, ...], layout: torch.memory_format
) -> None:
    conv, x = Conv3x3(6, 10), torch.randn(shape).contiguous(memory_format=layout)
    expected = conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
    torch.testing.assert_close(conv.of_doubled(x), expected, rtol=0, atol=0)
    with torch.no_grad():
        torch.testing.assert_close(conv.of_doubled(x), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_is_that_linear_layer(bias: bool) -> None:
    layer = Linear(12, 7, bias)
    pixels = torch.randn(2, 12, 3, 5)
    for x in (torch.randn(2, 9, 12), torch.randn(12), pixels.flatten(2).transpose(1, 2), torch.randn(0, 12)):
        with torch.no_grad():
            torch.testing.assert_close(layer(x), F.linear(x, layer.weight, layer.bias), rtol=0, atol=1e-6)


def test_a_linear_layer_learns() -> None:
    layer = Linear(12, 7)
    layer(torch.randn(3, 12)).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.any()


def test_autocast_decides_the_number_format() -> None:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert Linear(12, 7)(torch.ones(2, 12)).dtype == torch.bfloat16
        assert Conv3x3(6, 10).of_doubled(torch.ones(1, 6, 16, 16)).dtype == torch.bfloat16
