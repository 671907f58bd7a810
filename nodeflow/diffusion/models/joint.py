"""Attention over a picture and a text at once, with weights for each: the block of MMDiT.

Esser et al. 2024, arXiv 2403.03206, figure 2b: both kinds of tokens have their own projections, modulation and
perceptron, and meet in one attention. The tokens of the text stand before those of the picture.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from .attending import attend
from .attention import FeedForward
from .kernels import Linear
from .modulation import EPS, Modulation, gated, modulated, normalised
from .perturbation import Change
from .rotary import rotated


class SelfAttention(nn.Module):
    """Multi-head attention of tokens to each other, whose queries and keys may be normalised and turned.

    Args:
        qk_norm: Divide each query and key by its root mean square.
        out: Whether a layer follows; without, the heads are given as they are.
    """

    attend = staticmethod(attend)

    def __init__(self, width: int, heads: int, qk_norm: bool, out: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.to_q, self.to_k, self.to_v = (Linear(width, width) for _ in range(3))
        self.norm_q, self.norm_k = (_norm(width // heads, qk_norm) for _ in range(2))
        self.to_out = nn.ModuleList([Linear(width, width)]) if out else None

    def forward(self, x: Tensor, turn: Tensor | None = None) -> Tensor:
        """Tokens [B, N, C], their rotary turns [N, d / 2] -> [B, N, C]."""
        read = self._attended(*self._qkv(x), turn)
        return read if self.to_out is None else self.to_out[0](read)

    def _qkv(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = (self._split(project(x)) for project in (self.to_q, self.to_k, self.to_v))
        return self.norm_q(q), self.norm_k(k), v

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def _attended(self, q: Tensor, k: Tensor, v: Tensor, turn: Tensor | None) -> Tensor:
        if turn is not None:
            q, k = rotated(q, turn), rotated(k, turn)
        return self.attend(q, k, v).transpose(1, 2).flatten(2)


class JointAttention(SelfAttention):
    """Attention of a picture and a text, each through its own projections.

    Args:
        last: The text is read but not written: nothing comes after it.
    """

    def __init__(self, width: int, heads: int, qk_norm: bool, last: bool = False) -> None:
        super().__init__(width, heads, qk_norm)
        self.add_q_proj, self.add_k_proj, self.add_v_proj = (Linear(width, width) for _ in range(3))
        self.norm_added_q, self.norm_added_k = (_norm(width // heads, qk_norm) for _ in range(2))
        self.to_add_out = None if last else Linear(width, width)

    def forward(  # type: ignore[override]
        self, x: Tensor, text: Tensor, turn: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Picture [B, N, C] and text [B, T, C], their turns [T + N, d / 2] -> the same two."""
        q, k, v = self._qkv(x)
        q_t, k_t, v_t = (self._split(project(text)) for project in (self.add_q_proj, self.add_k_proj, self.add_v_proj))
        q = torch.cat([self.norm_added_q(q_t), q], dim=2)
        k = torch.cat([self.norm_added_k(k_t), k], dim=2)
        read = self._attended(q, k, torch.cat([v_t, v], dim=2), turn)
        said, seen = read[:, : text.shape[1]], read[:, text.shape[1] :]
        assert self.to_out is not None
        return self.to_out[0](seen), said if self.to_add_out is None else self.to_add_out(said)


class JointTransformerBlock(nn.Module):
    """Joint attention and perceptrons, each modulated before and gated after.

    Args:
        dual: A second attention, of the picture to itself (Stable Diffusion 3.5 medium).
        last: The text ends here.
    """

    attends_to_itself = True

    def __init__(self, width: int, heads: int, qk_norm: bool, dual: bool = False, last: bool = False) -> None:
        super().__init__()
        self.last = last
        self.norm1 = Modulation(width, 9 if dual else 6)
        self.norm1_context = Modulation(width, 2 if last else 6)
        self.attn = JointAttention(width, heads, qk_norm, last)
        self.attn2 = SelfAttention(width, heads, qk_norm) if dual else None
        self.ff = FeedForward(width, gated=False)
        self.ff_context = None if last else FeedForward(width, gated=False)

    def forward(
        self, x: Tensor, text: Tensor, c: Tensor, turn: Tensor | None = None, change: Change | None = None
    ) -> tuple[Tensor, Tensor]:
        """Picture [B, N, C] and text [B, T, C], steered by c [B, C], turned by [T + N, d / 2] -> the same two."""
        if change is not None:
            require_skip(change)
        vectors, said = self.norm1(c), self.norm1_context(c)
        shift, scale = reversed(said) if self.last else said[:2]
        plain = normalised(x)
        seen, read = self.attn(modulated(plain, *vectors[:2]), modulated(normalised(text), shift, scale), turn)
        y = gated(x, vectors[2], seen)
        if self.attn2 is not None:
            shift, scale, gate = vectors[6:]
            y = gated(y, gate, self.attn2(modulated(plain, shift, scale)))
        y = _perceived(y, self.ff, vectors[3:6])
        told = text if self.ff_context is None else _perceived(gated(text, said[2], read), self.ff_context, said[3:])
        return (y, told) if change is None else (change.passed(x, y), change.passed(text, told))


def require_skip(change: Change) -> None:
    """Raise NF414 unless all that is to be done is to leave the block out."""
    if any(getattr(touch, "kind", "") != "skip" for touch, _ in change.touches):
        raise NodeflowError(
            "NF414",
            "in this network picture and text share one attention, which this guidance cannot change",
            fix="use skip-layer guidance, or none",
        )


def _perceived(x: Tensor, ff: FeedForward, vectors: tuple[Tensor, ...]) -> Tensor:
    shift, scale, gate = vectors
    return gated(x, gate, ff(modulated(normalised(x), shift, scale)))


def _norm(width: int, wanted: bool) -> nn.Module:
    return nn.RMSNorm(width, EPS) if wanted else nn.Identity()
