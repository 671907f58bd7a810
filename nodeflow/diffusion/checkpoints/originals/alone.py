"""Configurations of networks that stand alone in a file, told from the shapes of their published names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nodeflow.errors import NodeflowError

from .configs import Config, flux_heads
from .rules import Shapes, counted, shape_of

_HEAD, _HEADS, _SD2 = 64, 8, 1024
"""Channels of a head in SD 2 and SDXL; heads in SD 1; width of the text states of SD 2."""


def controlnet(shapes: Shapes) -> Config:
    """Of a `ControlNetModel`."""
    levels = counted(shapes, "down_blocks.")
    widths = [shape_of(shapes, f"down_blocks.{level}.resnets.0.conv2.weight")[0] for level in range(levels)]
    depths = [counted(shapes, f"down_blocks.{level}.attentions.0.transformer_blocks.") for level in range(levels)]
    middle = counted(shapes, "mid_block.attentions.0.transformer_blocks.")
    linear = len(shape_of(shapes, "mid_block.attentions.0.proj_in.weight")) == 2
    states = shape_of(shapes, "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight")[1]
    embedding = "controlnet_cond_embedding."
    halvings = range(1, counted(shapes, f"{embedding}blocks."), 2)
    seen = [shape_of(shapes, f"{embedding}blocks.{i}.weight")[0] for i in halvings]
    first = shape_of(shapes, f"{embedding}conv_in.weight")
    config: Config = {
        "in_channels": shape_of(shapes, "conv_in.weight")[1],
        "block_out_channels": widths,
        "layers_per_block": counted(shapes, "down_blocks.0.resnets."),
        "down_block_types": ["CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths],
        "cross_attention_dim": states,
        "transformer_layers_per_block": [depth or 1 for depth in depths[:-1]] + [middle],
        "attention_head_dim": [max(1, width // _HEAD) for width in widths] if linear else _HEADS,
        "use_linear_projection": linear,
        "upcast_attention": states == _SD2,
        "conditioning_channels": first[1],
        "conditioning_embedding_out_channels": [first[0], *seen],
    }
    if "add_embedding.linear_1.weight" in shapes:
        config |= {"addition_embed_type": "text_time", "addition_time_embed_dim": 256}
        config["projection_class_embeddings_input_dim"] = shape_of(shapes, "add_embedding.linear_1.weight")[1]
    return config


def flux_controlnet(shapes: Shapes) -> Config:
    """Of a `FluxControlNetModel`."""
    width, channels = shape_of(shapes, "x_embedder.weight")
    stacks = {"num_layers": "transformer_blocks.", "num_single_layers": "single_transformer_blocks."}
    first = next((name for name in stacks.values() if counted(shapes, name)), "transformer_blocks.")
    (head,) = shape_of(shapes, f"{first}0.attn.norm_q.weight")
    modes = shapes.get("controlnet_mode_embedder.weight")
    return {
        "in_channels": channels,
        **{key: counted(shapes, name) for key, name in stacks.items()},
        **flux_heads(width, head),
        "joint_attention_dim": shape_of(shapes, "context_embedder.weight")[1],
        "pooled_projection_dim": shape_of(shapes, "time_text_embed.text_embedder.linear_1.weight")[1],
        "guidance_embeds": "time_text_embed.guidance_embedder.linear_1.weight" in shapes,
        "num_mode": modes[0] if modes else None,
    }


def ip_adapter(shapes: Shapes) -> Config:
    """Of an `IPAdapter`: plain, or "plus".

    Raises:
        NodeflowError: NF406, it is of another form, such as those that read faces.
    """
    numbers = sorted(int(name.split(".")[1]) for name in shapes if name.endswith(".to_k_ip.weight"))
    if numbers != list(range(1, 2 * len(numbers), 2)):
        raise _other("its blocks are not numbered 1, 3, 5, …")
    layers = [shape_of(shapes, f"ip_adapter.{number}.to_k_ip.weight")[0] for number in numbers]
    if "image_proj.proj.weight" in shapes:
        out, seen = shape_of(shapes, "image_proj.proj.weight")
        (width,) = shape_of(shapes, "image_proj.norm.weight")
        return {"reads": "pooled", "image_width": seen, "width": width, "tokens": out // width, "layers": layers}
    if "image_proj.proj_in.weight" not in shapes or "image_proj.latents" not in shapes:
        raise _other("it reads faces, or whole states without a resampler")
    hidden, seen = shape_of(shapes, "image_proj.proj_in.weight")
    return {
        "reads": "states",
        "image_width": seen,
        "width": shape_of(shapes, "image_proj.proj_out.weight")[0],
        "tokens": shape_of(shapes, "image_proj.latents")[1],
        "layers": layers,
        "hidden_width": hidden,
        "inner_width": shape_of(shapes, "image_proj.layers.0.0.to_q.weight")[0],
        "depth": counted(shapes, "image_proj.layers."),
    }


def _other(why: str) -> NodeflowError:
    return NodeflowError(
        "NF406", f"this IP-Adapter is of a form that is not supported: {why}", fix='choose a plain one, or a "plus"'
    )


def clip_vision(shapes: Shapes) -> Config:
    """Of a `CLIPVisionModelWithProjection`; its 16 heads and, but for that of CLIP L, its GELU are those of all."""
    root = "vision_model."
    width, channels, patch, _ = shape_of(shapes, f"{root}embeddings.patch_embedding.weight")
    places = shape_of(shapes, f"{root}embeddings.position_embedding.weight")[0]
    layers = counted(shapes, f"{root}encoder.layers.")
    return {
        "hidden_size": width,
        "intermediate_size": shape_of(shapes, f"{root}encoder.layers.0.mlp.fc1.weight")[0],
        "projection_dim": shape_of(shapes, "visual_projection.weight")[0],
        "num_hidden_layers": layers,
        "num_attention_heads": _EYES,
        "num_channels": channels,
        "patch_size": patch,
        "image_size": round((places - 1) ** 0.5) * patch,
        "hidden_act": "quick_gelu" if layers <= _CLIP_L else "gelu",
    }


_EYES, _CLIP_L = 16, 24
"""Heads of CLIP L, H and G; layers of CLIP L."""

ALONE: Mapping[str, Callable[[Shapes], dict[str, Any]]] = {
    "ControlNetModel": controlnet,
    "FluxControlNetModel": flux_controlnet,
    "IPAdapter": ip_adapter,
    "CLIPVisionModelWithProjection": clip_vision,
}
"""Class name -> (shapes of the published names) -> configuration."""
