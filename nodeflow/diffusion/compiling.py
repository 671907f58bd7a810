"""Compiling the blocks of a network with `torch.compile`, each kind once.

Networks repeat few blocks often. Compiled one by one, blocks of the same class and shapes share one graph, so that a
transformer of sixty blocks takes the compiler as long as one; a whole network takes minutes. What the compiler makes
stays in the folder that the environment variable `TORCHINDUCTOR_CACHE_DIR` names, where the next process finds it.

A block becomes one of a class that differs from its own in its `forward` only: the network keeps its modules, their
names and their weights, and can be copied.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from nodeflow.errors import NodeflowError

from .models.attending import attention as attention_of

_VARIANTS = 64
"""Graphs of one class of blocks before torch would give up on it and silently compute without compiling: U-nets have
about a dozen, and as many again for each size of picture."""
_LISTS = (nn.ModuleList, nn.Sequential)


def require_kernels(attention: str, compile: bool, device: str, dtype: str) -> None:
    """Raise NF416 unless a device has this attention and what compiling for it needs."""
    attention_of(attention, device, dtype)
    if not compile:
        return
    if device == "cpu" and not _compiler():
        raise NodeflowError("NF416", "compiling needs a C++ compiler", fix="install g++ or clang, or set CXX")
    if device.startswith("cuda") and not find_spec("triton"):
        raise NodeflowError("NF416", "compiling for CUDA needs the package triton", fix="pip install triton")


def _compiler() -> str | None:
    """The C++ compiler that there is."""
    asked = os.environ.get("CXX")
    return next(filter(None, map(shutil.which, [asked] if asked else ["g++", "clang++", "c++", "cl"])), None)


def compile_blocks(net: nn.Module, backend: str = "inductor") -> int:
    """Let the repeated blocks of a network be compiled when they are first called; returns how many these are.

    Shapes are compiled in: a picture of another size is compiled anew.

    Args:
        net: Changed in place.
        backend: What torch gives the graphs to.
    """
    import torch._dynamo as dynamo

    dynamo.config.recompile_limit = _VARIANTS
    dynamo.config.accumulated_recompile_limit = 8 * _VARIANTS
    blocks = repeated(net)
    for block in blocks:
        kind: Any = type(block)
        block.__class__ = _compiled_kind(kind, backend)
    return len(blocks)


@cache
def _compiled_kind(kind: Any, backend: str) -> Any:
    """A class of blocks whose `forward` is compiled."""
    forward = torch.compile(kind.forward, dynamic=False, backend=backend)
    return type(kind.__name__, (kind,), {"forward": forward, "__module__": kind.__module__})


def graphs() -> int:
    """How many graphs were compiled in this process; a step that changes it was compiled in part."""
    from torch._dynamo.utils import counters

    return int(counters["stats"]["unique_graphs"])


def repeated(net: nn.Module) -> list[nn.Module]:
    """The blocks of a network that are worth compiling.

    They are elements of lists, of a class that occurs there more than once, have at least two layers with weights, and
    no list of several elements inside: that one's elements are taken instead.
    """
    lists = [module for module in net.modules() if isinstance(module, nn.ModuleList)]
    candidates = [element for elements in lists for element in elements if _innermost(element)]
    often = Counter(type(block) for block in candidates)
    found = [block for block in candidates if often[type(block)] > 1]
    inside = {id(inner) for block in found for inner in block.modules() if inner is not block}
    return [block for block in found if id(block) not in inside]


def _innermost(block: nn.Module) -> bool:
    lists = (inner for inner in block.modules() if isinstance(inner, _LISTS))
    return _layers(block) > 1 and not any(_blocks(inner) > 1 for inner in lists)


def _layers(module: nn.Module) -> int:
    return sum(bool(inner._parameters or inner._buffers) for inner in module.modules())


def _blocks(modules: nn.Module) -> int:
    """The elements of a list that are more than a layer."""
    return sum(_layers(element) > 1 for element in modules.children())
