"""Laws of the parts that guidance is made of, on random predictions and inside a tiny network."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nodeflow.diffusion import guidance as parts
from nodeflow.diffusion import schedulers
from nodeflow.diffusion.guidance import (
    EMPTY,
    NEGATIVE,
    POSITIVE,
    Adaptive,
    AdaptiveProjected,
    Auto,
    Call,
    ClassifierFree,
    FrequencyDecoupled,
    Guidance,
    Guided,
    Interval,
    MagnitudeAware,
    Mimic,
    PerpNeg,
    PerturbedAttention,
    Rescaled,
    SelfAttention,
    SkipLayers,
    SmoothedEnergy,
    Tangential,
    Thresholded,
    ZeroStar,
    built,
    network,
    prompts_wanted,
    unguided,
)
from nodeflow.diffusion.models.perturbation import Hand, Watch, blurred, touched
from nodeflow.diffusion.sampling import Standing, sample
from nodeflow.diffusion.schedulers.prediction import Prediction
from nodeflow.diffusion.schedulers.space import Level
from nodeflow.errors import NodeflowError
from nodeflow.packing import deserialise, serialise
from nodeflow.values import Conditioning, Latent, LatentSpace
from nodeflow.values import Guidance as Described
from tests.tiny import PIXEL_UNET, UNET, seeded

KINDS = ("epsilon", "sample", "v_prediction", "flow_prediction")
LEVELS = (Level(0.8, 0.6), Level(1.0, 3.0), Level(0.3, 0.7))
CONTRASTS = (ClassifierFree, ZeroStar, Tangential, MagnitudeAware, AdaptiveProjected)
PERTURBED = (PerturbedAttention, SmoothedEnergy, partial(SkipLayers, start=0.0, end=1.0))


def noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(*(shape or (2, 3, 8, 6)), generator=torch.Generator().manual_seed(seed))


SEEN = {POSITIVE: noise(1), NEGATIVE: noise(2), EMPTY: noise(3)}
X = noise(0)


def call(kind: str = "epsilon", level: Level = LEVELS[0], **more: Any) -> Call:
    return Call(torch.tensor(500), X, level=level, prediction=Prediction(kind), **more)


def combined(guidance: Guidance, seen: Any = SEEN, at: Call | None = None) -> Tensor:
    return guidance.combine(seen, at or call())


def near(found: Tensor, expected: Tensor, share: float = 1e-5) -> bool:
    return bool((found - expected).abs().max() <= share * expected.abs().max())


# -- along what a prompt adds ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*CONTRASTS, partial(FrequencyDecoupled, low=1.0), partial(Mimic, mimic=1.0)])
def test_at_scale_one_the_positive_prediction_is_all(kind):
    guidance = kind(scale=1.0)
    assert guidance.wants(call()) == (POSITIVE,)
    assert torch.equal(combined(guidance, {POSITIVE: SEEN[POSITIVE]}), SEEN[POSITIVE])
    assert guidance.remember({POSITIVE: SEEN[POSITIVE]}, call()) == {}


@pytest.mark.parametrize("prediction", KINDS)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "same",
    [
        AdaptiveProjected(5.0, eta=1.0),
        AdaptiveProjected(5.0, eta=1.0, longest=1e9),
        MagnitudeAware(5.0, damping=0.0),
        FrequencyDecoupled(5.0, low=5.0),
        Mimic(5.0, mimic=5.0),
        Rescaled(ClassifierFree(5.0), 0.0),
        Thresholded(ClassifierFree(5.0), limit=1e6),
        Interval(ClassifierFree(5.0), end=0.5, low=0.1, high=100.0),
        Adaptive(ClassifierFree(5.0)),
        PerturbedAttention(ClassifierFree(5.0), scale=0.0),
        SelfAttention(ClassifierFree(5.0), scale=0.0),
    ],
    ids=lambda guidance: type(guidance).__name__,
)
def test_with_these_options_it_is_classifier_free_guidance(same, prediction, level):
    at = call(prediction, level)
    assert set(same.wants(at)) == {POSITIVE, NEGATIVE}
    assert near(combined(same, at=at), combined(ClassifierFree(5.0)))


@pytest.mark.parametrize("prediction", KINDS)
@pytest.mark.parametrize("level", LEVELS)
def test_a_shifted_prediction_means_a_shifted_clean_sample(prediction, level):
    at, by = call(prediction, level), noise(4)
    moved = at.shifted(SEEN[POSITIVE], by)
    assert near(at.x0(moved), at.x0(SEEN[POSITIVE]) + by)
    assert near(at.noised(at.x0(moved), at.eps(moved)), X)


def test_what_perp_neg_takes_away_is_perpendicular():
    towards = SEEN[POSITIVE] - SEEN[EMPTY]
    change = combined(PerpNeg(1.0, 1.0)) - SEEN[POSITIVE]
    assert change.abs().max() > 0.1
    assert (change * towards).flatten(1).sum(1).abs().max() < 1e-3
    parallel = {**SEEN, NEGATIVE: SEEN[EMPTY] - 0.7 * towards}
    without = SEEN[EMPTY] + 4.0 * towards
    assert near(combined(PerpNeg(4.0, 2.0), parallel), without)
    assert PerpNeg(4.0, 0.0).wants(call()) == (EMPTY, POSITIVE)
    assert near(combined(PerpNeg(4.0, 0.0)), without)


def test_zero_star_follows_the_positive_where_both_are_parallel():
    assert near(combined(ZeroStar(9.0), {POSITIVE: SEEN[POSITIVE], NEGATIVE: -0.3 * SEEN[POSITIVE]}), SEEN[POSITIVE])
    nearest = combined(ZeroStar(0.0))
    assert ((SEEN[POSITIVE] - nearest) * SEEN[NEGATIVE]).flatten(1).sum(1).abs().max() < 1e-3


def test_zero_star_stands_still_at_first_if_the_model_predicts_a_velocity():
    guidance = ZeroStar(9.0, zero_steps=2)
    for index, wanted in ((0, 1), (1, 1), (2, 2)):
        assert len(guidance.wants(call(index=index, total=9))) == wanted
    assert not combined(guidance, at=call("flow_prediction", index=1, total=9)).any()
    with pytest.raises(NodeflowError, match=r"NF414.*velocity.*epsilon"):
        combined(guidance, at=call("epsilon"))


def test_tangential_damping_leaves_parallel_predictions_alone():
    parallel = {POSITIVE: SEEN[POSITIVE], NEGATIVE: 0.3 * SEEN[POSITIVE]}
    assert near(combined(Tangential(5.0), parallel), combined(ClassifierFree(5.0), parallel), 1e-4)
    assert not near(combined(Tangential(5.0)), combined(ClassifierFree(5.0)), 1e-2)


def test_frequencies_have_their_own_strength():
    flat = {NEGATIVE: SEEN[NEGATIVE], POSITIVE: SEEN[NEGATIVE] + 1.0}
    assert near(combined(FrequencyDecoupled(10.0, low=3.0), flat), SEEN[NEGATIVE] + 3.0)
    checks = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(4, 3)
    fine = {NEGATIVE: torch.zeros_like(X), POSITIVE: checks.expand_as(X)}
    assert near(
        combined(FrequencyDecoupled(10.0, low=3.0), fine)[..., 2:-2, 2:-2], 10 * fine[POSITIVE][..., 2:-2, 2:-2]
    )


def test_mimicking_has_the_contrast_of_the_smaller_scale_and_the_mean_of_the_larger():
    at = call("sample")
    strong, weak = (combined(ClassifierFree(scale), at=at) for scale in (15.0, 4.0))
    found = combined(Mimic(15.0, mimic=4.0, quantile=0.9), at=at)
    assert near(found.mean((2, 3)), strong.mean((2, 3)), 0.2)

    def contrast(x: Tensor) -> Tensor:
        return (x - strong.mean((2, 3), keepdim=True)).abs().amax((2, 3))

    assert near(contrast(found), (weak - weak.mean((2, 3), keepdim=True)).abs().amax((2, 3)))


def test_thresholding_bounds_the_clean_sample():
    at = call("epsilon")
    clean = at.x0(combined(Thresholded(ClassifierFree(9.0), quantile=0.9, limit=2.0), at=at))
    assert clean.abs().max() <= 2.0 + 1e-5
    assert ((clean.abs() > 2.0 - 1e-4).float().mean() - 0.1).abs() < 0.02


def test_projected_guidance_keeps_what_is_perpendicular_and_no_longer_than_asked():
    at = call("sample")
    update = combined(AdaptiveProjected(2.0, eta=0.0, longest=0.5), at=at) - SEEN[POSITIVE]
    assert (update * SEEN[POSITIVE]).flatten(1).sum(1).abs().max() < 1e-3
    assert (update.flatten(1).norm(dim=1) <= 0.5).all()


def test_projected_guidance_remembers_a_geometric_sum():
    guidance, at = AdaptiveProjected(2.0, eta=1.0, momentum=-0.5), call("sample")
    for _ in range(3):
        last, at = combined(guidance, at=at), replace(at, memory=guidance.remember(SEEN, at))
    change = SEEN[POSITIVE] - SEEN[NEGATIVE]
    assert near(at.memory["projected.change"], change * (1 - 0.5 + 0.25))
    assert near(last, SEEN[POSITIVE] + change * (1 - 0.5 + 0.25))


# -- around others -----------------------------------------------------------------------------------------------


def test_outside_an_interval_there_is_the_positive_prediction_alone():
    guidance = Interval(AdaptiveProjected(5.0, momentum=0.5), start=0.25, end=0.75, low=0.5, high=2.0)
    shares = [len(guidance.wants(call(level=Level(0.6, 0.6), index=i, total=4))) for i in range(4)]
    levels = [len(guidance.wants(call(level=Level(1.0, k), index=1, total=4))) for k in (3.0, 2.0, 0.6, 0.5)]
    assert shares == [1, 2, 2, 1] and levels == [1, 2, 2, 1]
    outside = call(index=3, total=4, memory={"a": X})
    assert torch.equal(combined(guidance, at=outside), SEEN[POSITIVE])
    assert guidance.remember(SEEN, outside) == {"a": X}
    with pytest.raises(NodeflowError, match=r"NF410.*noise level"):
        guidance.wants(Call(torch.tensor(1), X, index=1, total=4))


def test_adaptive_guidance_never_asks_for_the_negative_again_once_all_agree():
    guidance, at = Adaptive(ClassifierFree(5.0), agree=0.9), call()
    mixed = {POSITIVE: SEEN[POSITIVE], NEGATIVE: torch.stack([SEEN[POSITIVE][0], SEEN[NEGATIVE][1]])}
    assert set(guidance.wants(at)) == {POSITIVE, NEGATIVE}
    at = replace(at, memory=guidance.remember(mixed, at))
    assert set(guidance.wants(at)) == {POSITIVE, NEGATIVE}
    found = combined(guidance, at=at)
    assert torch.equal(found[0], SEEN[POSITIVE][0]) and torch.equal(found[1], combined(ClassifierFree(5.0))[1])
    agreeing = {POSITIVE: SEEN[POSITIVE], NEGATIVE: torch.stack([SEEN[NEGATIVE][0], SEEN[POSITIVE][1]])}
    at = replace(at, memory=guidance.remember(agreeing, at))
    alone = {POSITIVE: SEEN[POSITIVE]}
    assert guidance.wants(at) == (POSITIVE,)
    assert torch.equal(combined(guidance, alone, at), SEEN[POSITIVE]) and guidance.remember(alone, at) == at.memory


# -- inside a network --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def net() -> Any:
    return seeded("UNet2DConditionModel", UNET)


@pytest.fixture(scope="module")
def pixels() -> Any:
    return seeded("UNet2DModel", PIXEL_UNET)


PROMPTS = {name: Conditioning(noise(seed, 1, 5, 32)) for seed, name in enumerate((POSITIVE, NEGATIVE, EMPTY))}


def within(kind: str = "epsilon", batch: int = 2, **more: Any) -> Call:
    return replace(call(kind, **more), x=noise(7, batch, 4, 10, 8))


@pytest.mark.parametrize("kind", [*PERTURBED, SelfAttention])
@pytest.mark.parametrize("inner", [ClassifierFree(3.0), ClassifierFree(1.0), PerpNeg(3.0)])
def test_together_or_apart_is_the_same(net, kind, inner):
    together, apart = (Guided(network(net), PROMPTS, kind(inner), together=choice) for choice in (True, False))
    found, expected = together.ask(within()).prediction, apart.ask(within()).prediction
    assert near(found, expected, 1e-4)
    assert not near(found, Guided(network(net), PROMPTS, inner).ask(within()).prediction, 1e-4)
    first = Guided(network(net), PROMPTS, kind(inner)).ask(replace(within(), x=within().x[:1])).prediction
    assert near(found[:1], first, 1e-4)


class Counting:
    """A network that remembers the batch and the touches of each call."""

    def __init__(self, net: Any) -> None:
        self.predict, self.calls = network(net), []

    def __call__(self, x: Tensor, t: Tensor, conditioning: Any, hand: Hand | None = None) -> Tensor:
        self.calls.append((len(x), 0 if hand is None else len(hand.touches)))
        return self.predict(x, t, conditioning, hand)


def test_all_that_can_shares_one_batch_and_nothing_is_computed_twice(net):
    guidance = Rescaled(SkipLayers(PerturbedAttention(ClassifierFree(3.0)), start=0.5, end=1.0), 0.5)
    counting = Counting(net)
    denoise = Guided(counting, PROMPTS, guidance)
    for index in (0, 1):
        denoise.ask(within(index=index, total=2))
    assert counting.calls == [(6, 1), (8, 2)]
    counting.calls.clear()
    unequal = {**PROMPTS, NEGATIVE: Conditioning(noise(9, 1, 7, 32))}
    Guided(counting, unequal, SelfAttention(guidance)).ask(within())
    assert sorted(counting.calls) == [(2, 0), (2, 1), (4, 1)]


@pytest.mark.parametrize("kind", PERTURBED)
def test_a_touch_leaves_the_network_and_the_other_rows_as_they_were(net, kind):
    plain = unguided(network(net), PROMPTS[POSITIVE])
    before = plain.ask(within()).prediction
    seen = {}

    class Spy(kind.func if isinstance(kind, partial) else kind):  # type: ignore[misc]
        def combine(self, answers: Any, call: Call) -> Tensor:
            seen.update(answers)
            return super().combine(answers, call)

    options = kind.keywords if isinstance(kind, partial) else {}
    Guided(network(net), PROMPTS, Spy(ClassifierFree(1.0), **options)).ask(within())
    assert near(seen[POSITIVE], before) and torch.equal(plain.ask(within()).prediction, before)
    assert len(seen) == 2


def test_a_blur_of_no_width_changes_nothing_and_a_wide_one_takes_the_mean(net):
    def predicted(sigma: float) -> Tensor:
        guidance = SmoothedEnergy(ClassifierFree(0.0), scale=-1.0, sigma=sigma)
        return Guided(network(net), {**PROMPTS, NEGATIVE: PROMPTS[POSITIVE]}, guidance).ask(within()).prediction

    assert near(predicted(0.0), predicted(1e-9))
    whole, mean, wide = (predicted(sigma) for sigma in (0.0, math.inf, 1e4))
    assert 0 < (wide - mean).norm() < 0.5 * (whole - mean).norm()


def test_a_blur_keeps_what_is_even_and_the_size():
    x = noise(5, 2, 3, 9, 4)
    assert torch.allclose(blurred(torch.full_like(x, 0.7), 1.5), torch.full_like(x, 0.7))
    assert blurred(x, 50.0).shape == x.shape and torch.equal(blurred(x, 0.0), x)


def test_the_attention_that_pixels_receive_is_one_on_average(net):
    hand = Hand([(Watch(), slice(2, 4))])
    states = noise(3, 4, 5, 32)
    net(noise(7, 4, 4, 10, 8), torch.tensor(500), states, changes=touched(net, hand))
    (received,) = hand.maps.values()
    assert received.shape == (2, 5, 4) and torch.allclose(received.mean((1, 2)), torch.ones(2))


def test_self_attention_guidance_is_still_where_nothing_is_looked_at(net):
    inner = ClassifierFree(3.0)
    still = Guided(network(net), PROMPTS, SelfAttention(inner, threshold=1e9)).ask(within()).prediction
    assert near(still, Guided(network(net), PROMPTS, inner).ask(within()).prediction, 1e-4)


def test_autoguidance_asks_a_weaker_network_the_same_prompt(net):
    weak, counting = seeded("UNet2DConditionModel", UNET, seed=9), Counting(net)
    denoise = Guided(counting, PROMPTS, Auto(ClassifierFree(3.0), scale=0.5), others={"weak": network(weak)})
    found = denoise.ask(within()).prediction
    assert counting.calls == [(4, 0)]
    base = Guided(network(net), PROMPTS, ClassifierFree(3.0)).ask(within()).prediction
    strong, weaker = (unguided(network(one), PROMPTS[POSITIVE]).ask(within()).prediction for one in (net, weak))
    assert near(found, base + 0.5 * (strong - weaker))
    same = Guided(network(net), PROMPTS, Auto(ClassifierFree(3.0)), others={"weak": network(net)})
    assert near(same.ask(within()).prediction, base, 1e-4)
    with pytest.raises(NodeflowError, match=r"NF203.*weak denoiser"):
        Guided(network(net), PROMPTS, Auto(ClassifierFree(1.0))).ask(within())


@pytest.mark.parametrize("kind", [*PERTURBED, SelfAttention])
def test_a_network_without_text_can_be_guided_too(pixels, kind):
    at = replace(call(), x=noise(7, 2, 3, 16, 16))
    layers = ("mid_block",) if kind is SelfAttention else ("down_blocks.1.attentions.*",)
    guidance = kind(ClassifierFree(1.0), layers=layers)
    found = Guided(network(pixels), {POSITIVE: None}, guidance).ask(at).prediction
    assert found.isfinite().all() and not near(found, unguided(network(pixels)).ask(at).prediction, 1e-4)


def test_what_cannot_be_is_refused_in_one_sentence(net):
    for layers in (("mid_block.attentions.7",), ("down_blocks.1",), ("mid",)):
        guidance = PerturbedAttention(ClassifierFree(1.0), layers=layers)
        with pytest.raises(NodeflowError, match=r"NF414.*UNet2DConditionModel.*down_blocks.0, mid_block, up_blocks.1"):
            Guided(network(net), PROMPTS, guidance).ask(within())
    with pytest.raises(NodeflowError, match=r"NF203.*empty"):
        Guided(network(net), {POSITIVE: None, NEGATIVE: None}, PerpNeg()).ask(within())
    with pytest.raises(NodeflowError, match=r"NF410.*clean sample"):
        Guided(network(net), PROMPTS, AdaptiveProjected())(within().x, torch.tensor(5))
    with pytest.raises(NodeflowError, match=r"NF414.*predicts \[2, 6, 8, 6\]"):
        call().x0(noise(1, 2, 6, 8, 6))


def test_the_unconditional_prediction_is_that_of_the_prompt_the_guidance_says(net):
    for guidance, prompt in ((PerpNeg(), EMPTY), (Rescaled(PerpNeg()), EMPTY), (ClassifierFree(1.0), NEGATIVE)):
        reply = Guided(network(net), PROMPTS, guidance).ask(within(), unconditional=True)
        assert reply.unconditional is not None
        assert near(reply.unconditional, unguided(network(net), PROMPTS[prompt]).ask(within()).prediction)


# -- whole runs --------------------------------------------------------------------------------------------------

SPACE = LatentSpace("toy", 4, 8)


def solver(name: str = "EulerDiscreteScheduler", steps: int = 6) -> schedulers.Solver:
    scheduler = schedulers.from_config(name, {"prediction_type": "epsilon"})
    return scheduler.solver(scheduler.schedule(steps))


@pytest.mark.parametrize("name", ["EulerDiscreteScheduler", "HeunDiscreteScheduler", "EulerAncestralDiscreteScheduler"])
@pytest.mark.parametrize("stop", [2, 3, 4])
def test_a_resumed_run_with_memory_is_bit_equal(net, name, stop):
    inner = AdaptiveProjected(4.0, momentum=-0.5, longest=2.0)
    denoise = Guided(network(net), PROMPTS, Adaptive(Interval(inner, start=0.05), agree=0.99999))
    walk, start = solver(name), Latent(torch.zeros(2, 4, 8, 8), SPACE)
    drawn = schedulers.Noise.seeded([1, 2])
    stood: list[Standing] = []

    def on_step(done: int, total: int, state: schedulers.State) -> None:
        if done == stop:
            stored = deserialise(serialise(Standing(state, drawn.state()).plain()))
            stood.append(Standing.of(stored, "cpu"))

    whole = sample(denoise, start, walk, drawn, on_step=on_step)
    assert "adaptive.agreed" in stood[0].state.memory
    rest = sample(denoise, start, walk, schedulers.Noise.seeded([8, 9]), resume=stood[0])
    assert torch.equal(rest.latent.data, whole.latent.data)
    other = replace(stood[0].state, memory={})
    forgot = sample(denoise, start, walk, schedulers.Noise.seeded([8, 9]), resume=Standing(other, stood[0].random))
    assert not torch.equal(forgot.latent.data, whole.latent.data)


def test_adaptive_guidance_saves_calls_of_the_network(net):
    counting = Counting(net)
    denoise = Guided(counting, PROMPTS, Adaptive(ClassifierFree(3.0), agree=-1.0))
    sample(denoise, Latent(torch.zeros(1, 4, 8, 8), SPACE), solver(), schedulers.Noise.seeded([1]))
    assert [batch for batch, _ in counting.calls] == [2, 1, 1, 1, 1, 1]


def test_a_plan_knows_which_prompts_a_run_will_ask_for():
    laid = solver().schedule
    assert prompts_wanted(PerpNeg(), laid) == {POSITIVE, NEGATIVE, EMPTY}
    assert prompts_wanted(Interval(ClassifierFree(5.0), low=1e5), laid) == {POSITIVE}
    assert prompts_wanted(PerturbedAttention(ClassifierFree(1.0)), laid) == {POSITIVE}
    assert prompts_wanted(SelfAttention(Adaptive(ClassifierFree(5.0))), laid) == {POSITIVE, NEGATIVE}


BASES = st.sampled_from(
    [
        ("classifier-free", {"scale": 3.0}),
        ("projected", {"scale": 4.0, "momentum": -0.5, "longest": 5.0}),
        ("zero-star", {"scale": 3.0}),
        ("perp-neg", {"scale": 3.0}),
        ("tangential", {"scale": 2.0}),
        ("frequency-decoupled", {"scale": 3.0, "low": 1.0}),
        ("mimic", {"scale": 6.0, "mimic": 2.0}),
    ]
)
AROUND = st.sampled_from(
    [
        ("adaptive", {"agree": 0.5}),
        ("interval", {"start": 0.2, "end": 0.7}),
        ("interval", {"low": 0.5, "high": 5.0}),
        ("perturbed-attention", {"layers": ("mid_block", "up_blocks.1")}),
        ("rescale", {"share": 0.5}),
        ("self-attention", {}),
        ("skip-layers", {"end": 0.9}),
        ("smoothed-energy", {"sigma": 1.0}),
        ("threshold", {"limit": 4.0}),
    ]
)


@given(st.none() | BASES, st.lists(AROUND, max_size=4, unique_by=lambda part: part[0]))
@settings(max_examples=8, derandomize=True)
def test_any_chain_runs_the_same_together_and_apart_and_asks_for_no_other_prompt(net, base, around):
    described = Described()
    for name, options in ([base] if base else []) + around:
        described = described.then(name, **options)
    guidance, walk = built(described), solver(steps=4)
    asked: set[str] = set()

    class Asked(dict):
        def __getitem__(self, name: str) -> Conditioning:
            asked.add(name)
            return super().__getitem__(name)

    def run(batch: int, together: bool) -> Tensor:
        denoise = Guided(network(net), Asked(PROMPTS), guidance, together=together)
        start = Latent(torch.zeros(batch, 4, 8, 8), SPACE)
        return sample(denoise, start, walk, schedulers.Noise.seeded([4, 5][:batch])).latent.data

    together = run(2, True)
    assert asked <= prompts_wanted(guidance, walk.schedule)
    assert near(run(2, False), together, 1e-3) and near(run(1, True), together[:1], 1e-3)


def test_every_guidance_is_frozen_and_public():
    assert set(parts.__all__) == {name for name in dir(parts) if name in parts.__all__}
    with pytest.raises(AttributeError):
        ClassifierFree(3.0).scale = 4.0  # type: ignore[misc]
