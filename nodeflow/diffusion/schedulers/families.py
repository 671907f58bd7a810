"""Three families of schedulers that read their noise levels from a model's table of betas.

They differ in how x is scaled, in how a run's timesteps are spaced and rounded, and between which ends a warp lies.
The differences are historical; a published configuration means what its class makes of it.

    VPScheduler           integer timesteps, x in VP: DDPM, DDIM, PNDM
    KScheduler            real timesteps, x in VE ("k-space"): Euler, Heun, LMS, DPM2, DPM++ SDE
    ExponentialScheduler  integer timesteps, steps in lambda, x in VP or on a flow: DPM-Solver++, UniPC, DEIS, SA
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import torch

from .config import given_values, refuse
from .request import Request
from .schedule import Nodes
from .scheduler import Scheduler
from .space import ALMOST_ZERO_SNR, CLEAN, VE, VP, Flow, Level, alphas_cumprod, betas
from .spacing import spaced
from .warps import WARPS, shift_of, shifted


class WarpedScheduler(Scheduler):
    """What families with levels in a row share: a warp between two ends, and steps that each lead to the next level."""

    def check(self) -> None:
        super().check()
        if len(asked := [key for key in WARPS if self.asks(key)]) > 1:
            refuse(f"{' and '.join(asked)} exclude each other", where=type(self).__name__, fix="ask for one of them")

    @property
    def warp(self) -> str | None:
        """The configuration key of the warp that is on."""
        return next((key for key in WARPS if self.asks(key)), None)

    def warped(self, largest: float, smallest: float, n: int) -> np.ndarray:
        """n falling noise levels between two ends, float64, [n].

        Ends that the configuration names come first, even ones it keeps from another class: they are the model's.
        """
        largest, smallest = self.config.get("sigma_max") or largest, self.config.get("sigma_min") or smallest
        return WARPS[self.warp or ""](largest, smallest, n)

    def told(self, k: float) -> float:
        """What the model is told at a noise level."""
        return self.space.t(k)

    def joined(self, t: np.ndarray, k: np.ndarray) -> Nodes:
        """Points whose steps each lead to the next level, k: [n + 1]."""
        if not len(t):
            refuse("sigmas need a beginning and an end", where=type(self).__name__, fix="end the list with 0")
        levels = tuple(self.space.level(one) for one in k.astype(float).tolist())
        return Nodes(t, levels[: len(t)], levels[1 : len(t) + 1], k)


class TableScheduler(WarpedScheduler):
    """What the three families share: the table and spacing."""

    noises: ClassVar[tuple[str, ...]] = ("a table of betas",)
    space: VP | VE | Flow
    floor: ClassVar[float] = ALMOST_ZERO_SNR

    def check(self) -> None:
        super().check()
        given = self.config.given
        if "shift" in given and "prediction_type" not in given and "shift" not in self.defaults:
            what = "the configuration is that of a flow, which has no table of betas"
            fix = "choose a scheduler of flows, DPM-Solver++ or UniPC"
            refuse(what, where=type(self).__name__, fix=fix)

    def table(self) -> torch.Tensor:
        """alpha² of the model at each timestep, [T]."""
        c = self.config
        steps = betas(c.beta_schedule, c.beta_start, c.beta_end, c.num_train_timesteps, c.trained_betas)
        return alphas_cumprod(steps, zero_snr=self.asks("rescale_betas_zero_snr"), floor=self.floor)

    def spaced(self, n: int, last: int | None = None, beyond: int = 0) -> np.ndarray:
        """n falling timesteps, spaced as the configuration says, float64, [n]."""
        train = self.config.num_train_timesteps
        last = last or train
        if "timestep_spacing" not in self.defaults:
            return spaced("linspace", n, last, train, beyond=beyond)
        kind = self.config.timestep_spacing
        if kind == "leading" and n + beyond > last:
            what = f"{n} steps do not fit into {last} timesteps with leading spacing"
            refuse(what, where=type(self).__name__, fix="take fewer steps or another timestep_spacing")
        return spaced(kind, n, last, train, self.config.steps_offset, beyond)

    def refuse_timesteps(self, request: Request) -> None:
        """Timesteps of the caller's own and a warp exclude each other."""
        if request.timesteps is not None and self.warp:
            what = f"timesteps cannot be given together with {self.warp}"
            refuse(what, where=type(self).__name__, fix="give the number of steps, or switch the warp off")

    def nodes_of_training(self) -> Nodes:
        """Every timestep, T - 1 down to 0, then the clean end."""
        t = np.arange(self.config.num_train_timesteps)[::-1]
        k = np.array([*(self.space.k(one) for one in t), 0.0])
        return self.joined(t, k.astype(np.float32))


