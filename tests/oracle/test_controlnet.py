"""Control networks against the reference implementation: same parameter names and shapes, same output."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from nodeflow.diffusion.models import model_class

diffusers = pytest.importorskip("diffusers")

Options = dict[str, Any]

SMALL: Options = {
    "block_out_channels": (16, 32),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "cross_attention_dim": 12,
    "attention_head_dim": 4,
    "norm_num_groups": 8,
    "layers_per_block": 1,
    "conditioning_embedding_out_channels": (4, 8),
}
VARIANTS: dict[str, Options] = {
    "plain": {},
    "blue first": {"controlnet_conditioning_channel_order": "bgr"},
    "pooled": {"global_pool_conditions": True},
    "three levels, two layers": {
        "block_out_channels": (16, 24, 32),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "transformer_layers_per_block": (1, 1, 2),
        "attention_head_dim": (2, 4, 8),
        "layers_per_block": 2,
        "use_linear_projection": True,
        "conditioning_embedding_out_channels": (4, 8, 8, 12),
    },
    "text time": {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + 10,
    },
    "classes": {"num_class_embeds": 7},
}
SD15: Options = {
    "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280],
    "controlnet_conditioning_channel_order": "rgb",
    "conditioning_embedding_out_channels": [16, 32, 96, 256],
    "cross_attention_dim": 768,
    "down_block_types": [*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"],
}
PUBLISHED: dict[str, Options] = {
    "SD 1.5": SD15,
    "SD 2.1": {
        **SD15,
        "attention_head_dim": [5, 10, 20, 20],
        "cross_attention_dim": 1024,
        "use_linear_projection": True,
        "upcast_attention": True,
    },
    "SDXL": {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "attention_head_dim": [5, 10, 20],
        "block_out_channels": [320, 640, 1280],
        "cross_attention_dim": 2048,
        "down_block_types": ["DownBlock2D", *["CrossAttnDownBlock2D"] * 2],
        "projection_class_embeddings_input_dim": 2816,
        "transformer_layers_per_block": [1, 2, 10],
        "use_linear_projection": True,
    },
}


def pair(config: Options) -> tuple[nn.Module, nn.Module]:
    """The reference network and ours, with the same weights, none of them zero."""
    torch.manual_seed(0)
    reference = diffusers.ControlNetModel(**config).eval()
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    with torch.device("meta"):
        ours = model_class("ControlNetModel").from_config(config)
    return reference, ours.load(reference.state_dict()).eval()


def shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("config", PUBLISHED.values(), ids=PUBLISHED)
def test_published_control_networks_have_the_published_parameters(config: Options) -> None:
    with torch.device("meta"):
        assert shapes(model_class("ControlNetModel").from_config(config)) == shapes(diffusers.ControlNetModel(**config))


def test_defaults_of_the_configuration_are_the_published_ones() -> None:
    with torch.device("meta"):
        ours, reference = model_class("ControlNetModel").from_config({}), diffusers.ControlNetModel()
    published = {key: value for key, value in reference.config.items() if not key.startswith("_")}
    assert dict(ours.config) == published


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("guess", [False, True])
def test_control_networks_equal_the_reference(options: Options, guess: bool) -> None:
    config = SMALL | options
    reference, ours = pair(config)
    assert shapes(ours) == shapes(reference)
    factor = 2 ** (len(config["conditioning_embedding_out_channels"]) - 1)
    x, t, text = torch.randn(2, 4, 12, 8), torch.tensor([3, 781]), torch.randn(2, 5, 12)
    more: Options = {"conditioning_scale": 0.7, "guess_mode": guess}
    if "addition_embed_type" in config:
        sizes = torch.tensor([[64.0, 64, 0, 0, 64, 64], [32, 64, 4, 0, 64, 64]])
        more["added_cond_kwargs"] = {"text_embeds": torch.randn(2, 10), "time_ids": sizes}
    if "num_class_embeds" in config:
        more["class_labels"] = torch.tensor([2, 5])
    picture = torch.rand(2, 3, 12 * factor, 8 * factor)
    with torch.no_grad():
        down, mid = ours(x, t, text, picture, **more)
        expected = reference(x, t, text, picture, return_dict=False, **more)
    torch.testing.assert_close(down, list(expected[0]), rtol=0, atol=1e-5)
    torch.testing.assert_close(mid, expected[1], rtol=0, atol=1e-5)
    assert mid.std() > 0.01  # else any two would agree
