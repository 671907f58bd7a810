"""Laws of Brownian noise: one path, whoever asks and in which order."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.diffusion.schedulers import Noise
from nodeflow.diffusion.schedulers.brownian import BrownianPath
from nodeflow.errors import NodeflowError

SPAN = (0.03, 14.6)
levels = st.floats(*SPAN).map(lambda k: round(k, 6))


@given(seed=st.integers(0, 2**63 - 1), a=levels, b=levels, c=levels)
def test_increments_add_up(seed: int, a: float, b: float, c: float) -> None:
    path = BrownianPath(seed, *SPAN, (3,))
    assert torch.allclose(path.increment(a, b) + path.increment(b, c), path.increment(a, c), atol=1e-5)
    assert torch.equal(path.increment(a, b), -path.increment(b, a))
    assert not path.increment(a, a).any()


def test_stretches_have_the_deviation_of_their_length_and_know_nothing_of_each_other() -> None:
    cuts = [0.03, 0.031, 0.5, 7.0, 14.6]
    path = BrownianPath(0, *SPAN, (20000,))
    normal = torch.stack([path.increment(a, b) / math.sqrt(b - a) for a, b in itertools.pairwise(cuts)])
    assert torch.allclose(normal.std(1), torch.ones(4), atol=0.02)
    assert torch.allclose(normal.corrcoef(), torch.eye(4), atol=0.03)


def test_what_is_asked_beyond_the_ends_lies_at_the_ends() -> None:
    path = BrownianPath(1, *SPAN, (4,))
    assert torch.equal(path.increment(0.0, 99.0), path.increment(*SPAN))
    for stretch in ((0.0, SPAN[0]), (SPAN[1], 99.0), (SPAN[0], SPAN[0]), (0.0, 0.01)):
        assert not path.increment(*stretch).any()


def test_noise_between_levels_belongs_to_the_seed_not_to_the_draws() -> None:
    noise, like = Noise.seeded(3), torch.zeros(2, 3, dtype=torch.float16)
    first = noise.between(like, 5.0, 1.0, SPAN)
    noise.draw((7,))
    later = Noise.seeded(99)
    later.restore(noise.state())
    assert first.dtype == like.dtype
    assert torch.equal(first, later.between(like, 5.0, 1.0, SPAN))
    assert not torch.equal(first, Noise.seeded(99).between(like, 5.0, 1.0, SPAN))
    assert not noise.between(like, 5.0, 5.0, SPAN).any()


def test_a_sample_has_a_path_of_its_own() -> None:
    together = Noise.seeded([5, 6]).between(torch.zeros(2, 3), 5.0, 1.0, SPAN)
    for i, seed in enumerate((5, 6)):
        assert torch.equal(Noise.seeded([seed]).between(torch.zeros(1, 3), 5.0, 1.0, SPAN)[0], together[i])
    with pytest.raises(NodeflowError, match="2 generators meet a batch of 3"):
        Noise.seeded([5, 6]).between(torch.zeros(3, 3), 5.0, 1.0, SPAN)
