"""Noise levels as lists: two parts of a run are the run."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeflow import NodeflowError
from nodeflow.diffusion import levels, schedulers
from nodeflow.diffusion.schedulers.schedules import log_linear

falling = st.lists(st.floats(0.01, 100), min_size=2, max_size=30, unique=True).map(
    lambda found: [*sorted(found, reverse=True), 0.0]
)


@given(falling, st.data())
def test_split_then_joined_is_the_same(sigmas, data):
    step = data.draw(st.integers(0, len(sigmas) - 1))
    high, low = levels.split_at_step(sigmas, step)
    assert (len(high) - 1) + (len(low) - 1) == len(sigmas) - 1 and high[-1] == low[0]
    assert levels.joined(high, low) == sigmas
    high, low = levels.split_at_level(sigmas, data.draw(st.floats(0, 100)))
    assert levels.joined(high, low) == sigmas


@given(falling, st.floats(0, 100))
def test_a_split_at_a_level_leaves_what_is_above_it_to_the_first_part(sigmas, level):
    high, low = levels.split_at_level(sigmas, level)
    assert all(one > level for one in high[:-1]) and low[0] <= level


@given(falling, st.floats(0.1, 10))
def test_scaling_and_shifting_undo_themselves(sigmas, factor):
    assert levels.scaled(levels.scaled(sigmas, factor), 1 / factor) == pytest.approx(sigmas)
    flow = levels.scaled(sigmas, 1 / sigmas[0])
    moved = levels.shifted(flow, factor)
    assert levels.shifted(moved, 1 / factor) == pytest.approx(flow)
    assert moved[0] == pytest.approx(1) and moved[-1] == 0 and all(a >= b for a, b in pairwise(moved))


@given(falling, st.integers(1, 40))
def test_a_curve_keeps_its_ends_and_falls_in_any_number_of_steps(sigmas, steps):
    again = levels.resampled(sigmas, steps)
    assert len(again) == steps + 1 and again[-1] == 0
    assert again[0] == pytest.approx(sigmas[0])
    assert steps == 1 or again[-2] == pytest.approx(sigmas[-2])
    assert levels.resampled(sigmas, len(sigmas) - 1) == pytest.approx(sigmas)


def test_lists_that_do_not_meet_are_kept_whole():
    assert levels.joined([3, 2], [1, 0]) == [3, 2, 1, 0]
    assert levels.joined([], [1, 0]) == [1, 0] and levels.joined([1, 0], []) == [1, 0]


def test_a_curve_without_a_clean_end_and_the_toolbox_agree():
    euler = schedulers.from_config("EulerDiscreteScheduler").schedule(10).sigmas.double().numpy()
    mine = levels.resampled(euler[:-1].tolist(), 4)
    assert mine == pytest.approx([*log_linear(euler[:-1], 4).tolist(), euler[-2]], rel=1e-6)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: levels.split_at_step([2, 1, 0], 3), r"NF410 step: step 3 is outside 0 … 2"),
        (lambda: levels.split_at_level([2, 1, 0.5], 0.1), r"NF410 sigma: no level lies at or below 0\.1"),
        (lambda: levels.shifted([14.6, 0], 3), r"NF410 sigmas: 14\.6 is no noise level of a flow"),
        (lambda: levels.resampled([1, 0], 3), r"NF410 sigmas: a curve needs two levels"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(call, said):
    with pytest.raises(NodeflowError, match=said):
        call()
