"""Where the noise of a run comes from: generators on the CPU, in float32, whatever the device of the model.

The same seed gives the same picture on any device and in any number format, and a sample whose generator is its own
does not depend on the batch it is drawn in.

Noise comes in two kinds: drawn afresh, or as the increment of a Brownian path that the generators' seeds key.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nodeflow.errors import NodeflowError

from .brownian import BrownianPath


class Noise:
    """Standard normal draws, N(0, 1).

    Args:
        generators: One for the whole batch, or a list with one a sample. None draws from torch's default generator.
    """

    def __init__(self, generators: torch.Generator | Sequence[torch.Generator] | None = None) -> None:
        self.per_sample = isinstance(generators, Sequence)
        if generators is None:
            generators = torch.default_generator
        self.generators = tuple(generators) if isinstance(generators, Sequence) else (generators,)

    @classmethod
    def seeded(cls, seeds: int | Sequence[int]) -> Noise:
        """From one seed for the whole batch, or from a list with one seed a sample."""
        if isinstance(seeds, int):
            return cls(torch.Generator("cpu").manual_seed(seeds))
        return cls([torch.Generator("cpu").manual_seed(seed) for seed in seeds])

    def __call__(self, like: Tensor) -> Tensor:
        """Draw noise of the shape, device and number format of `like`, [B, ...].

        Raises:
            NodeflowError: NF414 where the list of generators is not as long as the batch.
        """
        return self.draw(like.shape).to(device=like.device, dtype=like.dtype)

    def between(self, like: Tensor, begin: float, end: float, span: tuple[float, float]) -> Tensor:
        """The increment of a Brownian path between two levels over its deviation, N(0, 1), [B, ...]; 0 where equal.

        It draws nothing: the path of a generator is keyed by the seed it began with, and so the same stretch has the
        same noise however often and in whichever order it is asked for.

        Args:
            like: Shape, device and number format.
            begin: The level k the step begins at.
            end: The level it leads to.
            span: The lowest and the highest level of the run.

        Raises:
            NodeflowError: NF414 where the list of generators is not as long as the batch.
        """
        paths = [BrownianPath(generator.initial_seed(), *span, shape) for generator, shape in self._parts(like.shape)]
        increment = torch.cat([path.increment(begin, end) for path in paths])
        return (increment / (math.sqrt(abs(end - begin)) or 1)).to(device=like.device, dtype=like.dtype)

    def draw(self, shape: Sequence[int]) -> Tensor:
        """Draw noise of a shape [B, ...], float32; on the CPU unless the generator lives elsewhere."""
        return torch.cat([_normal(part, generator) for generator, part in self._parts(shape)])

    def _parts(self, shape: Sequence[int]) -> list[tuple[torch.Generator, tuple[int, ...]]]:
        """The generators and the shape that each draws."""
        if not self.per_sample:
            return [(self.generators[0], tuple(shape))]
        if len(self.generators) != shape[0]:
            raise NodeflowError(
                "NF414",
                f"{len(self.generators)} generators meet a batch of {shape[0]}",
                where="noise",
                fix="give one generator, or one a sample",
            )
        return [(generator, (1, *shape[1:])) for generator in self.generators]

    def state(self) -> Tensor:
        """The state of all generators, uint8, [G, bytes]: with it a run goes on as if it had never stopped."""
        return torch.stack([generator.get_state() for generator in self.generators])

    def restore(self, state: Tensor) -> None:
        """Go back to a saved state, uint8, [G, bytes].

        Raises:
            NodeflowError: NF414 where the state was saved from another number of generators.
        """
        if len(state) != len(self.generators):
            raise NodeflowError(
                "NF414", f"the saved state holds {len(state)} generators, not {len(self.generators)}", where="noise"
            )
        for generator, saved in zip(self.generators, state, strict=True):
            # torch reads past the end of a row that is a view, and crashes
            generator.set_state(saved.cpu().clone())


class Given:
    """Noise that the caller made: every draw is this tensor, [B, ...]."""

    def __init__(self, noise: Tensor) -> None:
        self.noise = noise

    def __call__(self, like: Tensor) -> Tensor:
        return self.noise.to(like)

    def between(self, like: Tensor, begin: float, end: float, span: tuple[float, float]) -> Tensor:
        return self(like)


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device, dtype=torch.float32)
