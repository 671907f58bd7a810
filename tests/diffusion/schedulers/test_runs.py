"""Laws of runs: the two faces agree, a saved run goes on bit for bit, a sample does not depend on its batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusion.schedulers import classes
from diffusion.schedulers.classes import AVERAGES_THE_BATCH, CHOOSES_ITS_STEPS, NAMES, NEEDS_A_PICTURE
from safetensors.torch import load, save
from torch import Tensor

from nodeflow.diffusion import schedulers
from nodeflow.diffusion.sampling import begin_at, sample
from nodeflow.diffusion.schedulers import Noise, Solver, State
from nodeflow.errors import NodeflowError
from nodeflow.values import Latent, LatentSpace

Model = Callable[[Tensor, Any], Tensor]
KINDS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    *[(name, {}, {}) for name in NAMES if name not in NEEDS_A_PICTURE],
    ("RePaintScheduler", {"eta": 0.5}, {"original_image": torch.ones(1, 3, 4, 4), "mask": torch.eye(4)}),
    ("TCDScheduler", {}, {"eta": 0.8}),
    ("FlowMatchEulerDiscreteScheduler", {"stochastic_sampling": True}, {}),
    ("FlowMatchHeunDiscreteScheduler", {}, {"s_churn": 5.0}),
    ("PNDMScheduler", {"skip_prk_steps": False}, {}),
    ("DDIMScheduler", {}, {"eta": 0.8}),
    ("EulerDiscreteScheduler", {}, {"s_churn": 5.0}),
    ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++", "solver_order": 3}, {}),
    ("UniPCMultistepScheduler", {"solver_order": 3}, {}),
]
every_kind = pytest.mark.parametrize(("name", "config", "options"), KINDS, ids=str)


def bound(name: str, config: dict[str, Any], options: dict[str, Any], n: int = 7) -> Solver:
    scheduler = schedulers.from_config(name, **{**classes.config(name, beta_schedule="scaled_linear"), **config})
    return scheduler.solver(scheduler.schedule(n), **options)


def begun(solver: Solver, noise: Noise, batch: int = 2) -> State:
    return solver.start(noise.draw((batch, 3, 4, 4)) * solver.schedule.init_noise_sigma)


def walked(solver: Solver, state: State, model: Model, noise: Noise, until: int | None = None) -> State:
    while not solver.done(state) and state.index != until:
        state = solver.step(state, model(solver.scale(state), solver.timestep(state)), noise)
    return state


@every_kind
def test_a_run_saved_at_any_call_ends_bit_equal(
    name: str, config: dict[str, Any], options: dict[str, Any], model: Model
) -> None:
    solver, noise = bound(name, config, options), Noise.seeded(3)
    whole = walked(solver, begun(solver, noise), model, noise)
    for stop in range(len(solver.schedule)):
        noise = Noise.seeded(3)
        tensors, numbers = walked(solver, begun(solver, noise), model, noise, stop).pack()
        file = save({**tensors, "noise": noise.state()})

        loaded, later = load(file), Noise.seeded(99)
        later.restore(loaded.pop("noise"))
        again = walked(bound(name, config, options), State.unpack(loaded, numbers), model, later)
        assert torch.equal(again.x, whole.x), f"parted after call {stop}"


@every_kind
def test_both_faces_walk_the_same_way(name: str, config: dict[str, Any], options: dict[str, Any], model: Model) -> None:
    if name in CHOOSES_ITS_STEPS:
        pytest.skip("one face only")
    solver, noise = bound(name, config, options), Noise.seeded(3)
    pure = walked(solver, begun(solver, noise), model, noise)

    generator = torch.Generator().manual_seed(3)
    scheduler = schedulers.from_config(name, **{**classes.config(name, beta_schedule="scaled_linear"), **config})
    scheduler.set_timesteps(7)
    x = torch.randn(2, 3, 4, 4, generator=generator) * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        output = model(scheduler.scale_model_input(x, t), t)
        step = scheduler.step(output, t, x, generator=generator, **options)
        x = step.prev_sample
    assert torch.equal(x, pure.x)
    assert torch.equal(step.pred_original_sample, pure.estimate)


@every_kind
def test_a_sample_does_not_depend_on_its_batch(
    name: str, config: dict[str, Any], options: dict[str, Any], model: Model
) -> None:
    if name in AVERAGES_THE_BATCH:
        pytest.skip("as published, it does")
    solver, noise = bound(name, config, options), Noise.seeded([5, 6, 7])
    together = walked(solver, begun(solver, noise, 3), model, noise).x
    for i, seed in enumerate((5, 6, 7)):
        alone = Noise.seeded([seed])
        assert torch.equal(walked(solver, begun(solver, alone, 1), model, alone).x[0], together[i])


@every_kind
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_the_number_format_is_kept(
    name: str, config: dict[str, Any], options: dict[str, Any], dtype: torch.dtype, model: Model
) -> None:
    solver, noise = bound(name, config, options), Noise.seeded(3)
    state = begun(solver, noise)
    state = walked(solver, solver.start(state.x.to(dtype)), model, noise)
    full = walked(solver, begun(solver, noise := Noise.seeded(3)), model, noise)
    assert state.x.dtype == dtype
    near = torch.allclose(state.x.float(), full.x, atol=0.03 * float(full.x.abs().max()), rtol=0.1)
    assert near or name in AVERAGES_THE_BATCH


@every_kind
def test_a_step_changes_no_tensor_it_was_given(
    name: str, config: dict[str, Any], options: dict[str, Any], model: Model
) -> None:
    solver, noise = bound(name, config, options), Noise.seeded(3)
    state = begun(solver, noise)
    while not solver.done(state):
        output = model(solver.scale(state), solver.timestep(state))
        before = {key: tensor.clone() for key, tensor in state.pack()[0].items()}
        kept, after = output.clone(), solver.step(state, output, noise)
        assert torch.equal(output, kept)
        assert all(torch.equal(before[key], tensor) for key, tensor in state.pack()[0].items())
        state = after


@pytest.mark.parametrize("name", sorted({*NAMES} - NEEDS_A_PICTURE - CHOOSES_ITS_STEPS))
def test_an_image_to_image_run_begins_in_the_middle(name: str, model: Model) -> None:
    """Both ways of saying where: set_begin_index, or only the timestep."""
    results = []
    for told in (True, False):
        scheduler = schedulers.from_config(name, **classes.config(name))
        scheduler.set_timesteps(8)
        begin = 3 * scheduler.order
        if told:
            scheduler.set_begin_index(begin)
        timesteps = scheduler.timesteps[begin:]
        generator = torch.Generator().manual_seed(0)
        x0, noise = torch.randn(2, 1, 3, 4, 4, generator=generator)
        x = scheduler.add_noise(x0, noise, timesteps[:1])
        assert torch.allclose(x, scheduler.current.noised(x0, noise, begin))
        for t in timesteps:
            x = scheduler.step(model(scheduler.scale_model_input(x, t), t), t, x, generator=generator).prev_sample
        results.append(x)
    assert torch.equal(*results)
    assert results[0].isfinite().all()


@pytest.mark.parametrize("name", ["FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler"])
def test_a_flow_from_a_picture_at_full_strength_is_a_flow_from_noise(name: str, model: Model) -> None:
    """The loop of the product: strength 1 begins at pure noise, whatever the picture; a half keeps half the steps."""
    solver = bound(name, {"shift": 3.0}, {})
    picture = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    runs = []
    for data, strength in ((torch.zeros_like(picture), 1.0), (picture, 1.0), (picture, 0.5)):
        begin = begin_at(solver.schedule, strength)
        assert begin == (0 if strength == 1 else 4 * solver.schedule.order)
        latent = Latent(data, LatentSpace("toy", 3, 1))
        runs.append(sample(model, latent, solver, Noise.seeded(3), begin=begin).latent.data)
    assert torch.equal(runs[0], runs[1])
    assert not torch.allclose(runs[1], runs[2])


def test_a_run_begins_only_where_a_step_begins() -> None:
    solver = bound("HeunDiscreteScheduler", {}, {})
    with pytest.raises(NodeflowError, match="no step begins at call 1") as caught:
        solver.start(torch.zeros(1, 3, 4, 4), 1)
    assert caught.value.code == "NF410"


def test_misuse_is_refused(model: Model) -> None:
    x = torch.zeros(1, 3, 4, 4)
    solver = bound("EulerAncestralDiscreteScheduler", {}, {})
    with pytest.raises(NodeflowError, match="draws noise"):
        solver.step(solver.start(x), x)
    with pytest.raises(NodeflowError, match="has ended"):
        solver.step(State(x, len(solver.schedule)), x)
    with pytest.raises(NodeflowError, match=r"unknown option eta; it knows cfg_pp, s_churn"):
        schedulers.from_config("EulerDiscreteScheduler").step(x, 999.0, x, eta=1.0)
    with pytest.raises(NodeflowError, match=r"timestep 12\.5 is not in the schedule"):
        schedulers.from_config("DDIMScheduler").step(x, 12.5, x)
    with pytest.raises(NodeflowError, match=r"must be \[1, 6, 4, 4\]") as caught:
        schedulers.from_config("DDPMScheduler", variance_type="learned_range").step(x, 999, x)
    assert caught.value.code == "NF414"
    with pytest.raises(NodeflowError, match=r"is \[1, 6, 4, 4\] for x \[1, 3, 4, 4\]"):
        schedulers.from_config("DPMSolverMultistepScheduler").step(x.repeat(1, 2, 1, 1), 999, x)


def test_the_noise_itself_may_be_given() -> None:
    x, noise = torch.randn(2, 1, 3, 4, 4)
    for name, options in (("DDIMScheduler", {"eta": 1.0}), ("EulerAncestralDiscreteScheduler", {})):
        one, two = schedulers.from_config(name), schedulers.from_config(name)
        t = one.timesteps[400]
        drawn = one.step(x, t, x, generator=torch.Generator().manual_seed(1), **options).prev_sample
        same = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
        assert torch.equal(drawn, two.step(x, t, x, variance_noise=same, **options).prev_sample)
        assert not torch.equal(drawn, two.step(x, t, x, variance_noise=noise, **options, return_dict=False)[0])


def test_noise_is_drawn_on_the_cpu_in_float32() -> None:
    plain = torch.randn(2, 3, generator=torch.Generator().manual_seed(4))
    assert torch.equal(Noise.seeded(4).draw((2, 3)), plain)
    half = torch.zeros(2, 3, dtype=torch.float16)
    assert torch.equal(Noise.seeded(4)(half), plain.half())


def test_generators_must_match_the_batch_and_the_saved_state() -> None:
    with pytest.raises(NodeflowError, match="2 generators meet a batch of 3"):
        Noise.seeded([1, 2]).draw((3, 4))
    with pytest.raises(NodeflowError, match="holds 1 generators"):
        Noise.seeded([1, 2]).restore(Noise.seeded(1).state())
