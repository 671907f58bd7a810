"""GLIDE's file: one network whose names stay as they are, read in two parts, the denoiser and the text transformer.

What no shape tells is the same in all published forms: heads of 64 channels, pictures of 2^(levels + 2) pixels a side.
"""

from __future__ import annotations

import re
from typing import Any

from .rules import Rule, Shapes, Table, counted, shape_of

_TEXT = ("transformer.", "transformer_proj.", "token_embedding.", "positional_embedding", "padding_embedding",
         "final_ln.", "unemb.")  # fmt: skip
_PICTURE = ("time_embed.", "input_blocks.", "middle_block.", "output_blocks.", "out.", "unemb.")
_HEAD = 64
"""Channels of a head, in the denoiser and in the text transformer."""
_DOUBLING = re.compile(r"output_blocks\.(\d+)\.[12]\.in_layers\.2\.weight")


def denoiser(shapes: Shapes) -> Table:
    """`Text2ImUNet`: all but the text."""
    del shapes
    return Table(tuple(Rule(name, None) for name in _TEXT))


def text(shapes: Shapes) -> Table:
    """`GlideTextModel`: the text alone."""
    del shapes
    return Table(tuple(Rule(name, None) for name in _PICTURE))


def denoiser_config(shapes: Shapes, family: str) -> dict[str, Any]:
    """Of a `Text2ImUNet`. On the way up, each level but the finest ends in a block that doubles the map."""
    del family
    doubling = sorted(int(found[1]) for name in shapes if (found := _DOUBLING.fullmatch(name)))
    count = doubling[0] if doubling else counted(shapes, "input_blocks.") - 1
    starts = [1 + level * (count + 1) for level in range(len(doubling) + 1)]
    base = shape_of(shapes, "time_embed.0.weight")[1]
    widths = [shape_of(shapes, f"input_blocks.{start}.0.out_layers.3.weight")[0] for start in starts]
    return {
        "in_channels": shape_of(shapes, "input_blocks.0.0.weight")[1],
        "model_channels": base,
        "out_channels": shape_of(shapes, "out.2.weight")[0],
        "num_res_blocks": count,
        "channel_mult": [width // base for width in widths],
        "attention_resolutions": [2**i for i, at in enumerate(starts) if f"input_blocks.{at}.1.qkv.weight" in shapes],
        "num_head_channels": _HEAD,
        "encoder_channels": shape_of(shapes, "middle_block.1.encoder_kv.weight")[1],
        "sample_size": 2 ** (len(widths) + 2),
    }


def text_config(shapes: Shapes, family: str) -> dict[str, Any]:
    """Of a `GlideTextModel`."""
    del family
    vocabulary, width = shape_of(shapes, "token_embedding.weight")
    return {
        "n_vocab": vocabulary,
        "text_ctx": shape_of(shapes, "positional_embedding")[0],
        "xf_width": width,
        "xf_layers": counted(shapes, "transformer.resblocks."),
        "xf_heads": max(1, width // _HEAD),
        "pooled_width": shape_of(shapes, "transformer_proj.weight")[0],
    }
