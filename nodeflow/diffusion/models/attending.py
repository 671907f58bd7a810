"""How attention is computed: one table of functions, of which torch's own is the rule and the others are asked for.

Every module that attends has a function `attend`. `choose_attention` sets it for a whole network; without, it is
torch's, which picks among its own fused kernels. A back-end takes over what it knows: attention without a mask, of
heads up to its width. The rest stays torch's: texts with padding, the distances of T5, the one wide head of an
autoencoder.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

import torch.nn.functional as F
from torch import Tensor, nn

from nodeflow.errors import NodeflowError


class Attend(Protocol):
    """softmax(s Q Kᵀ + mask) V."""

    def __call__(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        mask: Tensor | None = None,
        causal: bool = False,
        scale: float | None = None,
    ) -> Tensor:
        """Attention of heads.

        Args:
            q: Queries, [B, heads, N, d].
            k: Keys, [B, heads, M, d].
            v: Values, [B, heads, M, d].
            mask: Added to the scores or, boolean, True where reading is allowed; broadcasts to [B, heads, N, M].
            causal: Each query reads the keys up to its own place.
            scale: s; None = 1 / √d.

        Returns:
            [B, heads, N, d].
        """


def attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, causal: bool = False, scale: float | None = None
) -> Tensor:
    """Torch's; see `Attend`."""
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal, scale=scale)


def _xformers(_package: Any) -> Attend:
    """Memory-efficient attention (Rabe & Staats 2021, arXiv 2112.05682); tokens before heads."""
    ops = import_module("xformers.ops")

    def fused(q: Tensor, k: Tensor, v: Tensor, causal: bool, scale: float | None) -> Tensor:
        bias = ops.LowerTriangularMask() if causal else None
        q, k, v = (heads.transpose(1, 2) for heads in (q, k, v))
        return ops.memory_efficient_attention(q, k, v, attn_bias=bias, scale=scale).transpose(1, 2)

    return _knowing(fused)


def _flash(package: Any) -> Attend:
    """FlashAttention (Dao 2023, arXiv 2307.08691); tokens before heads, float16 and bfloat16 only."""

    def fused(q: Tensor, k: Tensor, v: Tensor, causal: bool, scale: float | None) -> Tensor:
        q, k, v = (heads.transpose(1, 2) for heads in (q, k, v))
        return package.flash_attn_func(q, k, v, softmax_scale=scale, causal=causal).transpose(1, 2)

    return _knowing(fused, widest=256)


def _sage(package: Any) -> Attend:
    """SageAttention: scores in 8 bits (Zhang et al. 2024, arXiv 2410.02367)."""

    def fused(q: Tensor, k: Tensor, v: Tensor, causal: bool, scale: float | None) -> Tensor:
        return package.sageattn(q, k, v, tensor_layout="HND", is_causal=causal, sm_scale=scale)

    return _knowing(fused, widest=128)


def _knowing(fused: Callable[[Tensor, Tensor, Tensor, bool, float | None], Tensor], widest: int = 1 << 16) -> Attend:
    """A back-end for what it knows, torch for the rest.

    Args:
        widest: Channels of a head that it knows.
    """

    def attending(
        q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, causal: bool = False, scale: float | None = None
    ) -> Tensor:
        known = mask is None and q.shape[-1] <= widest
        return fused(q, k, v, causal, scale) if known else attend(q, k, v, mask, causal, scale)

    return attending


_BACKENDS: dict[str, tuple[str, Callable[[Any], Attend]]] = {
    "xformers": ("xformers", _xformers),
    "flash": ("flash_attn", _flash),
    "sage": ("sageattention", _sage),
}
"""By name: the package it comes with, and what makes the function."""

NAMES = ("torch", *_BACKENDS)


def available() -> tuple[str, ...]:
    """The back-ends whose packages are installed."""
    return ("torch", *(name for name, (package, _) in _BACKENDS.items() if find_spec(package)))


def attention(name: str, device: str = "cpu", dtype: str = "float32") -> Attend:
    """The function of a back-end.

    Args:
        name: One of `NAMES`.
        device: Where it is to compute.
        dtype: Number format of the network.

    Raises:
        NodeflowError: NF416, there is no such back-end, its package is not installed or broken, or it does not compute
            on this device or in this number format.
    """
    if name == "torch":
        return attend
    if name not in _BACKENDS:
        raise NodeflowError("NF416", f"there is no attention {name!r}", fix=f"use one of {', '.join(NAMES)}")
    package, make = _BACKENDS[name]
    others = " or ".join(available())
    if not find_spec(package):
        fix = f"pip install {package.replace('_', '-')}, or use {others}"
        raise NodeflowError("NF416", f"the attention {name!r} needs the package {package}", fix=fix)
    if not device.startswith("cuda"):
        raise NodeflowError("NF416", f"the attention {name!r} computes on CUDA cards, not on {device}", fix="use torch")
    if dtype == "float32" and name != "xformers":
        fix = "use --dtype bfloat16, or torch"
        raise NodeflowError("NF416", f"the attention {name!r} computes in float16 and bfloat16 only", fix=fix)
    try:
        return make(import_module(package))
    except (ImportError, AttributeError, OSError) as error:
        what = f"the package {package} cannot be used: {error}"
        raise NodeflowError("NF416", what, fix=f"reinstall it, or use {others}") from error


def choose_attention(net: nn.Module, function: Attend) -> None:
    """Let every module of a network that attends do it through a function."""
    for module in net.modules():
        if hasattr(type(module), "attend"):
            module.attend = function  # type: ignore[assignment]
