"""Where the noise of a run comes from: generators on the CPU, in float32, whatever the device of the model.

The same seed gives the same picture on any device and in any number format, and a sample whose generator is its own
does not depend on the batch it is drawn in.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nodeflow.errors import NodeflowError


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

    def draw(self, shape: Sequence[int]) -> Tensor:
        """Draw noise of a shape [B, ...], float32; on the CPU unless the generator lives elsewhere."""
        if not self.per_sample:
            return _normal(tuple(shape), self.generators[0])
        if len(self.generators) != shape[0]:
            raise NodeflowError(
                "NF414",
                f"{len(self.generators)} generators meet a batch of {shape[0]}",
                where="noise",
                fix="give one generator, or one a sample",
            )
        return torch.cat([_normal((1, *shape[1:]), generator) for generator in self.generators])

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


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device, dtype=torch.float32)
