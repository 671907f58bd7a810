"""Rotary positions: queries and keys are turned by angles that grow with where a token is.

RoFormer (Su et al. 2021, arXiv 2104.09864, section 3.2.2), with an own share of the channels for each axis.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def rotations(ids: Tensor, widths: Sequence[int], theta: float = 10_000.0) -> Tensor:
    """The turn of each token's channel pairs, e^{i m ω_j} with ω_j = θ^{−2j / width}.

    Args:
        ids: Where each token is, one number an axis, [N, axes].
        widths: Channels of a head that each axis turns, even.

    Returns:
        complex64, [N, Σ widths / 2].
    """
    device = "cpu" if ids.device.type == "mps" else ids.device  # no float64 there, and large angles need it
    places = ids.to(device, torch.float64)
    angles = [
        places[:, axis, None] * theta ** (-torch.arange(0, width, 2, dtype=torch.float64, device=device) / width)
        for axis, width in enumerate(widths)
    ]
    angle = torch.cat(angles, dim=-1)
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64).to(ids.device)


def rotated(x: Tensor, turn: Tensor) -> Tensor:
    """Each pair of neighbouring channels turned, [B, heads, N, d] by [N, d / 2] -> [B, heads, N, d].

    As complex numbers, a tenth of the time that sines and cosines take on a CPU.
    """
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turn).flatten(-2).to(x.dtype)


def partly_rotated(x: Tensor, turn: Tensor) -> Tensor:
    """The first 2 m channels turned, m the width of `turn`: channel j with channel j + m; the others as they are.

    [B, heads, N, d] by [N, m] -> [B, heads, N, d].
    """
    m = turn.shape[-1]
    turned = torch.complex(x[..., :m].float(), x[..., m : 2 * m].float()) * turn
    return torch.cat([turned.real.to(x.dtype), turned.imag.to(x.dtype), x[..., 2 * m :]], dim=-1)
