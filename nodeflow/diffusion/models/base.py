"""What every network shares: a checked configuration in, a module with published parameter names out."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Self

import msgspec
import torch
from msgspec import Meta
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

Count = Annotated[int, Meta(ge=1, le=256)]
"""A number of layers, heads or groups; the bound keeps a hostile file from building for ever."""
Width = Annotated[int, Meta(ge=1, le=1 << 17)]
"""A number of channels."""
Levels = Annotated[tuple[Width, ...], Meta(min_length=1, max_length=16)]
"""Channels at each resolution, finest first."""
Eps = Annotated[float, Meta(gt=0, lt=1)]
Probability = Annotated[float, Meta(ge=0, le=1)]

_SHOWN = 3


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The published `config.json` of a network: names and defaults of its keys, and the values we can build."""

    def check(self) -> None:
        """Refuse values that are fine one by one but do not fit each other. Raises NF406."""

    def refuse(self, key: str, why: str, fix: str = "") -> NodeflowError:
        """The error that says which key of the configuration cannot be built, and why."""
        return NodeflowError(
            "NF406", f"{key} is {reprlib.repr(getattr(self, key))}, {why}", where="config.json", fix=fix
        )


class LevelConfig(Config, frozen=True, kw_only=True):
    """The configuration of a network with several resolutions."""

    block_out_channels: Levels
    norm_num_groups: Count = 32

    def check(self) -> None:
        if any(width % self.norm_num_groups for width in self.block_out_channels):
            raise self.refuse("block_out_channels", f"not multiples of norm_num_groups = {self.norm_num_groups}")

    def require_levels(self, *keys: str) -> None:
        """Raise NF406 unless each of these lists has one entry a level, as many as `block_out_channels`."""
        levels = len(self.block_out_channels)
        for key in keys:
            value = getattr(self, key)
            if isinstance(value, tuple) and len(value) != levels:
                raise self.refuse(key, f"but block_out_channels has {levels} levels")


class Model(nn.Module):
    """A network built from its published configuration.

    Built under `torch.device("meta")` it allocates and initialises nothing; `load` then puts tensors in place.
    """

    Config: ClassVar[type[Config]]
    _config: dict[str, Any]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the network that a `config.json` describes.

        Args:
            config: The published keys. Missing ones take the published default, unknown ones are only kept.

        Raises:
            NodeflowError: NF406, a value of the configuration cannot be built; names the key.
        """
        options = _options(cls.Config, config)
        options.check()
        model = cls(options)
        model._config = {**msgspec.structs.asdict(options), **config}
        return model

    @property
    def config(self) -> Mapping[str, Any]:
        """The configuration as published: defaults filled in, unknown keys kept, read-only."""
        return MappingProxyType(self._config)

    @property
    def dtype(self) -> torch.dtype:
        """The number format of the weights."""
        return next(self.parameters()).dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def load(self, state: Mapping[str, Tensor]) -> Self:
        """Take these tensors as the weights, without a copy.

        Args:
            state: Every parameter by its published name; number format and device stay as given.

        Raises:
            NodeflowError: NF407, a tensor is missing, unexpected or of another shape.
        """
        own = self.state_dict()
        shared = own.keys() & state.keys()
        _refuse_difference(
            type(self).__name__,
            missing=sorted(own.keys() - shared),
            unexpected=sorted(state.keys() - shared),
            misshaped=[
                f"{name} {list(state[name].shape)} instead of {list(own[name].shape)}"
                for name in sorted(shared)
                if state[name].shape != own[name].shape
            ],
        )
        self.load_state_dict(state, assign=True)
        return self

    def save_pretrained(self, folder: str | os.PathLike[str], dtype: torch.dtype | None = None) -> None:
        """Write `config.json` and the weights into a folder, as published models have them.

        Args:
            folder: Made if need be.
            dtype: Number format of the file; None keeps that of the weights.

        Raises:
            NodeflowError: NF108, the folder cannot be written.
        """
        from ..checkpoints.save import save_network

        save_network(Path(folder), type(self).__name__, self._config, self.state_dict(), dtype)

    def _require_weights(self, x: Tensor) -> None:
        """Raise NF407 unless there are weights for this input.

        Torch itself would go on: its convolution reads whatever lies where the weights should be.
        """
        if self.device.type == "meta" != x.device.type:
            raise NodeflowError("NF407", f"{type(self).__name__} has no weights yet", fix="load them before it runs")

    def _require_map(self, x: Tensor, channels: int) -> None:
        """Raise NF414 unless `x` is a batch of feature maps with so many channels, NF407 without weights."""
        self._require_weights(x)
        if x.ndim != 4 or x.shape[1] != channels:
            raise NodeflowError("NF414", f"{type(self).__name__} takes [B, {channels}, H, W], but got {list(x.shape)}")


def _options(kind: type[Config], config: Mapping[str, Any]) -> Config:
    try:
        return msgspec.convert(dict(config), kind)
    except msgspec.ValidationError as error:
        why, _, path = str(error).partition(" - at `$.")
        key = path.rstrip("`")
        value = config.get(key.partition("[")[0])
        raise NodeflowError(
            "NF406",
            f"{key or 'the configuration'} = {reprlib.repr(value)} cannot be built: {why}",
            where="config.json",
        ) from None


def _refuse_difference(network: str, **differences: Iterable[str]) -> None:
    parts = []
    for kind, names in differences.items():
        found = list(names)
        if found:
            more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            parts.append(f"{len(found)} {kind} ({', '.join(found[:_SHOWN])}{more})")
    if parts:
        raise NodeflowError(
            "NF407",
            f"the weights do not fit {network}: {'; '.join(parts)}",
            fix="check that config.json and the weights come from the same model",
        )