class VPScheduler(TableScheduler):
    """Integer timesteps of the training table; x = alpha x0 + sigma eps with alpha² + sigma² = 1."""

    space: VP
    floor: ClassVar[float] = 0.0

    def make_space(self) -> VP:
        return VP(self.table())

    def nodes(self, request: Request) -> Nodes:
        """Timesteps and where each step leads."""
        where, train = type(self).__name__, self.config.num_train_timesteps
        if request.sigmas is not None:
            t = np.array([round(self.space.t(k)) for k in request.sigmas[:-1]])
            return self.joined(t, request.sigmas.astype(np.float32))
        if request.n > train:
            refuse(f"{request.n} steps do not fit into {train} timesteps", where=where, fix=f"take at most {train}")
        t = self.visited(request).round().astype(np.int64)
        if t[0] >= train:
            refuse(f"steps_offset leads to timestep {t[0]}", where=where, fix=f"stay below {train}")
        levels = tuple(self.space.at(one) for one in t)
        targets = self.targets(t, custom=request.timesteps is not None)
        sigmas = np.array([*(one.k for one in levels), targets[-1].k], dtype=np.float32)
        return Nodes(t, levels, targets, sigmas)

    def visited(self, request: Request) -> np.ndarray:
        """The timesteps of a run, [n]."""
        return request.timesteps if request.timesteps is not None else self.spaced(request.n)

    def targets(self, t: np.ndarray, *, custom: bool) -> tuple[Level, ...]:
        """Where the step from each timestep leads: the next one, at last the clean end."""
        return (*(self.space.at(one) for one in t[1:]), self.final)

    @property
    def final(self) -> Level:
        """Where a run ends: at the clean sample, or at the level of timestep 0."""
        at_zero = "set_alpha_to_one" in self.defaults and not self.config.set_alpha_to_one
        return self.space.at(0) if at_zero else CLEAN


class StrideScheduler(VPScheduler):
    """Steps of T // n timesteps each, wherever the next entry of the list lies.

    Equal to the next entry for leading spacing; for the other two a step leads to a timestep beside the list.
    """

    def targets(self, t: np.ndarray, *, custom: bool) -> tuple[Level, ...]:
        if custom:
            return super().targets(t, custom=custom)
        return tuple(self.at(int(one) - self.stride(len(t))) for one in t)

    def stride(self, n: int) -> int:
        """Timesteps a step."""
        return self.config.num_train_timesteps // n

    def at(self, t: int) -> Level:
        """The level of a timestep; below 0, where a run ends."""
        return self.space.at(t) if t >= 0 else self.final


class KScheduler(TableScheduler):
    """Real timesteps; x = x0 + k eps; a warp lies between the first and last level that spacing gave."""

    space: VE
    timestep_dtype: ClassVar[torch.dtype] = torch.float32

    def make_space(self) -> VE:
        return VE(self.table())

    def init_noise(self, largest: float) -> float:
        """The largest level; with leading spacing, which begins below it, of data and noise together."""
        return math.hypot(largest, 1) if self.config.timestep_spacing == "leading" else largest

    def nodes(self, request: Request) -> Nodes:
        """Timesteps and noise levels."""
        self.refuse_timesteps(request)
        if request.sigmas is not None:
            k = request.sigmas.astype(np.float32)
            t = np.array([self.space.t(one) for one in k[:-1]])
        else:
            t, k = self.levels(request)
            k = np.append(k, self.final).astype(np.float32)
        return self.joined(t.astype(np.float32), k)

    def levels(self, request: Request) -> tuple[np.ndarray, np.ndarray]:
        """Timesteps, [n], and the noise levels before the end, [n]."""
        t = request.timesteps if request.timesteps is not None else self.spaced(request.n)
        t = t.astype(np.float32)
        k = self.interpolated(t)
        if self.warp:
            k = self.warped(float(k[0]), float(k[-1]), request.n)
            t = np.array([self.space.t(one) for one in k])
        return t, k

    def interpolated(self, t: np.ndarray) -> np.ndarray:
        """The noise levels of timesteps, float64, [n]."""
        return np.interp(t, np.arange(self.space.steps), self.space.ks)

    @property
    def final(self) -> float:
        """The noise level a run ends at."""
        ends_noisy = "final_sigmas_type" in self.defaults and self.config.final_sigmas_type == "sigma_min"
        return float(self.space.ks[0]) if ends_noisy else 0.0


