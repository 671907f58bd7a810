"""Laws of masks: 1 = change, 0 = keep."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from nodeflow.diffusion import masks
from nodeflow.errors import NodeflowError
from nodeflow.values import Image, Mask


@st.composite
def drawn(draw: st.DrawFn) -> Mask:
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    shape = (2, 1, draw(st.integers(1, 14)), draw(st.integers(1, 14)))
    return Mask((torch.rand(shape, generator=generator) > draw(st.floats(0, 1))).float())


def same(a: Mask, b: Mask) -> bool:
    return torch.equal(a.data, b.data)


@given(drawn())
def test_inverting_twice_changes_nothing_and_a_picture_keeps_the_mask(mask: Mask) -> None:
    assert same(masks.invert(masks.invert(mask)), mask)
    assert_close(masks.from_luma(masks.picture(mask)).data, mask.data)


@given(drawn(), st.integers(0, 4))
def test_growing_is_shrinking_what_is_kept(mask: Mask, pixels: int) -> None:
    grown = masks.grow(mask, pixels)
    assert (grown.data >= mask.data).all()
    assert same(masks.grow(masks.invert(mask), -pixels), masks.invert(grown))
    assert same(masks.grow(masks.grow(mask, pixels), 1), masks.grow(mask, pixels + 1))


def test_growing_is_by_a_square() -> None:
    data = torch.zeros(1, 1, 7, 7)
    data[..., 3, 3] = 1
    grown = masks.grow(Mask(data), 2).data
    assert grown[..., 1:6, 1:6].min() == 1 and grown.sum() == 25


@given(drawn(), st.floats(0.1, 5))
def test_feathering_softens_and_keeps_what_is_flat(mask: Mask, radius: float) -> None:
    soft = masks.feather(mask, radius).data
    assert soft.shape == mask.data.shape and soft.min() >= 0 and soft.max() <= 1
    assert soft.std(correction=0) <= mask.data.std(correction=0) + 1e-6
    flat = Mask(torch.ones(1, 1, 5, 5))
    assert_close(masks.feather(flat, radius).data, flat.data)
    assert same(masks.feather(mask, 0.0), mask)


@given(drawn(), st.integers(0, 99))
def test_combining_follows_the_laws_of_sets(a: Mask, seed: int) -> None:
    b = Mask((torch.rand(a.data.shape, generator=torch.Generator().manual_seed(seed)) > 0.5).float())
    union, both = masks.combine(a, b, "union"), masks.combine(a, b, "intersection")
    assert same(masks.invert(union), masks.combine(masks.invert(a), masks.invert(b), "intersection"))
    assert same(masks.combine(a, b, "difference"), masks.combine(a, masks.invert(b), "intersection"))
    assert union.data.sum() + both.data.sum() == a.data.sum() + b.data.sum()


def test_masks_of_two_sizes_are_refused() -> None:
    with pytest.raises(NodeflowError, match="NF414"):
        masks.combine(Mask(torch.ones(1, 1, 4, 4)), Mask(torch.ones(1, 1, 4, 5)), "union")


def test_a_colour_is_masked_within_its_tolerance() -> None:
    colours = torch.tensor([[0.0, 1.0, 0.0], [0.05, 0.95, 0.0], [0.0, 0.5, 0.0], [1.0, 1.0, 1.0]])
    image = Image(colours.T.view(1, 3, 1, 4))
    assert masks.from_color(image, "#00ff00", 0.1).data.flatten().tolist() == [1, 1, 0, 0]
    assert masks.from_color(image, "#00ff00", 0.0).data.flatten().tolist() == [1, 0, 0, 0]


def test_a_rectangle_is_in_fractions() -> None:
    mask = masks.rectangle(8, 4, 0.25, 0.5, 0.5, 0.5).data[0, 0]
    assert mask.shape == (4, 8) and mask.sum() == 8 and mask[2:, 2:6].min() == 1
    assert masks.rectangle(5, 3, 0, 0, 1, 1).data.min() == 1
    assert masks.rectangle(5, 3, 0.5, 0.5, 0, 0).data.max() == 0
