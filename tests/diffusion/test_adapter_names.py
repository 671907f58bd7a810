"""Laws of names: an adapter that speaks of original files changes what those files would hold, by the same sum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import originals
import pytest
import tiny_flows
import torch
from safetensors.torch import save_file
from tiny import UNET, XL_UNET, Tiny, seeded
from torch import Tensor

from nodeflow.diffusion.adapters import lora
from nodeflow.diffusion.adapters.patch import parts_in, patched
from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.errors import NodeflowError
from nodeflow.values import TextEncoder

NETS: dict[str, tuple[dict[str, Any], Any]] = {
    "UNet2DConditionModel": (UNET | XL_UNET, lambda state: originals.unet(state, UNET | XL_UNET)),
    "SD3Transformer2DModel": (tiny_flows.SD3, originals.sd3),
    "FluxTransformer2DModel": (tiny_flows.FLUX, originals.flux),
}
PREFIXES = {"kohya": "lora_unet_", "comfyui": "diffusion_model."}


@pytest.mark.parametrize("dialect", PREFIXES)
@pytest.mark.parametrize("kind", NETS)
@torch.no_grad()
def test_updates_of_original_layers_are_cut_into_the_published_ones(kind: str, dialect: str) -> None:
    config, original = NETS[kind]
    net = seeded(kind, config)
    before = {name: tensor.clone() for name, tensor in original(net.state_dict()).items()}
    wanted, tensors = dict(before), {}
    for seed, (name, weight) in enumerate(before.items()):
        if weight.ndim < 2 or not name.endswith(".weight"):
            continue
        generator = torch.Generator().manual_seed(seed)
        down = torch.randn(2, *weight.shape[1:], generator=generator)
        up = torch.randn(len(weight), 2, *[1] * (weight.ndim - 2), generator=generator)
        layer = name.removesuffix(".weight")
        layer = PREFIXES[dialect] + (layer.replace(".", "_") if dialect == "kohya" else layer)
        tensors |= {f"{layer}.lora_down.weight": down, f"{layer}.lora_up.weight": up}
        wanted[name] = weight + (up.flatten(1) @ down.flatten(1)).view(weight.shape)
    lora.apply(net, lora.updates(tensors, {}, "unet", net), 1.0)
    for name, tensor in original(net.state_dict()).items():
        assert torch.allclose(tensor, wanted[name], atol=1e-4), name


TEXT = "encoder.layers.0.self_attn.q_proj"
SEATS = {
    "sdxl": {"lora_te1_": 0, "lora_te2_": 1, "text_encoder.": 0, "text_encoder_2.": 1,
             "text_encoders.clip_l.transformer.": 0, "text_encoders.clip_g.transformer.": 1},
    "sdxl_refiner": {"lora_te2_": 0, "text_encoder_2.": 0},
    "text_to_image": {"lora_te_": 0, "lora_te1_": 0, "text_encoder.": 0},
}  # fmt: skip
EACH = [(kind, prefix, seat) for kind, seats in SEATS.items() for prefix, seat in seats.items()]


def adapter(path: Path, prefix: str, width: int, layer: str = f"text_model.{TEXT}") -> Path:
    name = prefix + (layer.replace(".", "_") if prefix.startswith("lora_") else layer)
    tensors = {f"{name}.lora_down.weight": torch.ones(1, width), f"{name}.lora_up.weight": torch.ones(width, 1)}
    save_file(tensors, path)
    return path


def weight(encoder: TextEncoder) -> Tensor:
    net = load_weights(encoder)
    return next(value for name, value in net.named_parameters() if name.endswith(f"{TEXT}.weight"))


@pytest.mark.parametrize(("kind", "prefix", "seat"), EACH)
def test_a_text_encoders_update_goes_to_its_own_encoder(
    kind: str, prefix: str, seat: int, tiny: Tiny, tmp_path: Path
) -> None:
    encoder = open_model(str(tiny(kind)), dtype="float32").text_encoder
    assert encoder is not None
    path = adapter(tmp_path / "a.safetensors", prefix, encoder.all[seat].config["hidden_size"])
    changed = patched(encoder, path, 0.5)
    assert [len(one.patches) for one in changed.all] == [int(i == seat) for i in range(len(encoder.all))]
    assert torch.allclose(weight(changed.all[seat]), weight(encoder.all[seat]) + 0.5, atol=1e-6)


@pytest.mark.parametrize(("make", "seat"), [(tiny_flows.sd3, 2), (tiny_flows.flux, 1)])
def test_t5_is_third_in_adapters_wherever_it_stands(make: Any, seat: int, tmp_path: Path) -> None:
    make(tmp_path / "model")
    encoder = open_model(str(tmp_path / "model"), dtype="float32").text_encoder
    assert encoder is not None
    layer = "encoder.block.0.layer.0.SelfAttention.o"
    save_file({f"lora_te3_{layer.replace('.', '_')}.diff": torch.ones(64, 32)}, tmp_path / "a.safetensors")
    changed = patched(encoder, tmp_path / "a.safetensors")
    assert [len(one.patches) for one in changed.all] == [int(i == seat) for i in range(len(encoder.all))]
    nets = [load_weights(handle.all[seat]).get_submodule(layer).weight for handle in (encoder, changed)]
    assert torch.allclose(nets[1], nets[0] + 1, atol=1e-6)  # type: ignore[operator]


def test_what_a_file_has_for_an_encoder_that_the_model_lacks_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    encoder = open_model(str(tiny("text_to_image"))).text_encoder
    assert encoder is not None
    with pytest.raises(NodeflowError, match=r"NF404.*text_encoder_2"):
        patched(encoder, adapter(tmp_path / "a.safetensors", "lora_te2_", 32))


def test_tensors_without_a_meaning_are_named(tmp_path: Path) -> None:
    path = adapter(tmp_path / "a.safetensors", "lora_te_", 32)
    save_file({"lora_te_x.lora_down.weight": torch.ones(1, 1), "lora_unet_x.other": torch.ones(1)}, path)
    with pytest.raises(NodeflowError, match=r"NF403.*lora_unet_x\.other"):
        parts_in(path)
