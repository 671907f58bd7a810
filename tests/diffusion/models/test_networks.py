"""What every network keeps, whatever it computes."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nodeflow.diffusion.models import MODELS, model_class
from nodeflow.diffusion.models.base import Model
from nodeflow.errors import NodeflowError

Options = dict[str, Any]

SMALL: dict[str, Options] = {
    "UNet2DConditionModel": {
        "block_out_channels": (8, 16),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": 6,
        "attention_head_dim": 2,
        "norm_num_groups": 4,
        "layers_per_block": 1,
        "num_class_embeds": 5,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 4,
        "projection_class_embeddings_input_dim": 6 * 4 + 3,
        "encoder_hid_dim": 10,
    },
    "UNet2DModel": {
        "block_out_channels": (8, 16),
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
        "norm_num_groups": 4,
        "attention_head_dim": 4,
        "layers_per_block": 1,
        "num_class_embeds": 5,
    },
    "AutoencoderKL": {
        "block_out_channels": (8, 16),
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "norm_num_groups": 4,
    },
}


def run_text_unet(model: nn.Module, x: Tensor) -> Tensor:
    batch = len(x)
    text = torch.linspace(-1, 1, 3 * 10).view(1, 3, 10).expand(batch, -1, -1)
    added = {"text_embeds": torch.ones(batch, 3), "time_ids": torch.arange(6.0).expand(batch, 6)}
    return model(torch.cat([x, x[:, :1]], 1), 7, text, torch.full((batch,), 2), added)


RUN: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    "UNet2DConditionModel": run_text_unet,
    "UNet2DModel": lambda model, x: model(x, 7, torch.full((len(x),), 2)),
    "AutoencoderKL": lambda model, x: model(x, torch.Generator().manual_seed(0))[0],
}

each_network = pytest.mark.parametrize("name", SMALL)


def built(name: str, **changes: Any) -> Model:
    torch.manual_seed(0)
    return model_class(name).from_config({**SMALL[name], **changes})


def refusal(name: str, **changes: Any) -> str:
    with pytest.raises(NodeflowError) as caught, torch.device("meta"):
        built(name, **changes)
    assert caught.value.code == "NF406"
    return str(caught.value)


@each_network
def test_a_configuration_survives_json_and_builds_the_same_network(name: str) -> None:
    model = built(name, from_the_future=1)
    again = model_class(name).from_config(json.loads(json.dumps(dict(model.config))))
    assert json.loads(json.dumps(dict(again.config))) == json.loads(json.dumps(dict(model.config)))
    assert again.config["from_the_future"] == 1
    assert [tuple(p.shape) for p in again.parameters()] == [tuple(p.shape) for p in model.parameters()]


@each_network
def test_the_configuration_is_read_only(name: str) -> None:
    with pytest.raises(TypeError):
        built(name).config["in_channels"] = 1  # type: ignore[index]


@each_network
def test_on_meta_nothing_is_allocated(name: str) -> None:
    with torch.device("meta"):
        model = built(name)
    assert {tensor.device.type for tensor in model.state_dict().values()} == {"meta"}
    assert not list(model.buffers())


@each_network
def test_a_network_without_weights_refuses_to_run(name: str) -> None:
    with torch.device("meta"):
        model = built(name)
    with pytest.raises(NodeflowError, match=r"NF407.*no weights"), torch.no_grad():
        RUN[name](model, torch.ones(1, 3, 8, 8))


@each_network
def test_loading_copies_nothing_and_gives_the_same_output(name: str) -> None:
    source = built(name)
    with torch.device("meta"):
        target = built(name)
    assert target.load(source.state_dict()) is target
    own = dict(target.named_parameters())
    assert all(own[key].data_ptr() == tensor.data_ptr() for key, tensor in source.state_dict().items())
    x = torch.randn(1, 3, 8, 8)
    assert torch.equal(RUN[name](source, x), RUN[name](target, x))


@each_network
def test_loading_keeps_the_number_format_of_the_weights(name: str) -> None:
    state = {key: tensor.bfloat16() for key, tensor in built(name).state_dict().items()}
    assert built(name).load(state).dtype == torch.bfloat16


@each_network
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_output_has_the_number_format_of_the_weights(name: str, dtype: torch.dtype) -> None:
    model = built(name).to(dtype)
    if name == "UNet2DConditionModel":
        added = {"text_embeds": torch.ones(1, 3, dtype=dtype), "time_ids": torch.ones(1, 6)}
        out = model(
            torch.ones(1, 4, 8, 8, dtype=dtype), 3.5, torch.ones(1, 2, 10, dtype=dtype), torch.ones(1).long(), added
        )
    else:
        out = RUN[name](model, torch.ones(1, 3, 8, 8, dtype=dtype))
    assert out.dtype == dtype
    assert out.isfinite().all()


@each_network
def test_weights_that_do_not_fit_are_named(name: str) -> None:
    model = built(name)
    state = dict(model.state_dict())
    first, second = list(state)[:2]
    del state[first]
    state[second] = torch.zeros(1)
    state["extra"] = torch.zeros(1)
    with pytest.raises(NodeflowError) as caught:
        model.load(state)
    assert caught.value.code == "NF407"
    for word in (first, second, "extra", "[1]", "1 missing", "1 unexpected", "1 misshaped"):
        assert word in str(caught.value)


@each_network
def test_the_gradient_reaches_every_parameter(name: str) -> None:
    model = built(name)
    if name == "AutoencoderKL":
        reconstruction, posterior = model(torch.randn(2, 3, 8, 8))
        (reconstruction.square().mean() + posterior.kl().mean()).backward()
    else:
        RUN[name](model, torch.randn(2, 3, 8, 8)).square().mean().backward()
    assert [key for key, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@each_network
def test_samples_of_a_batch_do_not_see_each_other(name: str) -> None:
    model = built(name).eval()
    x = torch.randn(3, 3, 8, 8)
    run = RUN[name] if name != "AutoencoderKL" else lambda vae, images: vae.decode(vae.encode(images).mode())
    with torch.no_grad():
        torch.testing.assert_close(run(model, x), torch.cat([run(model, one[None]) for one in x]), rtol=0, atol=2e-6)


@each_network
def test_memory_layout_does_not_change_the_output(name: str) -> None:
    model = built(name).eval()
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        expected = RUN[name](model, x)
        model.to(memory_format=torch.channels_last)
        torch.testing.assert_close(RUN[name](model, x.contiguous(memory_format=torch.channels_last)), expected)


@each_network
def test_a_network_can_be_copied(name: str) -> None:
    model = built(name)
    twin = copy.deepcopy(model)
    assert twin.config == model.config
    x = torch.randn(1, 3, 8, 8)
    assert torch.equal(RUN[name](twin, x), RUN[name](model, x))


@pytest.mark.parametrize("name", ["UNet2DConditionModel", "UNet2DModel"])
@pytest.mark.parametrize("size", [(8, 8), (7, 9), (1, 1)])
def test_unets_take_any_size(name: str, size: tuple[int, int]) -> None:
    assert RUN[name](built(name), torch.randn(1, 3, *size)).shape[-2:] == size


@pytest.mark.parametrize("name", ["UNet2DConditionModel", "UNet2DModel"])
def test_a_timestep_may_be_a_number_a_scalar_or_one_a_sample(name: str) -> None:
    model = built(name, addition_embed_type=None, encoder_hid_dim=None, num_class_embeds=None).eval()
    text = (torch.ones(2, 3, 6),) if name == "UNet2DConditionModel" else ()
    x = torch.randn(2, model.config["in_channels"], 8, 8)
    with torch.no_grad():
        expected = model(x, torch.tensor([12.5, 12.5]), *text)
        for t in (12.5, torch.tensor(12.5)):
            assert torch.equal(model(x, t, *text), expected)
        assert not torch.equal(model(x, 12, *text), expected)


def test_every_published_name_is_a_network() -> None:
    former = {"Transformer2DModel": "DiTTransformer2DModel"}
    assert {name: model_class(name).__name__ for name in MODELS} == {name: former.get(name, name) for name in MODELS}


def test_an_unknown_network_is_refused_with_the_known_ones() -> None:
    with pytest.raises(NodeflowError, match=r"NF406.*'Mystery'.*AutoencoderKL"):
        model_class("Mystery")


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("UNet2DConditionModel", "down_block_types", ["SimpleCrossAttnDownBlock2D", "DownBlock2D"]),
        ("UNet2DConditionModel", "down_block_types", ["DownBlock2D"]),
        ("UNet2DConditionModel", "mid_block_type", "UNetMidBlock2DSimpleCrossAttn"),
        ("UNet2DConditionModel", "attention_head_dim", 3),
        ("UNet2DConditionModel", "attention_head_dim", [2, 2, 2]),
        ("UNet2DConditionModel", "block_out_channels", [8, 17]),
        ("UNet2DConditionModel", "block_out_channels", "wide"),
        ("UNet2DConditionModel", "block_out_channels", []),
        ("UNet2DConditionModel", "layers_per_block", 10**9),
        ("UNet2DConditionModel", "layers_per_block", True),
        ("UNet2DConditionModel", "dual_cross_attention", True),
        ("UNet2DConditionModel", "attention_type", "gated"),
        ("UNet2DConditionModel", "transformer_layers_per_block", [[1], [2]]),
        ("UNet2DConditionModel", "transformer_layers_per_block", 10**9),
        ("UNet2DConditionModel", "reverse_transformer_layers_per_block", [[1], [1]]),
        ("UNet2DConditionModel", "addition_time_embed_dim", None),
        ("UNet2DConditionModel", "encoder_hid_dim_type", "image_proj"),
        ("UNet2DConditionModel", "time_embedding_type", "fourier"),
        ("UNet2DModel", "down_block_types", ["SkipDownBlock2D", "AttnDownBlock2D"]),
        ("UNet2DModel", "attention_head_dim", 5),
        ("UNet2DModel", "attn_norm_num_groups", 3),
        ("UNet2DModel", "class_embed_type", "projection"),
        ("UNet2DModel", "norm_eps", "small"),
        ("AutoencoderKL", "up_block_types", ["UpDecoderBlock2D"]),
        ("AutoencoderKL", "act_fn", "snake"),
        ("AutoencoderKL", "norm_num_groups", 0),
    ],
)
def test_a_configuration_that_cannot_be_built_is_refused_by_its_key(name: str, key: str, value: Any) -> None:
    assert key in refusal(name, **{key: value})


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((torch.ones(1, 3, 8, 8), 1, torch.ones(1, 2, 6)), "[B, 4, H, W]"),
        ((torch.ones(4, 8, 8), 1, torch.ones(1, 2, 6)), "[4, 8, 8]"),
        ((torch.ones(1, 4, 8, 8), 1, torch.ones(1, 2, 7)), "[1, T, 6]"),
        ((torch.ones(2, 4, 8, 8), 1, torch.ones(1, 2, 6)), "[2, T, 6]"),
        ((torch.ones(2, 4, 8, 8), torch.ones(3), torch.ones(2, 2, 6)), "timestep"),
        ((torch.ones(1, 4, 8, 8), 1, torch.ones(1, 2, 6), torch.ones(1).long()), "class labels"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(arguments: tuple[Any, ...], word: str) -> None:
    options = {"addition_embed_type": None, "encoder_hid_dim": None, "num_class_embeds": None}
    with pytest.raises(NodeflowError) as caught:
        built("UNet2DConditionModel", **options)(*arguments)
    assert caught.value.code == "NF414"
    assert word in str(caught.value)


def test_residuals_of_another_network_are_refused() -> None:
    model = built("UNet2DConditionModel", addition_embed_type=None, encoder_hid_dim=None, num_class_embeds=None)
    with pytest.raises(NodeflowError, match=r"NF414.*1 residuals.*4 skips"):
        model(
            torch.ones(1, 4, 8, 8),
            1,
            torch.ones(1, 2, 6),
            down_block_additional_residuals=[torch.ones(1, 8, 8, 8)],
        )


def test_a_picture_between_two_latent_sizes_is_refused() -> None:
    with pytest.raises(NodeflowError, match=r"NF414.*9 × 8.*multiples of 2"):
        built("AutoencoderKL").encode(torch.ones(1, 3, 9, 8))


def test_a_latent_of_another_autoencoder_is_refused() -> None:
    with pytest.raises(NodeflowError, match=r"NF414.*\[B, 4, H, W\], but got \[1, 16, 8, 8\]"):
        built("AutoencoderKL").decode(torch.ones(1, 16, 8, 8))


def test_latents_drawn_from_the_encoder_repeat_with_the_seed() -> None:
    posterior = built("AutoencoderKL").encode(torch.ones(1, 3, 8, 8))
    first, again, other = (posterior.sample(torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_importing_the_toolbox_imports_no_torch() -> None:
    code = "import sys, nodeflow.diffusion, nodeflow.diffusion.models as m; dir(m); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
