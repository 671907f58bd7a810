"""Laws of the noise levels of a run, and of what a caller may ask."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from diffusion.schedulers import classes
from diffusion.schedulers.classes import NAMES, NOT_DOWN, OWN_LEVELS
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.diffusion import schedulers
from nodeflow.diffusion.schedulers.flows import FlowScheduler
from nodeflow.diffusion.schedulers.spacing import spaced
from nodeflow.diffusion.schedulers.warps import WARPS, beta_quantile, shifted, stretched
from nodeflow.errors import NodeflowError

SPACINGS = ("linspace", "leading", "trailing")
TAKES_SIGMAS = sorted({*NAMES} - OWN_LEVELS)


@given(
    name=st.sampled_from(sorted({*NAMES} - NOT_DOWN)),
    spacing=st.sampled_from(SPACINGS),
    table=st.sampled_from(["linear", "scaled_linear", "squaredcos_cap_v2"]),
    warp=st.sampled_from([None, *WARPS]),
    n=st.integers(2, 50),
)
def test_the_signal_rises_along_a_schedule(name: str, spacing: str, table: str, warp: str | None, n: int) -> None:
    config = {"timestep_spacing": spacing, "beta_schedule": table, **({warp: True} if warp else {})}
    scheduler = schedulers.from_config(name, **classes.config(name, **config))
    schedule = scheduler.schedule(n)
    levels = [schedule.level(i) for i in range(len(schedule) + 1)]
    steps = [levels[i] for i in (*schedule.begins, len(schedule))]
    assert all(after.k <= before.k for before, after in itertools.pairwise(steps))
    assert schedule.steps == n
    assert len(schedule.timesteps) == len(schedule) == len(schedule.sigmas) - 1
    assert np.allclose(schedule.sigmas, [scheduler.shown(level) for level in levels], rtol=1e-5)


def test_the_three_spacings() -> None:
    assert spaced("linspace", 4, 1000, 1000).round().tolist() == [999, 666, 333, 0]
    assert spaced("leading", 4, 1000, 1000).tolist() == [750, 500, 250, 0]
    assert spaced("leading", 4, 1000, 1000, offset=1).tolist() == [751, 501, 251, 1]
    assert spaced("trailing", 4, 1000, 1000).tolist() == [999, 749, 499, 249]
    assert spaced("linspace", 3, 1000, 1000, beyond=1).round().tolist() == [999, 666, 333]


@given(n=st.integers(1, 1000))
def test_trailing_never_leaves_the_table(n: int) -> None:
    t = spaced("trailing", n, 1000, 1000)
    assert len(t) == n
    assert t[0] == 999
    assert t[-1] >= 0


@pytest.mark.parametrize("warp", WARPS.values())
@given(n=st.integers(2, 50))
def test_a_warp_falls_from_end_to_end(warp: Any, n: int) -> None:
    k = warp(14.6, 0.03, n)
    assert k[0] == pytest.approx(14.6)
    assert k[-1] == pytest.approx(0.03)
    assert (np.diff(k) < 0).all()


def test_beta_quantiles_invert_the_distribution() -> None:
    """Against the plain integral of x^(a-1) (1-x)^(a-1), and its mirror symmetry."""
    a, p = 0.6, np.linspace(0, 1, 21)
    x = beta_quantile(p, a)
    assert np.allclose(x + x[::-1], 1)
    # with u = x^a the integrand is smooth at 0
    u = np.linspace(0, x[5] ** a, 200001)
    mass = np.trapezoid((1 - u ** (1 / a)) ** (a - 1), u) / a / (math.gamma(a) ** 2 / math.gamma(2 * a))
    assert mass == pytest.approx(p[5], abs=1e-9)


def test_a_shift_moves_and_a_terminal_stretches() -> None:
    k = np.linspace(1, 0.1, 10)
    assert np.allclose(shifted(k, 1.0), k)
    assert (shifted(k, 3.0)[1:] > k[1:]).all()
    assert stretched(k, 0.02)[0] == 1
    assert stretched(k, 0.02)[-1] == pytest.approx(0.02)


@pytest.mark.parametrize("name", NAMES)
def test_timestep_and_noise_level_invert_each_other(name: str) -> None:
    made = schedulers.from_config(name)
    for t in (0, 0.001, 0.25, 0.999, 1):
        assert made.space.t(made.space.k(t * made.top)) == pytest.approx(t * made.top, abs=1e-2 * min(made.top, 1))


@pytest.mark.parametrize("name", TAKES_SIGMAS)
def test_a_list_of_sigmas_is_kept(name: str) -> None:
    sigmas = [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0]
    if issubclass(schedulers.known_class(name), FlowScheduler):
        sigmas = [1.0, *(k / (1 + k) for k in sigmas[1:])]
    if name == "SCMScheduler":
        sigmas = [math.atan(k) for k in sigmas]
    made = schedulers.from_config(name, **classes.config(name, beta_schedule="scaled_linear"))
    schedule = made.schedule(sigmas=sigmas)
    seen = sorted({float(schedule.sigmas[i]) for i in (*schedule.begins, len(schedule))}, reverse=True)
    assert np.allclose(seen, sigmas)
    assert schedule.steps == 10


def test_a_flow_may_leave_out_or_give_the_clean_end() -> None:
    flow = schedulers.from_config("UniPCMultistepScheduler", use_flow_sigmas=True, prediction_type="flow_prediction")
    without, given_end = flow.schedule(sigmas=[0.9, 0.5, 0.2]), flow.schedule(sigmas=[0.9, 0.5, 0.2, 0.0])
    assert without.sigmas.tolist() == given_end.sigmas.tolist()
    assert without.timesteps.tolist() == given_end.timesteps.tolist() == [900, 500, 200]


WRONG: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("EulerDiscreteScheduler", {}, {}),
    ("EulerDiscreteScheduler", {}, {"num_inference_steps": 3, "timesteps": [9, 8, 7]}),
    ("EulerDiscreteScheduler", {}, {"num_inference_steps": 0}),
    ("EulerDiscreteScheduler", {}, {"num_inference_steps": "ten"}),
    ("EulerDiscreteScheduler", {}, {"sigmas": [3.0, 5.0, 0.0]}),
    ("EulerDiscreteScheduler", {}, {"sigmas": [3.0, 3.0, 0.0]}),
    ("EulerDiscreteScheduler", {}, {"sigmas": [3.0, -1.0]}),
    ("EulerDiscreteScheduler", {}, {"sigmas": []}),
    ("EulerDiscreteScheduler", {}, {"sigmas": [3.0]}),
    ("EulerDiscreteScheduler", {}, {"sigmas": [3.0, float("nan"), 0.0]}),
    ("EulerDiscreteScheduler", {}, {"sigmas": "karras"}),
    ("EulerDiscreteScheduler", {}, {"timesteps": [1000, 500]}),
    ("EulerDiscreteScheduler", {"use_karras_sigmas": True}, {"timesteps": [900, 500]}),
    ("EulerDiscreteScheduler", {"timestep_spacing": "leading"}, {"num_inference_steps": 1001}),
    ("DDIMScheduler", {}, {"num_inference_steps": 1001}),
    ("DDIMScheduler", {"steps_offset": 1}, {"num_inference_steps": 1000}),
    ("PNDMScheduler", {}, {"num_inference_steps": 3}),
    ("PNDMScheduler", {}, {"timesteps": [900, 500]}),
    ("DPMSolverMultistepScheduler", {}, {"num_inference_steps": 8, "mu": 1.0}),
    ("UniPCMultistepScheduler", {"use_dynamic_shifting": True, "use_flow_sigmas": True}, {"num_inference_steps": 8}),
    ("FlowMatchEulerDiscreteScheduler", {"use_dynamic_shifting": True}, {"num_inference_steps": 8}),
    ("FlowMatchEulerDiscreteScheduler", {}, {"num_inference_steps": 8, "mu": 1.0}),
    ("FlowMatchEulerDiscreteScheduler", {}, {"sigmas": [1.2, 0.5]}),
    ("FlowMatchEulerDiscreteScheduler", {}, {"timesteps": [1001.0, 500.0]}),
    ("FlowMatchHeunDiscreteScheduler", {}, {"timesteps": [1000.0, 500.0]}),
]


@pytest.mark.parametrize(("name", "config", "request_"), WRONG, ids=str)
def test_a_request_that_cannot_be_met_is_refused(name: str, config: dict[str, Any], request_: dict[str, Any]) -> None:
    with pytest.raises(NodeflowError) as caught:
        schedulers.from_config(name, **config).set_timesteps(**request_)
    assert caught.value.code == "NF410"
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_pure_noise_and_epsilon_exclude_each_other() -> None:
    config = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing", "clip_sample": False}
    scheduler = schedulers.from_config("DDIMScheduler", **config)
    with pytest.raises(schedulers.ScheduleError, match="pure noise"):
        scheduler.solver(scheduler.schedule(10))
    scheduler = schedulers.from_config("DDIMScheduler", **config, prediction_type="v_prediction")
    assert scheduler.solver(scheduler.schedule(10)).schedule.level(0).alpha == 0
