"""What preprocessors of control pictures keep, whatever they are shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from nodeflow.diffusion import preprocessing as pre
from nodeflow.packs import default_library
from nodeflow.values import Image

EACH = {"canny": pre.canny, "lineart": pre.lineart, "scribble": pre.scribble, "tile": pre.tile, "invert": pre.invert}
each = pytest.mark.parametrize("made", EACH.values(), ids=EACH)


def grey(x: torch.Tensor) -> Image:
    return Image(x.expand(1, 3, *x.shape[-2:]).contiguous())


def step(angle: float = 0.0, side: int = 48, low: float = 0.2, high: float = 0.9) -> Image:
    """Dark on one side of a line through the middle, bright on the other."""
    y, x = torch.meshgrid(*(torch.arange(side) - side / 2 + 0.5,) * 2, indexing="ij")
    radians = torch.tensor(angle).deg2rad()
    return grey(torch.where(x * radians.cos() + y * radians.sin() > 0, high, low))


@each
def test_a_picture_of_the_same_size_within_bounds(made):
    image = Image(torch.rand(2, 3, 37, 29, generator=torch.Generator().manual_seed(0)))
    found = made(image).data
    assert found.shape == image.data.shape and found.min() >= 0 and found.max() <= 1
    assert torch.allclose(found[1:], made(Image(image.data[1:])).data, atol=1e-6)  # pictures of a batch do not mix


@pytest.mark.parametrize("name", ["canny", "lineart", "scribble"])
def test_nothing_is_drawn_of_a_picture_without_content(name):
    assert not EACH[name](grey(torch.full((20, 30), 0.4))).data.any()


@pytest.mark.parametrize("sigma", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_canny_of_a_step_is_a_line_one_pixel_wide(sigma, turns):
    turned = Image(step().data.rot90(turns, (2, 3)))
    edges = pre.canny(turned, sigma=sigma).data[0, 0]
    across = edges.sum(1) if turns % 2 == 0 else edges.sum(0)
    assert torch.equal(across, torch.ones(48))
    where = edges.nonzero()[:, 1 if turns % 2 == 0 else 0]
    assert where.unique().numel() == 1 and abs(int(where[0]) - 23.5) <= 1


@given(st.floats(0, 180))
def test_canny_of_a_step_at_any_angle_is_thin_and_lies_on_it(angle):
    edges = pre.canny(step(angle), sigma=1.0).data[0, 0, 4:-4, 4:-4]
    y, x = (edges.nonzero() + 4 - 23.5).T
    radians = torch.tensor(angle).deg2rad()
    assert (x * radians.cos() + y * radians.sin()).abs().max() <= 1.5
    assert 36 <= int(edges.sum()) <= 2 * 40


def test_canny_keeps_weak_edges_that_touch_strong_ones():
    fading = torch.cat([torch.full((8, 24), 0.0), torch.linspace(0.12, 0.9, 24).expand(8, 24)])
    edges = pre.canny(grey(fading), low=0.1, high=0.3, sigma=0.0).data[0, 0]
    assert edges.any(0)[2:-1].all()
    assert not pre.canny(grey(fading[:, :6]), low=0.1, high=0.3, sigma=0.0).data.any()


def test_lines_become_white_and_surfaces_black():
    drawing = torch.ones(40, 40)
    drawing[10:12], drawing[:, 30] = 0.0, 0.3
    found = pre.lineart(grey(drawing)).data[0, 0]
    assert found[10, 5] > 0.9 and found[30, 30] > 0.3 and not found[25, 5:15].any()
    assert not pre.lineart(pre.invert(grey(drawing))).data[0, 0][10:12, 5:15].any()  # bright lines are no lines


def test_a_scribble_is_black_or_white_and_as_wide_as_it_is_told():
    found = pre.scribble(step(), width=7).data[0, 0]
    assert set(found.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(found.sum(1), torch.full((48,), 7.0))


def test_tiles_keep_brightness_and_lose_detail():
    flat = grey(torch.full((32, 48), 0.3))
    assert torch.allclose(pre.tile(flat, 8).data, flat.data, atol=1e-6)
    checks = grey((torch.arange(32)[:, None] + torch.arange(32)).remainder(2).float())
    assert torch.allclose(pre.tile(checks, 8).data, torch.full((), 0.5), atol=1e-5)


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=4, max_size=4, unique=True))
def test_depth_keeps_order_and_uses_the_whole_range(levels):
    x = torch.tensor(levels).view(1, 1, 2, 2)
    if float(x.max() - x.min()) < 1e-3:
        return
    found = pre.depth(x).data
    assert found.min() == 0 and found.max() == 1
    order = x.flatten().argsort()
    assert (found[0, 0].flatten()[order].diff() >= 0).all()
    assert torch.allclose(pre.depth(x, near_is_white=False).data, 1 - found, atol=1e-5)


def test_depth_of_one_level_and_of_none_is_black():
    assert not pre.depth(torch.full((1, 1, 4, 4), 7.0)).data.any()
    assert not pre.depth(torch.full((1, 1, 4, 4), torch.inf)).data.any()
    wild = torch.arange(100.0).view(1, 1, 10, 10).clone()
    wild[..., 0, 0], wild[..., 9, 9] = -1e9, torch.nan
    found = pre.depth(wild, cut=0.02).data[0, 0]
    assert found[5, 5] > 0.4 and found[9, 9] == 0 and found[9, 8] == 1


def test_depth_is_read_at_sixteen_bits(tmp_path: Path):
    levels = np.arange(1000, 1000 + 64 * 64, dtype=np.uint16).reshape(64, 64)
    Pillow.fromarray(levels).save(tmp_path / "depth.png")
    found = default_library().type("control/depth").function(str(tmp_path / "depth.png")).data
    assert found.shape == (1, 3, 64, 64)
    assert found[0, 0].unique().numel() == 64 * 64
    Pillow.fromarray(levels.astype(np.float32) / 7).save(tmp_path / "depth.tiff")
    again = default_library().type("control/depth").function(str(tmp_path / "depth.tiff")).data
    assert torch.allclose(found, again, atol=1e-5)


def test_inverting_twice_changes_nothing():
    image = Image(torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1)))
    assert torch.allclose(pre.invert(pre.invert(image)).data, image.data, atol=1e-6)
