"""Laws of configurations: they round-trip byte for byte, change class, and are refused when wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusion.schedulers.classes import CHOOSES_ITS_STEPS, NAMES, NEEDS_A_PICTURE

from nodeflow.diffusion import schedulers
from nodeflow.errors import NodeflowError

SD: dict[str, Any] = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
    "clip_sample": False,
    "a_key_of_the_future": {"kept": [1, 2]},
}


def write(folder: Path, config: dict[str, Any]) -> Path:
    (folder / "scheduler_config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_configuration_comes_back_byte_for_byte(name: str, tmp_path: Path) -> None:
    schedulers.from_config(name, beta_end=0.013, a_key_of_the_future=[1]).save_pretrained(tmp_path / "one")
    schedulers.from_pretrained(tmp_path / "one").save_pretrained(tmp_path / "two")
    one, two = ((tmp_path / part / "scheduler_config.json").read_bytes() for part in ("one", "two"))
    assert one == two
    assert json.loads(one)["_class_name"] == name
    assert one == (json.dumps(json.loads(one), indent=2, sort_keys=True) + "\n").encode()


def test_a_published_file_keeps_its_unknown_keys(tmp_path: Path) -> None:
    scheduler = schedulers.from_pretrained(write(tmp_path, SD))
    assert type(scheduler) is schedulers.PNDMScheduler
    assert scheduler.config.a_key_of_the_future == scheduler.config["a_key_of_the_future"] == {"kept": [1, 2]}
    assert scheduler.config.prediction_type == "epsilon"
    assert len(scheduler) == 1000
    scheduler.save_pretrained(tmp_path / "out")
    saved = json.loads((tmp_path / "out" / "scheduler_config.json").read_text())
    assert saved == {**saved, **SD}


def test_a_named_class_reads_any_file(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "scheduler").mkdir(parents=True)
    write(folder / "scheduler", SD)
    scheduler = schedulers.EulerDiscreteScheduler.from_pretrained(folder, subfolder="scheduler", use_karras_sigmas=True)
    assert type(scheduler) is schedulers.EulerDiscreteScheduler
    assert scheduler.config.use_karras_sigmas
    assert scheduler.config.beta_end == 0.012


SWAPS = sorted({*NAMES} - NEEDS_A_PICTURE - CHOOSES_ITS_STEPS)


@pytest.mark.parametrize(
    ("source", "target"), [(name, SWAPS[i - far]) for far in (1, 4, 9) for i, name in enumerate(SWAPS)]
)
def test_schedulers_swap(source: str, target: str, model: Callable[..., Any]) -> None:
    """Given values go over, defaults do not, and the new scheduler runs."""
    first = schedulers.from_config(source, beta_end=0.012)
    second = schedulers.from_config(target, first.config)
    assert second.config.beta_end == 0.012
    # but that the model is a flow is no default of a class
    kept = {"beta_end", *(["prediction_type"] if source.startswith("FlowMatch") else [])}
    untouched = {key: value for key, value in second.defaults.items() if key not in kept}
    assert {key: second.config[key] for key in untouched} == untouched
    second.set_timesteps(6)
    x = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * second.init_noise_sigma
    for t in second.timesteps:
        x = second.step(model(second.scale_model_input(x, t), t), t, x, generator=torch.Generator()).prev_sample
    assert x.isfinite().all()


@pytest.mark.parametrize("target", ["DPMSolverMultistepScheduler", "UniPCMultistepScheduler"])
def test_a_flow_swaps_to_exponential_integrators_and_back(target: str) -> None:
    """SD3's published configuration says `shift`; these classes call it `flow_shift` and have tables besides."""
    flow = schedulers.from_config("FlowMatchEulerDiscreteScheduler", shift=3.0)
    swapped = schedulers.from_config(target, flow.config)
    assert swapped.config.use_flow_sigmas and swapped.config.flow_shift == 3.0
    assert swapped.config.prediction_type == "flow_prediction"
    assert schedulers.from_config("FlowMatchEulerDiscreteScheduler", swapped.config).config.shift == 3.0
    own = schedulers.from_config(target, use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=5.0)
    assert schedulers.from_config("FlowMatchHeunDiscreteScheduler", own.config).config.shift == 5.0


@pytest.mark.parametrize("name", ["DDIMScheduler", "EulerDiscreteScheduler", "LCMScheduler", "PNDMScheduler"])
def test_a_flow_has_no_table_of_betas(name: str) -> None:
    flow = schedulers.from_config("FlowMatchEulerDiscreteScheduler", shift=3.0)
    with pytest.raises(NodeflowError, match="choose a scheduler of flows") as caught:
        schedulers.from_config(name, flow.config)
    assert caught.value.code == "NF410"


def test_what_one_class_ignores_another_finds_again() -> None:
    euler = schedulers.from_config("EulerDiscreteScheduler", use_karras_sigmas=True)
    back = schedulers.from_config("EulerDiscreteScheduler", schedulers.DDIMScheduler.from_config(euler.config).config)
    assert back.config.use_karras_sigmas


