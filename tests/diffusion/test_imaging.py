"""Laws of picture arithmetic: what undoes what, what changes nothing, what stays in range."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from nodeflow.diffusion import imaging
from nodeflow.errors import NodeflowError
from nodeflow.values import Image, Mask

SIDE = st.integers(1, 12)


@st.composite
def pictures(draw: st.DrawFn, batch: int = 2) -> Image:
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    return Image(torch.rand(batch, 3, draw(SIDE), draw(SIDE), generator=generator))


def same(a: Image | Mask, b: Image | Mask) -> bool:
    return torch.equal(a.data, b.data)


def in_range(image: Image) -> bool:
    return bool((image.data >= 0).all() and (image.data <= 1).all())


@given(pictures(1))
def test_pixels_come_in_as_they_went_out(image: Image) -> None:
    pixels = image.numpy()[0]
    again, mask = imaging.from_pixels(pixels)
    assert np.array_equal(again.numpy()[0], pixels) and mask is None
    _, mask = imaging.from_pixels(pixels, pixels[..., 0])
    assert mask is not None and mask.data.shape == (1, 1, *pixels.shape[:2])
    assert_close(mask.data[0, 0], 1 - torch.tensor(pixels[..., 0]) / 255)


@given(pictures(), SIDE, SIDE, st.sampled_from(["bicubic", "bilinear", "area", "nearest"]))
def test_resizing_gives_the_size_and_keeps_the_range(
    image: Image, width: int, height: int, how: imaging.Filter
) -> None:
    before = image.data.clone()
    resized = imaging.resize(image, width, height, how)
    assert resized.size == (width, height) and in_range(resized) and len(resized) == 2
    assert same(imaging.resize(image, *image.size, how), image) and torch.equal(image.data, before)


def test_one_side_of_nothing_keeps_the_proportions() -> None:
    image = Image(torch.rand(1, 3, 20, 40))
    assert imaging.resize(image, 10, 0).size == (10, 5)
    assert imaging.resize(image, 0, 10).size == (20, 10)
    assert same(imaging.resize(image, 0, 0), image)


@given(st.floats(0, 1), SIDE, SIDE)
def test_resizing_keeps_a_flat_picture_flat(level: float, width: int, height: int) -> None:
    image = Image(torch.full((1, 3, 7, 5), level))
    for how in ("bicubic", "bilinear", "area", "nearest"):
        assert_close(imaging.resize(image, width, height, how).data, torch.full((1, 3, height, width), level))


@given(pictures(), SIDE, SIDE, st.sampled_from(["cover", "contain", "stretch"]))
def test_fitting_gives_the_size(image: Image, width: int, height: int, how: str) -> None:
    fitted = imaging.fit(image, width, height, how, "#808080")
    assert fitted.size == (width, height) and in_range(fitted)
    mask = imaging.fit_mask(Mask(image.data[:, :1]), width, height, how)
    assert mask.data.shape == (2, 1, height, width)


def test_containing_shows_all_and_covering_shows_no_border() -> None:
    image = Image(torch.ones(1, 3, 4, 8))
    contained = imaging.fit(image, 8, 8, "contain", "#000000").data
    assert contained[..., 2:6, :].min() == 1 and contained[..., :2, :].max() == 0
    assert imaging.fit(image, 8, 8, "cover", "#000000").data.min() > 0.99


@given(pictures(), st.tuples(*[st.integers(0, 5)] * 4))
def test_cropping_undoes_padding(image: Image, sides: tuple[int, int, int, int]) -> None:
    padded, mask = imaging.pad(image, *sides, "#ff0000")
    assert same(imaging.crop(padded, sides[0], sides[1], *image.size), image)
    assert mask.data.sum() == 2 * (padded.size[0] * padded.size[1] - image.size[0] * image.size[1])
    shown = padded.data.permute(0, 2, 3, 1)[mask.data[:, 0] == 1]
    assert torch.equal(shown, torch.tensor([1.0, 0, 0]).expand_as(shown))


@given(pictures(), SIDE, SIDE, st.sampled_from(["center", "top left", "right", "bottom"]))
def test_a_canvas_is_masked_where_it_shows(image: Image, width: int, height: int, anchor: imaging.Anchor) -> None:
    placed, mask = imaging.canvas(image, width, height, anchor, "#00ff00")
    assert placed.size == (width, height)
    kept = min(width, image.size[0]) * min(height, image.size[1])
    assert (mask.data == 0).sum() == 2 * kept


@given(pictures())
def test_mirrors_and_turns_undo_themselves(image: Image) -> None:
    for axis in ("horizontal", "vertical", "both"):
        assert same(imaging.flip(imaging.flip(image, axis), axis), image)
    for quarters in range(4):
        assert same(imaging.rotate(imaging.rotate(image, quarters), 4 - quarters), image)
    assert same(imaging.rotate(image, 2), imaging.flip(image, "both"))
    corner = imaging.rotate(image, 1).data[..., 0, -1]
    assert torch.equal(corner, image.data[..., 0, 0])  # clockwise: the upper left goes to the upper right


@given(pictures())
def test_adjusting_by_nothing_changes_nothing(image: Image) -> None:
    assert_close(imaging.adjust(image, 0.0, 1.0, 1.0, 1.0).data, image.data)
    assert in_range(imaging.adjust(image, 0.7, 3.0, 4.0, 0.3))
    grey = imaging.adjust(image, 0.0, 1.0, 0.0, 1.0).data
    assert_close(grey[:, 0], grey[:, 1])


@given(pictures(), st.floats(0, 1))
def test_a_mask_chooses_between_two_pictures(image: Image, opacity: float) -> None:
    other = Image(1 - image.data)
    full, empty = Mask(torch.ones(1, 1, 4, 4)), Mask(torch.zeros(1, 1, 4, 4))
    assert_close(imaging.composite(image, other, full).data, other.data)
    assert same(imaging.composite(image, other, empty, opacity), image)
    assert_close(imaging.composite(image, other, None, opacity).data, imaging.blend(image, other, opacity).data)


def test_a_batch_of_one_repeats_and_others_are_refused() -> None:
    one, two, three = (Image(torch.rand(n, 3, 4, 4)) for n in (1, 2, 3))
    assert len(imaging.composite(one, three, None)) == len(imaging.blend(three, one, 0.5)) == 3
    with pytest.raises(NodeflowError, match=r"NF414.*2 and 3"):
        imaging.blend(two, three, 0.5)
    with pytest.raises(NodeflowError, match=r"NF414.*2 and 3"):
        imaging.composite(one, two, Mask(torch.ones(3, 1, 4, 4)))
    with pytest.raises(NodeflowError, match=r"NF414.*4×4 and 5×4"):
        imaging.composite(one, Image(torch.rand(1, 3, 4, 5)), None)


@given(st.lists(pictures(2), min_size=1, max_size=4), st.integers(0, 9), st.integers(0, 3))
def test_a_contact_sheet_shows_every_picture(images: list[Image], columns: int, gap: int) -> None:
    sheet = imaging.contact_sheet(images, columns, gap)
    width, height = max(i.size[0] for i in images), max(i.size[1] for i in images)
    across, down = (sheet.size[0] - gap) // (width + gap), (sheet.size[1] - gap) // (height + gap)
    assert len(sheet) == 1 and across * down >= 2 * len(images) > across * (down - 1)
    first = images[0]
    cell = imaging.crop(sheet, gap, gap, width, height)
    assert same(cell, imaging.canvas(Image(first.data[:1]), width, height, "center", "#ffffff")[0])


def test_a_batch_holds_pictures_of_one_size() -> None:
    a, b = Image(torch.rand(1, 3, 4, 4)), Image(torch.rand(2, 3, 4, 4))
    assert torch.equal(imaging.batch([a, b]).data, torch.cat([a.data, b.data]))
    with pytest.raises(NodeflowError, match="NF414"):
        imaging.batch([a, Image(torch.rand(1, 3, 4, 5))])
    for nothing in (imaging.batch, imaging.contact_sheet):
        with pytest.raises(NodeflowError, match="NF503"):
            nothing([])


def test_sides_of_nothing_and_of_too_much_are_refused() -> None:
    image = Image(torch.rand(1, 3, 4, 4))
    for bad in ((0, 5), (5, -1)):
        for change in (imaging.fit, imaging.canvas):
            with pytest.raises(NodeflowError, match="NF205"):
                change(image, *bad, "cover", "#ffffff")
        with pytest.raises(NodeflowError, match="NF205"):
            imaging.crop(image, 0, 0, *bad)
    with pytest.raises(NodeflowError, match="NF602"):
        imaging.resize(image, 100_000, 4)
    with pytest.raises(NodeflowError, match="NF602"):
        imaging.pad(image, 100_000, 0, 0, 0, "#ffffff")
    for x, y in ((1, 0), (0, 1), (-1, 0)):
        with pytest.raises(NodeflowError, match=r"NF205.*leaves the picture"):
            imaging.crop(image, x, y, 4, 4)


@pytest.mark.parametrize("text", ["", "red", "#12345", "#1234567", "#gggggg", "123456#", "#+1+1+1", "# 1 1 1"])
def test_what_is_no_colour_is_refused(text: str) -> None:
    with pytest.raises(NodeflowError, match=r"NF205.*is not a colour"):
        imaging.pad(Image(torch.rand(1, 3, 4, 4)), 1, 1, 1, 1, text)


def test_labels_stand_under_their_pictures():
    pictures = [Image(torch.ones(1, 3, 20, 60)), Image(torch.ones(1, 3, 20, 60))]
    plain = imaging.contact_sheet(pictures, gap=4)
    sheet = imaging.contact_sheet(pictures, gap=4, labels=["one", "a longer label"]).data
    assert sheet.shape[-1] == plain.size[0] and sheet.shape[-2] > plain.size[1]
    assert float(sheet[..., :24, :].min()) == 1 and float(sheet[..., 24:, :].min()) < 0.5
    assert torch.equal(imaging.contact_sheet(pictures, gap=4, labels=[]).data, plain.data)
    dark = imaging.contact_sheet(pictures, color="#000000", labels=["one", "two"]).data
    assert float(dark[..., 24:, :].max()) > 0.9
    with pytest.raises(NodeflowError, match="NF503 labels: 1 labels meet 2 pictures"):
        imaging.contact_sheet(pictures, labels=["one"])
