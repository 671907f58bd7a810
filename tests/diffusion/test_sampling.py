"""Laws of the sampling loop, with a denoiser that knows the answer."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nodeflow.diffusion import schedulers
from nodeflow.diffusion.latents import empty
from nodeflow.diffusion.sampling import Standing, begin_at, sample, seeds
from nodeflow.diffusion.schedulers import Noise
from nodeflow.errors import Cancelled, NodeflowError
from nodeflow.values import Latent, LatentSpace

SPACE = LatentSpace("toy", 4, 8, 0.18215)
NAMES = [
    "DDPMScheduler",
    "DDIMScheduler",
    "PNDMScheduler",
    "LMSDiscreteScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "HeunDiscreteScheduler",
    "DPMSolverMultistepScheduler",
    "UniPCMultistepScheduler",
]
each_scheduler = pytest.mark.parametrize("name", NAMES)


def solver(name: str = "EulerDiscreteScheduler", steps: int = 8) -> schedulers.Solver:
    options = {"clip_sample": False, "skip_prk_steps": True, "set_alpha_to_one": False}
    scheduler = schedulers.from_config(name, options, prediction_type="epsilon")
    return scheduler.solver(scheduler.schedule(steps))


def toy(x: Tensor, t: Tensor) -> Tensor:
    """Some prediction that depends on all it is given."""
    return 0.5 * x[:, :4] + 0.1 * torch.sin(x[:, :4] + t / 1000) + 0.01 * x[:, 4:].sum(1, keepdim=True)


def canvas(batch: int = 1) -> Latent:
    return empty(SPACE, 40, 48, batch)


def original(batch: int = 1) -> Latent:
    return Latent(torch.randn(batch, 4, 6, 5, generator=torch.Generator().manual_seed(9)), SPACE)


def half_masked() -> Latent:
    mask = torch.zeros(1, 1, 6, 5)
    mask[..., :2] = 1
    return Latent(original().data, SPACE, mask, masked=original().data * (1 - mask))


@each_scheduler
def test_the_same_seed_gives_the_same_run(name):
    one, same, other = (sample(toy, canvas(), solver(name), Noise.seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(one.latent.data, same.latent.data)
    assert not torch.equal(one.latent.data, other.latent.data)
    assert one.latent.data.dtype == torch.float32 and one.latent.space == SPACE


@each_scheduler
def test_a_sample_of_a_batch_equals_the_single_run_with_its_seed(name):
    batch = sample(toy, canvas(3), solver(name), Noise.seeded(seeds(7, 3))).latent.data
    for i in range(3):
        alone = sample(toy, canvas(), solver(name), Noise.seeded(7 + i)).latent.data
        assert torch.allclose(batch[i], alone[0], atol=1e-5)


@each_scheduler
def test_a_run_resumes_bit_for_bit_from_any_step(name):
    start, stood, noise = half_masked(), [], Noise.seeded(3)

    def keep(done: int, total: int, state: schedulers.State) -> None:
        tensors, numbers = state.pack()
        stood.append(Standing(schedulers.State.unpack(tensors, numbers), noise.state()))

    whole = sample(toy, start, solver(name), noise, on_step=keep)
    for standing in stood:
        resumed = sample(toy, start, solver(name), Noise.seeded(3), resume=standing)
        assert torch.equal(resumed.latent.data, whole.latent.data)


@pytest.mark.parametrize("name", ["DDIMScheduler", "EulerDiscreteScheduler"])
def test_two_runs_that_meet_are_one(name):
    whole = sample(toy, canvas(), solver(name), Noise.seeded(3)).latent
    first = sample(toy, canvas(), solver(name), Noise.seeded(3), end=5).latent
    second = sample(toy, first, solver(name), Noise.seeded(0), begin=5, renoise=False).latent
    assert torch.allclose(second.data, whole.data, atol=1e-6) and not torch.allclose(first.data, whole.data, atol=0.1)


@each_scheduler
def test_each_call_is_reported(name):
    told = []
    walk = solver(name)
    sample(toy, canvas(), walk, Noise.seeded(3), on_step=lambda done, total, state: told.append((done, total)))
    calls = len(walk.schedule)
    assert told == [(i + 1, calls) for i in range(calls)]
    told.clear()
    begin = begin_at(walk.schedule, 0.5, 8)
    sample(toy, original(), walk, Noise.seeded(3), begin=begin, on_step=lambda *now: told.append(now[:2]))
    assert told == [(i + 1, calls - begin) for i in range(calls - begin)]


def test_what_the_callback_raises_ends_the_run():
    calls = []

    def stop(done: int, total: int, state: schedulers.State) -> None:
        if done == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        sample(lambda x, t: calls.append(t) or toy(x, t), canvas(), solver(), Noise.seeded(3), on_step=stop)
    assert len(calls) == 3


def test_a_denoiser_that_knows_the_answer_gives_it():
    answer, walk = original().data, solver(steps=20)
    calls = iter(walk.schedule.evals)

    def knows(x: Tensor, t: Tensor) -> Tensor:
        call = next(calls)
        return (x / call.input_scale - call.level.alpha * answer) / call.level.sigma

    done = sample(knows, canvas(), walk, Noise.seeded(3))
    assert torch.allclose(done.latent.data, answer, atol=1e-3)
    assert torch.allclose(done.estimate.data, answer, atol=1e-3)


@pytest.mark.parametrize(
    ("strength", "steps", "begin"), [(1, 8, 0), (0.5, 8, 4), (0.99, 8, 1), (0.125, 8, 7), (0.58, 50, 22)]
)
def test_strength_walks_the_last_steps(strength, steps, begin):
    assert begin_at(solver(steps=steps).schedule, strength) == begin
    assert begin_at(solver("HeunDiscreteScheduler", steps).schedule, strength) == 2 * begin


@pytest.mark.parametrize(("strength", "words"), [(0, "no step"), (0.1, "no step"), (-0.1, "outside"), (1.1, "outside")])
def test_strengths_that_make_no_run_are_refused(strength, words):
    with pytest.raises(NodeflowError, match=f"NF410.*{words}"):
        begin_at(solver().schedule, strength)


@each_scheduler
def test_the_less_strength_the_closer_to_the_original(name):
    walk = solver(name)
    distances = []
    for strength in (1.0, 0.5, 0.125):
        begin = begin_at(walk.schedule, strength, 8)
        done = sample(lambda x, t: torch.zeros_like(x), original(), walk, Noise.seeded(3), begin=begin)
        distances.append((done.latent.data - original().data).norm().item())
    assert distances[0] > distances[1] > distances[2]


@each_scheduler
def test_nothing_changes_outside_the_mask(name):
    start = half_masked()
    done = sample(toy, start, solver(name), Noise.seeded(3)).latent.data
    outside = start.mask.expand_as(done) == 0
    assert torch.equal(done[outside], start.data[outside])
    assert not torch.allclose(done[~outside], start.data[~outside], atol=0.1)


def test_a_mask_over_everything_is_no_mask():
    masked = Latent(original().data, SPACE, mask=torch.ones(1, 1, 6, 5))
    walk = solver()
    assert torch.equal(
        sample(toy, masked, walk, Noise.seeded(3)).latent.data, sample(toy, canvas(), walk, Noise.seeded(3)).latent.data
    )


def test_a_denoiser_trained_to_repaint_sees_mask_and_masked_picture():
    start, seen = half_masked(), []
    sample(lambda x, t: seen.append(x) or toy(x, t), start, solver(), Noise.seeded(3), in_channels=9)
    assert all(torch.equal(x[:, 4:], torch.cat([start.mask, start.masked], 1)) for x in seen)


def test_channels_that_do_not_fit_are_refused():
    with pytest.raises(NodeflowError, match=r"NF414.*no mask"):
        sample(toy, canvas(), solver(), Noise.seeded(3), in_channels=9)
    with pytest.raises(NodeflowError, match=r"NF414.*7 channels.*4"):
        sample(toy, canvas(), solver(), Noise.seeded(3), in_channels=7)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("step", [1, 4, 8])
def test_the_first_value_that_is_not_finite_is_located(bad, step):
    calls = []

    def breaks(x: Tensor, t: Tensor) -> Tensor:
        calls.append(t)
        return torch.full_like(x, bad) if len(calls) == step else toy(x, t)

    with pytest.raises(NodeflowError, match=f"NF506.*first non-finite value at step {step} of 8"):
        sample(breaks, canvas(), solver(), Noise.seeded(3))
    assert len(calls) == step


def test_a_start_that_is_not_finite_is_refused():
    with pytest.raises(NodeflowError, match=r"NF506.*start from.*fp16"):
        sample(toy, Latent(original().data * torch.nan, SPACE), solver(), Noise.seeded(3))


def test_the_start_noise_may_be_given():
    first = torch.randn(1, 4, 6, 5, generator=torch.Generator().manual_seed(3))
    given = sample(toy, canvas(), solver(), Noise.seeded(0), first=first).latent.data
    assert torch.equal(given, sample(toy, canvas(), solver(), Noise.seeded(3)).latent.data)


def test_inputs_are_not_written_into():
    start = half_masked()
    before = [tensor._version for tensor in (start.data, start.mask, start.masked)]
    sample(toy, start, solver(), Noise.seeded(3))
    assert before == [tensor._version for tensor in (start.data, start.mask, start.masked)]


@each_scheduler
def test_a_solver_with_a_variance_of_its_own_leaves_out_the_learnt_one(name):
    def both(x: Tensor, t: Tensor) -> Tensor:
        return torch.cat([toy(x, t), 100 * x], 1)

    plain, told = (sample(denoise, canvas(), solver(name), Noise.seeded(3)) for denoise in (toy, both))
    assert torch.equal(plain.latent.data, told.latent.data)
