"""What a micro-batch costs, for a denoiser and for an autoencoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from nodeflow.values import Conditioning

from ..calling import Question, asked
from ..models.attention import AttentionBlock, Transformer2DModel
from ..models.autoencoder_kl import AutoencoderKL
from ..models.blocks1d import Block1D
from ..models.clip_text import CLIPLayer
from ..models.layers import ResnetBlock2D
from .buckets import Order
from .conditions import Conditions
from .draws import Draw
from .loop import Loss
from .material import Material, Samples
from .objectives import DenoisingLoss

Complete = Callable[[Conditioning, Sequence[int]], Conditioning]
"""Given what is said of files, and their numbers, adds what else a network is told."""
Ask = Callable[[Any, Question], Tensor]


class DenoisingTask:
    """A denoiser learns to answer for noisy samples.

    Args:
        net: The denoiser.
        loss: What is asked, and what an answer costs.
        material: Clean samples.
        order: Which of them each micro-batch shows.
        conditions: What is said of them.
        complete: Adds what the network is told besides, such as sizes.
        ask: (net, question) -> prediction.
    """

    def __init__(
        self,
        net: nn.Module,
        loss: DenoisingLoss,
        material: Samples,
        order: Order,
        conditions: Conditions,
        complete: Complete = lambda said, chosen: said,
        ask: Ask = asked,
    ) -> None:
        self.net, self.loss, self.material, self.order, self.conditions = net, loss, material, order, conditions
        self.complete, self._ask = complete, ask

    def __call__(self, draw: Draw) -> Loss:
        chosen, generator = self.order(draw.number), draw.generator
        device = next(self.net.parameters()).device
        x0 = self.material(chosen, generator).to(device)
        t = self.loss.timesteps(len(chosen), generator).to(device)
        noise = self.loss.noise(x0, generator)
        x = self.loss.seen(self.loss.noisy(x0, noise, t), t)
        answer = self.ask(x, t, self.told(chosen, generator))
        return Loss(self.loss.loss(answer, x0, noise, t).mean(), names(self.material, chosen))

    def told(self, chosen: Sequence[int], generator: torch.Generator) -> Conditioning | None:
        """All that the network is told of these files."""
        said = self.conditions(chosen, generator)
        return None if said is None else self.complete(said, chosen)

    def ask(self, x: Tensor, t: Tensor, told: Conditioning | None) -> Tensor:
        """The network's prediction for samples [B, C, …] at timesteps [B], as a sampler would ask for it.

        What it says besides, a variance, is not trained.
        """
        return self._ask(self.net, Question(x, t, told))[:, : x.shape[1]]


class AutoencoderTask:
    """An autoencoder learns to bring pictures back: |x̂ − x| + (x̂ − x)² + β KL(q(z|x) ‖ N(0, 1)), by pixel.

    Kingma & Welling 2014, arXiv 1312.6114, equation 10, with two errors that need no other network.

    Args:
        net: The autoencoder.
        material: Pictures, −1..1.
        order: Which of them each micro-batch shows.
        kl: β.
    """

    def __init__(self, net: AutoencoderKL, material: Material, order: Order, kl: float = 1e-3) -> None:
        self.net, self.material, self.order, self.kl = net, material, order, kl

    def __call__(self, draw: Draw) -> Loss:
        chosen = self.order(draw.number)
        x = self.material(chosen, draw.generator).to(next(self.net.parameters()).device)
        y, posterior = self.net(x, draw.generator)
        error = y.float() - x
        kl = posterior.kl().mean() / x[0].numel()
        return Loss(error.abs().mean() + error.square().mean() + self.kl * kl, names(self.material, chosen))


def names(material: Any, chosen: Sequence[int]) -> list[str]:
    """The files of these pictures."""
    return [material.items[i].path.name for i in chosen]


def checkpoint_activations(net: nn.Module) -> None:
    """Let a network keep the activations between its residual and transformer blocks only, in place.

    Those inside are computed again for the gradient (Chen et al. 2016, arXiv 1604.06174): about a third more time
    for a fraction of the memory.
    """
    for module in net.modules():
        if isinstance(module, ResnetBlock2D | Transformer2DModel | AttentionBlock | CLIPLayer | Block1D):
            module.forward = partial(_again, module.forward)  # type: ignore[method-assign]


def _again(forward: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """Call a layer, its activations not kept where a gradient will ask for them."""
    if not torch.is_grad_enabled():
        return forward(*given, **named)
    return checkpoint(forward, *given, use_reentrant=False, **named)
