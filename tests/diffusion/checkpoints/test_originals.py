"""Files in the form of their makers: names, shapes, configurations of the full-size models, without weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

from nodeflow.diffusion.checkpoints.headers import Header, TensorInfo
from nodeflow.diffusion.checkpoints.marks import recognise
from nodeflow.diffusion.checkpoints.originals import part, sources
from nodeflow.diffusion.checkpoints.originals.configs import CONFIGS
from nodeflow.diffusion.checkpoints.originals.rules import Rule, Table, renamed
from nodeflow.diffusion.models import model_class
from nodeflow.errors import NodeflowError
from tests import originals

CROSS = "CrossAttnDownBlock2D"
SD1: dict[str, Any] = {
    "in_channels": 4, "out_channels": 4, "block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2,
    "down_block_types": [CROSS] * 3 + ["DownBlock2D"], "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    "cross_attention_dim": 768, "attention_head_dim": 8, "sample_size": 64,
}  # fmt: skip
SD2 = SD1 | {"cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20], "use_linear_projection": True,
             "sample_size": 96, "upcast_attention": True}  # fmt: skip
SDXL: dict[str, Any] = SD1 | {
    "block_out_channels": [320, 640, 1280], "down_block_types": ["DownBlock2D", CROSS, CROSS],
    "up_block_types": ["CrossAttnUpBlock2D"] * 2 + ["UpBlock2D"], "attention_head_dim": [5, 10, 20],
    "transformer_layers_per_block": [1, 2, 10], "cross_attention_dim": 2048, "use_linear_projection": True,
    "addition_embed_type": "text_time", "addition_time_embed_dim": 256, "sample_size": 128,
    "projection_class_embeddings_input_dim": 2816,
}  # fmt: skip
REFINER: dict[str, Any] = SDXL | {
    "block_out_channels": [384, 768, 1536, 1536], "down_block_types": ["DownBlock2D", CROSS, CROSS, "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "attention_head_dim": [6, 12, 24, 24], "transformer_layers_per_block": 4, "cross_attention_dim": 1280,
    "projection_class_embeddings_input_dim": 2560,
}  # fmt: skip
VAE: dict[str, Any] = {
    "in_channels": 3, "out_channels": 3, "latent_channels": 4, "block_out_channels": [128, 256, 512, 512],
    "layers_per_block": 2, "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4, "scaling_factor": 0.18215,
}  # fmt: skip
FLUX_VAE = VAE | {"latent_channels": 16, "use_quant_conv": False, "use_post_quant_conv": False,
                  "scaling_factor": 0.3611, "shift_factor": 0.1159}  # fmt: skip
CLIP_H: dict[str, Any] = {
    "vocab_size": 49408, "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23,
    "num_attention_heads": 16, "hidden_act": "gelu", "projection_dim": 1024,
}  # fmt: skip
CLIP_G = CLIP_H | {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20,
                   "projection_dim": 1280}  # fmt: skip
SD3: dict[str, Any] = {
    "sample_size": 128, "patch_size": 2, "in_channels": 16, "out_channels": 16, "num_layers": 24,
    "attention_head_dim": 64, "num_attention_heads": 24, "joint_attention_dim": 4096, "caption_projection_dim": 1536,
    "pooled_projection_dim": 2048, "pos_embed_max_size": 192, "dual_attention_layers": [], "qk_norm": None,
}  # fmt: skip
SD35_MEDIUM = SD3 | {"pos_embed_max_size": 384, "dual_attention_layers": list(range(13)), "qk_norm": "rms_norm"}
SD35_LARGE = SD3 | {"num_layers": 38, "num_attention_heads": 38, "caption_projection_dim": 2432, "qk_norm": "rms_norm"}
FLUX: dict[str, Any] = {
    "patch_size": 1, "in_channels": 64, "out_channels": None, "num_layers": 19, "num_single_layers": 38,
    "attention_head_dim": 128, "num_attention_heads": 24, "joint_attention_dim": 4096, "pooled_projection_dim": 768,
    "guidance_embeds": True, "axes_dims_rope": [16, 56, 56],
}  # fmt: skip
UNET, CODER, CLIP = "UNet2DConditionModel", "AutoencoderKL", "CLIPTextModelWithProjection"
PUBLISHED: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "SD 1.5": ("sd1", "ldm-unet", UNET, SD1),
    "SD 1.5 inpaint": ("sd1", "ldm-unet", UNET, SD1 | {"in_channels": 9}),
    "instruct-pix2pix": ("sd1", "ldm-unet", UNET, SD1 | {"in_channels": 8}),
    "SD 2.1": ("sd2", "ldm-unet", UNET, SD2),
    "SDXL": ("sdxl", "ldm-unet", UNET, SDXL),
    "SDXL refiner": ("sdxl-refiner", "ldm-unet", UNET, REFINER),
    "SD VAE": ("sd1", "ldm-vae", CODER, VAE),
    "Flux VAE": ("flux", "ldm-vae", CODER, FLUX_VAE),
    "OpenCLIP H": ("sd2", "open-clip-penultimate", "CLIPTextModel", CLIP_H),
    "OpenCLIP G": ("sdxl", "open-clip", CLIP, CLIP_G),
    "SD 3": ("sd3", "sd3", "SD3Transformer2DModel", SD3),
    "SD 3.5 medium": ("sd3", "sd3", "SD3Transformer2DModel", SD35_MEDIUM),
    "SD 3.5 large": ("sd3", "sd3", "SD3Transformer2DModel", SD35_LARGE),
    "Flux dev": ("flux", "flux", "FluxTransformer2DModel", FLUX),
    "Flux schnell": ("flux", "flux", "FluxTransformer2DModel", FLUX | {"guidance_embeds": False}),
    "Flux Fill": ("flux", "flux", "FluxTransformer2DModel", FLUX | {"in_channels": 384, "out_channels": 64}),
}
"""Model -> (family, name map, class, published configuration)."""
WRITERS: dict[str, Callable[[Mapping[str, torch.Tensor], dict[str, Any]], originals.State]] = {
    "ldm-unet": originals.unet,
    "ldm-vae": originals.autoencoder,
    "open-clip": lambda state, _: originals.open_clip(state),
    "open-clip-penultimate": lambda state, _: originals.open_clip(state, extra_layer=True),
    "sd3": lambda state, _: originals.sd3(state),
    "flux": lambda state, _: originals.flux(state),
}


def published(kind: str, config: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return dict(model_class(kind).from_config(config).state_dict())


def header(shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str] | None = None) -> Header:
    return Header({name: TensorInfo("F16", shape, 0, 0) for name, shape in shapes.items()}, metadata or {})


def shapes_of(state: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


@pytest.mark.parametrize("model", PUBLISHED)
def test_each_published_tensor_comes_from_one_of_the_original(model: str) -> None:
    """Names, shapes and count, at full size; and the configuration told from the shapes is the published one."""
    family, names, kind, config = PUBLISHED[model]
    state = published(kind, config)
    original = shapes_of(WRITERS[names](state, config))
    found = sources(part(names, "at."), {f"at.{name}": shape for name, shape in original.items()})
    assert set(found) == set(state)
    for name, source in found.items():
        shape = original[source.name.removeprefix("at.")]
        shape = (source.rows, *shape[1:]) if source.rows else shape
        shape = {"transposed": shape[::-1], "matrix": shape[:2]}.get(source.change, shape)
        assert shape[: state[name].ndim] == tuple(state[name].shape), name
    told = CONFIGS[names](original, family)
    if names == "ldm-unet" and family == "sd2":
        told["sample_size"] = 96  # of the version that predicts v
    assert {key: told.get(key, value) for key, value in config.items()} == config
    assert shapes_of(published(kind, told)) == shapes_of(state)


def whole(model: str, *others: str) -> dict[str, tuple[int, ...]]:
    _, names, kind, config = PUBLISHED[model]
    shapes = {f"model.diffusion_model.{name}": shape
              for name, shape in shapes_of(WRITERS[names](published(kind, config), config)).items()}  # fmt: skip
    return shapes | dict.fromkeys(others, (4, 4))


CODERS = ("first_stage_model.decoder.up.0.block.0.conv1.weight", "first_stage_model.encoder.conv_in.weight")
L_NAMES = "text_model.embeddings.token_embedding.weight"


@pytest.mark.parametrize(
    ("model", "others", "expected"),
    [
        ("SD 1.5", (*CODERS, f"cond_stage_model.transformer.{L_NAMES}"),
         ("sd1", "paint", "epsilon", ["unet", "text_encoder", "vae"])),
        ("SD 1.5 inpaint", (), ("sd1", "inpaint", "epsilon", ["unet"])),
        ("instruct-pix2pix", (), ("sd1", "edit", "epsilon", ["unet"])),
        ("SD 2.1", (*CODERS, "cond_stage_model.model.token_embedding.weight"),
         ("sd2", "paint", "v_prediction", ["unet", "text_encoder", "vae"])),
        ("SDXL", (f"conditioner.embedders.0.transformer.{L_NAMES}",
                  "conditioner.embedders.1.model.token_embedding.weight", "v_pred", "ztsnr"),
         ("sdxl", "paint", "v_prediction", ["unet", "text_encoder", "text_encoder_2"])),
        ("SDXL refiner", ("conditioner.embedders.0.model.token_embedding.weight",),
         ("sdxl-refiner", "paint", "epsilon", ["unet", "text_encoder_2"])),
        ("SD 3.5 large", (), ("sd3", "paint", "flow", ["transformer"])),
        ("Flux dev", (f"text_encoders.clip_l.transformer.{L_NAMES}", "text_encoders.t5xxl.transformer.shared.weight"),
         ("flux", "paint", "flow", ["transformer", "text_encoder", "text_encoder_3"])),
        ("Flux Fill", (), ("flux", "inpaint", "flow", ["transformer"])),
    ],
)  # fmt: skip
def test_a_file_is_recognised_by_its_names(model: str, others: tuple[str, ...], expected: tuple[Any, ...]) -> None:
    found = recognise(header(whole(model, *others)))
    assert (found.family, found.task, found.prediction, list(found.components)) == expected
    assert found.what == ("model" if len(expected[3]) > 1 else "denoiser")
    assert found.zero_snr is ("ztsnr" in others)


def test_flux_schnell_is_told_from_dev() -> None:
    assert recognise(header(whole("Flux schnell"))).distilled
    assert not recognise(header(whole("Flux dev"))).distilled


@pytest.mark.parametrize(
    ("names", "metadata", "words"),
    [
        ({"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": (4, 768)}, {},
         "a LoRA for Stable Diffusion 1"),
        ({"unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight": (4, 2048)}, {},
         "a LoRA for SDXL"),
        ({"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": (4, 3072)}, {}, "a LoRA for Flux.1"),
        ({"lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": (4, 768)},
         {"ss_base_model_version": "sdxl_base_v1-0"}, "a LoRA for SDXL"),
        ({"control_model.input_blocks.0.0.weight": (320, 4, 3, 3),
          "control_model.middle_block.1.transformer_blocks.0.attn2.to_k.weight": (1280, 1024)}, {},
         "a ControlNet for Stable Diffusion 2"),
        ({"conv_in.weight": (320, 4, 3, 3), "down_blocks.0.resnets.0.time_emb_proj.weight": (320, 1280),
          "controlnet_mid_block.weight": (1280, 1280, 1, 1)}, {}, "a ControlNet"),
        ({"emb_params": (2, 768)}, {}, "learnt words"),
        ({"encoder.conv_in.weight": (128, 3, 3, 3), "decoder.up.0.block.0.conv1.weight": (128, 128, 3, 3),
          "decoder.conv_in.weight": (512, 16, 3, 3)}, {}, "an autoencoder of 16 channels"),
        ({"text_model.embeddings.token_embedding.weight": (49408, 768)}, {}, "the text encoder CLIP L"),
        ({"enc.blk.0.attn_q.weight": (4096, 4096), "token_embd.weight": (32128, 4096)}, {}, "the text encoder T5"),
        ({"model.diffusion_model.head.modulation": (1, 2, 1536)}, {}, "the denoiser of Wan alone"),
        ({"some.layer.weight": (3, 3)}, {}, "no model that we know"),
    ],
)  # fmt: skip
def test_other_files_are_named(names: dict[str, tuple[int, ...]], metadata: dict[str, str], words: str) -> None:
    assert recognise(header(names, metadata)).words == words


def test_two_tensors_of_one_name_and_uneven_splits_are_refused() -> None:
    with pytest.raises(NodeflowError, match="NF407"):
        renamed({"a.x": (2,), "b.x": (2,)}, Table((Rule("a.", "c."), Rule("b.", "c."))))
    with pytest.raises(NodeflowError, match="NF407"):
        renamed({"a.x": (5, 2)}, Table((Rule("a.", ("q.", "k.")),)))


def test_a_scale_is_shared_by_the_parts_of_its_matrix() -> None:
    found = renamed({"qkv.weight": (6, 2), "qkv.scale": ()}, Table((Rule("qkv.", ("q.", "k.", "v.")),)))
    assert [found[f"{name}.weight"].start for name in "qkv"] == [0, 2, 4]
    assert all(found[f"{name}.scale"].rows == 0 for name in "qkv")
