"""GLIDE as it was published: the names and shapes of its files, and the networks in plain sums, from the definition.

Nichol et al. 2021, arXiv 2112.10741, and the options of the released models: 192 channels, heads of 64, residual blocks
that resize, attention where a map has 32, 16 or 8 pixels a side, a text transformer of 16 layers 512 wide.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]
State = Mapping[str, Tensor]


class Form(NamedTuple):
    """What tells the released networks from each other, and the sizes that they share."""

    channels: int
    side: int
    multiples: tuple[int, ...]
    blocks: int
    parameters: int
    base: int = 192
    text: tuple[int, int, int, int] = (50257, 128, 512, 16)


BASE = Form(3, 64, (1, 2, 3, 4), 3, 385_030_726)
UPSAMPLER = Form(6, 256, (1, 1, 2, 2, 4, 4), 2, 398_361_286)


def both(name: str, *weight: int) -> Shapes:
    return {f"{name}.weight": weight, f"{name}.bias": weight[:1]}


def norm(name: str, width: int) -> Shapes:
    return both(name, width)


def residual(name: str, into: int, out: int, time: int) -> Shapes:
    found = {**norm(f"{name}.in_layers.0", into), **both(f"{name}.in_layers.2", out, into, 3, 3)}
    found |= {**both(f"{name}.emb_layers.1", 2 * out, time), **norm(f"{name}.out_layers.0", out)}
    found |= both(f"{name}.out_layers.3", out, out, 3, 3)
    return found if into == out else found | both(f"{name}.skip_connection", out, into, 1, 1)


def attention(name: str, width: int, text: int) -> Shapes:
    found = {**norm(f"{name}.norm", width), **both(f"{name}.qkv", 3 * width, width, 1)}
    return found | both(f"{name}.encoder_kv", 2 * width, text, 1) | both(f"{name}.proj_out", width, width, 1)


def written(form: Form) -> Shapes:
    """Names and shapes of a file."""
    words, places, text, layers = form.text
    time, first = 4 * form.base, form.base * form.multiples[0]
    found = {**both("time_embed.0", time, form.base), **both("time_embed.2", time, time)}
    found |= both("input_blocks.0.0", first, form.channels, 3, 3)
    skips, width, number, side = [first], first, 1, form.side
    for level, multiple in enumerate(form.multiples):
        for _ in range(form.blocks):
            found |= residual(f"input_blocks.{number}.0", width, multiple * form.base, time)
            width = multiple * form.base
            found |= attention(f"input_blocks.{number}.1", width, text) if side in (32, 16, 8) else {}
            skips, number = [*skips, width], number + 1
        if level < len(form.multiples) - 1:
            found |= residual(f"input_blocks.{number}.0", width, width, time)
            skips, number, side = [*skips, width], number + 1, side // 2
    for place in (0, 2):
        found |= residual(f"middle_block.{place}", width, width, time)
    found |= attention("middle_block.1", width, text)
    number = 0
    for level, multiple in reversed(list(enumerate(form.multiples))):
        for index in range(form.blocks + 1):
            found |= residual(f"output_blocks.{number}.0", width + skips.pop(), multiple * form.base, time)
            width = multiple * form.base
            attends = side in (32, 16, 8)
            found |= attention(f"output_blocks.{number}.1", width, text) if attends else {}
            if level and index == form.blocks:
                found |= residual(f"output_blocks.{number}.{1 + attends}", width, width, time)
                side *= 2
            number += 1
    found |= {**norm("out.0", first), **both("out.2", 6, first, 3, 3)}
    found |= {"token_embedding.weight": (words, text), "positional_embedding": (places, text)}
    found |= {"padding_embedding": (places, text), **norm("final_ln", text), **both("transformer_proj", time, text)}
    for layer in range(layers):
        name = f"transformer.resblocks.{layer}"
        found |= {**norm(f"{name}.ln_1", text), **norm(f"{name}.ln_2", text)}
        found |= {**both(f"{name}.attn.c_qkv", 3 * text, text), **both(f"{name}.attn.c_proj", text, text)}
        found |= {**both(f"{name}.mlp.c_fc", 4 * text, text), **both(f"{name}.mlp.c_proj", text, 4 * text)}
    return found


def affine(state: State, name: str, x: Tensor) -> Tensor:
    return torch.einsum("...i,oi->...o", x, state[f"{name}.weight"].flatten(1)) + state[f"{name}.bias"]


def grouped(state: State, name: str, x: Tensor) -> Tensor:
    groups = x.unflatten(1, (32, -1)).flatten(2)
    mean, variance = groups.mean(-1, keepdim=True), groups.var(-1, keepdim=True, correction=0)
    scale, shift = (state[f"{name}.{part}"][:, None, None] for part in ("weight", "bias"))
    return ((groups - mean) / (variance + 1e-5).sqrt()).view(x.shape) * scale + shift


def convolved(state: State, name: str, x: Tensor, padding: int = 1) -> Tensor:
    return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=padding)


def resized(x: Tensor, how: str) -> Tensor:
    if how == "down":
        return x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).mean((3, 5))
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3) if how == "up" else x


def block(state: State, name: str, x: Tensor, emb: Tensor, how: str = "") -> Tensor:
    h = convolved(state, f"{name}.in_layers.2", resized(F.silu(grouped(state, f"{name}.in_layers.0", x)), how))
    scale, shift = affine(state, f"{name}.emb_layers.1", F.silu(emb))[..., None, None].chunk(2, 1)
    h = grouped(state, f"{name}.out_layers.0", h) * (1 + scale) + shift
    h = convolved(state, f"{name}.out_layers.3", F.silu(h))
    x, skip = resized(x, how), f"{name}.skip_connection"
    return h + (convolved(state, skip, x, 0) if f"{skip}.weight" in state else x)


def attended(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """One head, [B, d, N], [B, d, M], [B, d, M] -> [B, d, N]."""
    scores = torch.einsum("bdn,bdm->bnm", queries, keys) / math.sqrt(queries.shape[1])
    return torch.einsum("bnm,bdm->bdn", scores.softmax(-1), values)


def read(state: State, name: str, x: Tensor, text: Tensor) -> Tensor:
    flat = grouped(state, f"{name}.norm", x).flatten(2).transpose(1, 2)
    qkv, kv = affine(state, f"{name}.qkv", flat).mT, affine(state, f"{name}.encoder_kv", text).mT
    found = []
    for head in range(x.shape[1] // 64):
        q, k, v = qkv[:, 192 * head : 192 * (head + 1)].split(64, 1)
        text_k, text_v = kv[:, 128 * head : 128 * (head + 1)].split(64, 1)
        found.append(attended(q, torch.cat([text_k, k], 2), torch.cat([text_v, v], 2)))
    return x + affine(state, f"{name}.proj_out", torch.cat(found, 1).mT).mT.reshape(x.shape)


def through(state: State, name: str, x: Tensor, emb: Tensor, text: Tensor, last: str) -> Tensor:
    """The layers of a numbered block; its last one resizes if it is to."""
    places = sorted({int(one.split(".")[2]) for one in state if one.startswith(f"{name}.")})
    for place in places:
        at = f"{name}.{place}"
        if f"{at}.qkv.weight" in state:
            x = read(state, at, x, text)
        elif f"{at}.in_layers.0.weight" in state:
            x = block(state, at, x, emb, last if place == places[-1] else "")
        else:
            x = convolved(state, at, x)
    return x


def denoised(state: State, x: Tensor, t: float, text: Tensor, pooled: Tensor, levels: int, blocks: int) -> Tensor:
    """What the denoiser says, [B, C, H, W] -> [B, 6, H, W]."""
    base = state["time_embed.0.weight"].shape[1]
    angles = torch.tensor([t * 10000 ** (-i / (base // 2)) for i in range(base // 2)])
    emb = affine(state, "time_embed.0", torch.cat([angles.cos(), angles.sin()])[None])
    emb = affine(state, "time_embed.2", F.silu(emb)) + pooled
    skips, each = [], blocks + 1
    for number in range(levels * each):
        x = through(state, f"input_blocks.{number}", x, emb, text, "down" if number and number % each == 0 else "")
        skips.append(x)
    x = block(state, "middle_block.0", x, emb)
    x = block(state, "middle_block.2", read(state, "middle_block.1", x, text), emb)
    for number in range(levels * each):
        ends = number % each == blocks and number < (levels - 1) * each
        x = through(state, f"output_blocks.{number}", torch.cat([x, skips.pop()], 1), emb, text, "up" if ends else "")
    return convolved(state, "out.2", F.silu(grouped(state, "out.0", x)))


def normalised(state: State, name: str, x: Tensor) -> Tensor:
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, correction=0)
    return (x - mean) / (variance + 1e-5).sqrt() * state[f"{name}.weight"] + state[f"{name}.bias"]


def spoken(state: State, ids: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """States and pooled state of a prompt's own tokens, [N] -> [1, T, D], [1, P]."""
    x = state["padding_embedding"].clone()
    x[: len(ids)] = state["token_embedding.weight"][ids] + state["positional_embedding"][: len(ids)]
    x = x[None]
    for layer in range(len({name.split(".")[2] for name in state if name.startswith("transformer.resblocks.")})):
        name = f"transformer.resblocks.{layer}"
        qkv = affine(state, f"{name}.attn.c_qkv", normalised(state, f"{name}.ln_1", x)).mT
        found = [attended(*one.chunk(3, 1)) for one in qkv.chunk(heads, 1)]
        x = x + affine(state, f"{name}.attn.c_proj", torch.cat(found, 1).mT)
        h = affine(state, f"{name}.mlp.c_fc", normalised(state, f"{name}.ln_2", x))
        x = x + affine(state, f"{name}.mlp.c_proj", h * (1 + torch.erf(h / math.sqrt(2))) / 2)
    x = normalised(state, "final_ln", x)
    return x, affine(state, "transformer_proj", x[:, -1])
