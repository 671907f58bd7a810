"""Weights in blocks of few bits, as GGUF files store them, to numbers.

A block of 32 or 256 numbers shares a scale d (and, in some formats, a least value m); the K formats have 8 or 16 scales
of their own inside a block, themselves in few bits. Layouts as in ggml's `ggml-common.h`. Every function here takes
blocks [n, bytes a block] uint8 and gives [n, numbers a block] float32.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_IQ4 = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
"""The 16 values of the nonlinear 4-bit formats."""


def expand(data: Tensor, form: str, shape: tuple[int, ...]) -> Tensor:
    """The numbers of a stored tensor.

    Args:
        data: Its bytes, uint8, whole blocks.
        form: A key of `EXPAND`.
        shape: What it becomes, float32.
    """
    block, function = EXPAND[form]
    return function(data.reshape(-1, block)).reshape(shape)


def _halves(blocks: Tensor, start: int) -> Tensor:
    """The float16 at a byte of each block, [n, 1] float32."""
    return blocks[:, start : start + 2].contiguous().view(torch.float16).float()


def _nibbles(quants: Tensor) -> Tensor:
    """[n, k] bytes -> [n, 2 k]: all low halves, then all high ones."""
    return torch.cat([quants & 15, quants >> 4], dim=1)


def _fifths(high: Tensor) -> Tensor:
    """The 32 bits of 4 bytes as the fifth bit of 32 numbers, [n, 4] -> [n, 32]."""
    bits = torch.arange(8, device=high.device, dtype=torch.uint8)
    return ((high[:, :, None] >> bits & 1) << 4).flatten(1)


def _q4_0(b: Tensor) -> Tensor:
    return _halves(b, 0) * (_nibbles(b[:, 2:]).float() - 8)


def _q4_1(b: Tensor) -> Tensor:
    return _halves(b, 0) * _nibbles(b[:, 4:]) + _halves(b, 2)


def _q5_0(b: Tensor) -> Tensor:
    return _halves(b, 0) * ((_nibbles(b[:, 6:]) | _fifths(b[:, 2:6])).float() - 16)


def _q5_1(b: Tensor) -> Tensor:
    return _halves(b, 0) * (_nibbles(b[:, 8:]) | _fifths(b[:, 4:8])) + _halves(b, 2)


def _q8_0(b: Tensor) -> Tensor:
    return _halves(b, 0) * b[:, 2:].contiguous().view(torch.int8)


def _iq4_nl(b: Tensor) -> Tensor:
    return _halves(b, 0) * _nonlinear(_nibbles(b[:, 2:]))


def _nonlinear(quants: Tensor) -> Tensor:
    return torch.tensor(_IQ4, device=quants.device, dtype=torch.float32)[quants.long()]


def _shifted(quants: Tensor, shifts: tuple[int, ...], mask: int) -> Tensor:
    """[n, ..., k] bytes -> [n, ..., shifts, k]: the bits at each shift."""
    by = torch.tensor(shifts, device=quants.device, dtype=torch.uint8)[:, None]
    return quants[..., None, :] >> by & mask


def _q2_k(b: Tensor) -> Tensor:
    scales, quants, d, least = b[:, :16], b[:, 16:80], _halves(b, 80), _halves(b, 82)
    q = _shifted(quants.unflatten(1, (2, 32)), (0, 2, 4, 6), 3).reshape(-1, 16, 16)
    return ((d * (scales & 15))[..., None] * q - (least * (scales >> 4))[..., None]).flatten(1)


def _q3_k(b: Tensor) -> Tensor:
    mask, quants, packed, d = b[:, :32], b[:, 32:96], b[:, 96:108], _halves(b, 108)
    high = _shifted(packed[:, 8:], (0, 2, 4, 6), 3).flatten(1)
    scales = (_nibbles(packed[:, :8]) | high << 4).float() - 32
    low = _shifted(quants.unflatten(1, (2, 32)), (0, 2, 4, 6), 3).flatten(1, 2)
    third = _shifted(mask, tuple(range(8)), 1)
    q = (low | third << 2).float() - 4
    return (d[..., None] * scales[..., None] * q.reshape(-1, 16, 16)).flatten(1)


def _six_bits(s: Tensor) -> tuple[Tensor, Tensor]:
    """8 scales and 8 least values of 6 bits out of 12 bytes, each [n, 8]."""
    a, b, c = s[:, :4], s[:, 4:8], s[:, 8:]
    return torch.cat([a & 63, c & 15 | a >> 6 << 4], 1), torch.cat([b & 63, c >> 4 | b >> 6 << 4], 1)


def _scaled(b: Tensor, q: Tensor) -> Tensor:
    """d s q − m l of eight sub-blocks, q [n, 8, 32]."""
    scales, least = _six_bits(b[:, 4:16])
    return ((_halves(b, 0) * scales)[..., None] * q - (_halves(b, 2) * least)[..., None]).flatten(1)


def _q4_k(b: Tensor) -> Tensor:
    return _scaled(b, _shifted(b[:, 16:].unflatten(1, (4, 32)), (0, 4), 15).flatten(1, 2))


def _q5_k(b: Tensor) -> Tensor:
    low = _shifted(b[:, 48:].unflatten(1, (4, 32)), (0, 4), 15).flatten(1, 2)
    return _scaled(b, low | _shifted(b[:, 16:48], tuple(range(8)), 1) << 4)


def _q6_k(b: Tensor) -> Tensor:
    low = _shifted(b[:, :128].unflatten(1, (2, 64)), (0, 4), 15).reshape(-1, 2, 4, 32)
    high = _shifted(b[:, 128:192].unflatten(1, (2, 32)), (0, 2, 4, 6), 3)
    scales = b[:, 192:208].contiguous().view(torch.int8).float() * _halves(b, 208)
    return (scales[..., None] * ((low | high << 4).float() - 32).reshape(-1, 16, 16)).flatten(1)


def _iq4_xs(b: Tensor) -> Tensor:
    bits = torch.arange(0, 8, 2, device=b.device, dtype=torch.uint8)
    high = (b[:, 2:4, None] >> bits & 3).flatten(1)
    low = torch.stack([b[:, 4:8] & 15, b[:, 4:8] >> 4], 2).flatten(1)
    scales = _halves(b, 0) * ((low | high << 4).float() - 32)
    q = _nonlinear(_shifted(b[:, 8:].unflatten(1, (8, 16)), (0, 4), 15).flatten(2))
    return (scales[..., None] * q).flatten(1)


EXPAND: dict[str, tuple[int, Callable[[Tensor], Tensor]]] = {
    "Q4_0": (18, _q4_0), "Q4_1": (20, _q4_1), "Q5_0": (22, _q5_0), "Q5_1": (24, _q5_1), "Q8_0": (34, _q8_0),
    "Q2_K": (84, _q2_k), "Q3_K": (110, _q3_k), "Q4_K": (144, _q4_k), "Q5_K": (176, _q5_k), "Q6_K": (210, _q6_k),
    "IQ4_NL": (18, _iq4_nl), "IQ4_XS": (136, _iq4_xs),
}  # fmt: skip
"""Format -> (bytes a block, how it is expanded)."""
