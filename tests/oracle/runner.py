"""One runner for all grids: every combination of a scheduler's options, step for step, ours beside the oracle's."""

from __future__ import annotations

import inspect
import itertools
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from nodeflow.diffusion import schedulers

diffusers = pytest.importorskip("diffusers")

TOLERANCE = 1e-5
diffusers.utils.logging.set_verbosity_error()


@dataclass
class Grid:
    """A scheduler, axes of options, and how it is asked to run.

    Args:
        wide: Run in float64.
        theirs: How the oracle is asked, where it asks otherwise.
        unit: What the oracle's callers multiply the first noise by.
        ends: Whether the oracle lists the end among the timesteps.
        says: What the oracle's `step` is told at call i beside the usual.
    """

    name: str
    axes: dict[str, list[Any]] = field(default_factory=dict)
    steps: tuple[int, ...] = (7,)
    starts: tuple[int, ...] = (0,)
    request: dict[str, Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    channels: int = 1
    wide: bool = False
    theirs: dict[str, Any] | None = None
    unit: float = 1.0
    ends: bool = False
    says: Callable[[Any, int], dict[str, Any]] | None = None

    def __str__(self) -> str:
        how = [*self.axes, *(self.request or {}), *self.options, *(["starts"] if any(self.starts) else [])]
        return f"{self.name}:{','.join(how)}"

    def cases(self) -> Iterator[tuple[dict[str, Any], dict[str, Any], int]]:
        for values in itertools.product(*self.axes.values()):
            config = dict(zip(self.axes, values, strict=True))
            if warp := config.pop("warp", None):
                config[warp] = True
            requests = [self.request] if self.request else [{"num_inference_steps": n} for n in self.steps]
            for request, start in itertools.product(requests, self.starts):
                yield config, request, start


def parted(grid: Grid) -> str:
    """What differs in the runs of a grid; empty where nothing does."""
    wrong = [(case, found) for case in grid.cases() if (found := differences(grid, *case))]
    return f"{len(wrong)} runs differ, first {wrong[:3]}" if wrong else ""


def network(x: torch.Tensor, t: torch.Tensor, channels: int) -> torch.Tensor:
    """A smooth function of x and t; twice the channels where a network learned its variance."""
    out = 0.8 * torch.tanh(0.7 * x + 0.1 * float(t) / 1000) + 0.05 * x.roll(1, -1)
    return out if channels == 1 else torch.cat([out, 0.3 * out.abs()], 1)


def widened(oracle: Any) -> Any:
    """The oracle with its tables in float64, its noise drawn in float32 as ever."""
    module = sys.modules[type(oracle).__module__]
    if hasattr(module, "randn_tensor"):
        module.randn_tensor = drawn
    of_stages = ("sigmas_interpol", "sigmas_up", "sigmas_down")
    tables = ("sigmas", "discrete_sigmas", "betas", "alphas", "alphas_cumprod", "final_alpha_cumprod")
    for name in (*tables, *of_stages):
        if hasattr(oracle, name):
            setattr(oracle, name, getattr(oracle, name).double())
    return oracle


def drawn(shape: Any, generator: Any = None, dtype: Any = None, **_: Any) -> torch.Tensor:
    """N(0, 1) of the same draws in any number format."""
    return torch.randn(shape, generator=generator).to(dtype)


def unlike(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-12))


def same_sigmas(mine: Any, theirs: torch.Tensor) -> bool:
    """Inside a step the oracle shows the level of its end, and some of its classes go on with zeros after the last."""
    if len(theirs) > len(mine.sigmas) and not theirs[len(mine.sigmas) :].any():
        theirs = theirs[: len(mine.sigmas)]
    if len(theirs) != len(mine.sigmas):
        return False
    inside = torch.tensor([*(bool(one.stage) for one in mine.current.evals), False])
    inside = torch.cat([inside, inside.new_zeros(len(theirs) - len(inside))])
    return torch.allclose(mine.sigmas[~inside], theirs[~inside], rtol=TOLERANCE, atol=1e-9)


