"""Text encoders: CLIP as transformers names it, OpenCLIP's with its fused projections, T5 as GGUF files name it."""

from __future__ import annotations

from .rules import Rule, Shapes, Source, Table

_LAYER = "text_model.encoder.layers.#."
_ATTENTION = f"{_LAYER}self_attn."
_SPARE = (Rule("logit_scale", None), Rule("attn_mask", None), Rule("visual.", None))


def clip(shapes: Shapes) -> Table:
    """`CLIPTextModel` in transformers' own names, from a file that may have more in it than the text encoder."""
    del shapes
    spare = ("logit_scale", "vision_model.", "visual_projection.", "text_model.embeddings.position_ids")
    return Table(tuple(Rule(name, None) for name in spare))


def clip_plain(shapes: Shapes) -> Table:
    """As `clip`, without the projection, which its readers have no use for."""
    return Table((Rule("text_projection", None), *clip(shapes).rules))


def clip_identity(shapes: Shapes) -> Table:
    """As `clip`, with the projection of Stable Diffusion 3's first text encoder: one that changes nothing.

    Its pooled state is read as it is, whatever projection its file has.
    """
    norm = "final_layer_norm.weight"
    root = "text_model." if f"text_model.{norm}" in shapes else ""
    besides = {"text_projection.weight": Source(f"{root}{norm}", change="identity")}
    return clip_plain(shapes)._replace(besides=besides)


def open_clip(shapes: Shapes) -> Table:
    """`CLIPTextModelWithProjection` from OpenCLIP, whose projection is written the other way round."""
    del shapes
    fused = tuple(f"{_ATTENTION}{name}_proj." for name in "qkv")
    return Table((
        Rule("transformer.resblocks.#.attn.in_proj_weight", tuple(f"{name}weight" for name in fused)),
        Rule("transformer.resblocks.#.attn.in_proj_bias", tuple(f"{name}bias" for name in fused)),
        Rule("transformer.resblocks.#.attn.out_proj.", f"{_ATTENTION}out_proj."),
        Rule("transformer.resblocks.#.ln_1.", f"{_LAYER}layer_norm1."),
        Rule("transformer.resblocks.#.ln_2.", f"{_LAYER}layer_norm2."),
        Rule("transformer.resblocks.#.mlp.c_fc.", f"{_LAYER}mlp.fc1."),
        Rule("transformer.resblocks.#.mlp.c_proj.", f"{_LAYER}mlp.fc2."),
        Rule("token_embedding.", "text_model.embeddings.token_embedding."),
        Rule("positional_embedding", "text_model.embeddings.position_embedding.weight"),
        Rule("ln_final.", "text_model.final_layer_norm."),
        Rule("text_projection.weight", "text_projection.weight"),
        Rule("text_projection", "text_projection.weight", "transposed"),
        *_SPARE,
    ))  # fmt: skip


def open_clip_penultimate(shapes: Shapes) -> Table:
    """`CLIPTextModel` from OpenCLIP without its last layer and projection, as Stable Diffusion 2 reads it."""
    last = depth(shapes) - 1
    spare = (Rule(f"transformer.resblocks.{last}.", None), Rule("text_projection", None))
    return Table((*spare, *open_clip(shapes).rules))


def depth(shapes: Shapes) -> int:
    """How many layers OpenCLIP's text encoder has."""
    place = "transformer.resblocks."
    return 1 + max((int(name.split(".")[2]) for name in shapes if name.startswith(place)), default=-1)


def t5(shapes: Shapes) -> Table:
    """`T5EncoderModel` in transformers' own names, or in those of GGUF files; a table that stands twice counts once."""
    twice = (Rule("encoder.embed_tokens.", None),) if "shared.weight" in shapes else ()
    block = "encoder.block.#.layer."
    heads = {"q": "q", "k": "k", "v": "v", "o": "o", "rel_b": "relative_attention_bias"}
    halves = {"gate": "wi_0", "up": "wi_1", "down": "wo"}
    return Table((
        *twice,
        *(Rule(f"enc.blk.#.attn_{old}.", f"{block}0.SelfAttention.{new}.") for old, new in heads.items()),
        *(Rule(f"enc.blk.#.ffn_{old}.", f"{block}1.DenseReluDense.{new}.") for old, new in halves.items()),
        Rule("enc.blk.#.attn_norm.", f"{block}0.layer_norm."),
        Rule("enc.blk.#.ffn_norm.", f"{block}1.layer_norm."),
        Rule("enc.output_norm.", "encoder.final_layer_norm."),
        Rule("token_embd.", "shared."),
        Rule("dec.", None), Rule("decoder.", None), Rule("lm_head.", None), Rule("output.", None),
    ))  # fmt: skip
