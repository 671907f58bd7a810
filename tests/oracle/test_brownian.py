"""The same seed draws the same path as torchsde, which other tools take their Brownian noise from."""

from __future__ import annotations

import itertools
import warnings

import pytest
import torch

from nodeflow.diffusion.schedulers.brownian import BrownianPath

torchsde = pytest.importorskip("torchsde")


@pytest.mark.parametrize("seed", [0, 3, 2**40 + 1, 2**63 - 1])
@pytest.mark.parametrize("span", [(0.0291675, 14.6146412), (0.3, 500.0), (0.0, 1.0)], ids=str)
def test_a_path_equals_the_tree_of_its_seed_bit_for_bit(seed: int, span: tuple[float, float]) -> None:
    low, high = span
    start = torch.zeros(2, 3, 4)
    tree = torchsde.BrownianTree(t0=low, w0=start, t1=high, entropy=seed)
    path = BrownianPath(seed, low, high, tuple(start.shape))
    cuts = [low, low + 1e-6, low + 1.23456789e-3, (low + high) / 3, (low + high) / 2, high - 1e-4, high]
    for a, b in itertools.combinations(cuts, 2):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert torch.equal(path.increment(a, b), tree(a, b)), (a, b)
