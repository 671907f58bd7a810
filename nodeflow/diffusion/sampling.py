"""Sampling: the one loop that walks a latent down a schedule of noise levels.

    noise = Noise.seeded(seeds(3, batch=2))
    done = sample(denoise, latent, solver, noise, begin=begin_at(solver.schedule, strength=0.6))

A run is deterministic: all noise comes from the generators of `noise`, on the CPU in float32, first the noise it
starts with, then what the solver draws. It stands still at any step as a value, (state, noise.state()), from which
`resume` goes on bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..errors import NodeflowError
from ..values import Latent, moved
from .guidance import Call, Denoise, ask
from .schedulers.noise import Noise
from .schedulers.schedule import Schedule
from .schedulers.solver import Solver, State, doubled, transfer

OnStep = Callable[[int, int, State], None]
"""Called after each model call with (calls done, calls in all, state). What it raises ends the run."""


class Sampled(NamedTuple):
    """What a run brings.

    Args:
        latent: Where it ended, [B, C, ...]; noisy if it ended early.
        estimate: The clean latent as last estimated, [B, C, ...].
    """

    latent: Latent
    estimate: Latent


class Standing(NamedTuple):
    """Where a run stands, to resume it.

    Args:
        state: The solver's state.
        random: `noise.state()` at that moment.
    """

    state: State
    random: Tensor

    def plain(self) -> dict[str, Any]:
        """As tensors and plain data by name, whatever a state holds, to be stored."""
        return {"state": {part.name: getattr(self.state, part.name) for part in fields(State)}, "random": self.random}

    @classmethod
    def of(cls, plain: Mapping[str, Any], device: str) -> Standing:
        """What `plain` took apart, the state on a device."""
        return cls(State(**moved(dict(plain["state"]), device)), plain["random"])


def seeds(seed: int, batch: int) -> list[int]:
    """One seed a sample: seed, seed + 1, … So a sample of a batch equals the single run with its seed."""
    return [(seed + i) % 2**63 for i in range(batch)]


def begin_at(schedule: Schedule, strength: float, steps: int | None = None) -> int:
    """The call at which a run begins that keeps part of a picture: the last ⌊strength · n⌋ of n steps are walked.

    Args:
        schedule: The noise levels.
        strength: 0..1; 1 walks them all.
        steps: n as it was asked for, where the scheduler makes more calls of it (PNDM); by default counted.

    Raises:
        NodeflowError: NF410, the strength is outside 0..1, or leaves no step.
    """
    if not 0 <= strength <= 1:
        raise NodeflowError("NF410", f"strength {strength:g} is outside 0 … 1")
    begins = schedule.begins
    n = steps or len(begins)
    walked = min(int(n * strength), n)
    if not walked:
        raise NodeflowError("NF410", f"strength {strength:g} of {n} steps leaves no step", fix="raise one of them")
    call = (n - walked) * schedule.order
    # the last steps of a run may have fewer calls than the others
    return max(index for index in begins if index <= call)


def call_of(schedule: Schedule, step: int) -> int:
    """The call that step `step` begins with; after the last step, one past the last call.

    Raises:
        NodeflowError: NF410, the schedule has fewer steps.
    """
    calls = [*(index for index, call in enumerate(schedule.evals) if not call.stage), len(schedule)]
    if not 0 <= step < len(calls):
        raise NodeflowError("NF410", f"step {step} is outside 0 … {len(calls) - 1}", fix="stay within the schedule")
    return calls[step]


@torch.no_grad()
def sample(
    denoise: Denoise,
    latent: Latent,
    solver: Solver,
    noise: Noise,
    *,
    begin: int = 0,
    end: int | None = None,
    renoise: bool = True,
    first: Tensor | None = None,
    in_channels: int | None = None,
    on_step: OnStep | None = None,
    resume: Standing | None = None,
) -> Sampled:
    """Walk a latent from noise to picture.

    From call 0, an empty latent (all zeros) and one with a mask start as pure noise; any other start is the latent
    with noise of the level of call `begin` added. With a mask, an ordinary denoiser repaints: outside the mask every
    step puts the original back, noised to the level reached; one that was trained to repaint, and so takes more
    channels, sees mask and blanked picture beside x instead.

    Args:
        denoise: The guided denoiser, (x, t) -> prediction.
        latent: Where to start, [B, C, H, W] or [B, C, N], float32; the run stays on its device.
        solver: Walks a schedule.
        noise: The random numbers of the run.
        begin: The model call to begin at; see `begin_at`.
        end: The model call to stop before; None runs to the end.
        renoise: False takes the latent as it is, already noisy: another run ended at `begin`.
        first: The noise to start with, [B, C, ...], in place of a draw.
        in_channels: The channels the denoiser takes; None = those of the latent.
        on_step: Progress, preview and cancelling.
        resume: Where an earlier run with the same arguments stood.

    Raises:
        NodeflowError: NF506, a value is not finite, naming the step; NF414, tensors do not fit; NF410, no step begins
            at `begin`.
    """
    x0, schedule = latent.data.float(), solver.schedule
    first = noise(x0) if first is None else first.to(x0)
    repaint = _Repaint.of(latent, x0, first, in_channels)
    state = solver.start(_started(latent, x0, first, schedule, begin, renoise), begin)
    if resume is not None:
        state = resume.state
        noise.restore(resume.random)
    _require_finite(state.x, 0, solver.left(state))
    while not solver.done(state) and (end is None or state.index < end):
        reply = ask(denoise, _call(solver, state, repaint), solver.wants_unconditional(state))
        state = solver.step(state, _read(solver, state, reply.prediction), noise, reply.unconditional)
        state = replace(state, x=repaint.kept(state.x, solver, state), memory=reply.memory)
        done, left = state.index - begin, 0 if solver.done(state) else solver.left(state)
        total = done + left if end is None else min(done + left, end - begin)
        _require_finite(state.x, done, total)
        if on_step is not None:
            on_step(done, total, state)
    estimate = state.x if state.estimate is None else state.estimate
    return Sampled(replace(latent, data=state.x), replace(latent, data=estimate))


def _call(solver: Solver, state: State, repaint: _Repaint) -> Call:
    return Call(
        solver.timestep(state),
        state.x,
        state.index,
        state.index + solver.left(state),
        solver.here(state).level,
        solver.prediction,
        state.memory,
        shown=lambda x: repaint.seen(solver.scale(replace(state, x=x))),
    )


def _read(solver: Solver, state: State, output: Tensor) -> Tensor:
    """What a solver reads of a network's output: one with a variance of its own leaves out the learnt one."""
    surplus = output.shape == doubled(state.x) and output.shape not in solver.fitting(state.x)
    return output[:, : state.x.shape[1]] if surplus else output