class ExponentialScheduler(TableScheduler):
    """Integer timesteps that leave the clean end out of the count; a warp lies over the whole table."""

    noises: ClassVar[tuple[str, ...]] = ("a table of betas", "a flow")
    space: VP | Flow
    menus: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "prediction_type": ("epsilon", "sample", "v_prediction", "flow_prediction")
    }
    repeats: ClassVar[bool] = False
    """Whether a warp or a flow that does not end clean ends where it stood: as published, a step of no length."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any], **overrides: Any) -> Self:
        """Also with the configuration of a scheduler of flows, whose `shift` is called `flow_shift` here."""
        given = given_values(config)
        if "shift" in given and not {"prediction_type", "use_flow_sigmas"} & {*given}:
            flow = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": given["shift"]}
            overrides = {**flow, **overrides}
        return super().from_config(config, **overrides)

    def make_space(self) -> VP | Flow:
        self.vp = VP(self.table())
        return Flow(self.config.num_train_timesteps) if self.config.use_flow_sigmas else self.vp

    def nodes(self, request: Request) -> Nodes:
        """Timesteps and noise levels."""
        self.refuse_timesteps(request)
        t, k = self.flow_levels(request) if self.config.use_flow_sigmas else self.table_levels(request)
        if len(k) == len(t):
            k = np.append(k, 0.0 if self.ends_clean else self.smallest(k))
        return self.joined(t.astype(np.int64), k.astype(np.float32))

    def table_levels(self, request: Request) -> tuple[np.ndarray, np.ndarray]:
        """Timesteps, [n], and noise levels, [n] or with the end [n + 1], of a model with a table of betas."""
        if request.sigmas is not None:
            return np.array([self.vp.t(one) for one in request.sigmas[:-1]]).round(), request.sigmas
        if self.warp:
            k = self.warped(float(self.vp.ks[-1]), float(self.vp.ks[0]), request.n)
            t = np.array([self.vp.t(one) for one in k])
            return t.round() if self.rounds else t, k
        t = request.timesteps if request.timesteps is not None else self.spaced(request.n, self.last, beyond=1)
        t = t.round().astype(np.int64)
        return t, np.interp(t, np.arange(self.vp.steps), self.vp.ks)

    def flow_levels(self, request: Request) -> tuple[np.ndarray, np.ndarray]:
        """Timesteps, [n], and noise levels, [n] or with the end [n + 1], of a flow-matching model."""
        if request.timesteps is not None or (request.sigmas is not None and self.warp and not request.shifted):
            what = "a flow takes a number of steps, or sigmas without a warp"
            refuse(what, where=type(self).__name__, fix="leave timesteps and warps out")
        train = self.config.num_train_timesteps
        if self.warp and not request.shifted:
            k = self.warped(float(self.vp.ks[-1]), float(self.vp.ks[0]), request.n)
            k = k / (1 + k)
            return k * train, k
        k = self.flow_base(request.n) if request.sigmas is None else request.sigmas
        k = self.below_one(k if request.shifted else shifted(k, self.shift(request.mu)))
        return (k[k > 0] * train, k)

    def trained_levels(self, mu: float | None = None) -> np.ndarray:
        return shifted(self.space.ks, self.shift(mu)) if self.config.use_flow_sigmas else self.space.ks

    def flow_base(self, n: int) -> np.ndarray:
        """n falling noise levels before any shift, float64, [n]."""
        return 1 - np.linspace(1 / self.config.num_train_timesteps, 1, n + 1)[:n]

    def below_one(self, k: np.ndarray) -> np.ndarray:
        """Levels that a step in lambda can start from: lambda is minus infinity at k = 1."""
        return np.where(np.abs(k - 1) < 1e-6, k - 1e-6, k)

    def shift(self, mu: float | None) -> float:
        """How far a flow is moved towards noise."""
        return self.config.flow_shift if mu is None else shift_of(mu, self.config.time_shift_type)

    @property
    def ends_clean(self) -> bool:
        """Whether a run ends without noise."""
        return "final_sigmas_type" in self.defaults and self.config.final_sigmas_type == "zero"

    def smallest(self, k: np.ndarray) -> float:
        """The level a run ends at where it does not end clean."""
        repeated = self.repeats and (self.warp or self.config.use_flow_sigmas)
        return float(k[-1]) if repeated else float(self.vp.ks[0])

    @property
    def last(self) -> int:
        """One past the noisiest timestep whose lambda is not clipped; a cosine table ends in near-infinite noise."""
        alpha2 = self.vp.alphas_cumprod
        lambdas = alpha2.sqrt().log() - (1 - alpha2).sqrt().log()
        smallest = self.config.lambda_min_clipped if "lambda_min_clipped" in self.defaults else -math.inf
        clipped = np.searchsorted(lambdas.flip(0).numpy(), np.float32(smallest))
        return self.config.num_train_timesteps - int(clipped)

    @property
    def rounds(self) -> bool:
        """Whether timesteps after a warp are rounded; otherwise they are cut down to the integer below."""
        return self.warp in ("use_karras_sigmas", "use_lu_lambdas")
