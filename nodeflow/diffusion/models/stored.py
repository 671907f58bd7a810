"""Layers whose weights stay in memory as the file stores them, in 8 bits or fewer, and are expanded at every use.

A network of 12 billion weights takes 6 GB so, not 24 or 48; one layer at a time is expanded. Small layers (norms,
embeddings) are expanded once, when the network is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from . import ggml

_STAYS = (nn.Linear, nn.Conv2d)
"""Layers that are worth it: nearly all weights are theirs."""


@dataclass(frozen=True)
class Stored:
    """A tensor in the form of its file.

    Args:
        data: float8 numbers in the tensor's own shape, or rows of blocks, [rows, bytes a row] uint8.
        shape: Of the numbers.
        form: A key of `ggml.EXPAND`; empty = float8.
        scale: What the numbers are multiplied by: one number, or one a row.
    """

    data: Tensor
    shape: tuple[int, ...]
    form: str = ""
    scale: Tensor | None = None

    def expand(self, dtype: torch.dtype) -> Tensor:
        """The numbers, `shape`, in a number format."""
        if self.form:
            return ggml.expand(self.data, self.form, self.shape).to(dtype)
        numbers = self.data.to(dtype)
        if self.scale is None:
            return numbers
        scale = self.scale.to(dtype)
        return numbers * (scale.view(-1, *[1] * (numbers.ndim - 1)) if scale.numel() > 1 else scale.view(()))

    def rows(self, start: int, count: int) -> Stored:
        """Some of its rows, without a copy."""
        scale = self.scale
        if scale is not None and scale.numel() > 1:
            scale = scale.narrow(0, start, count)
        return replace(self, data=self.data.narrow(0, start, count), shape=(count, *self.shape[1:]), scale=scale)

    def to(self, device: str) -> Stored:
        """The same on a device."""
        return replace(self, data=self.data.to(device), scale=None if self.scale is None else self.scale.to(device))


class StoredLayer(nn.Module):
    """Mixed into a layer: its `weight` is expanded from what the file stores, and changed, whenever it is read."""

    weight_data: Tensor
    weight_scale: Tensor | None

    def keep(self, stored: Stored, dtype: torch.dtype) -> Self:
        """Take a stored weight in place of the layer's own; `dtype` is what it expands to."""
        del self._parameters["weight"]
        self._form, self._shape, self._dtype = stored.form, stored.shape, dtype
        self._changes: list[Callable[[Tensor], Tensor]] = []
        self.register_buffer("weight_data", stored.data, persistent=False)
        self.register_buffer("weight_scale", stored.scale, persistent=False)
        return self

    def change(self, function: Callable[[Tensor], Tensor]) -> None:
        """Change the expanded weight by a function, at every use, after the changes before it."""
        self._changes.append(function)

    def _expanded(self) -> Tensor:
        weight = Stored(self.weight_data, self._shape, self._form, self.weight_scale).expand(self._dtype)
        for function in self._changes:
            weight = function(weight)
        return weight

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """In a state dict the weight stands expanded, as other tools know it."""
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[f"{prefix}weight"] = self._expanded()


_KINDS: dict[Any, Any] = {}
"""Kind of layer -> the same with its weight stored."""


def _stored_kind(kind: Any) -> Any:
    if kind not in _KINDS:
        _KINDS[kind] = type(f"Stored{kind.__name__}", (StoredLayer, kind), {"weight": property(StoredLayer._expanded)})
    return _KINDS[kind]


def placeholders(
    state: Mapping[str, Tensor | Stored], dtype: torch.dtype
) -> tuple[dict[str, Tensor], dict[int, Stored]]:
    """A state that a network can load, with parameters without memory where the weights are stored.

    Returns:
        The state, and what each placeholder stands for, by its `id`.
    """
    plain: dict[str, Tensor] = {}
    stands: dict[int, Stored] = {}
    for name, tensor in state.items():
        if isinstance(tensor, Stored):
            place = nn.Parameter(torch.empty(tensor.shape, dtype=dtype, device="meta"), requires_grad=False)
            stands[id(place)] = tensor
            plain[name] = place
        else:
            plain[name] = tensor
    return plain, stands


def settle(net: nn.Module, stands: Mapping[int, Stored], dtype: torch.dtype) -> None:
    """Put stored weights where a network has placeholders: kept in large layers, expanded in the others."""
    for module in list(net.modules()):
        for name, parameter in list(module._parameters.items()):
            stored = stands.get(id(parameter))
            if stored is None:
                continue
            if name == "weight" and isinstance(module, _STAYS):
                _kept(module, stored, dtype)
            else:
                setattr(module, name, nn.Parameter(stored.expand(dtype), requires_grad=False))


def _kept(layer: Any, stored: Stored, dtype: torch.dtype) -> None:
    layer.__class__ = _stored_kind(type(layer))
    layer.keep(stored, dtype)
