"""The training loop. It knows nothing of pictures or noise: it is given a network and what a micro-batch costs.

    run = Trainer(net, task, Optimiser(learning_rate=1e-3, warmup=100), Settings(ema=0.999))
    for progress in run.run(5000):
        print(progress.step, progress.loss)

All that a task draws comes from the generator it is handed, a function of the seed and the micro-batch's number. So
weights, optimiser, average, step and losses are the whole state: saved and loaded, the run goes on bit for bit as if
it had never stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nodeflow.errors import NodeflowError
from nodeflow.training import Optimiser, Settings

from ..devices import torch_dtype
from . import optimisers, state
from .draws import Draw, drawing
from .ema import Ema, trained
from .peers import Alone


class Loss(NamedTuple):
    """What a micro-batch costs.

    Args:
        value: The mean loss, a scalar.
        batch: What was in it, such as files, for the report of a loss that is not finite.
    """

    value: Tensor
    batch: Sequence[str] = ()


Task = Callable[[Draw], Loss]
"""Draws one micro-batch and says what it costs."""


class Progress(NamedTuple):
    """Where a run stands: steps done, the last loss, the norm of its gradient before clipping, the learning rate."""

    step: int
    loss: float
    gradient: float
    rate: float


class Trainer:
    """A training run that can be stopped, saved and resumed at any step.

    Args:
        model: The network, trained in place; parameters that need no gradient stay as they are.
        task: What a micro-batch costs.
        optimiser: How weights follow the gradient.
        settings: What else decides the course of the run; `batch` is the task's affair.
        peers: The processes that train together; None = this one alone.
    """

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        optimiser: Optimiser,
        settings: Settings | None = None,
        peers: Alone | None = None,
    ) -> None:
        self.peers = peers or Alone()
        self.model, self.task, self.optimiser, self.settings = model, task, optimiser, settings or Settings()
        self.parameters = dict(trained(model))
        self.optimizer = optimisers.make(optimiser, self.parameters.values())
        self.ema = Ema(model, self.settings.ema)
        self.device = next(iter(self.parameters.values())).device.type
        self.dtype = torch_dtype(self.settings.precision)
        self.scaler = torch.amp.GradScaler(self.device, enabled=self.dtype == torch.float16)
        self.losses: list[float] = []

    @property
    def step(self) -> int:
        """Steps done."""
        return len(self.losses)

    def run(self, steps: int) -> Iterator[Progress]:
        """Train until so many steps are done in all: stop by not asking for the next.

        Raises:
            NodeflowError: NF205, the learning rate is 0 before; NF506, a loss or gradient is not finite.
        """
        optimisers.require(self.optimiser, steps)
        while self.step < steps:
            yield self.advance()

    def advance(self) -> Progress:
        """One step down the gradient.

        Raises:
            NodeflowError: NF506, the loss or its gradient is not finite; the weights are as before.
        """
        self.model.train()
        rate = optimisers.rate(self.optimiser, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self.peers.mean(sum(self._micro_batch(i) for i in range(self.settings.accumulate)))
        self.peers.average(self.parameters.values())
        self.scaler.unscale_(self.optimizer)
        clip = self.optimiser.clip or torch.inf
        gradient = nn.utils.clip_grad_norm_(self.parameters.values(), clip).item()
        if not self.scaler.is_enabled() and not torch.isfinite(torch.tensor(gradient)):
            self._stop("gradient", gradient, ())
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self.ema.update(self.model, self.step)
        self.losses.append(loss)
        return Progress(self.step, loss, gradient, rate)

    def _micro_batch(self, i: int) -> float:
        """Add the gradient of one micro-batch; returns its share of the loss."""
        mixed = self.dtype != torch.float32
        number = (self.step * self.settings.accumulate + i) * self.peers.count + self.peers.rank
        with drawing(self.settings.seed, number) as draw:
            with torch.autocast(self.device, self.dtype if mixed else None, enabled=mixed):
                loss, batch = self.task(draw)
            if not loss.isfinite():
                self._stop("loss", loss.item(), batch)
            share = loss / self.settings.accumulate
            self.scaler.scale(share).backward()
        return share.item()

    @contextmanager
    def averaged(self) -> Iterator[nn.Module]:
        """The network with its averaged weights, for evaluation inside the block."""
        with self.ema.lent_to(self.model), torch.no_grad():
            self.model.eval()
            yield self.model

    def average(self) -> dict[str, Tensor]:
        """The averaged network, as a state dict: averages where there are any, else the present tensors."""
        return {**self.model.state_dict(), **self.ema.weights}

    def save(self, path: Path) -> None:
        """Write the whole state as one file.

        Raises:
            NodeflowError: NF108, it cannot be written.
        """
        tensors = {**self._own(), "losses": torch.tensor(self.losses, dtype=torch.float64)}
        for name, p in self.parameters.items():
            tensors |= {f"optimizer.{key}.{name}": value for key, value in self.optimizer.state[p].items()}
        state.save(path, tensors, {"scaler": self.scaler.state_dict()})

    def load(self, path: Path) -> None:
        """Go on from a saved state.

        Raises:
            NodeflowError: NF107, no readable state; NF407, the state belongs to another network.
        """
        saved, facts = state.load(path)
        own = self._own()
        if any(name not in saved or saved[name].shape != tensor.shape for name, tensor in own.items()):
            raise NodeflowError("NF407", "the training state belongs to another network", where=str(path))
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(saved[name])
        self.losses = saved["losses"].tolist()
        self.scaler.load_state_dict(facts["scaler"])
        self.optimizer.state.clear()
        for name, tensor in saved.items():
            kind, _, rest = name.partition(".")
            key, _, parameter = rest.partition(".")
            if kind == "optimizer":
                p = self.parameters[parameter]
                self.optimizer.state[p][key] = tensor.to(p.device)

    def _own(self) -> dict[str, Tensor]:
        """Weights that change: trained parameters, buffers, averages."""
        changing = {**dict(self.model.named_buffers()), **self.parameters}
        averages = {f"ema.{name}": tensor for name, tensor in self.ema.weights.items()}
        return {f"model.{name}": tensor.detach() for name, tensor in changing.items()} | averages

    def _stop(self, what: str, value: float, batch: Sequence[str]) -> None:
        self.optimizer.zero_grad()
        seen = f" on {', '.join(batch)}" if batch else ""
        cause, fix = self._cause()
        raise NodeflowError("NF506", f"the {what} at step {self.step}{seen} is {value}: {cause}", fix=fix)

    def _cause(self) -> tuple[str, str]:
        """Why a value is likely not finite, and what to do."""
        if not all(bool(p.isfinite().all()) for p in self.parameters.values()):
            return "the weights were not finite before it", "start again from an earlier state"
        if self.dtype == torch.float16:
            return "float16 overflows above 65504", "train in bfloat16 or float32"
        recent = self.losses[-100:]
        if len(recent) > 10 and median(recent[-5:]) > 4 * median(recent):
            return "the losses had been growing", "lower the learning rate or the clip, or warm up longer"
        if not recent:
            return "the first batch already fails", "check the data, and whether the network and its latents fit"
        return "the losses before were ordinary, so it is likely this batch", "look at its files, or lower the rate"
