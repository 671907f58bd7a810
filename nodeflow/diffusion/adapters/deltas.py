"""The algebra of adapters: what the tensors in a file add to a weight, W' = W + s · ΔW.

    Lora         ΔW = c · up · down            2106.09685, section 4.1; through a core `mid`: LyCORIS, 2309.14859
    Loha         ΔW = c · (A₁ B₁) ⊙ (A₂ B₂)    FedPara, 2108.06098, equation 1; LyCORIS, section 3.2
    Lokr         ΔW = c · W₁ ⊗ W₂              LyCORIS, 2309.14859, section 3.3
    Difference   ΔW = the tensor itself
    Dora         ΔW = m (W + V) / ‖W + V‖ − W   2402.09353, equation 5, V one of the above

c is α / r. All are linear in the strength s; a convolution [C_out, C_in, k, k] counts as the matrix
[C_out, C_in k k]. The factors stay small: a product is made when it is added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

Pieces = Mapping[str, Tensor]
"""The tensors of one layer by their roles; see `names`."""
Scale = Callable[[int], float]
"""α / r by the rank r."""


class Delta:
    """What is added to one weight."""

    def matrix(self) -> Tensor:
        """ΔW of a weight whatever its values are, [C_out, C_in · k · k] float32."""
        raise NotImplementedError

    def delta(self, weight: Tensor) -> Tensor:
        """ΔW in the shape of the weight, float32, where the weight is."""
        return self.matrix().view(weight.shape).to(weight.device)

    def rows(self, spans: tuple[tuple[int, int], ...]) -> Delta:
        """The same of a weight that is some rows of a larger one, (first, count) each; none = all."""
        return Rows(self, spans) if spans else self


@dataclass(frozen=True)
class Rows(Delta):
    """Some rows of a larger change."""

    whole: Delta
    spans: tuple[tuple[int, int], ...]

    def matrix(self) -> Tensor:
        """The rows, one span after the other."""
        full = self.whole.matrix()
        return torch.cat([full.narrow(0, start, count) for start, count in self.spans])


@dataclass(frozen=True)
class Lora(Delta):
    """A product of two thin matrices, of rank r at most.

    Args:
        down: [r, C_in], or [r, C_in, k, k] of a convolution.
        up: [C_out, r], or [C_out, r, 1, 1].
        scale: α / r.
        mid: A core between the two, [r, r, k, k]; then both are 1×1 (Tucker's decomposition).
    """

    down: Tensor
    up: Tensor
    scale: float
    mid: Tensor | None = None

    def matrix(self) -> Tensor:
        """c · up · down, or c Σ up[o, p] mid[p, q, k, l] down[q, i]."""
        down, up = self.down.float().flatten(1), self.up.float().flatten(1)
        if self.mid is None:
            return self.scale * (up @ down)
        return self.scale * torch.einsum("op,pqkl,qi->oikl", up, self.mid.float(), down).flatten(1)

    @classmethod
    def of(cls, pieces: Pieces, scale: Scale) -> Self | None:
        """None where a half is missing."""
        if not {"down", "up"} <= pieces.keys():
            return None
        return cls(pieces["down"], pieces["up"], scale(len(pieces["down"])), pieces.get("mid"))


@dataclass(frozen=True)
class Loha(Delta):
    """An elementwise product of two products, of rank r² at most.

    Args:
        first: A₁ [C_out, r] and B₁ [r, C_in · k · k], and no core; or A₁ [r, C_out], B₁ [r, C_in], core [r, r, k, k].
        second: The same.
        scale: α / r.
    """

    first: tuple[Tensor, Tensor, Tensor | None]
    second: tuple[Tensor, Tensor, Tensor | None]
    scale: float

    def matrix(self) -> Tensor:
        """c · (A₁ B₁) ⊙ (A₂ B₂)."""
        return self.scale * (_product(*self.first) * _product(*self.second)).flatten(1)

    @classmethod
    def of(cls, pieces: Pieces, scale: Scale) -> Self | None:
        """None where a part is missing."""
        if not {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"} <= pieces.keys():
            return None
        pairs = [(pieces[f"hada_w{i}_a"], pieces[f"hada_w{i}_b"], pieces.get(f"hada_t{i}")) for i in (1, 2)]
        return cls(pairs[0], pairs[1], scale(len(pieces["hada_w1_b"])))


@dataclass(frozen=True)
class Lokr(Delta):
    """A Kronecker product: every number of W₁ times all of W₂.

    Args:
        first: W₁ [a, b], or its factors as in `Loha`.
        second: W₂ [c, d], [c, d, k, k], or its factors; a c = C_out, b d = C_in.
        scale: α / r, 1 where neither has factors.
    """

    first: tuple[Tensor, Tensor | None, Tensor | None]
    second: tuple[Tensor, Tensor | None, Tensor | None]
    scale: float

    def matrix(self) -> Tensor:
        """c · W₁ ⊗ W₂."""
        first, second = _product(*self.first).contiguous(), _product(*self.second).contiguous()
        return self.scale * torch.kron(first.view(*first.shape, *[1] * (second.ndim - 2)), second).flatten(1)

    @classmethod
    def of(cls, pieces: Pieces, scale: Scale) -> Self | None:
        """None where a part is missing."""
        factors = [
            (pieces[name], None, None)
            if (name := f"lokr_w{i}") in pieces
            else (pieces[f"{name}_a"], pieces[f"{name}_b"], pieces.get(f"lokr_t{i}"))
            for i in (1, 2)
            if {f"lokr_w{i}"} <= pieces.keys() or {f"lokr_w{i}_a", f"lokr_w{i}_b"} <= pieces.keys()
        ]
        if len(factors) < 2:
            return None
        inner = next((narrow for _, narrow, _ in reversed(factors) if narrow is not None), None)
        return cls(factors[0], factors[1], 1.0 if inner is None else scale(len(inner)))


@dataclass(frozen=True)
class Difference(Delta):
    """The change itself, of any rank."""

    full: Tensor

    def matrix(self) -> Tensor:
        """As it stands in the file."""
        return self.full.float().reshape(len(self.full), -1)

    @classmethod
    def of(cls, pieces: Pieces, scale: Scale) -> Self | None:
        """None where there is none; it has no rank, so no scale."""
        return cls(pieces["diff"]) if "diff" in pieces else None


@dataclass(frozen=True)
class Dora(Delta):
    """A change of a weight's direction, with lengths of their own for its rows, or for its columns.

    Args:
        direction: V.
        magnitude: m, the lengths: [C_out], [C_out, 1, …] of rows; [1, C_in, …] of columns.
    """

    direction: Delta
    magnitude: Tensor

    def matrix(self) -> Tensor:
        """Refuses: what is added depends on the weight."""
        raise TypeError("the change of a DoRA depends on the weight")

    def delta(self, weight: Tensor) -> Tensor:
        """m (W + V) / ‖W + V‖ − W, float32."""
        start = weight.float()
        turned = start + self.direction.delta(weight)
        lengths = self.magnitude.float().to(weight.device)
        axis = 1 if lengths.ndim > 1 and lengths.shape[0] == 1 and lengths.shape[1] > 1 else 0
        others = [dim for dim in range(turned.ndim) if dim != axis]
        norms = turned.square().sum(others, keepdim=True).sqrt()
        return turned * (lengths.reshape(norms.shape) / norms.clamp_min(torch.finfo(norms.dtype).tiny)) - start

    def rows(self, spans: tuple[tuple[int, int], ...]) -> Delta:
        """The same of some rows, whose lengths do not depend on the others."""
        if not spans:
            return self
        lengths = [self.magnitude.narrow(0, start, count) for start, count in spans]
        return Dora(self.direction.rows(spans), torch.cat(lengths))


_KINDS: tuple[Any, ...] = (Lora, Loha, Lokr, Difference)


def made(pieces: Pieces, scale: Scale) -> dict[str, Delta]:
    """The changes of a layer, by the name of the parameter: "weight", "bias".

    Args:
        pieces: The layer's tensors by role.
        scale: α / r.

    Returns:
        Empty where a part of the change is missing.
    """
    change = next((change for kind in _KINDS if (change := kind.of(pieces, scale)) is not None), None)
    if change is not None and "dora_scale" in pieces:
        change = Dora(change, pieces["dora_scale"])
    elif change is not None and "magnitude" in pieces:
        change = Dora(change, pieces["magnitude"].flatten())
    bias = Difference(pieces["diff_b"]) if "diff_b" in pieces else None
    return {name: delta for name, delta in (("weight", change), ("bias", bias)) if delta is not None}


def _product(wide: Tensor, narrow: Tensor | None, core: Tensor | None) -> Tensor:
    """A matrix, the product of two, or Σ core[p, q, k, l] wide[p, o] narrow[q, i], [o, i, k, l]."""
    if narrow is None:
        return wide.float()
    if core is None:
        return wide.float() @ narrow.float()
    return torch.einsum("pqkl,po,qi->oikl", core.float(), wide.float(), narrow.float())
