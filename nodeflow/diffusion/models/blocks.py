"""The three blocks of a U: residual layers with attention between them, on the way down, at the bottom, up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

import torch
from torch import Tensor, nn

from nodeflow.errors import NodeflowError

from .perturbation import Changes


class DownBlock(nn.Module):
    """Layers of one resolution, then a step down.

    Args:
        resnets: Residual blocks.
        attentions: One for each residual block, or none at all.
        downsampler: What halves height and width at the end, or None.
    """

    def __init__(
        self, resnets: Iterable[nn.Module], attentions: Iterable[nn.Module], downsampler: nn.Module | None
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(resnets)
        self.attentions = nn.ModuleList(attentions)
        self.downsamplers = nn.ModuleList([downsampler] if downsampler else [])

    def forward(
        self,
        x: Tensor,
        temb: Tensor | None = None,
        context: Tensor | None = None,
        mask: Tensor | None = None,
        skips: list[Tensor] | None = None,
        changes: Changes | None = None,
        added: Tensor | None = None,
    ) -> Tensor:
        """Transform features and remember them.

        Args:
            x: Features, [B, C, H, W].
            temb: Activated time embedding, [B, D].
            context: Tokens of the text, [B, M, D].
            mask: Which tokens may be read.
            skips: Takes the output of every layer, for the way up.
            changes: What is to be done inside the attention blocks.
            added: Added after the last attention; to what the block gives, where it has none (T2I-Adapter).

        Returns:
            Features, [B, C', H/2, W/2].
        """
        for i, (resnet, attend) in enumerate(zip_longest(self.resnets, self.attentions), 1):
            x = resnet(x, temb)
            if attend is not None:
                x = attend(x, context, mask, changes)
                x = x if added is None or i < len(self.resnets) else _sum(x, added)
            if skips is not None:
                skips.append(x)
        for downsample in self.downsamplers:
            x = downsample(x, temb)
            if skips is not None:
                skips.append(x)
        if added is not None and not len(self.attentions):
            x = _sum(x, added)
            if skips is not None:
                skips[-1] = x
        return x


def _sum(x: Tensor, added: Tensor) -> Tensor:
    if x.shape != added.shape:
        what = f"the adapter adds features {list(added.shape)} to those of a block, {list(x.shape)}"
        raise NodeflowError("NF414", what, fix="use a T2I-Adapter made for this model")
    return x + added


class MidBlock(nn.Module):
    """Residual blocks with attention between them, at the lowest resolution.

    Args:
        resnets: Residual blocks, one more than attentions (or two without).
    """

    def __init__(self, resnets: Iterable[nn.Module], attentions: Iterable[nn.Module]) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(resnets)
        self.attentions = nn.ModuleList(attentions)

    def forward(
        self,
        x: Tensor,
        temb: Tensor | None = None,
        context: Tensor | None = None,
        mask: Tensor | None = None,
        changes: Changes | None = None,
    ) -> Tensor:
        """[B, C, H, W] -> [B, C, H, W]; arguments as in `DownBlock`."""
        x = self.resnets[0](x, temb)
        for resnet, attend in zip_longest(self.resnets[1:], self.attentions):
            if attend is not None:
                x = attend(x, context, mask, changes)
            x = resnet(x, temb)
        return x


class UpBlock(nn.Module):
    """Layers of one resolution, then a step up.

    Args:
        resnets: Residual blocks.
        attentions: One for each residual block, or none at all.
        upsampler: What doubles height and width at the end, or None.
    """

    def __init__(
        self, resnets: Iterable[nn.Module], attentions: Iterable[nn.Module], upsampler: nn.Module | None
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(resnets)
        self.attentions = nn.ModuleList(attentions)
        self.upsamplers = nn.ModuleList([upsampler] if upsampler else [])

    def forward(
        self,
        x: Tensor,
        temb: Tensor | None = None,
        context: Tensor | None = None,
        mask: Tensor | None = None,
        skips: list[Tensor] | None = None,
        changes: Changes | None = None,
    ) -> Tensor:
        """Join features with those remembered on the way down, and transform them.

        Args:
            x: Features, [B, C, H, W].
            temb: Activated time embedding, [B, D].
            context: Tokens of the text, [B, M, D].
            mask: Which tokens may be read.
            skips: Each layer takes the last one and removes it.
            changes: What is to be done inside the attention blocks.

        Returns:
            Features, [B, C', 2H, 2W], or of the size of the next skip.
        """
        for resnet, attend in zip_longest(self.resnets, self.attentions):
            if skips is not None:
                x = torch.cat([x, skips.pop()], dim=1)
            x = resnet(x, temb)
            if attend is not None:
                x = attend(x, context, mask, changes)
        size: Sequence[int] | None = skips[-1].shape[-2:] if skips else None
        for upsample in self.upsamplers:
            x = upsample(x, temb, size)
        return x
