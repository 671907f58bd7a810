"""Laws of the named schedules: they fall from the model's noise to the clean end, for every scheduler."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from diffusion.schedulers.classes import NAMES, OWN_LEVELS, has
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.diffusion import schedulers
from nodeflow.diffusion.schedulers import AysSchedules, schedules
from nodeflow.diffusion.scheduling import bound, make_schedule
from nodeflow.errors import NodeflowError
from nodeflow.values import SchedulerConfig

SD: dict[str, Any] = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
FLOW: dict[str, Any] = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0}
EULER, UNIPC = "EulerDiscreteScheduler", "UniPCMultistepScheduler"
MATCH = "FlowMatchEulerDiscreteScheduler"
TABLED = [name for name in NAMES if has(name, "beta_start") and not has(name, "snr_shift_scale")]
NAMED = schedules.names()
VIDEO = "ays_svd"
OF_A_TABLE = [name for name in NAMED if name != VIDEO]
OF_A_FLOW = [name for name in NAMED if not name.startswith("ays") and name != "laplace"]


def levels(name: str, n: int, scheduler: str = EULER, **config: Any) -> np.ndarray:
    schedule = schedulers.from_config(scheduler, **{**SD, **config}).schedule(n, levels=name)
    return schedule.sigmas.numpy()[[*schedule.begins, len(schedule)]]


@pytest.mark.parametrize("name", OF_A_TABLE)
@given(n=st.integers(1, 100))
def test_levels_fall_from_the_noise_of_the_model_to_the_clean_end(name: str, n: int) -> None:
    ks = schedulers.from_config(EULER, **SD).trained_levels()
    k = schedules.sigmas(name, ks, max(n, 2) if name == "gits" else n)
    assert (np.diff(k) < 0).all()
    assert k[-1] == 0
    assert k[0] <= ks[-1] + 1e-3
    assert len(k) == n + 1 or name == "gits"


@pytest.mark.parametrize("scheduler", sorted({*TABLED} - OWN_LEVELS))
@pytest.mark.parametrize("name", OF_A_TABLE)
def test_every_scheduler_walks_every_schedule(name: str, scheduler: str) -> None:
    assert np.allclose(sorted(set(levels(name, 9, scheduler))), sorted(levels(name, 9)), rtol=1e-6)


@pytest.mark.parametrize("name", OF_A_FLOW)
@pytest.mark.parametrize(("scheduler", "config"), [(UNIPC, FLOW), (MATCH, {"shift": 3.0, "shift_terminal": 0.1})])
def test_a_flow_walks_a_schedule_between_its_own_shifted_ends(
    name: str, scheduler: str, config: dict[str, Any]
) -> None:
    k = levels(name, 12, scheduler, **config)
    assert (np.diff(k) < 0).all()
    assert k[0] <= 1
    assert k[-1] == 0


@pytest.mark.parametrize("name", ["simple", "normal", "sgm_uniform", "ddim_uniform", "beta_timesteps"])
def test_schedules_over_time_commute_with_the_shift_of_a_flow(name: str) -> None:
    plain = levels(name, 10, UNIPC, **{**FLOW, "flow_shift": 1.0}).astype(float)
    assert np.allclose(levels(name, 10, UNIPC, **FLOW), 3 * plain / (1 + 2 * plain), atol=2e-4)


def test_schedules_that_are_spacings() -> None:
    """Published spacings of the Euler class, by other names."""

    def spaced(n: int, spacing: str, **options: Any) -> np.ndarray:
        made = schedulers.from_config(EULER, **SD, timestep_spacing=spacing, **options)
        return made.schedule(n).sigmas.numpy()

    assert np.allclose(levels("normal", 13), spaced(13, "linspace"))
    assert np.allclose(levels("simple", 20), spaced(20, "trailing"))
    assert np.allclose(levels("ddim_uniform", 13), spaced(13, "leading", steps_offset=1))
    for warp in ("karras", "exponential", "beta"):
        assert np.allclose(levels(warp, 13), spaced(13, "linspace", **{f"use_{warp}_sigmas": True}))


def test_the_published_tables_are_exact() -> None:
    for name, table in (("ays_sd", "StableDiffusionSigmas"), ("ays_sdxl", "StableDiffusionXLSigmas")):
        assert levels(name, 10).tolist() == pytest.approx(AysSchedules[table])
    video = {"timestep_type": "continuous", "prediction_type": "v_prediction", "sigma_min": 0.002, "sigma_max": 700.0}
    assert levels(VIDEO, 10, **video).tolist() == pytest.approx(AysSchedules["StableDiffusionVideoSigmas"])
    published = [14.61464119, 5.85520077, 2.84484982, 1.67050016, 1.08895338, 0.74807048, 0.50118381, 0.32104823]
    assert levels("gits", 10).tolist() == pytest.approx([*published, 0.19894916, 0.09824532, 0], rel=2e-5)


def test_a_table_is_walked_log_linearly() -> None:
    """Twice as many steps keep every level and put the geometric mean between two."""
    ten, twenty = levels("ays_sdxl", 10), levels("ays_sdxl", 20)
    assert np.allclose(twenty[:-1:2], ten[:-1])
    assert np.allclose(twenty[1:-2:2], np.sqrt(ten[:-2] * ten[1:-1]))


def test_the_first_half_of_linear_quadratic_removes_the_threshold() -> None:
    k = levels("linear_quadratic", 20)
    assert k[10] / k[0] == pytest.approx(1 - 0.025)
    steps = -np.diff(k)
    assert np.allclose(steps[:10], steps[0], rtol=1e-4)
    assert np.allclose(np.diff(steps[10:]), np.diff(steps[10:])[0], rtol=1e-3)


def test_kl_optimal_is_even_in_the_arctangent() -> None:
    assert np.allclose(np.diff(np.arctan(levels("kl_optimal", 9)[:-1]), 2), 0, atol=1e-6)


def test_laplace_levels_are_quantiles() -> None:
    inner = levels("laplace", 41)[1:-2].astype(float)
    mass = np.where(inner < 1, inner**2 / 2, 1 - 0.5 / inner**2)
    assert np.allclose(np.diff(mass), -1 / 40, atol=1e-4)


def test_parameters_of_a_schedule() -> None:
    ks = schedulers.from_config(EULER, **SD).trained_levels()
    assert np.allclose(schedules.sigmas("polyexponential", ks, 8), schedules.sigmas("exponential", ks, 8))
    assert schedules.sigmas("karras", ks, 8, rho=3.0)[4] > schedules.sigmas("karras", ks, 8)[4]
    quantiles = np.log(schedules.sigmas("laplace", ks, 9, mu=0.5)[4])
    assert quantiles == pytest.approx(0.5, abs=1e-4)
    assert schedules.sigmas("linear_quadratic", ks, 8, threshold=0.1)[4] == pytest.approx(0.9 * ks[-1])


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"num_inference_steps": 8, "levels": "kl_optimum"}, "did you mean kl_optimal"),
    ({"num_inference_steps": 1, "levels": "gits"}, "at least 2"),
    ({"num_inference_steps": 1001, "levels": "simple"}, "1001 different levels"),
    ({"num_inference_steps": 900, "levels": "laplace"}, "900 different levels"),
    ({"num_inference_steps": 8, "levels": VIDEO}, "begins at noise 700"),
    ({"sigmas": [3.0, 1.0, 0.0], "levels": "simple"}, "num_inference_steps alone"),
    ({"levels": "simple"}, "exactly one"),
]


@pytest.mark.parametrize(("asked", "advice"), WRONG, ids=str)
def test_what_a_schedule_cannot_lay_is_refused(asked: dict[str, Any], advice: str) -> None:
    with pytest.raises(NodeflowError, match=advice) as caught:
        schedulers.from_config(EULER, **SD).set_timesteps(**asked)
    assert caught.value.code == "NF410"


def test_parameters_and_models_that_do_not_fit_are_refused() -> None:
    ks = schedulers.from_config(EULER, **SD).trained_levels()
    with pytest.raises(NodeflowError, match="unknown parameter shape; it knows rho"):
        schedules.sigmas("karras", ks, 8, shape=1.0)
    with pytest.raises(NodeflowError, match="too few"):
        schedules.sigmas("karras", ks, 0)
    with pytest.raises(NodeflowError, match="rescale_betas_zero_snr"):
        levels("simple", 8, "DDIMScheduler", rescale_betas_zero_snr=True)
    with pytest.raises(NodeflowError, match="equal strides"):
        levels("simple", 8, "PNDMScheduler")


@pytest.mark.parametrize("sigmas", ["", "karras", "sgm_uniform", "3, 2, 1, 0"])
@pytest.mark.parametrize("scheduler", [EULER, "EulerAncestralDiscreteScheduler"])
def test_a_schedule_travels_as_data(scheduler: str, sigmas: str) -> None:
    """Also a warp for which the class has no option of its own."""
    made = make_schedule(SchedulerConfig(SD), scheduler, 6, sigmas)
    assert bound(made).schedule.sigmas.tolist() == list(made.sigmas)
    assert len(made.sigmas) == (4 if sigmas.startswith("3") else 7)


def test_a_text_that_is_no_schedule_is_refused_with_the_names() -> None:
    with pytest.raises(NodeflowError, match="sgm_uniform"):
        make_schedule(SchedulerConfig(SD), EULER, 6, "unknown")
