"""Adapters in the names of every tool give the weights that the oracles fuse: SDXL, SD 3, Flux; LoHa, LoKr, DoRA."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import tiny
import tiny_flows
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from nodeflow.diffusion.adapters import lora
from nodeflow.diffusion.adapters.patch import parts_in, patched
from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.checkpoints.load import load_weights

diffusers = pytest.importorskip("diffusers")
peft = pytest.importorskip("peft")


class Layer(NamedTuple):
    """What an adapter changes: a part of the oracle's pipeline, a layer there, how many such the update is for."""

    component: str
    name: str
    fused: int = 1


CLIP_Q = "encoder.layers.0.self_attn.q_proj"
CLIP_OUT = "encoder.layers.0.self_attn.out_proj"
DOUBLE, SINGLE = "transformer_blocks.0.", "single_transformer_blocks.0."
XL_DOWN = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
CASES: dict[str, tuple[Callable[[Path], None], str, dict[str, Layer]]] = {
    "SDXL, kohya": (tiny.sdxl, "kohya", {
        "lora_unet_input_blocks_3_1_transformer_blocks_0_attn1_to_q": Layer("unet", XL_DOWN),
        "lora_unet_middle_block_1_transformer_blocks_0_attn2_to_k":
            Layer("unet", "mid_block.attentions.0.transformer_blocks.0.attn2.to_k"),
        "lora_unet_output_blocks_0_1_transformer_blocks_0_ff_net_2":
            Layer("unet", "up_blocks.0.attentions.0.transformer_blocks.0.ff.net.2"),
        # the oracle tells this form of a text encoder by a projection out of the attention
        "lora_te1_text_model_encoder_layers_0_self_attn_out_proj": Layer("text_encoder", CLIP_OUT),
        "lora_te2_text_model_encoder_layers_0_self_attn_q_proj": Layer("text_encoder_2", CLIP_Q),
        "lora_te2_text_model_encoder_layers_0_self_attn_out_proj": Layer("text_encoder_2", CLIP_OUT),
    }),
    "SDXL, PEFT": (tiny.sdxl, "peft", {
        f"unet.{XL_DOWN}": Layer("unet", XL_DOWN),
        f"text_encoder.{CLIP_Q}": Layer("text_encoder", CLIP_Q),
        f"text_encoder_2.text_model.{CLIP_Q}": Layer("text_encoder_2", CLIP_Q),
    }),
    "SD 3, PEFT": (tiny_flows.sd3, "peft", {
        f"transformer.{DOUBLE}attn.to_q": Layer("transformer", f"{DOUBLE}attn.to_q"),
        f"transformer.{DOUBLE}attn.add_k_proj": Layer("transformer", f"{DOUBLE}attn.add_k_proj"),
        f"text_encoder_2.text_model.{CLIP_Q}": Layer("text_encoder_2", CLIP_Q),
    }),
    "Flux, PEFT": (tiny_flows.flux, "peft", {
        f"transformer.{DOUBLE}attn.to_out.0": Layer("transformer", f"{DOUBLE}attn.to_out.0"),
        f"transformer.{SINGLE}proj_mlp": Layer("transformer", f"{SINGLE}proj_mlp"),
        f"text_encoder.{CLIP_Q}": Layer("text_encoder", CLIP_Q),
    }),
    "Flux, kohya": (tiny_flows.flux, "kohya", {
        "lora_unet_double_blocks_0_img_attn_qkv": Layer("transformer", f"{DOUBLE}attn.to_q", 3),
        "lora_unet_double_blocks_0_txt_attn_qkv": Layer("transformer", f"{DOUBLE}attn.add_q_proj", 3),
        "lora_unet_double_blocks_0_txt_mlp_0": Layer("transformer", f"{DOUBLE}ff_context.net.0.proj"),
        "lora_unet_single_blocks_0_linear2": Layer("transformer", f"{SINGLE}proj_out"),
    }),
}  # fmt: skip
ENDS = {"kohya": ("lora_down.weight", "lora_up.weight"), "peft": ("lora_A.weight", "lora_B.weight")}


