"""The noise of schedules as numbers and as a picture."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from nodeflow import NodeflowError, SchedulerConfig
from nodeflow.diffusion.curves import curves, plotted
from nodeflow.diffusion.scheduling import make_schedule

SD = SchedulerConfig({"_class_name": "DDIMScheduler", "beta_schedule": "scaled_linear", "beta_end": 0.012})
NAMES = ["DDIMScheduler", "EulerDiscreteScheduler", "HeunDiscreteScheduler", "DPMSolverMultistepScheduler",
         "FlowMatchEulerDiscreteScheduler"]  # fmt: skip


def laid(name, steps):
    """The schedule of a model that the scheduler is for."""
    return make_schedule(None if name.startswith("FlowMatch") else SD, name, steps)


@pytest.mark.parametrize("name", NAMES)
def test_noise_falls_and_the_three_measures_agree(name):
    found = curves(laid(name, 7))
    assert len(found.sigmas) == 8
    assert all(a > b for a, b in pairwise(found.sigmas)) and all(a < b for a, b in pairwise(found.alpha_bars))
    for k, alpha_bar, log_snr in zip(*found, strict=True):
        assert alpha_bar == pytest.approx(1 / (1 + k * k) if math.isfinite(k) else 0)
        assert log_snr == (pytest.approx(-2 * math.log(k)) if 0 < k < math.inf else math.copysign(math.inf, 1 - k))


def test_schedules_are_drawn_together_and_named():
    schedules = [laid(name, 5) for name in NAMES]
    assert plotted(schedules, width=600, height=240).data.shape == (1, 3, 240, 600)
    assert plotted(schedules[:1], ["one"], dark=True).data.mean() < 0.25
    for names, given in ((["one"], schedules), ([], [])):
        with pytest.raises(NodeflowError, match="NF503"):
            plotted(given, names)
