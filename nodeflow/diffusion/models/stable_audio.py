"""StableAudioDiTModel: a transformer on the cells of a sound's latent.

Evans et al. 2024, arXiv 2407.14358, section 2.3.

Time and length of the sound stand before the cells as a token of their own; the text is read by cross-attention whose
heads share keys and values (Ainslie et al. 2023, arXiv 2305.13245).
"""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from .attending import attend
from .base import Config, Count, Model, Width
from .embeddings import FourierProjection, timestep_vector
from .joint import require_skip
from .kernels import Linear
from .perturbation import Change, Changes
from .rotary import partly_rotated, rotations


class StableAudioDiTConfig(Config, frozen=True, kw_only=True):
    """Published keys of `StableAudioDiTModel`."""

    sample_size: Annotated[int, Meta(ge=1, le=1 << 20)] = 1024
    in_channels: Width = 64
    num_layers: Count = 24
    attention_head_dim: Width = 64
    num_attention_heads: Count = 24
    num_key_value_attention_heads: Count = 12
    out_channels: Width = 64
    cross_attention_dim: Width = 768
    time_proj_dim: Width = 256
    global_states_input_dim: Width = 1536
    cross_attention_input_dim: Width = 768

    @property
    def width(self) -> int:
        """Channels of a token."""
        return self.num_attention_heads * self.attention_head_dim

    def check(self) -> None:
        if self.attention_head_dim % 4:
            raise self.refuse("attention_head_dim", "so that half of it is not pairs of channels")
        if self.num_attention_heads % self.num_key_value_attention_heads:
            raise self.refuse("num_key_value_attention_heads", "which does not divide num_attention_heads")
        if self.time_proj_dim % 2:
            raise self.refuse("time_proj_dim", "which is odd")
        if self.in_channels != self.out_channels:
            raise self.refuse("out_channels", "but as many come out as go in")


