"""A picture as tokens, one a patch, and back; positions as sines and cosines.

Dosovitskiy et al. 2020, arXiv 2010.11929, section 3.1; Peebles & Xie 2022, arXiv 2212.09748, section 3.2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nodeflow.errors import NodeflowError


class PatchEmbed(nn.Module):
    """Patches as tokens that know where they are.

    Args:
        channels: Of the picture.
        width: Of a token, a multiple of 4.
        patch: Side of a patch.
        base: The positions of a picture of any size span 0..base along each side.
        side: Rows and columns of a table of positions that the weights bring. A picture takes those around its
            centre, so that the middle of every picture is in the same place (Esser et al. 2024, arXiv 2403.03206,
            section 5.3.2). None = there is no table; positions are computed. 0 = the tokens do not know where they are.
    """

    pos_embed: Tensor

    def __init__(self, channels: int, width: int, patch: int, base: int, side: int | None = None) -> None:
        super().__init__()
        self.patch, self.base, self.side = patch, base, side
        self.proj = nn.Conv2d(channels, width, patch, stride=patch)
        if side:
            self.register_buffer("pos_embed", positions(side, side, base, width)[None])

    def grid(self, x: Tensor) -> tuple[int, int]:
        """Rows and columns of patches of [B, C, H, W].

        Raises:
            NodeflowError: NF414, the sides are no multiples of the patch, or more than there are positions.
        """
        height, width = x.shape[-2:]
        most = self.patch * self.side if self.side else max(height, width)
        if height % self.patch or width % self.patch or not 0 < height <= most or not 0 < width <= most:
            limit = f" up to {most}" if self.side else ""
            raise NodeflowError(
                "NF414",
                f"a latent of {height} × {width}, but this network takes multiples of {self.patch}{limit}",
                fix="change the size of the picture",
            )
        return height // self.patch, width // self.patch

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, rows · columns, D]."""
        rows, columns = self.grid(x)
        tokens = self.proj(x).flatten(2).transpose(1, 2)
        return tokens if self.side == 0 else tokens + self._places(rows, columns).to(x)

    def _places(self, rows: int, columns: int) -> Tensor:
        if self.side is None:
            return positions(rows, columns, self.base, self.proj.out_channels)
        top, left = (self.side - rows) // 2, (self.side - columns) // 2
        table = self.pos_embed[0].unflatten(0, (self.side, self.side))
        return table[top : top + rows, left : left + columns].flatten(0, 1)


def positions(rows: int, columns: int, base: int, width: int) -> Tensor:
    """Sinusoidal positions of a grid, half of the channels for the column, half for the row.

    Args:
        base: Rows and columns span 0..base, however many they are.
        width: Channels, a multiple of 4.

    Returns:
        float32, [rows · columns, width].
    """
    omega = 10_000 ** (-torch.arange(width // 4, dtype=torch.float64) / (width // 4))

    def along(count: int) -> Tensor:
        angle = (torch.arange(count, dtype=torch.float32) / (count / base))[:, None] * omega
        return torch.cat([angle.sin(), angle.cos()], dim=-1).float()

    across, down = along(columns)[None].expand(rows, -1, -1), along(rows)[:, None].expand(-1, columns, -1)
    return torch.cat([across, down], dim=-1).flatten(0, 1)


def unpatched(tokens: Tensor, rows: int, columns: int, patch: int) -> Tensor:
    """[B, rows · columns, p² C] -> [B, C, p rows, p columns]."""
    patches = tokens.unflatten(2, (patch, patch, -1)).unflatten(1, (rows, columns))
    return patches.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)
