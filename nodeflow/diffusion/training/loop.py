"""The training loop: AdamW, warm-up and cosine, clipping, a moving average, and a state that resumes bit-equal.

The loop knows nothing of pictures or noise. It is given a network and a function that draws a batch and returns its
loss; all randomness of that function comes from the generator it is handed, so that model, optimiser, average, step
and generator are the whole state: saved and loaded, the run goes on as if it had never stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from nodeflow.atomic import atomic_write
from nodeflow.errors import NodeflowError

from .ema import Ema

Loss = Callable[[torch.Generator], Tensor]
"""Draws one batch with the generator and returns its mean loss, a scalar."""


@dataclass(frozen=True)
class Settings:
    """How to train.

    Args:
        steps: Where the learning rate reaches zero.
        learning_rate: The highest rate, reached after `warmup` steps.
        clip: The largest norm of the whole gradient.
        ema_decay: β of the moving average.
        autocast: Compute the loss in this number format where torch deems it safe; weights stay as they are.
    """

    steps: int
    learning_rate: float = 1e-3
    warmup: int = 100
    clip: float = 1.0
    weight_decay: float = 0.01
    ema_decay: float = 0.999
    seed: int = 0
    autocast: torch.dtype | None = None

    def rate(self, step: int) -> float:
        """The learning rate at a step: linear up to `warmup`, then half a cosine down to 0 at `steps`."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        progress = min(1.0, (step - self.warmup) / max(1, self.steps - self.warmup))
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


class Trainer:
    """A training run that can be stopped, saved and resumed at any step.

    Args:
        model: The network, trained in place.
        loss: Draws a batch and returns its loss.
        settings: How to train.
    """

    def __init__(self, model: nn.Module, loss: Loss, settings: Settings) -> None:
        self.model, self.loss, self.settings = model, loss, settings
        decay, betas = settings.weight_decay, (0.9, 0.99)
        self.optimizer = torch.optim.AdamW(
            model.parameters(), settings.learning_rate, betas=betas, weight_decay=decay, fused=True
        )
        self.ema = Ema(model, settings.ema_decay)
        self.generator = torch.Generator("cpu").manual_seed(settings.seed)
        self.step = 0

    def advance(self) -> float:
        """One step down the gradient; returns the loss.

        Raises:
            NodeflowError: NF506, the loss is not finite.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate(self.step)
        device = next(self.model.parameters()).device.type
        with torch.autocast(device, self.settings.autocast, enabled=self.settings.autocast is not None):
            loss = self.loss(self.generator)
        if not loss.isfinite():
            raise NodeflowError(
                "NF506", f"the loss at step {self.step} is {loss.item()}", fix="lower the learning rate or the clip"
            )
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.ema.update(self.model, self.step)
        self.step += 1
        return loss.item()

    def run(self) -> Iterator[tuple[int, float]]:
        """Train until `settings.steps`, yielding (steps done, loss) after each: stop by not asking for the next."""
        self.model.train()
        while self.step < self.settings.steps:
            loss = self.advance()
            yield self.step, loss

    def save(self, path: Path) -> None:
        """Write the whole state as one safetensors file."""
        tensors = {name: tensor.contiguous() for name, tensor in self._tensors().items()}
        atomic_write(path, save(tensors, {"step": str(self.step)}))

    def load(self, path: Path) -> None:
        """Go on from a saved state.

        Raises:
            NodeflowError: NF107, no readable file; NF407, the state belongs to another network.
        """
        try:
            with safe_open(path, "pt") as file:
                saved = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                self.step = int(file.metadata()["step"])
        except (OSError, SafetensorError) as error:
            raise NodeflowError("NF107", f"the training state cannot be read: {error}", where=str(path)) from None
        self._fill_optimizer()
        own = self._tensors()
        if own.keys() != saved.keys() or any(own[name].shape != saved[name].shape for name in own):
            raise NodeflowError("NF407", "the training state belongs to another network", where=str(path))
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(saved[name])
        self.generator.set_state(saved["generator"])

    def average(self) -> dict[str, Tensor]:
        """The averaged network, as a state dict: its parameters' averages and its present buffers."""
        return {**self.model.state_dict(), **self.ema.weights}

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"ema.{name}": tensor for name, tensor in self.ema.weights.items()}
        for name, p in self.model.named_parameters():
            tensors |= {f"optimizer.{name}.{key}": value for key, value in self.optimizer.state[p].items()}
        return tensors | {"generator": self.generator.get_state()}

    def _fill_optimizer(self) -> None:
        """Give AdamW its (empty) moments, which it otherwise makes at the first step."""
        for p in self.model.parameters():
            moments = {"exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
            self.optimizer.state[p] = {"step": torch.zeros((), device=p.device), **moments}
