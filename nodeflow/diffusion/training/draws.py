"""The randomness of training: for each micro-batch a generator of its own, a pure function of seed and number.

So nothing random is left over between two steps: a run that is resumed at step n draws what the unbroken run draws
there, and the order of the data, too, needs no more than a number.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import NamedTuple

import torch


class Draw(NamedTuple):
    """What one micro-batch may draw from.

    Args:
        number: Which micro-batch of the run it is, from 0.
        generator: For its noise, timesteps, captions; on the CPU, so that every device draws alike.
    """

    number: int
    generator: torch.Generator


def seed_of(*parts: int | str) -> int:
    """A seed for whatever these parts name, 0 … 2⁶³ − 1; unrelated for each combination of parts."""
    name = " ".join(map(str, parts)).encode()
    return int.from_bytes(blake2b(name, digest_size=8).digest()) >> 1


@contextmanager
def drawing(seed: int, number: int) -> Iterator[Draw]:
    """The randomness of a micro-batch; layers that draw by themselves (dropout) obey it too, inside the block."""
    own = seed_of(seed, number)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(own)
        yield Draw(number, torch.Generator("cpu").manual_seed(own))
