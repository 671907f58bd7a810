"""Looking into a network, weakening it on purpose, and letting it read more, for one prediction at a time.

Guidance that needs no second model moves away from what the same network predicts when it is hampered: its
self-attention replaced by the identity (PAG), its queries blurred (SEG), a block left out (SLG). An adapter lets it
read a picture beside the text (IP-Adapter). `touched` turns this, said with published names, into what the blocks of
one network look up while they compute. The network itself is never written to; without a touch a block tests one
argument for None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, NamedTuple
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodeflow.errors import NodeflowError
from nodeflow.values import mapped

from .attending import Attend

MIDDLE = ("mid_block",)


@dataclass(frozen=True)
class Perturbation:
    """What is changed inside a network.

    Args:
        kind: "identity": each pixel attends to itself alone, A = I, so that self-attention gives V
            (Ahn et al. 2024, arXiv 2403.17377); "blur": queries are blurred over the picture
            (Hong 2024, arXiv 2408.00760); "skip": the block passes on what it got.
        layers: Published names of blocks or of what contains them: "mid_block", "up_blocks.1.attentions.*".
        sigma: Standard deviation of the blur in pixels of the feature map; infinite takes the mean.
    """

    kind: Literal["identity", "blur", "skip"]
    layers: tuple[str, ...] = MIDDLE
    sigma: float = math.inf


@dataclass(frozen=True)
class Watch:
    """A look at self-attention: how much attention each pixel receives, in the first block of these names."""

    layers: tuple[str, ...] = MIDDLE


Touch = Perturbation | Watch


@dataclass(frozen=True)
class Reading:
    """What every attention to a text reads besides, apart from it (Ye et al. 2023, arXiv 2308.06721, equation 5).

    Args:
        layers: Keys and values, [B, M, C] each, for every block that reads a text: those on the way down, those on
            the way up, then the middle.
        strength: Multiplies what is read.
        blocks: How much of it in which blocks, by their published names; those that are not named read nothing. Empty
            = all of it in all.
    """

    layers: Sequence[tuple[Tensor, Tensor]]
    strength: float = 1.0
    blocks: Mapping[str, float] = field(default_factory=dict)

    def share(self, block: str) -> float:
        """How much of what it reads a block adds."""
        most = 1.0 if not self.blocks else 0.0
        return self.strength * next((much for name, much in self.blocks.items() if _names(name, block)), most)


@dataclass(frozen=True)
class Beside:
    """What one attention to a text reads besides.

    Args:
        sources: Keys and values, [B, M, C] each, and how much of what is read there.
    """

    sources: tuple[tuple[Tensor, Tensor, float], ...]

    def attention(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, attend: Attend) -> Tensor:
        """softmax(Q Kᵀ / √d) V + Σ s · softmax(Q K'ᵀ / √d) V', [B, heads, N, d] each -> [B, heads, N, d]."""
        read = attend(q, k, v, mask)
        for keys, values, strength in self.sources:
            own = (tokens.unflatten(-1, (q.shape[1], -1)).transpose(1, 2) for tokens in (keys, values))
            read = read + strength * attend(q, *own)
        return read


@dataclass(frozen=True)
class Hand:
    """What one call does inside a network.

    Args:
        touches: Each with the rows of the batch that it concerns.
        maps: Takes, by the first of the rows that are watched, the attention they receive, [B, h, w].
        inputs: Further arguments of the network by name, such as the residuals of control networks.
        readings: What is read beside the text.
    """

    touches: Sequence[tuple[Touch, slice]] = ()
    maps: dict[int, Tensor] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    readings: Sequence[Reading] = ()

    def on(self, weights: Tensor) -> Hand:
        """The same with its tensors on the device of a network's weights, in their number format."""
        inputs = mapped(self.inputs, lambda array: array.to(weights))
        readings = [replace(one, layers=mapped(one.layers, lambda array: array.to(weights))) for one in self.readings]
        return replace(self, inputs=inputs, readings=readings)


Changes = Mapping[nn.Module, "Change"]
"""What is done in which block."""


@dataclass(frozen=True)
class Change:
    """What is done inside one block.

    Args:
        touches: Each with the rows of the batch that it concerns.
        maps: Takes, by the first of the rows that are watched, the attention they receive, [B, h, w].
        size: Height and width of the feature map whose pixels the tokens are.
        beside: What its attention to a text reads besides.
    """

    touches: tuple[tuple[Touch, slice], ...] = ()
    maps: dict[int, Tensor] = field(default_factory=dict)
    size: tuple[int, int] = (0, 0)
    beside: Beside | None = None

    def attention(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, attend: Attend) -> Tensor:
        """Self-attention, perturbed and watched, [B, heads, N, d] each -> [B, heads, N, d]."""
        for touch, rows in self.touches:
            if isinstance(touch, Watch):
                self._watch(q[rows], k[rows], rows.start)
            elif touch.kind == "blur":
                q = torch.cat([q[: rows.start], self._blurred(q[rows], touch.sigma), q[rows.stop :]])
        read = attend(q, k, v, mask)
        return self._replaced("identity", read, v)

    def passed(self, x: Tensor, y: Tensor) -> Tensor:
        """What a block gives that got x and made y of it, [B, ...] each: x where it is skipped."""
        return self._replaced("skip", y, x)

    def _replaced(self, kind: str, values: Tensor, by: Tensor) -> Tensor:
        for touch, rows in self.touches:
            if isinstance(touch, Perturbation) and touch.kind == kind:
                values = torch.cat([values[: rows.start], by[rows], values[rows.stop :]])
        return values

    def _watch(self, q: Tensor, k: Tensor, first: int) -> None:
        scores = (q.float() @ k.float().transpose(-1, -2)) / math.sqrt(q.shape[-1])
        received = scores.softmax(-1).mean(1).sum(1)
        self.maps[first] = received.unflatten(-1, self.size)

    def _blurred(self, q: Tensor, sigma: float) -> Tensor:
        pixels = q.transpose(-1, -2).flatten(1, 2).unflatten(-1, self.size)
        smooth = blurred(pixels, sigma) if math.isfinite(sigma) else pixels.mean((-2, -1), keepdim=True)
        return smooth.expand_as(pixels).flatten(2).unflatten(1, (q.shape[1], q.shape[3])).transpose(-1, -2)


def change_of(changes: Changes | None, block: nn.Module, features: Tensor) -> Change | None:
    """What is to be done inside a block that sees these features, [B, C, H, W]; mostly nothing."""
    found = None if changes is None else changes.get(block)
    return None if found is None else replace(found, size=(features.shape[-2], features.shape[-1]))


def touched(net: nn.Module, hand: Hand) -> dict[nn.Module, Change]:
    """What the blocks of a network look up.

    Raises:
        NodeflowError: NF414, the network has no block with self-attention of such a name, or not as many blocks that
            read a text as a reading is for.
    """
    blocks = dict(_blocks(net).attending)
    found: dict[nn.Module, list[tuple[Touch, slice]]] = {}
    for touch, rows in hand.touches:
        names = [name for name in blocks if any(_names(layer, name) for layer in touch.layers)]
        if not names:
            raise _no_such_block(net, touch.layers, list(blocks))
        for name in names[:1] if isinstance(touch, Watch) else names:
            found.setdefault(blocks[name], []).append((touch, rows))
    changes = {block: Change(tuple(mine), hand.maps) for block, mine in found.items()}
    for block, sources in _read(net, hand.readings).items():
        changes[block] = replace(changes.get(block, Change()), beside=Beside(sources))
    return changes


_WAY = ("down_blocks", "up_blocks", "mid_block")
"""The order in which adapters count the blocks of a U-net."""
Named = list[tuple[str, Any]]


class _Blocks(NamedTuple):
    """The blocks of a network by their published names.

    Args:
        attending: Those with self-attention.
        reading: Those that read a text, in the order of adapters.
    """

    attending: Named
    reading: Named


_KNOWN: WeakKeyDictionary[nn.Module, _Blocks] = WeakKeyDictionary()
"""Of networks seen: to find them anew at each step takes longer than a small step."""


def _blocks(net: nn.Module) -> _Blocks:
    if net not in _KNOWN:
        named = list(net.named_modules())
        reading = [(name, block) for name, block in named if getattr(block, "reads_text", False)]
        places = {head: i for i, head in enumerate(_WAY)}
        reading.sort(key=lambda one: places.get(one[0].partition(".")[0], 0))
        attending = [(name, block) for name, block in named if getattr(block, "attends_to_itself", False)]
        _KNOWN[net] = _Blocks(attending, reading)
    return _KNOWN[net]


def _read(net: nn.Module, readings: Sequence[Reading]) -> dict[nn.Module, tuple[tuple[Tensor, Tensor, float], ...]]:
    """What each block reads beside the text; blocks that read nothing are left out."""
    if not readings:
        return {}
    blocks = _blocks(net).reading
    sources: dict[nn.Module, tuple[tuple[Tensor, Tensor, float], ...]] = {}
    for reading in readings:
        widths = [block.attn2.to_k.out_features for _, block in blocks]
        if widths != [keys.shape[-1] for keys, _ in reading.layers]:
            raise NodeflowError(
                "NF414",
                f"the adapter is for {len(reading.layers)} blocks that read a text, this {type(net).__name__} has "
                f"{len(blocks)}, or of other widths",
                fix="choose an adapter for models of this family",
            )
        for (name, block), (keys, values) in zip(blocks, reading.layers, strict=True):
            if share := reading.share(name):
                sources[block] = (*sources.get(block, ()), (keys, values, share))
    return sources


def _names(layer: str, block: str) -> bool:
    return fnmatchcase(block, layer) or fnmatchcase(block, f"{layer}.*") or layer == f"{block}.attn1"


def _no_such_block(net: nn.Module, layers: Sequence[str], blocks: Sequence[str]) -> NodeflowError:
    heads = sorted({name.split(".attentions")[0] for name in blocks})
    return NodeflowError(
        "NF414",
        f"this {type(net).__name__} has no block with self-attention called {' or '.join(layers)}",
        fix=f"name one of {', '.join(heads)}" if heads else "choose a guidance that leaves the network as it is",
    )


def blurred(x: Tensor, sigma: float, size: int = 0) -> Tensor:
    """x blurred by a Gaussian, mirrored at the edges, [B, C, H, W].

    Args:
        sigma: Standard deviation in pixels; 0 leaves x as it is.
        size: Length of the kernel, odd; 0 = three standard deviations to each side. A small picture takes a shorter
            one.
    """
    if sigma == 0:
        return x
    channels = x.shape[1]
    for axis in (2, 3):
        reach = min((size or 2 * math.ceil(3 * sigma) + 1) // 2, x.shape[axis] - 1)
        kernel = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype).div(sigma).square().mul(-0.5).exp()
        across = axis == 2
        weight = (kernel / kernel.sum()).view(1, 1, *((-1, 1) if across else (1, -1))).expand(channels, -1, -1, -1)
        padding = (0, 0, reach, reach) if across else (reach, reach, 0, 0)
        x = F.conv2d(F.pad(x, padding, mode="reflect"), weight, groups=channels)
    return x
