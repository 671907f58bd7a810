"""A network's published configuration, told from the shapes of its tensors in the original names.

What shapes cannot tell (heads, activations, scales) is the same for all models of a family and stands here as data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from . import glide
from .rules import Shapes, counted, shape_of
from .sounds import steps
from .unets import layers

Config = dict[str, Any]
_HEAD = 64
"""Channels of a head in SD 2, SDXL, SD 3 and OpenCLIP."""
SCALES: Mapping[str, Mapping[str, Any]] = {
    "sd1": {"scaling_factor": 0.18215, "sample_size": 512},
    "sd2": {"scaling_factor": 0.18215, "sample_size": 768},
    "sdxl": {"scaling_factor": 0.13025, "sample_size": 1024},
    "sdxl-refiner": {"scaling_factor": 0.13025, "sample_size": 1024},
    "sd3": {"scaling_factor": 1.5305, "shift_factor": 0.0609, "sample_size": 1024},
    "flux": {"scaling_factor": 0.3611, "shift_factor": 0.1159, "sample_size": 1024},
}
"""What brings the latents of a family's autoencoder to unit variance."""


def unet(shapes: Shapes, family: str, prediction: str = "") -> Config:
    """Of a `UNet2DConditionModel`."""
    levels, count = layers(shapes)
    firsts = [1 + level * (count + 1) for level in range(levels)]
    widths = [shape_of(shapes, f"input_blocks.{block}.0.in_layers.2.weight")[0] for block in firsts]
    depths = [_depth(shapes, f"input_blocks.{block}.1.") for block in firsts]
    middle = _depth(shapes, "middle_block.1.")
    kinds = ["CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths]
    linear = len(shapes.get("middle_block.1.proj_in.weight", ())) == 2
    config: Config = {
        "in_channels": shape_of(shapes, "input_blocks.0.0.weight")[1],
        "out_channels": shape_of(shapes, "out.2.weight")[0],
        "block_out_channels": widths,
        "layers_per_block": count,
        "down_block_types": kinds,
        "up_block_types": [kind.replace("Down", "Up") for kind in reversed(kinds)],
        "cross_attention_dim": shape_of(shapes, "middle_block.1.transformer_blocks.0.attn2.to_k.weight")[1],
        "transformer_layers_per_block": _depths(depths, middle),
        "attention_head_dim": [max(1, width // _HEAD) for width in widths] if linear else 8,
        "use_linear_projection": linear,
        "sample_size": _SAMPLES.get((family, prediction), _SAMPLES.get((family, ""), 64)),
    }
    if "label_emb.0.0.weight" in shapes:
        width = shape_of(shapes, "label_emb.0.0.weight")[1]
        config |= {"addition_embed_type": "text_time", "addition_time_embed_dim": 256}
        config["projection_class_embeddings_input_dim"] = width
    return config | ({"upcast_attention": True} if family == "sd2" else {})


_SAMPLES = {("sd1", ""): 64, ("sd2", ""): 64, ("sd2", "v_prediction"): 96, ("sdxl", ""): 128, ("sdxl-refiner", ""): 128}
"""Side of the latents that a family was trained on."""


def _depths(depths: list[int], middle: int) -> int | list[int]:
    """Transformer layers by level, one number where all agree; the last level's is also that of the middle."""
    if {depth for depth in depths if depth} | {middle} == {middle}:
        return middle
    return [depth or 1 for depth in depths[:-1]] + [depths[-1] or middle]


def autoencoder(shapes: Shapes, family: str) -> Config:
    """Of an `AutoencoderKL`."""
    levels = counted(shapes, "encoder.down.")
    widths = [shape_of(shapes, f"encoder.down.{level}.block.0.conv1.weight")[0] for level in range(levels)]
    quant = "quant_conv.weight" in shapes
    return {
        "in_channels": shape_of(shapes, "encoder.conv_in.weight")[1],
        "out_channels": shape_of(shapes, "decoder.conv_out.weight")[0],
        "latent_channels": shape_of(shapes, "decoder.conv_in.weight")[1],
        "block_out_channels": widths,
        "layers_per_block": counted(shapes, "encoder.down.0.block."),
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "use_quant_conv": quant,
        "use_post_quant_conv": quant,
        **SCALES.get(family, SCALES["sd1"]),
    }


def clip(shapes: Shapes, family: str, activation: str = "quick_gelu") -> Config:
    """Of a CLIP text encoder under transformers' names."""
    root = "text_model." if any(name.startswith("text_model.") for name in shapes) else ""
    vocabulary, width = shape_of(shapes, f"{root}embeddings.token_embedding.weight")
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": shape_of(shapes, f"{root}encoder.layers.0.mlp.fc1.weight")[0],
        "num_hidden_layers": counted(shapes, f"{root}encoder.layers."),
        "num_attention_heads": max(1, width // _HEAD),
        "max_position_embeddings": shape_of(shapes, f"{root}embeddings.position_embedding.weight")[0],
        "projection_dim": shapes.get("text_projection.weight", (width,))[0],
        "hidden_act": activation,
        "eos_token_id": vocabulary - 1,
    }


def clip_gelu(shapes: Shapes, family: str) -> Config:
    """Of OpenCLIP's text encoder under transformers' names, as Stable Diffusion 3 has it."""
    return clip(shapes, family, "gelu")


def open_clip(shapes: Shapes, family: str, skip: int = 0) -> Config:
    """Of OpenCLIP's text encoder under its own names.

    Args:
        skip: How many of its last layers are left out.
    """
    vocabulary, width = shape_of(shapes, "token_embedding.weight")
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": shape_of(shapes, "transformer.resblocks.0.mlp.c_fc.weight")[0],
        "num_hidden_layers": counted(shapes, "transformer.resblocks.") - skip,
        "num_attention_heads": max(1, width // _HEAD),
        "max_position_embeddings": shape_of(shapes, "positional_embedding")[0],
        "projection_dim": shapes.get("text_projection", (width, width))[1],
        "hidden_act": "gelu",
        "eos_token_id": vocabulary - 1,
    }


def open_clip_penultimate(shapes: Shapes, family: str) -> Config:
    """As `open_clip`, without the last layer."""
    return open_clip(shapes, family, skip=1)


def t5(shapes: Shapes, family: str) -> Config:
    """Of a `T5EncoderModel`, under transformers' names or those of GGUF files."""
    gguf = "token_embd.weight" in shapes
    first = "enc.blk.0." if gguf else "encoder.block.0.layer."
    names = ("attn_q", "attn_rel_b", "ffn_up") if gguf else (
        "0.SelfAttention.q", "0.SelfAttention.relative_attention_bias", "1.DenseReluDense.wi")  # fmt: skip
    gate = f"{first}ffn_gate.weight" if gguf else f"{first}1.DenseReluDense.wi_0.weight"
    query, distances = (shape_of(shapes, f"{first}{name}.weight") for name in names[:2])
    wide = shape_of(shapes, gate if gate in shapes else f"{first}{names[2]}.weight")
    vocabulary, width = shape_of(shapes, "token_embd.weight" if gguf else "shared.weight")
    return {
        "vocab_size": vocabulary,
        "d_model": width,
        "d_kv": query[0] // distances[1],
        "d_ff": wide[0],
        "num_layers": counted(shapes, "enc.blk." if gguf else "encoder.block."),
        "num_heads": distances[1],
        "relative_attention_num_buckets": distances[0],
        "feed_forward_proj": "gated-gelu" if gate in shapes else "relu",
    }


def sd3(shapes: Shapes, family: str) -> Config:
    """Of an `SD3Transformer2DModel`."""
    width, channels, patch, _ = shape_of(shapes, "x_embedder.proj.weight")
    dual = {int(name.split(".")[1]) for name in shapes if name.endswith(".x_block.attn2.qkv.weight")}
    normed = "joint_blocks.0.x_block.attn.ln_q.weight" in shapes
    return {
        "sample_size": 128,
        "patch_size": patch,
        "in_channels": channels,
        "out_channels": shape_of(shapes, "final_layer.linear.weight")[0] // patch**2,
        "num_layers": counted(shapes, "joint_blocks."),
        "attention_head_dim": _HEAD,
        "num_attention_heads": width // _HEAD,
        "joint_attention_dim": shape_of(shapes, "context_embedder.weight")[1],
        "caption_projection_dim": width,
        "pooled_projection_dim": shape_of(shapes, "y_embedder.mlp.0.weight")[1],
        "pos_embed_max_size": math.isqrt(shape_of(shapes, "pos_embed")[1]),
        "dual_attention_layers": sorted(dual),
        "qk_norm": "rms_norm" if normed else None,
    }


def flux_heads(width: int, head: int) -> Config:
    """How Flux divides its width into heads, and a head into what turns by index, row and column."""
    turned = [head // 8, 7 * head // 16, 7 * head // 16]
    return {"attention_head_dim": head, "num_attention_heads": width // head, "axes_dims_rope": turned}


def flux(shapes: Shapes, family: str) -> Config:
    """Of a `FluxTransformer2DModel`."""
    width, channels = shape_of(shapes, "img_in.weight")
    (head,) = shape_of(shapes, "double_blocks.0.img_attn.norm.query_norm.scale")
    out = shape_of(shapes, "final_layer.linear.weight")[0]
    return {
        "patch_size": 1,
        "in_channels": channels,
        "out_channels": None if out == channels else out,
        "num_layers": counted(shapes, "double_blocks."),
        "num_single_layers": counted(shapes, "single_blocks."),
        **flux_heads(width, head),
        "joint_attention_dim": shape_of(shapes, "txt_in.weight")[1],
        "pooled_projection_dim": shape_of(shapes, "vector_in.in_layer.weight")[1],
        "guidance_embeds": "guidance_in.in_layer.weight" in shapes,
    }


def stable_audio(shapes: Shapes, family: str) -> Config:
    """Of a `StableAudioDiTModel`, half of whose channels of a head are turned by the place of a cell."""
    width, channels = shape_of(shapes, "transformer.project_in.weight")
    turns = shapes.get("transformer.rotary_pos_emb.inv_freq", (_HEAD // 4,))
    head = 4 * turns[0]
    context, text = shape_of(shapes, "to_cond_embed.0.weight")
    keys = shape_of(shapes, "transformer.layers.0.cross_attn.to_kv.weight")[0]
    return {
        "sample_size": 1024,
        "in_channels": channels,
        "out_channels": shape_of(shapes, "transformer.project_out.weight")[0],
        "num_layers": counted(shapes, "transformer.layers."),
        "attention_head_dim": head,
        "num_attention_heads": width // head,
        "num_key_value_attention_heads": keys // 2 // head,
        "cross_attention_dim": context,
        "time_proj_dim": 2 * shape_of(shapes, "timestep_features.weight")[0],
        "global_states_input_dim": shape_of(shapes, "to_global_embed.0.weight")[1],
        "cross_attention_input_dim": text,
    }


def stable_audio_seconds(shapes: Shapes, family: str) -> Config:
    """Of a `StableAudioProjectionModel`."""
    width = shape_of(shapes, "seconds_start.embedder.embedding.1.weight")[0]
    text = shapes.get("prompt.proj_out.weight", (width, width))[1]
    return {"text_encoder_dim": text, "conditioning_dim": width, "min_value": 0, "max_value": 512}


def oobleck(shapes: Shapes, family: str) -> Config:
    """Of an `AutoencoderOobleck`, whose kernels are twice as long as the steps they take."""
    count = steps(shapes)
    channels, wave, _ = shape_of(shapes, "encoder.layers.0.weight_v")
    downs = [shape_of(shapes, f"encoder.layers.{step}.layers.4.weight_v") for step in range(1, count + 1)]
    return {
        "encoder_hidden_size": channels,
        "downsampling_ratios": [down[2] // 2 for down in downs],
        "channel_multiples": [down[0] // channels for down in downs],
        "decoder_channels": shape_of(shapes, f"decoder.layers.{count + 2}.weight_v")[1],
        "decoder_input_channels": shape_of(shapes, "decoder.layers.0.weight_v")[1],
        "audio_channels": wave,
        "sampling_rate": 44_100,
    }


CONFIGS: Mapping[str, Callable[[Shapes, str], Config]] = {
    "ldm-unet": unet,
    "ldm-vae": autoencoder,
    "clip": clip,
    "clip-gelu": clip_gelu,
    "open-clip": open_clip,
    "open-clip-penultimate": open_clip_penultimate,
    "t5": t5,
    "sd3": sd3,
    "flux": flux,
    "stable-audio": stable_audio,
    "stable-audio-seconds": stable_audio_seconds,
    "oobleck": oobleck,
    "glide": glide.denoiser_config,
    "glide-text": glide.text_config,
}
"""By name: (shapes of a part under its own names, family) -> configuration."""


def _depth(shapes: Shapes, begins: str) -> int:
    return counted(shapes, f"{begins}transformer_blocks.")