def test_names_of_other_classes_for_the_same_thing() -> None:
    unipc = schedulers.from_config("UniPCMultistepScheduler", solver_type="bh1")
    assert schedulers.DPMSolverMultistepScheduler.from_config(unipc.config).config.solver_type == "midpoint"
    dpm = schedulers.from_config("DPMSolverMultistepScheduler", solver_type="heun", algorithm_type="deis")
    assert dpm.config.algorithm_type == "dpmsolver++"
    assert schedulers.UniPCMultistepScheduler.from_config(dpm.config).config.solver_type == "bh2"


def test_defaults_that_a_peer_filled_in_are_not_taken_over() -> None:
    config = {
        "_class_name": "DDIMScheduler",
        "timestep_spacing": "leading",
        "_use_default_values": ["timestep_spacing"],
    }
    assert schedulers.from_config("EulerDiscreteScheduler", config).config.timestep_spacing == "linspace"


def test_an_unknown_scheduler_is_refused_with_a_hint() -> None:
    for ask in ("EulerDiscretScheduler", {"_class_name": "EulerDiscretScheduler"}):
        with pytest.raises(NodeflowError, match="did you mean EulerDiscreteScheduler") as caught:
            schedulers.from_config(ask)
        assert caught.value.code == "NF409"
        assert "DDIMScheduler" in str(caught.value)
    with pytest.raises(NodeflowError) as caught:
        schedulers.from_config({})
    assert caught.value.code == "NF409"


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("DDIMScheduler", {"prediction_type": "noise"}, "epsilon, sample, v_prediction"),
    ("EulerAncestralDiscreteScheduler", {"prediction_type": "sample"}, "epsilon, v_prediction"),
    ("PNDMScheduler", {"prediction_type": "sample"}, "epsilon, v_prediction"),
    ("DDIMScheduler", {"beta_schedule": "linaer"}, "linear, scaled_linear"),
    ("DDIMScheduler", {"timestep_spacing": "even"}, "linspace, leading, trailing"),
    ("DDIMScheduler", {"clip_sample": "yes"}, "true or false"),
    ("DDIMScheduler", {"beta_end": "high"}, "number"),
    ("DDIMScheduler", {"num_train_timesteps": 1}, "num_train_timesteps"),
    ("EulerDiscreteScheduler", {"use_karras_sigmas": True, "use_beta_sigmas": True}, "exclude"),
    ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver"}, "sigma_min"),
    ("DPMSolverMultistepScheduler", {"solver_order": 4}, "1, 2, 3"),
    (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "sde-dpmsolver", "solver_order": 3, "final_sigmas_type": "sigma_min"},
        "no order 3",
    ),
    ("UniPCMultistepScheduler", {"solver_order": 0}, "from 1"),
    ("UniPCMultistepScheduler", {"shift_terminal": 0.1}, "flows"),
    ("FlowMatchEulerDiscreteScheduler", {"prediction_type": "epsilon"}, "for flows"),
    ("FlowMatchEulerDiscreteScheduler", {"shift": 0.0}, "above 0"),
    ("FlowMatchEulerDiscreteScheduler", {"use_karras_sigmas": True, "use_beta_sigmas": True}, "exclude"),
    ("UniPCMultistepScheduler", {"solver_p": "DDIMScheduler"}, "null"),
    ("DEISMultistepScheduler", {"solver_order": 4}, "1, 2, 3"),
    ("SASolverScheduler", {"tau_func": 3}, "function"),
    ("DPMSolverSDEScheduler", {"noise_sampler_seed": "three"}, "whole number"),
    ("DPMSolverSinglestepScheduler", {"algorithm_type": "dpmsolver"}, "sigma_min"),
    ("DPMSolverMultistepInverseScheduler", {"algorithm_type": "sde-dpmsolver++"}, "one of dpmsolver"),
    ("EDMEulerScheduler", {"beta_schedule": "linear"}, "preconditioned"),
    ("EDMEulerScheduler", {"sigma_min": 90.0}, "sigma_min < sigma_max"),
    ("EDMDPMSolverMultistepScheduler", {"sigma_data": 0.0}, "above 0"),
]


@pytest.mark.parametrize(("name", "config", "advice"), WRONG, ids=str)
def test_a_wrong_option_is_refused(name: str, config: dict[str, Any], advice: str) -> None:
    with pytest.raises(NodeflowError, match=advice) as caught:
        schedulers.from_config(name, **config)
    assert caught.value.code == "NF410"
    assert name in str(caught.value)


def test_files_that_are_no_configuration(tmp_path: Path) -> None:
    for text, code in ((None, "NF401"), ("{", "NF406"), ("[]", "NF406"), ("{}", "NF409")):
        if text is not None:
            (tmp_path / "scheduler_config.json").write_text(text)
        with pytest.raises(NodeflowError) as caught:
            schedulers.from_pretrained(tmp_path)
        assert caught.value.code == code
