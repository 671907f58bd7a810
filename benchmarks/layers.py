"""Where the time of a call goes: by kind of operation, against what this machine reaches at best.

`peaks()` measures the machine: the best matrix product and the best 3×3 convolution, in float32 as multiples of 10⁹
operations a CPU second. `Clock` times every operation that a network calls. Both count CPU seconds,
so that others on the machine do not count.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_CONVOLUTIONS = ("convolution", "_convolution_pointwise")
_PRODUCTS = ("addmm", "mm", "bmm", "_linear_pointwise", "linear", "baddbmm")
_NORMS = ("native_group_norm", "native_layer_norm")


class Peaks(NamedTuple):
    """The best that the machine does, in GFLOP/s."""

    product: float
    convolution: float


def peaks() -> Peaks:
    """Measure the machine with the threads that torch has now; the best of several sizes, libraries and tries."""
    products = []
    for size in (1024, 2048):
        a, b = torch.randn(size, size), torch.randn(size, size)
        ways: list[Callable[[], Tensor]] = [lambda a=a, b=b: a @ b]  # type: ignore[misc]
        if torch.backends.mkldnn.is_available():
            onednn = torch.ops.mkldnn._linear_pointwise
            ways.append(lambda a=a, b=b, onednn=onednn: onednn(a, b, None, "none", [], ""))  # type: ignore[misc]
        products += [2 * size**3 / _best(way) for way in ways]
    convolutions = []
    for channels, side in ((320, 32), (512, 32), (320, 64), (128, 128)):
        x, w = torch.randn(2, channels, side, side), torch.randn(channels, channels, 3, 3)
        for layout in (torch.contiguous_format, torch.channels_last):
            y, v = x.to(memory_format=layout), w.to(memory_format=layout)
            seconds = _best(lambda y=y, v=v: F.conv2d(y, v, padding=1))  # type: ignore[misc]
            convolutions.append(2 * 2 * 9 * channels**2 * side**2 / seconds)
    return Peaks(max(products) / 1e9, max(convolutions) / 1e9)


def _best(call: Callable[[], Any], tries: int = 4) -> float:
    call()
    seconds = []
    for _ in range(tries):
        began = time.process_time()
        call()
        seconds.append(time.process_time() - began)
    return min(seconds)


class Clock(TorchDispatchMode):
    """Times each operation inside a `with`, by kind."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.operations: defaultdict[str, float] = defaultdict(float)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        began = time.process_time()
        result = func(*args, **(kwargs or {}))
        seconds = time.process_time() - began
        kind, operations = _kind(func.overloadpacket.__name__, args, result)
        self.seconds[kind] += seconds
        self.operations[kind] += operations
        return result

    def table(self, peak: Peaks) -> str:
        """One line a kind, the longest first: share of the time, GFLOP/s and how much of the machine's peak that is."""
        whole = sum(self.seconds.values())
        lines = []
        for kind, seconds in sorted(self.seconds.items(), key=lambda item: -item[1]):
            if seconds < 0.005 * whole:
                continue
            rate = self.operations[kind] / seconds / 1e9
            best = peak.convolution if kind.startswith("3×3") else peak.product
            reached = f"{rate:7.0f} GFLOP/s  {rate / best:5.2f} of peak" if rate else ""
            lines.append(f"  {kind:<28}{seconds / whole:6.1%}  {reached}")
        ideal = sum(
            operations / (peak.convolution if kind.startswith("3×3") else peak.product) / 1e9
            for kind, operations in self.operations.items()
        )
        return "\n".join([*lines, f"  all sums at the machine's peak: {ideal / whole:.2f} of the time"])


def _kind(name: str, args: tuple[Any, ...], result: Any) -> tuple[str, float]:
    """What an operation is called in the table, and how many sums and products it takes."""
    if name in _CONVOLUTIONS:
        weight = args[1]
        shape = weight.shape
        side = shape[-1]
        operations = 2.0 * result.numel() * math.prod(shape[1:])
        return f"{side}×{side} convolution, {args[0].shape[-2]} rows", operations
    if name in _PRODUCTS:
        inner = args[-2].shape[-1] if name == "addmm" else args[0].shape[-1]
        return "matrix product", 2.0 * result.numel() * inner
    if "scaled_dot_product" in name:
        q, k, v = args[:3]
        scores = math.prod(q.shape[:-1]) * k.shape[-2]
        kind = "attention to the text" if k.shape[-2] != q.shape[-2] else "attention of pixels"
        return kind, 2.0 * scores * (q.shape[-1] + v.shape[-1])
    if name in _NORMS:
        return name.removeprefix("native_").replace("_", " "), 0.0
    if name in ("silu_", "silu", "gelu", "sigmoid"):
        return "activations", 0.0
    if name in ("cat", "clone", "copy_", "_to_copy", "im2col", "constant_pad_nd", "stack"):
        return "copies", 0.0
    return "sums and the rest", 0.0
