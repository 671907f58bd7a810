"""Published names back to those of the makers: the name maps, read the other way round. No torch.

A published tensor may be a share of a fused one, so an original tensor is a row of pieces with one change to undo. What
a file's readers skip or derive (the last layer of Stable Diffusion 2's text encoder, the projection of CLIP L in Stable
Diffusion 3) is not here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from . import MAPS
from .rules import Origin, Shapes, Table, origins
from .unets import unet_of


class Piece(NamedTuple):
    """A published tensor in an original one.

    Args:
        name: Its published name.
        change: What reading does to it, as in `Source`.
    """

    name: str
    change: str = ""


def originals_of(names: str, published: Shapes) -> dict[str, list[Piece]]:
    """What each original tensor of a network consists of.

    Args:
        names: The network's name map, a key of `MAPS`.
        published: The shapes of its tensors by their published names.

    Returns:
        Original name -> its pieces, which stand one below the other.
    """
    table = _TABLES[names](published) if names in _TABLES else MAPS[names]({})
    found: dict[str, dict[int, Piece]] = {}
    for name in published:
        if name in table.besides:
            continue
        origin = _origin(name, table)
        found.setdefault(origin.name, {})[origin.share] = Piece(name, origin.change)
    return {name: [shares[i] for i in sorted(shares)] for name, shares in found.items()}


def _origin(published: str, table: Table) -> Origin:
    """Where a tensor comes from: by the first rule that gives another name, else it keeps its own."""
    candidates = (one for one in origins(published, table) if _in_place(one.name, published, table))
    return next((one for one in candidates if one.name != published), Origin(published))


def _in_place(original: str, published: str, table: Table) -> bool:
    """Whether inner names stand where they belong: in residual blocks, and there always.

    Transformer blocks have layers of the same published names, which their makers called so, too.
    """
    renamed = ".resnets." in published and any(new in published for new in table.inner.values())
    return renamed == any(piece in original for piece in table.inner)


def _levels(names: Iterable[str], begins: str) -> int:
    return 1 + max((int(found[1]) for name in names if (found := re.match(rf"{begins}\.(\d+)\.", name))), default=0)


def _autoencoder(published: Shapes) -> Table:
    finest = _levels(published, r"decoder\.up_blocks") - 1
    return MAPS["ldm-vae"]({f"decoder.up.{finest}.": ()})


def _multimodal(names: str, stack: str) -> Callable[[Shapes], Table]:
    def table(published: Shapes) -> Table:
        last = _levels(published, "transformer_blocks") - 1
        return MAPS[names]({f"{stack}.{last}.": ()})

    return table


_TABLES: Mapping[str, Callable[[Shapes], Table]] = {
    "ldm-unet": unet_of,
    "ldm-vae": _autoencoder,
    "sd3": _multimodal("sd3", "joint_blocks"),
    "flux": _multimodal("flux", "double_blocks"),
    "t5": lambda published: Table(),
}
"""Name maps that depend on how many blocks a network has, from its published names; T5 keeps transformers' names."""
