"""How Flux and Stable Diffusion 3 are asked, without their networks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.diffusion import schedulers
from nodeflow.diffusion.calling.flux import packed, places, unpacked
from nodeflow.diffusion.latents import with_mask
from nodeflow.diffusion.models.rotary import rotated, rotations
from nodeflow.diffusion.models.t5 import bucket
from nodeflow.diffusion.schedulers import mu
from nodeflow.diffusion.scheduling import bound, make_schedule
from nodeflow.values import Latent, LatentSpace, Mask, SchedulerConfig

DYNAMIC = {"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": True}
side = st.integers(1, 5)


@given(rows=side, columns=side, channels=side)
def test_packing_loses_nothing(rows: int, columns: int, channels: int) -> None:
    x = torch.arange(2 * channels * rows * columns * 4).view(2, channels, 2 * rows, 2 * columns)
    tokens = packed(x)
    assert tokens.shape == (2, rows * columns, 4 * channels)
    assert torch.equal(unpacked(tokens, rows, columns), x)
    both = packed(torch.cat([x, -x], 1))
    assert torch.equal(both, torch.cat([tokens, -tokens], 2))  # what stands beside a latent is packed beside it


@given(rows=side, columns=side)
def test_places_count_rows_and_columns(rows: int, columns: int) -> None:
    found = places(rows, columns, 1)
    assert found.shape == (rows * columns, 3) and (found[:, 0] == 1).all()
    assert found[-1].tolist() == [1, rows - 1, columns - 1]


def test_turned_queries_and_keys_know_only_their_distance() -> None:
    q, k = torch.randn(2, 1, 1, 1, 8).double()
    scores = []
    for at in (0.0, 3.0, 1000.0):
        turn_q, turn_k = (rotations(torch.tensor([[0.0, at + far]]), (2, 6)) for far in (0.0, 5.0))
        scores.append((rotated(q, turn_q) * rotated(k, turn_k)).sum())
    assert max(scores) - min(scores) < 1e-4
    assert torch.allclose(rotated(q, turn_q).norm(), q.norm())


def test_distances_of_t5_fall_into_their_share() -> None:
    found = bucket(torch.arange(-400, 401), 32, 128)
    assert found.min() == 0 and found.max() == 31
    assert found[400] == 0 and found[399] == 1 and found[401] == 17
    assert (found[:401].diff() <= 0).all() and (found[401:].diff() >= 0).all()
    assert (found[:272] == 15).all()  # from 128 on all are alike


@pytest.mark.parametrize("tokens", [256, 1024, 4096, 16384])
def test_levels_shift_with_the_size_of_the_picture(tokens: int) -> None:
    schedule = make_schedule(SchedulerConfig(DYNAMIC), steps=8)
    assert "mu" not in schedule.request
    found = bound(schedule, tokens).schedule.sigmas
    given = schedulers.from_config(DYNAMIC).schedule(8, mu=mu.linear(tokens, DYNAMIC))
    assert torch.equal(found, given.sigmas)
    assert (bound(schedule, 4 * tokens).schedule.sigmas[1:-1] > found[1:-1]).all()
    assert torch.equal(bound(schedule).schedule.sigmas, bound(schedule, 4096).schedule.sigmas)


def test_even_levels_are_laid_where_the_family_has_them() -> None:
    config = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 1.0}
    assert make_schedule(SchedulerConfig({**config, "_levels": "even"}), steps=4).sigmas == (1, 0.75, 0.5, 0.25, 0)
    own = make_schedule(SchedulerConfig(config), steps=4).sigmas
    assert own[1] != 0.75
    said = make_schedule(SchedulerConfig({**config, "_levels": "even"}), sigmas="1, 0.3").sigmas
    assert said == pytest.approx((1, 0.3, 0))


def test_the_mask_of_every_pixel_goes_with_a_latent() -> None:
    space = LatentSpace("flux", 16, 8)
    mask = (torch.rand(1, 1, 16, 24) > 0.5).float()
    latent = with_mask(Latent(torch.zeros(2, 16, 2, 3), space), Mask(mask))
    assert latent.fine is not None and latent.fine.shape == (2, 64, 2, 3)
    for row in range(8):
        for column in range(8):
            assert torch.equal(latent.fine[:1, 8 * row + column], mask[0, :, row::8, column::8])
