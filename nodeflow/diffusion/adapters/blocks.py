"""A strength for each block of a network: a short text, its grammar, and what it means for a layer. No torch.

    in: 0.5, mid: 1, out: 0, down_blocks.1: 0.3, rest: 0

A line, or a part of one between commas, is the name of a block, a colon and a number. A name is a published one
("down_blocks", "up_blocks.2", "up_blocks.2.attentions.0") or a short one for all blocks of a kind (`SHORT`). Of several
that hold a layer, the longest counts; "rest" is for every layer that no other name holds, and is 1 where nobody says
it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nodeflow.errors import NodeflowError

SHORT = {
    "in": "down_blocks", "mid": "mid_block", "out": "up_blocks",
    "double": "transformer_blocks", "single": "single_transformer_blocks",
}  # fmt: skip
"""Short names of blocks, and the published ones."""
REST = "rest"
LIMIT = 10.0
"""The largest strength."""
_UNETS = ("UNet2DConditionModel", "UNet2DModel", "UNet1DModel")
_STACKS: Mapping[str, tuple[tuple[str, str, int], ...]] = {
    "SD3Transformer2DModel": (("transformer_blocks", "num_layers", 18),),
    "FluxTransformer2DModel": (
        ("transformer_blocks", "num_layers", 19),
        ("single_transformer_blocks", "num_single_layers", 38),
    ),
    "DiTTransformer2DModel": (("transformer_blocks", "num_layers", 28),),
    "Transformer2DModel": (("transformer_blocks", "num_layers", 28),),
    "StableAudioDiTModel": (("transformer_blocks", "num_layers", 24),),
}
"""Class -> its stacks of blocks: their name, the key of the configuration that counts them, the published count."""


@dataclass(frozen=True)
class Shares:
    """How much of a change each layer gets.

    Args:
        named: Published beginnings of names, and their shares.
        rest: That of all other layers.
    """

    named: tuple[tuple[str, float], ...] = ()
    rest: float = 1.0

    def of(self, layer: str) -> float:
        """The share of a layer, or of a parameter of one."""
        held = [(len(name), share) for name, share in self.named if _holds(name, layer)]
        return max(held)[1] if held else self.rest

    def require(self, layers: Iterable[str]) -> None:
        """Refuse names that hold none of a network's layers: NF407."""
        there = tuple(layers)
        for name, _ in self.named:
            if not any(_holds(name, layer) for layer in there):
                raise NodeflowError("NF407", f"the network has no {name}", where="blocks", fix="name a block it has")


def blocks_of(kind: str, config: Mapping[str, Any]) -> tuple[str, ...]:
    """The published names of the blocks of a network, in their order; none = not known.

    Args:
        kind: Its class name.
        config: Its configuration.
    """
    if kind in _UNETS:
        down, up = (len(config.get(f"{side}_block_types") or ()) for side in ("down", "up"))
        middle = ("mid_block",) if config.get("mid_block_type", "there") else ()
        return (*(f"down_blocks.{i}" for i in range(down)), *middle, *(f"up_blocks.{i}" for i in range(up)))
    stacks = _STACKS.get(kind, ())
    return tuple(f"{name}.{i}" for name, key, usual in stacks for i in range(config.get(key) or usual))


def shares(text: str, blocks: Sequence[str]) -> Shares:
    """What a text says.

    Args:
        text: As in this module's grammar; empty = 1 everywhere.
        blocks: Of the network, as `blocks_of` names them.

    Raises:
        NodeflowError: NF205, naming the line: it is no name and number, names no block of the network, or names one
            twice.
    """
    found: dict[str, float] = {}
    for number, line in enumerate(text.splitlines(), 1):
        for entry in filter(None, (piece.strip() for piece in line.split(","))):
            name, share = _entry(entry, number, blocks)
            if name in found:
                raise _refused(number, f"{name} is named twice", "name each block once")
            found[name] = share
    rest = found.pop(REST, 1.0)
    return Shares(tuple(found.items()), rest)


def _entry(entry: str, line: int, blocks: Sequence[str]) -> tuple[str, float]:
    said, colon, value = (piece.strip() for piece in entry.partition(":"))
    if not colon:
        raise _refused(line, f"{entry!r} is no block and number", 'write it as in "mid: 0.5"')
    try:
        share = float(value)
    except ValueError:
        share = math.nan
    if not abs(share) <= LIMIT:
        raise _refused(line, f"{value!r} is no number from {-LIMIT:g} to {LIMIT:g}", 'write it as in "mid: 0.5"')
    name = SHORT.get(said, said)
    if name != REST and not any(_holds(name, block) or _holds(block, name) for block in blocks):
        raise _refused(line, f"{said!r} names no block of this model", f"name one of {_listed(blocks)}, or {REST}")
    return name, share


def _holds(name: str, layer: str) -> bool:
    return layer == name or layer.startswith(f"{name}.")


def _listed(blocks: Sequence[str]) -> str:
    """The names that users may write: short ones, then blocks by their stacks, "up_blocks.0 to 3"."""
    stacks: dict[str, int] = {}
    for block in blocks:
        stack = block.partition(".")[0]
        stacks[stack] = stacks.get(stack, -1) + 1
    short = [name for name, long in SHORT.items() if long in stacks]
    full = [f"{stack}.0 to {last}" if f"{stack}.0" in blocks else stack for stack, last in stacks.items()]
    return ", ".join((*short, *full)) or "none, its blocks are not known"


def _refused(line: int, what: str, fix: str) -> NodeflowError:
    return NodeflowError("NF205", what, where=f"blocks, line {line}", fix=fix)
