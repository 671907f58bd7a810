"""CLIPTextModel, CLIPTextModelWithProjection: the text encoders of Stable Diffusion 1, 2 and XL.

A causal transformer over tokens (Radford et al. 2021, section 2.4), under the published names and keys. Our own,
because importing transformers' costs as much time again as importing torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple, Protocol, Self

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from .attending import attend
from .base import Config, Count, Eps, Model, Width

_ROOT = "text_model."
_LEGACY_EOS = 2
"""Configurations before 2023 say 2 for the end token, whose real number is the highest of the vocabulary."""


class CLIPTextConfig(Config, frozen=True, kw_only=True):
    """Published keys of the CLIP text encoders."""

    vocab_size: Annotated[int, Meta(ge=1, le=1 << 20)] = 49408
    hidden_size: Width = 512
    intermediate_size: Width = 2048
    projection_dim: Width = 512
    num_hidden_layers: Count = 12
    num_attention_heads: Count = 8
    max_position_embeddings: Annotated[int, Meta(ge=1, le=1 << 16)] = 77
    hidden_act: Literal["quick_gelu", "gelu"] = "quick_gelu"
    layer_norm_eps: Eps = 1e-5
    eos_token_id: int = 49407

    def check(self) -> None:
        if self.hidden_size % self.num_attention_heads:
            heads = self.num_attention_heads
            raise self.refuse("hidden_size", f"which is not divisible by num_attention_heads = {heads}")


class TextStates(NamedTuple):
    """What a text encoder says about a prompt.

    Args:
        last_hidden_state: Normalised states of the last layer, [B, T, D].
        pooler_output: Its state at the end token, [B, D].
        hidden_states: The embeddings and the states after every layer, not normalised, each [B, T, D].
        text_embeds: The pooled state projected, [B, P]; None without a projection.
    """

    last_hidden_state: Tensor
    pooler_output: Tensor
    hidden_states: tuple[Tensor, ...]
    text_embeds: Tensor | None = None


class LayerConfig(Protocol):
    """What the layers of CLIP's text encoders and of its image encoders are told."""

    @property
    def hidden_size(self) -> int: ...
    @property
    def intermediate_size(self) -> int: ...
    @property
    def num_hidden_layers(self) -> int: ...
    @property
    def num_attention_heads(self) -> int: ...
    @property
    def hidden_act(self) -> str: ...
    @property
    def layer_norm_eps(self) -> float: ...


