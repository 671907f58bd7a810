"""Stable Audio from the names of Stability's stable-audio-tools: denoiser, autoencoder, and what tells the seconds."""

from __future__ import annotations

import re

from .rules import Rule, Shapes, Table


def denoiser(shapes: Shapes) -> Table:
    """`StableAudioDiTModel` from `model.model`."""
    del shapes
    layer, block = "transformer.layers.#.", "transformer_blocks.#."
    norms = {"pre_norm": "norm1", "cross_attend_norm": "norm2", "ff_norm": "norm3"}
    embeddings = {"to_timestep_embed": "timestep_proj", "to_global_embed": "global_proj",
                  "to_cond_embed": "cross_attention_proj"}  # fmt: skip
    return Table((
        *(Rule(f"{old}.", f"{new}.") for old, new in embeddings.items()),
        Rule("timestep_features.weight", "time_proj.weight", "vector"),
        Rule("transformer.project_in.", "proj_in."),
        Rule("transformer.project_out.", "proj_out."),
        Rule("transformer.rotary_pos_emb.", None),
        *(Rule(f"{layer}{old}.gamma", f"{block}{new}.weight") for old, new in norms.items()),
        *(Rule(f"{layer}{old}.beta", f"{block}{new}.bias") for old, new in norms.items()),
        Rule(f"{layer}self_attn.to_qkv.", tuple(f"{block}attn1.to_{name}." for name in "qkv")),
        Rule(f"{layer}self_attn.to_out.", f"{block}attn1.to_out.0."),
        Rule(f"{layer}cross_attn.to_q.", f"{block}attn2.to_q."),
        Rule(f"{layer}cross_attn.to_kv.", tuple(f"{block}attn2.to_{name}." for name in "kv")),
        Rule(f"{layer}cross_attn.to_out.", f"{block}attn2.to_out.0."),
        Rule(f"{layer}ff.ff.", f"{block}ff.net."),
    ))  # fmt: skip


def seconds(shapes: Shapes) -> Table:
    """`StableAudioProjectionModel` from `conditioner.conditioners`."""
    del shapes
    parts = {"seconds_start": "start_number_conditioner", "seconds_total": "end_number_conditioner"}
    return Table((
        Rule("prompt.proj_out.", "text_projection."),
        Rule("prompt.", None),
        *(Rule(f"{old}.embedder.embedding.", f"{new}.time_positional_embedding.") for old, new in parts.items()),
    ))  # fmt: skip


def autoencoder(shapes: Shapes) -> Table:
    """`AutoencoderOobleck` from `pretransform.model`: there one list each way, whose first and last two are no blocks.

    A block on the way down is three residual units, a periodic activation and a convolution; on the way up the other
    way round. Activations are written as vectors there, beside their channels' axis here.
    """
    last = steps(shapes)
    rules = []
    for side, units, snake, conv in (("encoder", (0, 1, 2), 3, "4.|conv1."), ("decoder", (2, 3, 4), 0, "1.|conv_t1.")):
        old, new = conv.split("|")
        for step in range(1, last + 1):
            here, there = f"{side}.layers.{step}.layers.", f"{side}.block.{step - 1}."
            rules += [_snake(f"{here}{snake}.", f"{there}snake1."), Rule(f"{here}{old}", f"{there}{new}")]
            for unit, place in enumerate(units, 1):
                inside, known = f"{here}{place}.layers.", f"{there}res_unit{unit}."
                rules += [_snake(f"{inside}0.", f"{known}snake1."), Rule(f"{inside}1.", f"{known}conv1.")]
                rules += [_snake(f"{inside}2.", f"{known}snake2."), Rule(f"{inside}3.", f"{known}conv2.")]
        rules += [Rule(f"{side}.layers.0.", f"{side}.conv1."), _snake(f"{side}.layers.{last + 1}.", f"{side}.snake1.")]
        rules += [Rule(f"{side}.layers.{last + 2}.", f"{side}.conv2.")]
    return Table(tuple(rules))


def steps(shapes: Shapes) -> int:
    """How many steps up or down an autoencoder has."""
    return sum(re.fullmatch(r"encoder\.layers\.\d+\.layers\.4\.weight_v", name) is not None for name in shapes)


def _snake(old: str, new: str) -> Rule:
    return Rule(old, new, "channels")
