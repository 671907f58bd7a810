"""The networks of Stable Diffusion 3 and Flux against the reference implementation, and T5 against transformers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nodeflow.diffusion.models import model_class
from nodeflow.diffusion.models.perturbation import Hand, Perturbation, touched
from nodeflow.errors import NodeflowError

diffusers = pytest.importorskip("diffusers")
transformers = pytest.importorskip("transformers")

Options = dict[str, Any]

# -- published networks ------------------------------------------------------------------------------------------

SD3: Options = {
    "attention_head_dim": 64,
    "caption_projection_dim": 1536,
    "in_channels": 16,
    "joint_attention_dim": 4096,
    "num_attention_heads": 24,
    "num_layers": 24,
    "out_channels": 16,
    "patch_size": 2,
    "pooled_projection_dim": 2048,
    "pos_embed_max_size": 192,
    "sample_size": 128,
}
SD35_LARGE: Options = {
    **SD3,
    "caption_projection_dim": 2432,
    "num_attention_heads": 38,
    "num_layers": 38,
    "qk_norm": "rms_norm",
}
SD35_MEDIUM: Options = {
    **SD3,
    "dual_attention_layers": list(range(13)),
    "pos_embed_max_size": 384,
    "qk_norm": "rms_norm",
}
FLUX: Options = {
    "attention_head_dim": 128,
    "guidance_embeds": True,
    "in_channels": 64,
    "joint_attention_dim": 4096,
    "num_attention_heads": 24,
    "num_layers": 19,
    "num_single_layers": 38,
    "patch_size": 1,
    "pooled_projection_dim": 768,
}
PUBLISHED: dict[str, tuple[str, Options]] = {
    "SD3 medium": ("SD3Transformer2DModel", SD3),
    "SD3.5 large": ("SD3Transformer2DModel", SD35_LARGE),
    "SD3.5 medium": ("SD3Transformer2DModel", SD35_MEDIUM),
    "Flux dev, Kontext": ("FluxTransformer2DModel", FLUX),
    "Flux schnell": ("FluxTransformer2DModel", {**FLUX, "guidance_embeds": False}),
    "Flux Fill": ("FluxTransformer2DModel", {**FLUX, "in_channels": 384, "out_channels": 64}),
    "DiT-XL/2": ("DiTTransformer2DModel", {"out_channels": 8}),
    "Flux Canny, Depth": ("FluxTransformer2DModel", {**FLUX, "in_channels": 128, "out_channels": 64}),
}
T5_XXL: Options = {
    "d_ff": 10240,
    "d_kv": 64,
    "d_model": 4096,
    "feed_forward_proj": "gated-gelu",
    "num_heads": 64,
    "num_layers": 24,
    "tie_word_embeddings": False,
    "vocab_size": 32128,
}

# -- small networks that use every option ------------------------------------------------------------------------

SMALL_SD3: Options = {
    "attention_head_dim": 8,
    "caption_projection_dim": 16,
    "joint_attention_dim": 12,
    "num_attention_heads": 2,
    "num_layers": 3,
    "pooled_projection_dim": 10,
    "pos_embed_max_size": 12,
    "sample_size": 16,
}
SD3_VARIANTS: dict[str, Options] = {
    "3": {},
    "3.5 large": {"qk_norm": "rms_norm"},
    "3.5 medium": {"qk_norm": "rms_norm", "dual_attention_layers": (0, 1)},
    "other patches": {"patch_size": 1, "in_channels": 6, "out_channels": 5},
}
SMALL_FLUX: Options = {
    "attention_head_dim": 16,
    "axes_dims_rope": (4, 4, 8),
    "in_channels": 8,
    "joint_attention_dim": 12,
    "num_attention_heads": 2,
    "num_layers": 2,
    "num_single_layers": 3,
    "pooled_projection_dim": 10,
}
FLUX_VARIANTS: dict[str, Options] = {
    "schnell": {},
    "dev": {"guidance_embeds": True},
    "fill": {"in_channels": 20, "out_channels": 8},
    "double alone": {"num_single_layers": 0},
    "single alone": {"num_layers": 0},
}
SMALL_T5: Options = {"d_ff": 24, "d_kv": 4, "d_model": 16, "num_heads": 3, "num_layers": 2, "vocab_size": 50}
T5_VARIANTS: dict[str, Options] = {
    "1.1": {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    "1.0": {"feed_forward_proj": "relu"},
    "other distances": {"relative_attention_num_buckets": 16, "relative_attention_max_distance": 20},
}


def cases(base: Options, variants: dict[str, Options]) -> list[Any]:
    return [pytest.param({**base, **options}, id=name) for name, options in variants.items()]


def shaken(reference: nn.Module) -> nn.Module:
    """The reference network with none of its weights at its trivial initial value."""
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return reference.eval()


def pair(name: str, config: Options) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    reference = shaken(getattr(diffusers, name)(**config))
    with torch.device("meta"):
        ours = model_class(name).from_config(config)
    return reference, ours.load(reference.state_dict()).eval()


def shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def agree(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert found.std() > 0.01


@pytest.mark.parametrize(("name", "config"), PUBLISHED.values(), ids=PUBLISHED)
def test_published_networks_have_the_published_parameters(name: str, config: Options) -> None:
    with torch.device("meta"):
        assert shapes(model_class(name).from_config(config)) == shapes(getattr(diffusers, name)(**config))


def test_the_published_t5_has_the_published_parameters() -> None:
    with torch.device("meta"):
        expected = shapes(transformers.T5EncoderModel(transformers.T5Config(**T5_XXL)))
        found = shapes(model_class("T5EncoderModel").from_config(T5_XXL))
    assert expected.pop("encoder.embed_tokens.weight") == found["shared.weight"]  # one tensor under two names
    assert found == expected


@pytest.mark.parametrize("size", [(16, 16), (8, 12), (24, 24)])
@pytest.mark.parametrize("config", cases(SMALL_SD3, SD3_VARIANTS))
def test_sd3_equals_the_reference(config: Options, size: tuple[int, int]) -> None:
    reference, ours = pair("SD3Transformer2DModel", config)
    assert shapes(ours) == shapes(reference)
    scale = config.get("patch_size", 2) / 2
    x = torch.randn(2, config.get("in_channels", 16), *(int(side * scale) for side in size))
    given = {"encoder_hidden_states": torch.randn(2, 5, 12), "pooled_projections": torch.randn(2, 10)}
    given["timestep"] = torch.tensor([1000.0, 3.5])
    with torch.no_grad():
        agree(ours(x, **given), reference(x, **given).sample)


@pytest.mark.parametrize("change", [{}, {"sample_size": 8, "out_channels": 6, "patch_size": 1, "norm_eps": 0.01}])
def test_dit_equals_the_reference(change: Options) -> None:
    config = {"attention_head_dim": 8, "num_attention_heads": 2, "num_layers": 2, "num_embeds_ada_norm": 5, **change}
    reference, ours = pair("DiTTransformer2DModel", config)
    assert shapes(ours) == shapes(reference)
    side = config.get("sample_size", 32)
    x, t, classes = torch.randn(2, 4, side, side), torch.tensor([999, 3]), torch.tensor([5, 1])
    with torch.no_grad():
        agree(ours(x, t, classes), reference(x, t, classes).sample)


def test_dit_paints_oblong_latents_and_refuses_strange_classes() -> None:
    config = {"attention_head_dim": 8, "num_attention_heads": 2, "num_layers": 1, "num_embeds_ada_norm": 5}
    ours = model_class("Transformer2DModel").from_config(config).eval()
    x = torch.randn(1, 4, 8, 12)
    assert ours(x, 3, torch.tensor([5])).shape == x.shape
    for wrong in (torch.tensor([6]), torch.tensor([-1]), torch.tensor([1, 2])):
        with pytest.raises(NodeflowError, match="NF414"):
            ours(x, 3, wrong)


def test_positions_of_sd3_are_those_of_the_reference() -> None:
    reference = diffusers.SD3Transformer2DModel(**SMALL_SD3)
    ours = model_class("SD3Transformer2DModel").from_config(SMALL_SD3)
    torch.testing.assert_close(ours.pos_embed.pos_embed, reference.pos_embed.pos_embed, rtol=0, atol=1e-6)


@pytest.mark.parametrize("count", [1, 2])
def test_sd3_takes_residuals_and_leaves_blocks_out(count: int) -> None:
    reference, ours = pair("SD3Transformer2DModel", {**SMALL_SD3, **SD3_VARIANTS["3.5 medium"]})
    x, hints = torch.randn(2, 16, 8, 8), [torch.randn(2, 16, 16) for _ in range(count)]
    given = (x, torch.randn(2, 5, 12), torch.randn(2, 10), torch.tensor(400.0))
    hand = Hand([(Perturbation("skip", ("transformer_blocks.1",)), slice(1, 2))])
    with torch.no_grad():
        agree(
            ours(*given, block_controlnet_hidden_states=hints),
            reference(*given[:3], given[3].expand(2), block_controlnet_hidden_states=hints).sample,
        )
        whole, skipped = (reference(*given[:3], given[3].expand(2), skip_layers=s).sample for s in (None, [1]))
        agree(ours(*given, changes=touched(ours, hand)), torch.cat([whole[:1], skipped[1:]]))


def flux_inputs(config: Options) -> Options:
    rows = torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(2)).float()
    given = {
        "hidden_states": torch.randn(2, len(rows), config["in_channels"]),
        "encoder_hidden_states": torch.randn(2, 5, 12),
        "pooled_projections": torch.randn(2, 10),
        "timestep": torch.tensor([1.0, 0.0035]),
        "img_ids": rows,
        "txt_ids": torch.zeros(5, 3),
    }
    return {**given, "guidance": torch.tensor([3.5, 1.0])} if config.get("guidance_embeds") else given


@pytest.mark.parametrize("config", cases(SMALL_FLUX, FLUX_VARIANTS))
def test_flux_equals_the_reference(config: Options) -> None:
    reference, ours = pair("FluxTransformer2DModel", config)
    assert shapes(ours) == shapes(reference)
    given = flux_inputs(config)
    with torch.no_grad():
        agree(ours(**given), reference(**given).sample)


@pytest.mark.parametrize(("double", "single", "repeat"), [(2, 3, False), (1, 2, False), (2, 0, True)])
def test_flux_takes_residuals(double: int, single: int, repeat: bool) -> None:
    reference, ours = pair("FluxTransformer2DModel", {**SMALL_FLUX, "num_layers": 3})
    given = flux_inputs(SMALL_FLUX)
    given["controlnet_block_samples"] = [torch.randn(2, 12, 32) for _ in range(double)]
    given["controlnet_single_block_samples"] = [torch.randn(2, 12, 32) for _ in range(single)] or None
    given["controlnet_blocks_repeat"] = repeat
    with torch.no_grad():
        agree(ours(**given), reference(**given).sample)


@pytest.mark.parametrize("config", cases(SMALL_T5, T5_VARIANTS))
def test_t5_equals_the_reference(config: Options) -> None:
    torch.manual_seed(0)
    reference = shaken(transformers.T5EncoderModel(transformers.T5Config(**config)))
    with torch.device("meta"):
        ours = model_class("T5EncoderModel").from_config(config)
    ours = ours.load(reference.state_dict()).eval()
    ids, mask = torch.randint(50, (2, 150)), (torch.arange(150) < torch.tensor([[150], [90]])).long()
    with torch.no_grad():
        agree(ours(ids).last_hidden_state, reference(ids).last_hidden_state)
        masked = ours(ids, mask).last_hidden_state
        agree(masked[mask.bool()], reference(ids, mask).last_hidden_state[mask.bool()])


def test_t5_in_float16_stays_finite_and_near_float32() -> None:
    torch.manual_seed(0)
    ours = model_class("T5EncoderModel").from_config({**SMALL_T5, **T5_VARIANTS["1.1"]}).eval()
    with torch.no_grad():
        for block in ours.encoder.block:  # products as large as those of the published weights
            block.layer[1].DenseReluDense.wo.weight.mul_(3e4)
            block.layer[1].DenseReluDense.wi_1.weight.mul_(30)
        ids = torch.randint(50, (2, 9))
        exact = ours(ids).last_hidden_state
        half = ours.half()(ids).last_hidden_state
        assert half.dtype == torch.float16 and half.isfinite().all()
        torch.testing.assert_close(half.float(), exact, rtol=0, atol=0.02)
