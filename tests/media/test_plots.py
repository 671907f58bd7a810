"""Plots and labels: what is drawn where, at any size and for any numbers."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.media.lettering import font, ink_on, label, wrapped
from nodeflow.media.plots import COLOURS, DARK, Line, Panel, _ticks, plot

numbers = st.lists(st.floats(-1e9, 1e9, allow_nan=False) | st.just(math.inf) | st.just(0.0), max_size=12)


def inked(pixels: np.ndarray, color: str) -> np.ndarray:
    """Where a picture has a colour, [N, 2] of (row, column)."""
    wanted = np.frombuffer(bytes.fromhex(color[1:]), np.uint8).astype(int)
    return np.argwhere(np.abs(pixels.astype(int) - wanted).max(-1) < 12)


@given(numbers, st.booleans(), st.integers(1, 3))
def test_any_numbers_make_a_picture_of_the_size(values, log, count):
    panel = Panel([Line(range(len(values)), values, "a")], "title", "step", log)
    assert plot([panel] * count, 320, 160).shape == (160, 320, 3)


def test_a_rising_curve_rises_and_each_has_its_colour():
    one, two = Line([0, 1, 2], [0, 1, 2], "one"), Line([0, 1, 2], [2, 1, 0], "two")
    pixels = plot([Panel([one, two])], 480, 320)[60:]
    for line, color in ((one, COLOURS[0]), (two, COLOURS[1])):
        places = inked(pixels, color)
        left, right = places[places[:, 1] < 150, 0].mean(), places[places[:, 1] > 400, 0].mean()
        assert (left > right) == (line is one)


def test_a_logarithmic_axis_makes_a_geometric_series_straight():
    pixels = plot([Panel([Line(range(5), [1, 10, 100, 1000, 0])], log=True)], 480, 320)
    places = inked(pixels, COLOURS[0])
    slope, base = np.polyfit(places[:, 1], places[:, 0], 1)
    assert slope < 0 and np.abs(places[:, 0] - slope * places[:, 1] - base).max() < 6


def test_a_dark_plot_is_dark():
    assert plot([Panel([Line([0, 1], [0, 1])])], look=DARK).mean() < 60


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 12))
def test_ticks_are_few_and_round(low, span, most):
    ticks = _ticks(low, low + span, most)
    assert len(ticks) <= most + 1
    assert all(low - span * 1e-6 <= tick <= low + span * (1 + 1e-6) for tick in ticks)


def test_names_break_where_people_would_break_them():
    assert wrapped("EulerAncestralDiscreteScheduler", 13, 128) == ["EulerAncestral", "DiscreteScheduler"]
    assert wrapped("a red heart", 13, 30) == ["a", "red", "heart"]
    assert wrapped("", 13, 50) == [""]


@pytest.mark.parametrize("width", [8, 64, 300])
def test_a_label_stays_in_its_strip(width):
    strip = label("EulerAncestralDiscreteScheduler", width, 20, "#000000", "#ffffff")
    assert strip.shape[1] == width and strip.min() < 120
    if width == 300:
        assert (strip[:, :2] == 255).all() and (strip[:, -2:] == 255).all()


def test_the_ink_is_read_on_its_paper():
    assert ink_on("#ffffff") < "#888888" < ink_on("#000000")
    assert font(12) is font(12)


def test_plotting_costs_no_torch():
    code = (
        "import sys; from nodeflow.media.plots import *; plot([Panel([Line([0, 1], [0, 1])])]); "
        "assert not {'torch', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
