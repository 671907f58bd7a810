"""Learnt words: a token that a tokenizer has not, and the rows of the text encoder's table it stands for.

    learned_embeds.safetensors    {"<zork>": [n, D]}        diffusers; the token is the tensor's name
    zork.safetensors              {"emb_params": [n, D]}    web interfaces; the token is the file's name

A word of n vectors is read as n tokens. Gal et al. 2022, Textual Inversion, arXiv 2208.01618.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

FILE_NAME = "learned_embeds.safetensors"


class GrownEmbedding(nn.Module):
    """A table of tokens with rows of its own behind it, which alone may be trained.

    Args:
        table: The table that the network had, V rows.
        rows: [n, D], read as tokens V … V + n − 1.
    """

    def __init__(self, table: nn.Module, rows: Tensor) -> None:
        super().__init__()
        self.table, self.rows = table, nn.Parameter(rows)
        self.known = self._count(table)
        self.num_embeddings = self.known + len(rows)

    def forward(self, ids: Tensor) -> Tensor:
        """[B, T] -> [B, T, D]."""
        old = self.table(ids.clamp_max(self.known - 1))
        new = F.embedding((ids - self.known).clamp_min(0), self.rows)
        return torch.where((ids >= self.known)[..., None], new.to(old.dtype), old)

    @staticmethod
    def _count(table: Any) -> int:
        return int(table.num_embeddings)


def apply(net: nn.Module, tensors: Mapping[str, Tensor], strength: float, where: str) -> None:
    """Give a text encoder the words of a file, in place; their vectors are multiplied by `strength`.

    Raises:
        NodeflowError: NF407, the vectors are of another width than the text encoder's.
    """
    rows = torch.cat([tensor.reshape(-1, tensor.shape[-1]) for tensor in tensors.values()])
    grow(net, strength * rows.float(), where).requires_grad_(False)


def grow(net: nn.Module, rows: Tensor, where: str = "") -> GrownEmbedding:
    """Put rows behind a text encoder's table, in place; returns the grown table.

    Raises:
        NodeflowError: NF407, the rows are of another width.
    """
    name = next((name for name, _ in net.named_modules() if name.endswith("token_embedding")), None)
    if name is None:
        raise NodeflowError("NF407", "words are learnt by text encoders of CLIP, and this is none", where=where)
    table: Any = net.get_submodule(name)
    weight = next(p for p in table.parameters())
    if rows.shape[-1] != weight.shape[-1]:
        what = f"the words are vectors of {rows.shape[-1]} numbers, the text encoder's have {weight.shape[-1]}"
        raise NodeflowError("NF407", what, where=where, fix="use words that were learnt for this model")
    grown = GrownEmbedding(table, rows.to(weight))
    net.set_submodule(name, grown)
    return grown
