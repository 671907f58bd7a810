"""Which layers of a network the names in an adapter file stand for.

A name is the published one, or that of the original files, with dots or, as kohya writes it, with underscores. Some
layers of original files are several published ones fused, so an update of such a layer is cut into theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from torch import Tensor, nn

from ..checkpoints.originals import transformers, unets
from ..checkpoints.originals.rules import Table, origins

Spans = tuple[tuple[int, int], ...]


class Target(NamedTuple):
    """A layer, and which rows of an update are for it.

    Args:
        layer: Its name in the network.
        spans: (first, count) each, one after the other; none = all.
    """

    layer: str
    spans: Spans = ()


def _multimodal(of: Callable[[Mapping[str, tuple[int, ...]]], Table], stack: str) -> Callable[[Iterable[str]], Table]:
    def table(layers: Iterable[str]) -> Table:
        numbers = {int(found[1]) for name in layers if (found := re.match(r"transformer_blocks\.(\d+)\.", name))}
        return of({f"{stack}.{number}.": () for number in numbers})

    return table


_ORIGINALS: Mapping[str, Callable[[Iterable[str]], Table]] = {
    "UNet2DConditionModel": unets.unet_of,
    "SD3Transformer2DModel": _multimodal(transformers.sd3, "joint_blocks"),
    "FluxTransformer2DModel": _multimodal(transformers.flux, "double_blocks"),
}
"""Networks whose original files have other names -> the table that renames them, from their published names."""


def targets(net: nn.Module) -> dict[str, list[Target]]:
    """Every way in which adapter files spell the layers of a network -> the layers that are meant.

    Text encoders of transformers have lost their root "text_model." in 5.6.
    """
    rows = {
        name: len(weight)
        for name, module in net.named_modules()
        if name and isinstance(weight := getattr(module, "weight", None), Tensor) and weight.ndim
    }
    found: dict[str, list[Target]] = {}
    for layer in rows:
        for spelt in _spelt(layer) | _spelt(layer.removeprefix("text_model.")):
            found[spelt] = [Target(layer)]
    for original, meant in _fused(type(net).__name__, rows):
        for spelt in _spelt(original):
            found.setdefault(spelt, meant)
    return found


def _spelt(name: str) -> set[str]:
    return {name, name.replace(".", "_")}


def _fused(kind: str, rows: Mapping[str, int]) -> Iterator[tuple[str, list[Target]]]:
    """The layers of the original files, and what each consists of."""
    if kind not in _ORIGINALS:
        return
    table = _ORIGINALS[kind](rows)
    shares: dict[str, dict[int, tuple[str, str]]] = {}
    for layer in rows:
        for origin in origins(f"{layer}.weight", table):
            shares.setdefault(origin.name.removesuffix(".weight"), {})[origin.share] = layer, origin.change
    for original, parts in shares.items():
        start, meant = 0, []
        for share in sorted(parts):
            layer, change = parts[share]
            meant.append(Target(layer, _spans(start, rows[layer], change, len(parts) > 1)))
            start += rows[layer]
        yield original, meant


def _spans(start: int, count: int, change: str, fused: bool) -> Spans:
    if change == "swapped":
        half = count // 2
        return (start + half, half), (start, half)
    return ((start, count),) if fused else ()
