"""How time and class enter a network: as vectors added to every residual block."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from .layers import Activation, activation

ClassEmbedType = Literal["timestep", "identity", "projection", "simple_projection"]


def timestep_vector(timestep: Tensor | float | int, sample: Tensor) -> Tensor:
    """One timestep for each sample of the batch, [B], on the sample's device.

    Args:
        timestep: A number, a scalar tensor, or [B].
        sample: The batch, [B, ...].

    Raises:
        NodeflowError: NF414, neither one timestep nor one for each sample.
    """
    t = torch.as_tensor(timestep, device=sample.device)
    if t.shape not in ((), (1,), sample.shape[:1]):
        raise NodeflowError("NF414", f"timestep is {list(t.shape)}, but the batch has {sample.shape[0]} samples")
    return t.expand(sample.shape[0])


def timestep_embedding(t: Tensor, dim: int, flip_sin_to_cos: bool = False, freq_shift: float = 1) -> Tensor:
    """Sinusoidal position of each timestep (Vaswani et al. 2017, section 3.5; DDPM).

    ω_i = 10000^(−i / (dim/2 − freq_shift)), embedding = [sin(t ω), cos(t ω)].

    Args:
        t: Timesteps, [B]; fractions allowed.
        dim: Length of the embedding.
        flip_sin_to_cos: Cosines first.
        freq_shift: 0 spaces the frequencies as in the original LDM code, 1 as in the original DDPM code.

    Returns:
        float32, [B, dim].
    """
    half = dim // 2
    i = torch.arange(half, dtype=torch.float32, device=t.device)
    omega = torch.exp(-math.log(10000) * i / (half - freq_shift))
    angle = t[:, None].float() * omega
    waves = (angle.cos(), angle.sin()) if flip_sin_to_cos else (angle.sin(), angle.cos())
    embedding = torch.cat(waves, dim=-1)
    return nn.functional.pad(embedding, (0, 1)) if dim % 2 else embedding


class FourierProjection(nn.Module):
    """Random Fourier features of the time (Tancik et al. 2020; Song et al. 2021, "Score-based generative modeling").

    [cos(2π w t), sin(2π w t)], w drawn from N(0, 1) once and never trained.

    Args:
        dim: Length of the embedding, even.
        flip_sin_to_cos: Cosines first; else sines.
    """

    def __init__(self, dim: int, flip_sin_to_cos: bool) -> None:
        super().__init__()
        self.flip_sin_to_cos = flip_sin_to_cos
        self.weight = nn.Parameter(torch.randn(dim // 2), requires_grad=False)

    def forward(self, t: Tensor) -> Tensor:
        """[B] -> float32, [B, dim]."""
        angle = t[:, None].float() * self.weight.float() * (2 * math.pi)
        waves = (angle.cos(), angle.sin()) if self.flip_sin_to_cos else (angle.sin(), angle.cos())
        return torch.cat(waves, dim=-1)


class TimestepEmbedding(nn.Module):
    """Two linear layers from a sinusoidal position (or any vector) to the embedding of the blocks.

    Args:
        cond_channels: Width of a further condition added to the input (the guidance embedding of LCM), or None.
        post_act: Activation of the result, or None.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        act: Activation = "silu",
        post_act: Activation | None = None,
        cond_channels: int | None = None,
    ) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(in_channels, channels)
        self.cond_proj = nn.Linear(cond_channels, in_channels, bias=False) if cond_channels else None
        self.act = activation(act)
        self.linear_2 = nn.Linear(channels, channels)
        self.post_act = activation(post_act) if post_act else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """[B, in_channels] (and [B, cond_channels]) -> [B, channels]."""
        if condition is not None and self.cond_proj is not None:
            x = x + self.cond_proj(condition)
        return self.post_act(self.linear_2(self.act(self.linear_1(x))))


def class_embedding(
    kind: ClassEmbedType | None,
    classes: int | None,
    time_channels: int,
    channels: int,
    *,
    in_channels: int | None = None,
    act: Activation = "silu",
) -> nn.Module | None:
    """The module that embeds a class label, or None for a network without classes.

    Args:
        kind: `timestep` embeds a number like a timestep, `projection` any vector, `identity` takes it as it is;
            None with `classes` learns one vector a class.
        time_channels: Width of the sinusoidal position.
        channels: Width of the result.
        in_channels: Width of the vector that the projections take.
        act: Activation between the layers that embed a timestep.
    """
    match kind:
        case "timestep":
            return TimestepEmbedding(time_channels, channels, act)
        case "identity":
            return nn.Identity()
        case "projection":
            return TimestepEmbedding(in_channels or channels, channels)
        case "simple_projection":
            return nn.Linear(in_channels or channels, channels)
        case _:
            return nn.Embedding(classes, channels) if classes is not None else None
