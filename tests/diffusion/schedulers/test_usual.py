"""Laws of the usual names, and of CFG++, which is one of them for many samplers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from nodeflow.diffusion import schedulers
from nodeflow.diffusion.denoising import wants_negative
from nodeflow.diffusion.guidance import NEGATIVE, POSITIVE, ClassifierFree, Guided
from nodeflow.diffusion.sampling import sample
from nodeflow.diffusion.schedulers import Noise, Solver, usual
from nodeflow.diffusion.scheduling import bound, make_schedule
from nodeflow.errors import NodeflowError
from nodeflow.values import Conditioning, Guidance, Latent, LatentSpace, SchedulerConfig

FLOW = {"shift": 3.0}
SPACES: dict[str, dict[str, Any]] = {"table": {"beta_schedule": "scaled_linear"}, "flow": FLOW}
every_space = pytest.mark.parametrize("space", SPACES)


@every_space
@pytest.mark.parametrize("name", usual.names())
def test_a_usual_name_is_a_class_and_its_options(name: str, space: str) -> None:
    one = usual.USUAL[name]
    chosen = one.flow if space == "flow" else one.table
    if chosen is None:
        with pytest.raises(NodeflowError, match=f"{name} is not for flows"):
            schedulers.from_config(name, SPACES[space])
        return
    scheduler = schedulers.from_config(name, SPACES[space])
    assert type(scheduler) is schedulers.known_class(chosen)
    assert {key: scheduler.config[key] for key in one.options} == one.options
    assert scheduler.solver(scheduler.schedule(4)).cfg_pp == name.endswith("_cfg_pp")


def test_a_misspelt_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(NodeflowError, match=r"did you mean dpmpp_2m_sde\?") as caught:
        schedulers.from_config("dpmp_2m_sde")
    assert caught.value.code == "NF409"


def test_the_options_of_the_caller_win_over_those_of_a_name() -> None:
    assert schedulers.from_config("res_multistep_ancestral", eta=0.3).config.eta == 0.3


def test_a_schedule_with_a_usual_name_travels_as_its_class() -> None:
    made = make_schedule(SchedulerConfig(SPACES["table"]), "dpmpp_2m_sde_heun", 5, "karras", options={"eta": 0.5})
    assert made.config["_class_name"] == "DPMPP2MSDEScheduler"
    assert (made.config["solver_type"], made.config["eta"]) == ("heun", 0.5)
    assert bound(made).schedule.sigmas.tolist() == list(made.sigmas)


def solver_of(name: str, space: str, n: int = 6) -> Solver:
    scheduler = schedulers.from_config(name, SPACES[space])
    return scheduler.solver(scheduler.schedule(n))


def walked(solver: Solver, guided: Any, unconditional: Any) -> Tensor:
    noise = Noise.seeded(2)
    state = solver.start(noise.draw((1, 3, 4, 4)).double() * solver.schedule.init_noise_sigma)
    while not solver.done(state):
        x, t = solver.scale(state), solver.timestep(state)
        state = solver.step(state, guided(x, t), noise, unconditional(x, t))
    return state.x


@every_space
@pytest.mark.parametrize("name", usual.CFG_PP)
def test_where_nothing_is_guided_cfg_pp_changes_nothing(name: str, space: str, model: Any) -> None:
    if space == "flow" and usual.USUAL[name].flow is None:
        pytest.skip("not for flows")
    plain, plus = (solver_of(one, space) for one in (name, f"{name}_cfg_pp"))
    assert torch.allclose(walked(plus, model, model), walked(plain, model, model), rtol=1e-6, atol=1e-8)


@every_space
def test_euler_with_cfg_pp_noises_the_guided_sample_with_the_unconditional_noise(space: str, model: Any) -> None:
    """Equation 12 of the paper, at every step."""
    solver = solver_of("euler_cfg_pp", space)
    state = solver.start(torch.randn(1, 3, 4, 4, dtype=torch.float64) * solver.schedule.init_noise_sigma)
    while not solver.done(state):
        level, target = solver.level(state), solver.here(state).target
        guided, other = (model(factor * state.x, 0) for factor in (1.0, 0.6))
        x0, eps = solver.prediction.x0(state.x, guided, level), solver.prediction.eps(state.x, other, level)
        state = solver.step(state, guided, None, other)
        assert torch.allclose(state.x, target.alpha * x0 + target.sigma * eps)


@pytest.mark.parametrize("kind", ["epsilon", "sample", "v_prediction", "flow_prediction", "inverted_flow"])
def test_an_output_is_what_x0_and_eps_are_read_from(kind: str) -> None:
    level, read = schedulers.Level(0.6, 0.7), schedulers.Prediction(kind)
    x0, eps = torch.randn(2, 1, 3, 4, 4, dtype=torch.float64)
    x = level.alpha * x0 + level.sigma * eps
    assert torch.allclose(read.x0(x, read.output(x0, eps, level), level), x0)
    assert torch.allclose(read.eps(x, read.output(x0, eps, level), level), eps)


def prompts() -> dict[str, Conditioning]:
    return {name: Conditioning(torch.full((1, 1, 1), value)) for name, value in ((POSITIVE, 1.0), (NEGATIVE, 0.5))}


def predict(x: Tensor, t: Tensor, conditioning: Conditioning | None, hand: Any = None, /) -> Tensor:
    assert conditioning is not None
    return torch.tanh(x * conditioning.states.view(-1, 1, 1, 1))


@pytest.mark.parametrize("name", ["euler_cfg_pp", "dpmpp_2s_ancestral_cfg_pp"])
def test_the_loop_asks_for_both_predictions(name: str) -> None:
    """Also at scale 1, where guidance alone would ask for one."""
    latent = Latent(torch.zeros(1, 3, 4, 4), LatentSpace("toy", 3, 8))
    guided = Guided(predict, prompts(), ClassifierFree(1.0))
    plus = sample(guided, latent, solver_of(name, "table"), Noise.seeded(1)).latent.data
    plain = sample(guided, latent, solver_of(name.removesuffix("_cfg_pp"), "table"), Noise.seeded(1)).latent.data
    assert plus.isfinite().all()
    assert not torch.allclose(plus, plain)
    with pytest.raises(NodeflowError, match="CFG") as caught:
        sample(lambda x, t: x, latent, solver_of(name, "table"), Noise.seeded(1))
    assert caught.value.code == "NF410"


def test_cfg_pp_needs_the_negative_prompt_at_every_scale() -> None:
    one = Guidance().then("classifier-free", scale=1.0)
    for name, needed in (("euler", False), ("euler_cfg_pp", True)):
        assert wants_negative(one, make_schedule(SchedulerConfig(SPACES["table"]), name, 4)) is needed


def test_both_faces_step_alike_with_cfg_pp(model: Any) -> None:
    scheduler = schedulers.from_config("euler_cfg_pp", SPACES["table"])
    scheduler.set_timesteps(6)
    noise = Noise.seeded(2)
    x = noise.draw((1, 3, 4, 4)).double() * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        seen = scheduler.scale_model_input(x, t)
        x = scheduler.step(model(seen, t), t, x, unconditional=model(0.6 * seen, t)).prev_sample
    assert torch.equal(x, walked(solver_of("euler_cfg_pp", "table"), model, lambda x, t: model(0.6 * x, t)))