class CLIPAttention(nn.Module):
    """Multi-head self-attention.

    Args:
        causal: Whether each token reads itself and those before it only.
    """

    attend = staticmethod(attend)

    def __init__(self, width: int, heads: int, causal: bool = True) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """[B, T, D], `mask` [B, 1, T, T] True where reading is allowed, None for the usual -> [B, T, D]."""
        q, k, v = (
            project(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        read = self.attend(q, k, v, mask, causal=self.causal and mask is None)
        return self.out_proj(read.transpose(1, 2).flatten(2))


class CLIPMLP(nn.Module):
    """Two linear layers around a GELU; "quick" is its approximation x σ(1.702 x)."""

    def __init__(self, width: int, hidden: int, act: str) -> None:
        super().__init__()
        self.quick = act == "quick_gelu"
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        h = self.fc1(x)
        return self.fc2(h * torch.sigmoid(1.702 * h) if self.quick else F.gelu(h))


class CLIPLayer(nn.Module):
    """Attention and perceptron, each residual and normalised before."""

    def __init__(self, config: LayerConfig, causal: bool = True) -> None:
        super().__init__()
        width = config.hidden_size
        self.layer_norm1 = nn.LayerNorm(width, config.layer_norm_eps)
        self.self_attn = CLIPAttention(width, config.num_attention_heads, causal)
        self.layer_norm2 = nn.LayerNorm(width, config.layer_norm_eps)
        self.mlp = CLIPMLP(width, config.intermediate_size, config.hidden_act)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        x = x + self.self_attn(self.layer_norm1(x), mask)
        return x + self.mlp(self.layer_norm2(x))


class CLIPTextEmbeddings(nn.Module):
    """What a token is plus where it stands."""

    def __init__(self, config: CLIPTextConfig) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embedding = nn.Embedding(config.max_position_embeddings, config.hidden_size)

    def forward(self, input_ids: Tensor) -> Tensor:
        """[B, T] -> [B, T, D]. Raises NF414 for more tokens than there are positions."""
        length, most = input_ids.shape[-1], self.position_embedding.num_embeddings
        if length > most:
            raise NodeflowError("NF414", f"a prompt of {length} tokens, but the text encoder takes {most}")
        return self.token_embedding(input_ids) + self.position_embedding(torch.arange(length, device=input_ids.device))


class CLIPEncoder(nn.Module):
    """The stack of layers."""

    def __init__(self, config: LayerConfig, causal: bool = True) -> None:
        super().__init__()
        self.layers = nn.ModuleList(CLIPLayer(config, causal) for _ in range(config.num_hidden_layers))

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, ...]:
        """[B, T, D] -> the input and the states after every layer, each [B, T, D]."""
        states = [x]
        for layer in self.layers:
            states.append(layer(states[-1], mask))
        return tuple(states)


class CLIPTextTransformer(nn.Module):
    """Embeddings, layers, final normalisation."""

    def __init__(self, config: CLIPTextConfig) -> None:
        super().__init__()
        self.embeddings = CLIPTextEmbeddings(config)
        self.encoder = CLIPEncoder(config)
        self.final_layer_norm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.eos_token_id = config.eos_token_id

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> TextStates:
        """As `CLIPTextModel.forward`."""
        mask = None if attention_mask is None else _causal(attention_mask)
        states = self.encoder(self.embeddings(input_ids), mask)
        last = self.final_layer_norm(states[-1])
        rows = torch.arange(len(last), device=last.device)
        return TextStates(last, last[rows, self._end(input_ids)], states)

    def _end(self, input_ids: Tensor) -> Tensor:
        """Where each prompt's end token is, [B]."""
        if self.eos_token_id == _LEGACY_EOS:
            return input_ids.argmax(-1)
        return (input_ids == self.eos_token_id).int().argmax(-1)


class CLIPTextModel(Model):
    """The text encoder without a projection: Stable Diffusion 1 and 2, the first of SDXL."""

    Config = CLIPTextConfig

    def __init__(self, config: CLIPTextConfig) -> None:
        super().__init__()
        self.text_model = CLIPTextTransformer(config)

    @property
    def final_layer_norm(self) -> nn.LayerNorm:
        """Normalises the states of an earlier layer when the last ones are skipped ("CLIP skip")."""
        return self.text_model.final_layer_norm

    def load(self, state: Mapping[str, Tensor]) -> Self:
        """As `Model.load`; names may come without the root "text_model.", as transformers writes them from 5.6 on."""
        rooted = {_rooted(name): tensor for name, tensor in state.items()}
        rooted.pop(f"{_ROOT}embeddings.position_ids", None)  # 0, 1, 2, … in files of 2022
        return super().load(rooted)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, output_hidden_states: bool = True
    ) -> TextStates:
        """Encode prompts.

        Args:
            input_ids: Tokens, [B, T], T at most `max_position_embeddings`.
            attention_mask: [B, T], 1 for tokens that may be read, 0 for padding; None = all may.
            output_hidden_states: Accepted as transformers' models do; ours cost nothing.

        Raises:
            NodeflowError: NF414, the prompts are too long.
        """
        return self.text_model(input_ids, attention_mask)


class CLIPTextModelWithProjection(CLIPTextModel):
    """The text encoder whose pooled state is projected: the second of SDXL."""

    def __init__(self, config: CLIPTextConfig) -> None:
        super().__init__(config)
        self.text_projection = nn.Linear(config.hidden_size, config.projection_dim, bias=False)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, output_hidden_states: bool = True
    ) -> TextStates:
        """As `CLIPTextModel.forward`, `text_embeds` included."""
        states = super().forward(input_ids, attention_mask)
        return states._replace(text_embeds=self.text_projection(states.pooler_output))


def _rooted(name: str) -> str:
    return name if name.startswith((_ROOT, "text_projection.")) else _ROOT + name


def _causal(attention_mask: Tensor) -> Tensor:
    """[B, T], 1 = may be read -> [B, 1, T, T] True where a token may read another."""
    length = attention_mask.shape[-1]
    before = torch.ones(length, length, dtype=torch.bool, device=attention_mask.device).tril()
    return before & attention_mask.bool()[:, None, None, :]
