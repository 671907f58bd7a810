"""Stored values come back bit-equal, or are known to be damaged."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.errors import NodeflowError
from nodeflow.packing import deserialise, serialise
from nodeflow.values import Conditioning, Image, Latent, LatentSpace, SchedulerConfig, Value, Weights

DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.uint8, torch.bool]


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    raw = torch.randint(0, 256, (math.prod(shape) * 8,), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    dtype = draw(st.sampled_from(DTYPES))
    made = raw.bool() if dtype is torch.bool else raw.view(dtype)
    made = made[: math.prod(shape)].view(shape)
    return made.permute(draw(st.permutations(range(len(shape)))))


LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), tensors())
SPACES = st.builds(LatentSpace, st.text(), st.integers(), st.integers(), st.floats(), st.floats())
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(), st.integers()), inner, max_size=3),
        st.builds(Image, tensors()),
        st.builds(Latent, tensors(), SPACES, st.none() | tensors()),
        st.builds(SchedulerConfig, st.dictionaries(st.text(), inner, max_size=3)),
    ),
    max_leaves=8,
)


def same(a: Any, b: Any) -> bool:
    """Bit for bit, NaN included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        places = [d for d in range(a.dim()) if a.shape[d] > 1]
        layout = a.numel() == 0 or [a.stride(d) for d in places] == [b.stride(d) for d in places]
        if a.dtype != b.dtype or a.shape != b.shape or not layout:
            return False
        return torch.equal(a.contiguous().view(-1).view(torch.uint8), b.contiguous().view(-1).view(torch.uint8))
    if isinstance(a, float):
        return a.hex() == b.hex()
    if isinstance(a, Value):
        return all(same(getattr(a, name), getattr(b, name)) for name in a.parts())
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


@given(TREES)
def test_what_is_stored_comes_back_bit_equal(value: object) -> None:
    data = serialise(value)
    assert same(deserialise(data), value)
    assert serialise(value) == data


def test_the_layout_in_memory_comes_back() -> None:
    data = torch.rand(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    assert deserialise(serialise(Image(data))).data.is_contiguous(memory_format=torch.channels_last)


def test_shared_and_expanded_memory_is_no_trouble() -> None:
    base = torch.arange(6.0)
    value = [Conditioning(base.view(1, 2, 3), base[:3].expand(2, 3)), base[1:4], torch.rand(3, requires_grad=True)]
    stored = deserialise(serialise(value))
    assert torch.equal(stored[0].pooled, value[0].pooled) and torch.equal(stored[1], value[1])
    assert not stored[2].requires_grad


@given(st.data())
def test_a_cut_value_is_known_to_be_damaged(data: st.DataObject) -> None:
    value = data.draw(st.sampled_from([Image(torch.rand(1, 3, 2, 2)), {"a": [1, "b"]}, LatentSpace("sd1", 4, 8)]))
    whole = serialise(value)
    with pytest.raises(ValueError, match="damaged"):
        deserialise(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(st.binary(max_size=200))
def test_noise_is_known_to_be_damaged(noise: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        deserialise(noise)


def test_a_type_that_is_not_known_here_is_a_damaged_value() -> None:
    data = serialise(LatentSpace("x", 1, 1)).replace(b"LatentSpace", b"LatentSpice")
    with pytest.raises(ValueError, match="LatentSpice"):
        deserialise(data)


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", [print], Weights("", "", {"a": 1j}, "")])
def test_what_is_neither_data_nor_array_is_refused(value: object) -> None:
    with pytest.raises(NodeflowError, match=r"NF502.*cannot be stored"):
        serialise(value)
