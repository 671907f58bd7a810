"""What runs share in one process: node types, cached results, weights in memory.

The command line, a notebook and the editor's worker each make one engine; graphs run one after the other keep each
other's models and results.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import content
from .errors import Fault, NodeflowError
from .execution import Cache, Environment, Executor, Plan, Report, Token
from .execution import plan as make_plan
from .graph import Graph, check, dumps, migrated
from .packs import Library, default_library
from .saving import Saver, is_plain, with_values
from .values import Weights

if TYPE_CHECKING:
    from .diffusion.residency import Residency

_ACCELERATORS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""Device files of NVIDIA, WSL and AMD drivers: where none is there, torch need not be asked."""


class Engine:
    """Runs graphs.

    Args:
        library: The node types; by default all packs of this installation.
        results: The cache; by default in memory and in the user's cache folder.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        dtype: "auto", "float32", "float16" or "bfloat16".
        vram: Bytes of weights that may lie on the device at once. Idle networks give way; of one for which that is not
            enough, the blocks pass through the device one by one. 0 = four fifths of a CUDA card, no bound elsewhere;
            on the CPU, where weights lie in host memory anyway, only idle networks give way.
        attention: What computes attention: "torch", or "xformers", "flash", "sage" where they are installed.
        compile: Compile the repeated blocks of denoisers and ControlNets (`diffusion.compiling`); what the compiler
            makes stays in the user's cache folder.

    Raises:
        NodeflowError: NF411 or NF412 for a device or number format that is not there; NF416 for an attention that is
            not, or without what compiling needs.
    """

    def __init__(
        self,
        library: Library | None = None,
        results: Cache | None = None,
        *,
        device: str = "auto",
        dtype: str = "auto",
        vram: int = 0,
        attention: str = "torch",
        compile: bool = False,
    ) -> None:
        self.library = library or default_library()
        self.results = Cache(folder=content.cache_folder() / "results") if results is None else results
        self.device, self.dtype = resolve(device, dtype)
        self._vram = vram
        self._attention, self._compile = attention, compile
        if attention != "torch" or compile:
            from .diffusion.compiling import require_kernels

            require_kernels(attention, compile, self.device, self.dtype)
            os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(content.cache_folder() / "compiled"))

    @cached_property
    def residency(self) -> Residency:
        """Which weights are where; made when the first network is needed."""
        from .diffusion.residency import Residency

        gc.freeze()  # torch's modules live as long as the process; walking them at each collection doubles load time
        return Residency(self._budgets(), attention=self._attention, compile=self._compile)

    def bound(self, vram: int) -> None:
        """Another budget of weights on the device; what is over it and idle leaves at once."""
        self._vram = vram
        if "residency" in self.__dict__:
            self.residency.limit(self._budgets())

    def _budgets(self) -> dict[str, int]:
        from .diffusion.devices import default_budgets

        return default_budgets() | ({self.device: self._vram} if self._vram else {})

    def environment(
        self,
        graph: Graph,
        folder: str | Path = ".",
        values: Mapping[str, Any] | None = None,
        save_every: int = 0,
        resume: bool = False,
    ) -> Environment:
        """Where a run of this graph computes, and what its nodes may ask for."""
        saving = Saver(graph, Path(folder), values or {})
        return Environment(
            device=self.device,
            dtype=self.dtype,
            folder=str(folder),
            weights=self._lend,
            release=self._release,
            save=saving.save,
            graph=lambda: dumps(saving.graph),
            save_every=save_every,
            resume=resume,
            kernels=(*(["compiled"] if self._compile else []), *([self._attention] * (self._attention != "torch"))),
        )

    def plan(
        self,
        graph: Graph,
        *,
        values: Mapping[str, Any] | None = None,
        wanted: Sequence[str] | None = None,
        folder: str | Path = ".",
        save_every: int = 0,
        resume: bool = False,
    ) -> Plan:
        """What a run would do, and why, without running it.

        What `check` finds stops the nodes it names and what depends on them; the rest runs.

        Args:
            graph: The graph.
            values: Values for public inputs.
            wanted: Public outputs, "node.port", or nodes; None = all outputs and sinks.
            folder: The output folder.
            save_every: Samplers keep their state on disk each so manieth step; 0 = only when the run is stopped.
            resume: Samplers go on from the state that an interrupted run kept.

        Raises:
            NodeflowError: NF212 nothing is wanted, NF213 an input or output of that name is not there.
        """
        values = values or {}
        if unknown := [name for name in values if name not in graph.inputs]:
            known = ", ".join(sorted(graph.inputs)) or "none"
            raise NodeflowError("NF213", f"the graph has no input {unknown[0]!r}", fix=f"it has: {known}")
        graph = migrated(graph, self.library).graph
        return make_plan(
            graph,
            self.library,
            values=values,
            wanted=wanted,
            environment=self.environment(graph, folder, values, save_every, resume),
            cache=self.results,
            faults=self._faults(graph, values, wanted),
        )

    def _faults(self, graph: Graph, values: Mapping[str, Any], wanted: Sequence[str] | None) -> list[Fault]:
        """What `check` finds in the graph with these values."""
        live = [name for name, value in values.items() if not is_plain(value)]
        return check(with_values(graph, values), self.library, wanted=wanted, given=live, inside=True)

    def moves(self) -> list[str]:
        """A line for each network whose blocks passed through the device, since the engine was made."""
        if "residency" not in self.__dict__:
            return []
        return [
            f"{kind} did not fit on {device}: {moves.count} blocks moved, {moves.nbytes / 1e9:.2f} GB, "
            f"{moves.waited:.2f} s waited for"
            for (kind, device), moves in self.residency.moves.items()
        ]

    def run(self, plan: Plan, *, emit: Callable[[Any], None] | None = None, cancel: Token | None = None) -> Report:
        """Do what a plan says."""
        return Executor(self.library, self.results, plan.environment, emit).run(plan, cancel)

    def _release(self) -> int:
        """Make room on the device: idle weights and cached results leave it; returns the bytes."""
        return self.residency.release() + self.results.release_device()

    def _lend(self, handle: Weights, device: str, dtype: str) -> AbstractContextManager[Any]:
        return self.residency.weights(handle, device, dtype)


@cache
def default_engine() -> Engine:
    """The engine of scripts and notebooks."""
    return Engine()


def resolve(device: str, dtype: str) -> tuple[str, str]:
    """The device and number format that are meant; torch is imported only where there may be an accelerator."""
    plain = device == "cpu" or (device == "auto" and _no_accelerator())
    if plain and dtype in ("auto", "float32"):
        return "cpu", "float32"
    from .diffusion.devices import pick_device, pick_dtype

    picked = pick_device(device)
    return picked, pick_dtype(dtype, picked)


def _no_accelerator() -> bool:
    return sys.platform.startswith("linux") and not any(os.path.exists(path) for path in _ACCELERATORS)