class StableAudioDiTModel(Model):
    """Predicts the velocity of a sound's latent from time, text, and how long the sound is."""

    Config = StableAudioDiTConfig

    def __init__(self, config: StableAudioDiTConfig) -> None:
        super().__init__()
        self._c = c = config
        self.time_proj = FourierProjection(c.time_proj_dim, flip_sin_to_cos=True)
        self.timestep_proj = _perceptron(c.time_proj_dim, c.width, bias=True)
        self.global_proj = _perceptron(c.global_states_input_dim, c.width)
        self.cross_attention_proj = _perceptron(c.cross_attention_input_dim, c.cross_attention_dim)
        self.preprocess_conv = nn.Conv1d(c.in_channels, c.in_channels, 1, bias=False)
        self.proj_in = Linear(c.in_channels, c.width, bias=False)
        self.transformer_blocks = nn.ModuleList(StableAudioDiTBlock(c) for _ in range(c.num_layers))
        self.proj_out = Linear(c.width, c.out_channels, bias=False)
        self.postprocess_conv = nn.Conv1d(c.out_channels, c.out_channels, 1, bias=False)

    def forward(
        self,
        hidden_states: Tensor,
        timestep: Tensor | float,
        encoder_hidden_states: Tensor,
        global_hidden_states: Tensor,
        changes: Changes | None = None,
    ) -> Tensor:
        """Predict the velocity.

        Args:
            hidden_states: Noisy latent, [B, C, N].
            timestep: A number, a scalar tensor or [B], 0..1.
            encoder_hidden_states: The text, and the seconds behind it, [B, T, cross_attention_input_dim].
            global_hidden_states: Both seconds side by side, [B, 1, global_states_input_dim].
            changes: Which blocks are left out; see `perturbation.touched`.

        Returns:
            [B, C, N].

        Raises:
            NodeflowError: NF414, the tensors do not fit the network or each other.
        """
        self._require_fit(hidden_states, encoder_hidden_states, global_hidden_states)
        waves = self.time_proj(timestep_vector(timestep, hidden_states)).to(hidden_states)
        first = self.global_proj(global_hidden_states) + self.timestep_proj(waves)[:, None]
        text = self.cross_attention_proj(encoder_hidden_states)
        cells = (self.preprocess_conv(hidden_states) + hidden_states).transpose(1, 2)
        x = torch.cat([first, self.proj_in(cells)], dim=1)
        turn = self._turn(x)
        for block in self.transformer_blocks:
            x = block(x, text, turn, change=None if changes is None else changes.get(block))
        out = self.proj_out(x[:, 1:]).transpose(1, 2)
        return self.postprocess_conv(out) + out

    def _turn(self, x: Tensor) -> Tensor:
        """The turn of every token, the first one's included, for half of a head's channels, [1 + N, d / 4]."""
        return rotations(torch.arange(x.shape[1], device=x.device)[:, None], [self._c.attention_head_dim // 2])

    def _require_fit(self, x: Tensor, text: Tensor, seconds: Tensor) -> None:
        self._require_weights(x)
        c, batch = self._c, x.shape[0]
        if x.ndim != 3 or x.shape[1] != c.in_channels:
            raise NodeflowError("NF414", f"latents are [B, {c.in_channels}, N] here, but got {list(x.shape)}")
        if text.ndim != 3 or text.shape[::2] != (batch, c.cross_attention_input_dim):
            want = f"[{batch}, T, {c.cross_attention_input_dim}]"
            raise NodeflowError("NF414", f"text states are {want} here, but got {list(text.shape)}")
        if seconds.shape != (batch, 1, c.global_states_input_dim):
            want = f"[{batch}, 1, {c.global_states_input_dim}]"
            raise NodeflowError("NF414", f"the states of the seconds are {want} here, but got {list(seconds.shape)}")


class StableAudioDiTBlock(nn.Module):
    """Self-attention, attention to the text, perceptron; each residual and normalised before."""

    attends_to_itself = True

    def __init__(self, c: StableAudioDiTConfig) -> None:
        super().__init__()
        heads, head = c.num_attention_heads, c.attention_head_dim
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(c.width) for _ in range(3))
        self.attn1 = GroupedAttention(c.width, c.width, heads, heads, head)
        self.attn2 = GroupedAttention(c.width, c.cross_attention_dim, heads, c.num_key_value_attention_heads, head)
        self.ff = GatedPerceptron(c.width)

    def forward(self, x: Tensor, text: Tensor, turn: Tensor, change: Change | None = None) -> Tensor:
        """Tokens [B, N, C], reading `text` [B, T, D], turned by [N, d / 4] -> [B, N, C]."""
        if change is not None:
            require_skip(change)
        h = self.norm1(x)
        y = x + self.attn1(h, h, turn)
        y = y + self.attn2(self.norm2(y), text)
        y = y + self.ff(self.norm3(y))
        return y if change is None else change.passed(x, y)


class GroupedAttention(nn.Module):
    """Attention in which several heads of queries share one of keys and values.

    Args:
        heads: Of the queries.
        shared: Of keys and values; divides `heads`.
    """

    attend = staticmethod(attend)

    def __init__(self, width: int, context: int, heads: int, shared: int, head: int) -> None:
        super().__init__()
        self.head, self.times = head, heads // shared
        self.to_q = Linear(width, heads * head, bias=False)
        self.to_k, self.to_v = (Linear(context, shared * head, bias=False) for _ in range(2))
        self.to_out = nn.ModuleList([Linear(heads * head, width, bias=False)])

    def forward(self, x: Tensor, context: Tensor, turn: Tensor | None = None) -> Tensor:
        """[B, N, C], reading [B, M, D], both turned where a `turn` [N, d / 4] is given -> [B, N, C]."""
        q, k, v = (
            tokens.unflatten(-1, (-1, self.head)).transpose(1, 2)
            for tokens in (self.to_q(x), self.to_k(context), self.to_v(context))
        )
        k, v = (part.repeat_interleave(self.times, dim=1) if self.times > 1 else part for part in (k, v))
        if turn is not None:
            q, k = partly_rotated(q, turn), partly_rotated(k, turn)
        return self.to_out[0](self.attend(q, k, v).transpose(1, 2).flatten(2))


class SwiGLU(nn.Module):
    """(x W + b) ⊙ SiLU(x V + c) (Shazeer 2020, arXiv 2002.05202, equation 6)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.proj = Linear(channels, 2 * hidden)

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, C] -> [B, N, hidden]."""
        h, gate = self.proj(x).chunk(2, dim=-1)
        return h * F.silu(gate)


class GatedPerceptron(nn.Module):
    """Two linear layers around a gated SiLU, four times wider inside; a published dropout counts in the names."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.net = nn.Sequential(SwiGLU(channels, 4 * channels), nn.Identity(), Linear(4 * channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, C] -> [B, N, C]."""
        return self.net(x)


def _perceptron(width: int, out: int, bias: bool = False) -> nn.Sequential:
    return nn.Sequential(Linear(width, out, bias), nn.SiLU(), Linear(out, out, bias))
