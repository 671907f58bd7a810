"""Laws of guidance, with a toy network that counts what it is asked."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from nodeflow.diffusion import schedulers
from nodeflow.diffusion.guidance import (
    NEGATIVE,
    POSITIVE,
    Around,
    Call,
    ClassifierFree,
    Guided,
    Rescaled,
    network,
    prompts_wanted,
    unguided,
)
from nodeflow.errors import NodeflowError
from nodeflow.values import Conditioning

T = torch.tensor(500)


class Toy:
    """Predicts x times the mean of the text; remembers the batch and length of each call."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def __call__(self, x: Tensor, t: Tensor, conditioning: Conditioning | None) -> Tensor:
        assert conditioning is not None and len(conditioning.states) == len(x)
        self.calls.append((len(x), conditioning.states.shape[1]))
        return x * conditioning.states.mean((1, 2))[:, None, None, None]


def text(value: float, batch: int = 1, length: int = 77) -> Conditioning:
    return Conditioning(torch.full((batch, length, 4), float(value)))


def schedule(steps: int = 4):
    return schedulers.from_config("DDIMScheduler", {}).schedule(steps)


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def test_the_guided_prediction_goes_on_from_the_negative_one(x):
    found = Guided(Toy(), {POSITIVE: text(2), NEGATIVE: text(1)}, ClassifierFree(5))(x, T)
    assert torch.allclose(found, x * (1 + 5 * (2 - 1)))


def test_a_variance_beside_the_prediction_is_that_of_the_positive_prompt(x):
    def predict(x: Tensor, t: Tensor, said: Conditioning | None) -> Tensor:
        return torch.cat([Toy()(x, t, said), Toy()(torch.ones_like(x), t, said)], 1)

    found = Guided(predict, {POSITIVE: text(2), NEGATIVE: text(1)}, ClassifierFree(5))(x, T)
    assert torch.allclose(found, torch.cat([6 * x, torch.full_like(x, 2)], 1))


@pytest.mark.parametrize(("scale", "expected", "calls"), [(1.0, 2.0, 1), (0.0, 1.0, 1), (0.5, 1.5, 2)])
def test_what_is_not_wanted_is_not_computed(x, scale, expected, calls):
    toy = Toy()
    found = Guided(toy, {POSITIVE: text(2), NEGATIVE: text(1)}, ClassifierFree(scale))(x, T)
    assert torch.allclose(found, x * expected) and toy.calls == [(2 * calls, 77)]
    wanted = {0.0: {NEGATIVE}, 1.0: {POSITIVE}}.get(scale, {NEGATIVE, POSITIVE})
    assert prompts_wanted(ClassifierFree(scale), schedule()) == wanted


def test_at_scale_one_no_negative_prompt_need_be_there(x):
    assert torch.equal(Guided(Toy(), {POSITIVE: text(2)}, ClassifierFree(1))(x, T), unguided(Toy(), text(2))(x, T))
    with pytest.raises(NodeflowError, match=r"NF203.*negative"):
        Guided(Toy(), {POSITIVE: text(2)}, ClassifierFree(2))(x, T)


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
def test_both_is_the_guided_and_the_unconditional_prediction_in_one_batch(x, scale):
    toy = Toy()
    denoise = Guided(toy, {POSITIVE: text(2), NEGATIVE: text(1)}, ClassifierFree(scale))
    found, unconditional = denoise.both(x, T)
    assert toy.calls == [(2 * (2 if scale else 1), 77)]
    assert torch.equal(unconditional, x) and torch.equal(found, denoise(x, T))


def test_there_is_no_unconditional_prediction_without_a_negative_prompt(x):
    with pytest.raises(NodeflowError, match=r"NF203.*negative"):
        unguided(Toy(), text(2)).both(x, T)


def test_together_or_apart_is_the_same(x):
    both = {POSITIVE: text(2), NEGATIVE: text(1)}
    together, apart = Toy(), Toy()
    first = Guided(together, both, ClassifierFree(3))(x, T)
    second = Guided(apart, both, ClassifierFree(3), together=False)(x, T)
    assert torch.equal(first, second)
    assert together.calls == [(4, 77)] and apart.calls == [(2, 77), (2, 77)]


def test_prompts_of_unequal_length_are_asked_apart(x):
    toy = Toy()
    Guided(toy, {POSITIVE: text(2, length=154), NEGATIVE: text(1)}, ClassifierFree(3))(x, T)
    assert toy.calls == [(2, 77), (2, 154)]


def test_one_prompt_serves_a_batch_and_others_must_match_it(x):
    alone = unguided(Toy(), text(2))(x, T)
    assert torch.equal(alone, unguided(Toy(), text(2, batch=2))(x, T))
    with pytest.raises(NodeflowError, match="NF414"):
        unguided(Toy(), text(2, batch=3))(x, T)


def test_rescaling_brings_back_each_samples_deviation(x):
    positive = Conditioning(torch.tensor([2.0, 3.0])[:, None, None].expand(2, 77, 4))
    both = {POSITIVE: positive, NEGATIVE: text(1)}
    deviation = [Guided(Toy(), both, Rescaled(ClassifierFree(5), phi))(x, T).std((1, 2, 3)) for phi in (0.0, 0.5, 1.0)]
    expected = unguided(Toy(), positive)(x, T).std((1, 2, 3))
    assert torch.allclose(deviation[2], expected)
    assert torch.allclose(deviation[1], (deviation[0] + expected) / 2)


def test_waves_are_rescaled_as_pictures_are():
    seen = {prompt: torch.randn(2, 3, 64) for prompt in (POSITIVE, NEGATIVE)}
    as_picture = {prompt: waves[..., None] for prompt, waves in seen.items()}
    guidance = Rescaled(ClassifierFree(5), 0.7)
    found, expected = (guidance.combine(said, Call(T)) for said in (seen, as_picture))
    assert torch.allclose(found, expected[..., 0])


@dataclass(frozen=True)
class Late(Around):
    """Guides up to a timestep only."""

    high: float

    def wants(self, call):
        return self.inner.wants(call) if call.t <= self.high else (POSITIVE,)

    def combine(self, seen, call):
        return self.inner.combine(seen, call) if call.t <= self.high else seen[POSITIVE]


def test_a_guidance_may_want_less_at_some_times(x):
    toy, late = Toy(), Late(ClassifierFree(3), 400)
    denoise = Guided(toy, {POSITIVE: text(2), NEGATIVE: text(1)}, late)
    assert torch.equal(denoise(x, torch.tensor(500)), 2 * x)
    assert torch.equal(denoise(x, torch.tensor(300)), 4 * x)
    assert toy.calls == [(2, 77), (4, 77)]
    assert prompts_wanted(late, schedule()) == {NEGATIVE, POSITIVE}
    assert prompts_wanted(Late(ClassifierFree(3), -1), schedule()) == {POSITIVE}


def test_a_network_computes_in_its_own_format(x):
    seen = []

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1, dtype=torch.bfloat16))

        def forward(self, x: Tensor, t: Tensor, states: Tensor | None = None) -> Tensor:
            seen.append((x.dtype, None if states is None else states.dtype))
            return x * self.weight

    for conditioning in (None, text(1, batch=2)):
        found = network(Net())(x, T, conditioning)
        assert found.dtype == torch.float32 and not found.requires_grad
    assert seen == [(torch.bfloat16, None), (torch.bfloat16, torch.bfloat16)]
