"""The multimodal transformers: Stable Diffusion 3 from Stability's names, Flux from Black Forest Labs'.

Both fuse queries, keys and values into one matrix. Their last modulation gives (shift, scale) where the published one
gives (scale, shift), so its halves change places.
"""

from __future__ import annotations

from .rules import Rule, Shapes, Table

_BLOCK = "transformer_blocks.#."
_QKV = ("to_q.", "to_k.", "to_v.")
_ADDED = ("add_q_proj.", "add_k_proj.", "add_v_proj.")


def _named(prefix: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(prefix + name for name in names)


def sd3(shapes: Shapes) -> Table:
    """`SD3Transformer2DModel`. The last block writes no text, so its text modulation is a final one."""
    numbers = [int(name.split(".")[1]) for name in shapes if name.startswith("joint_blocks.")]
    last = max(numbers, default=0)
    picture, text, attention = "joint_blocks.#.x_block.", "joint_blocks.#.context_block.", f"{_BLOCK}attn."
    second = f"{_BLOCK}attn2."
    return Table((
        Rule("x_embedder.proj.", "pos_embed.proj."),
        Rule("pos_embed", "pos_embed.pos_embed"),
        Rule("t_embedder.mlp.0.", "time_text_embed.timestep_embedder.linear_1."),
        Rule("t_embedder.mlp.2.", "time_text_embed.timestep_embedder.linear_2."),
        Rule("y_embedder.mlp.0.", "time_text_embed.text_embedder.linear_1."),
        Rule("y_embedder.mlp.2.", "time_text_embed.text_embedder.linear_2."),
        Rule(f"{picture}attn.qkv.", _named(attention, _QKV)),
        Rule(f"{picture}attn.proj.", f"{attention}to_out.0."),
        Rule(f"{picture}attn.ln_q.", f"{attention}norm_q."),
        Rule(f"{picture}attn.ln_k.", f"{attention}norm_k."),
        Rule(f"{picture}attn2.qkv.", _named(second, _QKV)),
        Rule(f"{picture}attn2.proj.", f"{second}to_out.0."),
        Rule(f"{picture}attn2.ln_q.", f"{second}norm_q."),
        Rule(f"{picture}attn2.ln_k.", f"{second}norm_k."),
        Rule(f"{picture}adaLN_modulation.1.", f"{_BLOCK}norm1.linear."),
        Rule(f"{picture}mlp.fc1.", f"{_BLOCK}ff.net.0.proj."),
        Rule(f"{picture}mlp.fc2.", f"{_BLOCK}ff.net.2."),
        Rule(f"{text}attn.qkv.", _named(attention, _ADDED)),
        Rule(f"{text}attn.proj.", f"{attention}to_add_out."),
        Rule(f"{text}attn.ln_q.", f"{attention}norm_added_q."),
        Rule(f"{text}attn.ln_k.", f"{attention}norm_added_k."),
        Rule(f"joint_blocks.{last}.context_block.adaLN_modulation.1.",
             f"transformer_blocks.{last}.norm1_context.linear.", "swapped"),
        Rule(f"{text}adaLN_modulation.1.", f"{_BLOCK}norm1_context.linear."),
        Rule(f"{text}mlp.fc1.", f"{_BLOCK}ff_context.net.0.proj."),
        Rule(f"{text}mlp.fc2.", f"{_BLOCK}ff_context.net.2."),
        Rule("final_layer.linear.", "proj_out."),
        Rule("final_layer.adaLN_modulation.1.", "norm_out.linear.", "swapped"),
    ))  # fmt: skip


def flux(shapes: Shapes) -> Table:
    """`FluxTransformer2DModel`. Its single blocks fuse queries, keys, values and the first half of the perceptron."""
    width = shapes.get("img_in.weight", (0,))[0]
    double, single = "double_blocks.#.", "single_blocks.#."
    attention, alone = f"{_BLOCK}attn.", f"single_{_BLOCK}"
    return Table((
        Rule("img_in.", "x_embedder."),
        Rule("txt_in.", "context_embedder."),
        *(Rule(f"{old}_in.{layer}_layer.", f"time_text_embed.{new}_embedder.linear_{i}.")
          for old, new in (("time", "timestep"), ("vector", "text"), ("guidance", "guidance"))
          for i, layer in ((1, "in"), (2, "out"))),
        Rule(f"{double}img_mod.lin.", f"{_BLOCK}norm1.linear."),
        Rule(f"{double}txt_mod.lin.", f"{_BLOCK}norm1_context.linear."),
        Rule(f"{double}img_attn.qkv.", _named(attention, _QKV)),
        Rule(f"{double}txt_attn.qkv.", _named(attention, _ADDED)),
        Rule(f"{double}img_attn.norm.query_norm.scale", f"{attention}norm_q.weight"),
        Rule(f"{double}img_attn.norm.key_norm.scale", f"{attention}norm_k.weight"),
        Rule(f"{double}txt_attn.norm.query_norm.scale", f"{attention}norm_added_q.weight"),
        Rule(f"{double}txt_attn.norm.key_norm.scale", f"{attention}norm_added_k.weight"),
        Rule(f"{double}img_attn.proj.", f"{attention}to_out.0."),
        Rule(f"{double}txt_attn.proj.", f"{attention}to_add_out."),
        Rule(f"{double}img_mlp.0.", f"{_BLOCK}ff.net.0.proj."),
        Rule(f"{double}img_mlp.2.", f"{_BLOCK}ff.net.2."),
        Rule(f"{double}txt_mlp.0.", f"{_BLOCK}ff_context.net.0.proj."),
        Rule(f"{double}txt_mlp.2.", f"{_BLOCK}ff_context.net.2."),
        Rule(f"{single}modulation.lin.", f"{alone}norm.linear."),
        Rule(f"{single}linear1.", (*_named(f"{alone}attn.", _QKV), f"{alone}proj_mlp."), rows=(width, width, width, 0)),
        Rule(f"{single}norm.query_norm.scale", f"{alone}attn.norm_q.weight"),
        Rule(f"{single}norm.key_norm.scale", f"{alone}attn.norm_k.weight"),
        Rule(f"{single}linear2.", f"{alone}proj_out."),
        Rule("final_layer.linear.", "proj_out."),
        Rule("final_layer.adaLN_modulation.1.", "norm_out.linear.", "swapped"),
    ))  # fmt: skip
