"""Models merged: the weights of other networks mixed into those of one, tensor by tensor.

    weighted sum      W' = (1 − s) W + s B
    add difference    W' = W + s (B − C)     what B learnt since C, in W

The other networks are mapped from their files in the number format that they are stored in, so they take no memory of
their own, and one tensor at a time is computed, in float32. s is a strength times the share of the layer's block.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from nodeflow.errors import NodeflowError
from nodeflow.values import Mix, TextEncoder, Weights

from ..checkpoints.handles import tensors_of
from ..models.stored import StoredLayer
from .blocks import blocks_of, shares
from .exchange import Exchange
from .patch import shares_in, words

W = TypeVar("W", bound=Weights)
Read = Callable[[], Tensor]
_FORMATS = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float32"}
_SHOWN = 3


def mixed(handle: W, plus: W, minus: W | None = None, strength: float = 0.5, blocks: str = "") -> W:
    """The handle of a network with others mixed into its weights.

    Args:
        handle: W, a denoiser or a text encoder, with those beside it.
        plus: B, of the same form.
        minus: C, whose difference to B is added; None = the weighted sum.
        strength: s.
        blocks: How much of it each block of a denoiser gets; see `blocks`.

    Raises:
        NodeflowError: NF205 the blocks are not this network's; NF404 the networks are of different kinds; NF408 a text
            encoder knows learnt words.
    """
    shares(blocks, blocks_of(handle.kind, handle.config))
    others = [other for other in (plus, minus) if other is not None]
    for other in others:
        _require_alike(handle, other)
    if isinstance(handle, TextEncoder):
        lists = [one.all for one in (handle, *others)]  # type: ignore[attr-defined]
        first, *more = [_mixed(group[0], group[1:], strength, "") for group in zip(*lists, strict=True)]
        return replace(first, more=tuple(more))
    return _mixed(handle, tuple(others), strength, blocks)


def _mixed(handle: Any, others: tuple[Any, ...], strength: float, blocks: str) -> Any:
    alone = [replace(other, more=()) if isinstance(other, TextEncoder) else other for other in others]
    if not strength:
        return replace(handle, more=()) if isinstance(handle, TextEncoder) else handle
    change = Mix(alone[0], alone[1] if len(alone) > 1 else None, float(strength), blocks.strip())
    more = {"more": ()} if isinstance(handle, TextEncoder) else {}
    return replace(handle, patches=(*handle.patches, change), **more)


def _require_alike(handle: Weights, other: Weights) -> None:
    """Refuse networks that cannot be mixed, as far as their handles tell."""
    for word, mine, its in (
        ("family", getattr(handle, "family", ""), getattr(other, "family", "")),
        ("class", handle.kind, other.kind),
        ("task", getattr(handle, "task", ""), getattr(other, "task", "")),
        ("reading of texts", getattr(handle, "reading", ""), getattr(other, "reading", "")),
    ):
        if mine != its:
            what = f"the {word} of one is {mine or 'unknown'}, of the other {its or 'unknown'}: they cannot be mixed"
            raise NodeflowError("NF404", what, where=other.folder, fix="mix models of one family and form")
    for one in (handle, other):
        if taught := [word for each in getattr(one, "all", ()) for word in words(each)]:
            what = f"a text encoder has learnt {', '.join(taught)}, which others have no place for"
            raise NodeflowError("NF408", what, where=one.folder, fix="mix first, teach it the word then")


@torch.no_grad()
def apply(net: nn.Module, mix: Mix) -> None:
    """Mix other networks into one; tensors of which nothing changes stay what they are.

    Raises:
        NodeflowError: NF407, the networks have other tensors; and as loading them raises.
    """
    told = shares_in(net, mix.blocks)
    weights = _weights(net)
    others = [_opened(other, weights) for other in (mix.plus, mix.minus) if other is not None]
    exchange = Exchange(net)
    for name, (layer, leaf) in weights.items():
        path = name.rpartition(".")[0]
        share = mix.strength * (told.of(path) if told else 1.0)
        if not share:
            continue
        change = partial(_mixture, others=[other[name] for other in others], share=share)
        if isinstance(layer, StoredLayer) and leaf == "weight":
            layer.change(change)
        else:
            exchange.put(getattr(layer, leaf), change(getattr(layer, leaf)))


def _mixture(weight: Tensor, others: list[Read], share: float) -> Tensor:
    """(1 − s) W + s B, exact for s = 0 and 1; with two others, W + s (B − C)."""
    read = [other().to(weight.device).float() for other in others]
    if len(read) == 1:
        return torch.lerp(weight.float(), read[0], share).to(weight.dtype)
    return (weight.float() + share * (read[0] - read[1])).to(weight.dtype)


def _weights(net: nn.Module) -> dict[str, tuple[Any, str]]:
    """Every weight of a network, stored ones too: its name, its layer, what it is called there."""
    found: dict[str, tuple[Any, str]] = {}
    for path, module in net.named_modules():
        leaves = [leaf for leaf, parameter in module._parameters.items() if parameter is not None]
        if isinstance(module, StoredLayer):
            leaves.append("weight")
        found |= {f"{path}.{leaf}".lstrip("."): (module, leaf) for leaf in leaves}
    return found


def _opened(handle: Weights, wanted: Mapping[str, tuple[Any, str]]) -> dict[str, Read]:
    """How to read each weight of another network."""
    from ..checkpoints.load import load_weights  # which applies what this module makes

    found = _weights(load_weights(handle, "cpu", _format(handle)))
    strange = sorted(wanted.keys() ^ found.keys())
    unlike = [name for name in wanted if name in found and _shape(wanted[name]) != _shape(found[name])]
    if strange or unlike:
        named = [*strange, *(f"{name} {_shape(found[name])}, here {_shape(wanted[name])}" for name in unlike)]
        more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
        what = f"{len(named)} tensors differ between the two models ({'; '.join(named[:_SHOWN])}{more})"
        raise NodeflowError("NF407", what, where=handle.folder, fix="mix models of one family and form")
    return {name: partial(getattr, layer, leaf) for name, (layer, leaf) in found.items()}


def _shape(place: tuple[Any, str]) -> list[int]:
    layer, leaf = place
    return list(layer._shape if isinstance(layer, StoredLayer) and leaf == "weight" else getattr(layer, leaf).shape)


def _format(handle: Weights) -> str:
    """The number format that most of a network is stored in, in which it is mapped and not copied."""
    counts = Counter[str]()
    for tensor in tensors_of(handle):
        counts[_FORMATS.get(tensor.dtype, "float32")] += tensor.end - tensor.start
    return counts.most_common(1)[0][0]
