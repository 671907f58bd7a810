"""The networks against the reference implementation: same parameter names and shapes, same output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor, nn

from nodeflow.diffusion.models import model_class
from nodeflow.diffusion.models.attention import current_names
from nodeflow.diffusion.models.unet1d import UNet1DConfig

diffusers = pytest.importorskip("diffusers")

Options = dict[str, Any]

# -- small networks that use every option ------------------------------------------------------------------------

TEXT: Options = {
    "block_out_channels": (16, 32),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 12,
    "attention_head_dim": 4,
    "norm_num_groups": 8,
    "layers_per_block": 1,
}
ALL_CROSS: Options = {
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
}
TEXT_TIME: Options = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 6 * 8 + 10,
}
TEXT_VARIANTS: dict[str, Options] = {
    "plain": {},
    "linear projection": {"use_linear_projection": True, "upcast_attention": True},
    "heads a level": {"attention_head_dim": (2, 8), **ALL_CROSS},
    "context a level": {"cross_attention_dim": (12, 12), **ALL_CROSS},
    "layers a level": {"layers_per_block": (1, 3)},
    "depth a level": {"transformer_layers_per_block": (1, 2), **ALL_CROSS},
    "depth a layer": {
        **ALL_CROSS,
        "transformer_layers_per_block": ((2,), (1,)),
        "reverse_transformer_layers_per_block": ((1, 2), (3, 1)),
    },
    "depth up": {"transformer_layers_per_block": (1, 2), "reverse_transformer_layers_per_block": (1, 3), **ALL_CROSS},
    "text only": {"only_cross_attention": (True, False), **ALL_CROSS},
    "nine channels": {"in_channels": 9},
    "three levels": {
        "block_out_channels": (16, 24, 32),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "attention_head_dim": (2, 4, 8),
        "layers_per_block": 2,
    },
    "learned classes": {"num_class_embeds": 7},
    "timestep class": {"class_embed_type": "timestep"},
    "projected class": {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 5},
    "simple projected class": {"class_embed_type": "simple_projection", "projection_class_embeddings_input_dim": 5},
    "class beside time": {
        "class_embed_type": "simple_projection",
        "projection_class_embeddings_input_dim": 5,
        "class_embeddings_concat": True,
    },
    "identity class": {"class_embed_type": "identity"},
    "text time": TEXT_TIME,
    "text projection": {"encoder_hid_dim": 20},
    "no middle": {"mid_block_type": None},
    "plain middle": {"mid_block_type": "UNetMidBlock2D"},
    "middle scale": {"mid_block_scale_factor": 1.5},
    "scale and shift": {"resnet_time_scale_shift": "scale_shift"},
    "time options": {
        "flip_sin_to_cos": False,
        "freq_shift": 1,
        "time_embedding_dim": 40,
        "timestep_post_act": "silu",
        "time_embedding_act_fn": "gelu",
        "time_cond_proj_dim": 6,
    },
    "other activation": {"act_fn": "mish", "norm_eps": 1e-3, "class_embed_type": "timestep"},
    "centred, unpadded": {"center_input_sample": True, "downsample_padding": 0},
}

PIXELS: Options = {
    "block_out_channels": (16, 32),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
    "norm_num_groups": 8,
    "layers_per_block": 1,
}
PIXEL_VARIANTS: dict[str, Options] = {
    "plain": {},
    "original spacing": {"freq_shift": 1, "flip_sin_to_cos": False, "downsample_padding": 0, "norm_eps": 1e-6},
    "one head": {"attention_head_dim": None},
    "two layers": {"layers_per_block": 2, "in_channels": 4, "out_channels": 8},
    "scale and shift": {"resnet_time_scale_shift": "scale_shift", "attn_norm_num_groups": 4},
    "scale and shift, bare attention": {"resnet_time_scale_shift": "scale_shift"},
    "middle scale": {"mid_block_scale_factor": 2**0.5},
    "no attention in the middle": {"add_attention": False},
    "no middle": {"mid_block_type": None},
    "learned classes": {"num_class_embeds": 7},
    "timestep class": {"class_embed_type": "timestep"},
    "identity class": {"class_embed_type": "identity"},
    "time width": {"time_embedding_dim": 24},
    "centred": {"center_input_sample": True, "act_fn": "gelu"},
    "residual resampling": {
        "down_block_types": ("ResnetDownsampleBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "ResnetUpsampleBlock2D"),
        "downsample_type": "resnet",
        "upsample_type": "resnet",
    },
}

WAVES: Options = {
    "block_out_channels": (32, 32, 64),
    "extra_in_channels": 16,
    "time_embedding_dim": 16,
    "sample_size": 64,
    "sample_rate": 8000,
}
WAVE_VARIANTS: dict[str, Options] = {
    "plain": {},
    "mono, sines first": {"in_channels": 1, "out_channels": 1, "flip_sin_to_cos": False},
    "positional": {"time_embedding_type": "positional", "extra_in_channels": 32, "freq_shift": 1},
    "no time width": {"extra_in_channels": 64, "time_embedding_dim": None},
    "two levels": {
        "block_out_channels": (32, 96),
        "down_block_types": ("DownBlock1DNoSkip", "DownBlock1D"),
        "up_block_types": ("UpBlock1D", "UpBlock1DNoSkip"),
    },
}

CODES: Options = {
    "block_out_channels": (16, 32),
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
    "norm_num_groups": 8,
}
CODE_VARIANTS: dict[str, Options] = {
    "plain": {},
    "two layers": {"layers_per_block": 2, "latent_channels": 3},
    "no quantisation layers": {"use_quant_conv": False, "use_post_quant_conv": False, "latent_channels": 16},
    "no attention": {"mid_block_add_attention": False},
    "grey": {"in_channels": 1, "out_channels": 1, "act_fn": "gelu"},
    "three levels": {
        "block_out_channels": (8, 16, 24),
        "down_block_types": ("DownEncoderBlock2D",) * 3,
        "up_block_types": ("UpDecoderBlock2D",) * 3,
    },
}


def cases(base: Options, variants: Mapping[str, Options]) -> list[Any]:
    return [pytest.param({**base, **options}, id=name) for name, options in variants.items()]


def pair(name: str, config: Options) -> tuple[nn.Module, nn.Module]:
    """The reference network and ours, with the same weights, none of them at its trivial initial value."""
    torch.manual_seed(0)
    reference = getattr(diffusers, name)(**config).eval()
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    with torch.device("meta"):
        ours = model_class(name).from_config(config)
    return reference, ours.load(reference.state_dict()).eval()


def shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def labels_for(config: Options, time_channels: int) -> Tensor | None:
    match config.get("class_embed_type"):
        case "timestep":
            return torch.tensor([3.0, 40.0])
        case "identity":
            return torch.randn(2, time_channels)
        case "projection" | "simple_projection":
            return torch.randn(2, config["projection_class_embeddings_input_dim"])
    return torch.tensor([2, 5]) if "num_class_embeds" in config else None


@pytest.mark.parametrize("config", cases(TEXT, TEXT_VARIANTS))
def test_unet2d_condition_equals_the_reference(config: Options) -> None:
    reference, ours = pair("UNet2DConditionModel", config)
    assert shapes(ours) == shapes(reference)
    x, t = torch.randn(2, config.get("in_channels", 4), 16, 16), torch.tensor([3, 781])
    text = torch.randn(2, 5, config.get("encoder_hid_dim", 12))
    more: Options = {"class_labels": labels_for(config, 64)}
    if "addition_embed_type" in config:
        sizes = torch.tensor([[64.0, 64, 0, 0, 64, 64], [32, 64, 4, 0, 64, 64]])
        more["added_cond_kwargs"] = {"text_embeds": torch.randn(2, 10), "time_ids": sizes}
    if "time_cond_proj_dim" in config:
        more["timestep_cond"] = torch.randn(2, 6)
    with torch.no_grad():
        torch.testing.assert_close(ours(x, t, text, **more), reference(x, t, text, **more).sample, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(16, 16), (13, 10), (5, 7)])
def test_unet2d_condition_takes_any_size_masks_and_residuals(size: tuple[int, int]) -> None:
    reference, ours = pair("UNet2DConditionModel", TEXT)
    x, text = torch.randn(2, 4, *size), torch.randn(2, 5, 12)
    low = [(side + 1) // 2 for side in size]
    residuals = [torch.randn(2, 16, *size), torch.randn(2, 16, *size), torch.randn(2, 16, *low)]
    residuals += [torch.randn(2, 32, *low)]
    more: Options = {
        "encoder_attention_mask": torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]),
        "down_block_additional_residuals": residuals,
        "mid_block_additional_residual": torch.randn(2, 32, *low),
    }
    with torch.no_grad():
        torch.testing.assert_close(
            ours(x, 9.5, text, **more), reference(x, 9.5, text, **more).sample, rtol=0, atol=1e-5
        )


@pytest.mark.parametrize("config", cases(PIXELS, PIXEL_VARIANTS))
def test_unet2d_equals_the_reference(config: Options) -> None:
    reference, ours = pair("UNet2DModel", config)
    assert shapes(ours) == shapes(reference)
    x, labels = torch.randn(2, config.get("in_channels", 3), 16, 16), labels_for(config, 64)
    with torch.no_grad():
        for t in (torch.tensor([3, 781]), torch.tensor(20), 20):
            torch.testing.assert_close(ours(x, t, labels), reference(x, t, labels).sample, rtol=0, atol=1e-5)


@pytest.mark.parametrize("config", cases(WAVES, WAVE_VARIANTS))
def test_unet1d_equals_the_reference(config: Options) -> None:
    reference, ours = pair("UNet1DModel", config)
    assert shapes(ours) == shapes(reference)
    x = torch.randn(2, config.get("in_channels", 2), 64)
    with torch.no_grad():
        for t in (torch.tensor([0.3, 0.9]), torch.tensor(0.5)):
            torch.testing.assert_close(ours(x, t), reference(x, t).sample, rtol=0, atol=1e-5)


def test_defaults_of_unet1d_are_the_published_ones() -> None:
    with torch.device("meta"):
        reference = diffusers.UNet1DModel()
    published = {key: value for key, value in reference.config.items() if not key.startswith("_")}
    assert msgspec.structs.asdict(UNet1DConfig()) == published


@pytest.mark.parametrize("config", cases(CODES, CODE_VARIANTS))
def test_autoencoder_kl_equals_the_reference(config: Options) -> None:
    reference, ours = pair("AutoencoderKL", config)
    assert shapes(ours) == shapes(reference)
    x = torch.rand(2, config.get("in_channels", 3), 32, 32) * 2 - 1
    with torch.no_grad():
        posterior, expected = ours.encode(x), reference.encode(x).latent_dist
        torch.testing.assert_close(posterior.mode(), expected.mode(), rtol=0, atol=1e-5)
        torch.testing.assert_close(posterior.kl(), expected.kl(), rtol=1e-5, atol=0)
        draws = [p.sample(torch.Generator().manual_seed(1)) for p in (posterior, expected)]
        torch.testing.assert_close(*draws, rtol=0, atol=1e-5)
        torch.testing.assert_close(ours.decode(draws[1]), reference.decode(draws[1]).sample, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["UNet2DConditionModel", "UNet2DModel", "AutoencoderKL"])
def test_defaults_of_the_configuration_are_the_published_ones(name: str) -> None:
    with torch.device("meta"):
        ours, reference = model_class(name).from_config({}), getattr(diffusers, name)()
    published = {key: value for key, value in reference.config.items() if not key.startswith("_")}
    assert dict(ours.config) == published


def test_attention_names_of_2022_are_understood() -> None:
    reference, ours = pair("AutoencoderKL", CODES)
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = dict(reference.state_dict())
    for today, then in old.items():
        state = {name.replace(f".{today}.", f".{then}."): tensor for name, tensor in state.items()}
    assert "encoder.mid_block.attentions.0.proj_attn.bias" in state
    assert current_names(state).keys() == ours.state_dict().keys()