def schedule_differences(mine: Any, oracle: Any, grid: Grid) -> list[str]:
    timesteps = oracle.timesteps[:-1] if grid.ends else oracle.timesteps
    alike = mine.timesteps.is_floating_point() == timesteps.is_floating_point()
    if not alike or mine.timesteps.shape != timesteps.shape:
        return [f"timesteps {mine.timesteps} for {timesteps}"]
    found = []
    if not torch.allclose(mine.timesteps.double(), timesteps.double(), rtol=0, atol=1e-3):
        found.append(f"timesteps {mine.timesteps} for {timesteps}")
    if hasattr(oracle, "sigmas") and not same_sigmas(mine, oracle.sigmas):
        found.append(f"sigmas {mine.sigmas} for {oracle.sigmas}")
    init = grid.unit * float(getattr(oracle, "init_noise_sigma", 1.0))
    if abs(mine.init_noise_sigma - init) > TOLERANCE * init:
        found.append(f"init_noise_sigma {mine.init_noise_sigma} for {init}")
    return found


def differences(grid: Grid, config: dict[str, Any], request: dict[str, Any], start: int) -> list[str]:
    """Where a run of ours and of the oracle's part."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = getattr(diffusers, grid.name).from_config(config)
    mine = schedulers.from_config(grid.name, **config)
    oracle.set_timesteps(**(grid.theirs or request))
    mine.set_timesteps(**request)
    if found := schedule_differences(mine, oracle, grid):
        return found
    draw = torch.Generator().manual_seed(0)
    x0, noise = torch.randn(2, 3, 4, 4, generator=draw), torch.randn(2, 3, 4, 4, generator=draw)
    begin = start * mine.order
    if hasattr(oracle, "set_begin_index"):
        oracle.set_begin_index(begin)
    if begin:
        first = [one.timesteps[begin : begin + 1].repeat(2) for one in (mine, oracle)]
        x = mine.add_noise(x0, noise, first[0])
        theirs = noised_by(oracle, x0, noise, first[1])
        if theirs is not None and unlike(x, theirs) > TOLERANCE:
            return ["add_noise"]
    else:
        x = noise * mine.init_noise_sigma
    return run_differences(grid, mine, oracle, x, begin)


def noised_by(oracle: Any, x0: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor | None:
    """A picture at the level of timesteps, by the oracle's name for it; None where it has none."""
    if hasattr(oracle, "add_noise"):
        return oracle.add_noise(x0, noise, t)
    return oracle.scale_noise(x0, t, noise) if hasattr(oracle, "scale_noise") else None


def seen_by(scheduler: Any, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """What the network sees; x itself where the oracle scales nothing."""
    return scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x


def run_differences(grid: Grid, mine: Any, oracle: Any, x: torch.Tensor, begin: int) -> list[str]:
    if grid.wide:
        widened(oracle)
        x = x.double()
    mine_x = oracle_x = x
    generators = [torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)]
    draws = {"generator": generators[1]} if "generator" in inspect.signature(oracle.step).parameters else {}
    for i in range(begin, len(mine.timesteps)):
        t, u = mine.timesteps[i], oracle.timesteps[i]
        out = network(mine.scale_model_input(mine_x, t), u, grid.channels)
        mine_x, estimate = mine.step(out, t, mine_x, generator=generators[0], return_dict=False, **grid.options)
        out = network(seen_by(oracle, oracle_x, u), u, grid.channels)
        try:
            said = {"timestep": u, **(grid.says(oracle, i) if grid.says else {})}
            theirs = oracle.step(out, sample=oracle_x, **said, **draws, **grid.options)
        except torch.linalg.LinAlgError:
            theirs = None
        if theirs is None or not theirs.prev_sample.isfinite().all():
            return [] if mine_x.isfinite().all() else [f"not finite at call {i}"]
        oracle_x = theirs.prev_sample
        if not (far := unlike(mine_x, oracle_x)) <= TOLERANCE:
            return [f"x at call {i} by {far:.1e}"]
        theirs_estimate = getattr(theirs, "pred_original_sample", None)
        if theirs_estimate is not None and unlike(estimate, theirs_estimate) > TOLERANCE:
            return [f"x0 at call {i}"]
    return []