def tensors_of(pipe: Any, dialect: str, layers: dict[str, Layer]) -> dict[str, Tensor]:
    made: dict[str, Tensor] = {}
    for seed, (name, layer) in enumerate(layers.items()):
        weight = submodule(getattr(pipe, layer.component), layer.name).weight
        generator = torch.Generator().manual_seed(seed)
        down, up = ENDS[dialect]
        made[f"{name}.{down}"] = torch.randn(2, weight.shape[1], generator=generator)
        made[f"{name}.{up}"] = torch.randn(weight.shape[0] * layer.fused, 2, generator=generator)
        if dialect == "kohya":
            made[f"{name}.alpha"] = torch.tensor(1.0)
    return made


def submodule(net: nn.Module, name: str) -> Any:
    return next(module for found, module in net.named_modules() if found.removeprefix("text_model.") == name)


def plain(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix("text_model."): tensor for name, tensor in state.items()}


@pytest.mark.parametrize("case", CASES)
def test_the_weights_are_those_that_the_oracle_fuses(case: str, tmp_path: Path) -> None:
    make, dialect, layers = CASES[case]
    make(tmp_path / "model")
    pipe: Any = diffusers.DiffusionPipeline.from_pretrained(tmp_path / "model", torch_dtype=torch.float32)
    path = tmp_path / "adapter.safetensors"
    save_file(tensors_of(pipe, dialect, layers), path)
    pipe.load_lora_weights(tmp_path, weight_name=path.name)
    pipe.fuse_lora(components=sorted({layer.component for layer in layers.values()}))
    pipe.unload_lora_weights()
    parts = open_model(str(tmp_path / "model"), dtype="float32")
    assert parts.text_encoder is not None
    named = {"unet": parts.denoiser, "transformer": parts.denoiser}
    named["unet"] = named["transformer"] = patched(parts.denoiser, path)
    with_text = any(part != "unet" for part in parts_in(path))
    texts = (patched(parts.text_encoder, path) if with_text else parts.text_encoder).all
    named |= dict(zip(("text_encoder", "text_encoder_2", "text_encoder_3"), texts, strict=False))  # type: ignore[arg-type]
    changed = 0
    for component in {layer.component for layer in layers.values()}:
        ours, theirs = plain(load_weights(named[component]).state_dict()), plain(getattr(pipe, component).state_dict())
        for name, tensor in theirs.items():
            if name in ours:
                assert torch.allclose(ours[name], tensor, atol=1e-5), (component, name)
                changed += 1
    assert changed > len(layers)


KINDS: dict[str, Any] = {
    "loha": lambda: peft.LoHaConfig(r=2, alpha=3, target_modules=["0", "1"], init_weights=False),
    "loha with a core": lambda: peft.LoHaConfig(
        r=2, alpha=3, target_modules=["0", "1"], init_weights=False, use_effective_conv2d=True
    ),
    "lokr": lambda: peft.LoKrConfig(r=2, alpha=3, target_modules=["0", "1"], init_weights=False),
    "lokr with a core": lambda: peft.LoKrConfig(
        r=2, alpha=3, target_modules=["0", "1"], init_weights=False, use_effective_conv2d=True, decompose_both=True
    ),
    "dora": lambda: peft.LoraConfig(
        r=2, lora_alpha=3, target_modules=["0", "1"], init_lora_weights=False, use_dora=True
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_change_is_that_of_peft(kind: str) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(24, 32), nn.Conv2d(24, 32, 3))
    start = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    adapted: Any = peft.get_peft_model(net, KINDS[kind]())
    tensors = {name: tensor.clone() for name, tensor in peft.get_peft_model_state_dict(adapted).items()}
    expected = {name: tensor.clone() for name, tensor in adapted.merge_and_unload().state_dict().items()}
    ours = nn.Sequential(nn.Linear(24, 32), nn.Conv2d(24, 32, 3))
    ours.load_state_dict(start)
    about = {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 3})}
    lora.apply(ours, lora.updates(tensors, about, "unet", ours), 1.0)
    for name, tensor in ours.state_dict().items():
        assert torch.allclose(tensor, expected[name], atol=1e-5), name
    assert not torch.equal(ours[0].weight, start["0.weight"]) and not torch.equal(ours[1].weight, start["1.weight"])
