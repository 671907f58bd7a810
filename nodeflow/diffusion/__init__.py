"""The toolbox: noise schedulers, networks, guidance, sampling, checkpoints, training. Torch lives here and only here.

Importing this package imports no torch: its parts are modules that arrive on first touch. May import
`nodeflow.errors`, `nodeflow.atomic`, `nodeflow.values`, `nodeflow.training`, `nodeflow.media`, torch and safetensors;
never the graph, the executor or `diffusers`, which is the oracle of the tests.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType


def __getattr__(name: str) -> ModuleType:
    if not name.startswith("_") and name in __dir__():
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [module.name for module in iter_modules(__path__)]