def _started(latent: Latent, x0: Tensor, noise: Tensor, schedule: Schedule, begin: int, renoise: bool) -> Tensor:
    if not renoise:
        return x0
    if begin == 0 and (latent.mask is not None or not x0.any()):
        return noise * schedule.init_noise_sigma
    return schedule.noised(x0, noise, begin)


@dataclass(frozen=True)
class _Repaint:
    """What a mask changes in the loop.

    Args:
        x0: The original, [B, C, H, W].
        noise: The noise the run started with, [B, C, H, W].
        mask: For an ordinary denoiser, 1 = repaint, [B, 1, H, W].
        beside: For a denoiser that was trained to repaint: mask and blanked picture, [B, 1 + C, H, W], or blanked
            picture and the mask of every pixel, [B, C + f², H, W].
    """

    x0: Tensor
    noise: Tensor
    mask: Tensor | None = None
    beside: Tensor | None = None

    @classmethod
    def of(cls, latent: Latent, x0: Tensor, noise: Tensor, in_channels: int | None) -> _Repaint:
        channels = x0.shape[1]
        if in_channels in (None, channels, 2 * channels):
            return cls(x0, noise, mask=latent.mask)
        cell = latent.space.factor**2
        if in_channels not in (2 * channels + 1, 2 * channels + cell):
            raise NodeflowError("NF414", f"the denoiser takes {in_channels} channels and the latent has {channels}")
        if latent.mask is None or latent.masked is None:
            raise NodeflowError(
                "NF414",
                "the denoiser was trained to repaint and the latent has no mask",
                fix="encode a picture with a mask, or use an ordinary model",
            )
        if in_channels == 2 * channels + 1:
            return cls(x0, noise, beside=torch.cat([latent.mask, latent.masked], 1).to(x0))
        fine = latent.mask.expand(-1, cell, -1, -1) if latent.fine is None else latent.fine
        return cls(x0, noise, beside=torch.cat([latent.masked, fine], 1).to(x0))

    def seen(self, x: Tensor) -> Tensor:
        """What the denoiser gets to see of x, [B, C', H, W]."""
        return x if self.beside is None else torch.cat([x, self.beside], 1)

    def kept(self, x: Tensor, solver: Solver, state: State) -> Tensor:
        """x with the original where nothing is to be repainted, noised as far as the run has come, [B, C, H, W]."""
        if self.mask is None:
            return x
        original = self.x0 if solver.done(state) else transfer(self.x0, self.noise, solver.level(state))
        return torch.lerp(original, x, self.mask)


def _require_finite(x: Tensor, step: int, steps: int) -> None:
    if torch.isfinite(x).all():
        return
    if not step:
        raise NodeflowError(
            "NF506", "the latent to start from is not finite", fix="look at what made it (a VAE in fp16?)"
        )
    raise NodeflowError(
        "NF506", f"first non-finite value at step {step} of {steps}", fix="run the model in float32 or bfloat16"
    )
