"""Laws of adapters: every spelling means the same change, strengths add up, and what does not fit is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny import Tiny
from torch import Tensor

from nodeflow.diffusion.adapters.patch import parts_in, patched
from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.residency import Residency
from nodeflow.errors import NodeflowError
from nodeflow.values import Weights

LAYER = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
OUT = "mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0"
TEXT = "text_model.encoder.layers.0.self_attn.q_proj"


def update(seed: int = 0, width: int = 32, rank: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rank, width, generator=generator), torch.randn(width, rank, generator=generator)


def weight(handle: Weights, layer: str = LAYER) -> Tensor:
    return load_weights(handle).get_submodule(layer).weight  # type: ignore[return-value]


@pytest.fixture
def parts(tiny: Tiny):
    return open_model(str(tiny("text_to_image")), dtype="float32")


def written(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata)
    return path


UNET_SPELLINGS = {
    "peft": ("unet.{}.lora_A.weight", "unet.{}.lora_B.weight", LAYER),
    "peft folder": ("base_model.model.{}.lora_A.weight", "base_model.model.{}.lora_B.weight", LAYER),
    "diffusers 2023": ("unet.{}.lora.down.weight", "unet.{}.lora.up.weight", LAYER),
    "kohya": ("lora_unet_{}.lora_down.weight", "lora_unet_{}.lora_up.weight", LAYER.replace(".", "_")),
}


@pytest.mark.parametrize("spelling", UNET_SPELLINGS)
def test_every_spelling_adds_the_same_product(spelling: str, parts, tmp_path: Path) -> None:
    down, up = update()
    a, b, layer = UNET_SPELLINGS[spelling]
    path = written(tmp_path / "a.safetensors", {a.format(layer): down, b.format(layer): up})
    before, after = weight(parts.denoiser), weight(patched(parts.denoiser, path, 0.5))
    assert torch.allclose(after, before + 0.5 * up @ down, atol=1e-5)
    assert torch.equal(weight(parts.denoiser), before)


def test_the_oldest_spelling_counts_projections_by_name(parts, tmp_path: Path) -> None:
    down, up = update()
    base = OUT.removesuffix(".to_out.0")
    names = [f"unet.{base}.processor.to_out_lora.{role}.weight" for role in ("down", "up")]
    path = written(tmp_path / "a.safetensors", dict(zip(names, (down, up), strict=True)))
    change = weight(patched(parts.denoiser, path), OUT) - weight(parts.denoiser, OUT)
    assert torch.allclose(change, up @ down, atol=1e-5)


@pytest.mark.parametrize(
    ("prefix", "a", "b", "layer"),
    [
        ("text_encoder.", "lora_A", "lora_B", TEXT),
        ("text_encoder.", "lora_linear_layer.down", "lora_linear_layer.up", TEXT.removeprefix("text_model.")),
        ("lora_te_", "lora_down", "lora_up", TEXT.replace(".", "_")),
        ("lora_te1_", "lora_down", "lora_up", TEXT.replace(".", "_")),
    ],
)
def test_text_encoders_are_patched_with_and_without_their_root(
    prefix: str, a: str, b: str, layer: str, parts, tmp_path: Path
) -> None:
    down, up = update()
    path = written(tmp_path / "a.safetensors", {f"{prefix}{layer}.{a}.weight": down, f"{prefix}{layer}.{b}.weight": up})
    assert parts_in(path) == {"text_encoder"}
    change = weight(patched(parts.text_encoder, path), TEXT) - weight(parts.text_encoder, TEXT)
    assert torch.allclose(change, up @ down, atol=1e-5)
    with pytest.raises(NodeflowError, match=r"NF404.*text_encoder, not for the unet"):
        patched(parts.denoiser, path)


def test_alpha_scales_by_the_rank(parts, tmp_path: Path) -> None:
    down, up = update()
    kohya = LAYER.replace(".", "_")
    tensors = {f"lora_unet_{kohya}.lora_down.weight": down, f"lora_unet_{kohya}.lora_up.weight": up}
    beside = written(tmp_path / "a.safetensors", {**tensors, f"lora_unet_{kohya}.alpha": torch.tensor(6.0)})
    peft = {f"unet.{LAYER}.lora_A.weight": down, f"unet.{LAYER}.lora_B.weight": up}
    told = written(tmp_path / "b.safetensors", peft, {"lora_adapter_metadata": '{"unet.lora_alpha": 6, "unet.r": 3}'})
    before = weight(parts.denoiser)
    for path in (beside, told):
        assert torch.allclose(weight(patched(parts.denoiser, path)), before + 2 * up @ down, atol=1e-5)


def test_patches_add_up_and_cancel_out(parts, tmp_path: Path) -> None:
    paths = []
    for seed in (0, 1):
        down, up = update(seed)
        tensors = {f"unet.{LAYER}.lora_A.weight": down, f"unet.{LAYER}.lora_B.weight": up}
        paths.append(written(tmp_path / f"{seed}.safetensors", tensors))
    one, two = paths
    before = weight(parts.denoiser)
    both = weight(patched(patched(parts.denoiser, one), two))
    assert torch.allclose(both, weight(patched(patched(parts.denoiser, two), one)), atol=1e-5)
    assert torch.allclose(weight(patched(patched(parts.denoiser, one, 2.0), one, -2.0)), before, atol=1e-5)
    assert patched(parts.denoiser, one, 0.0) == parts.denoiser


def test_a_convolution_takes_a_convolutions_update(parts, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    down, up = torch.randn(2, 16, 3, 3, generator=generator), torch.randn(16, 2, 1, 1, generator=generator)
    layer = "down_blocks.0.resnets.0.conv1"
    name = layer.replace(".", "_")
    tensors = {f"lora_unet_{name}.lora_down.weight": down, f"lora_unet_{name}.lora_up.weight": up}
    path = written(tmp_path / "a.safetensors", tensors)
    x = torch.randn(1, 16, 8, 8, generator=generator)
    plain, changed = (load_weights(h).get_submodule(layer) for h in (parts.denoiser, patched(parts.denoiser, path)))
    expected = plain(x) + torch.nn.functional.conv2d(torch.nn.functional.conv2d(x, down, padding=1), up)
    assert torch.allclose(changed(x), expected, atol=1e-4)


def test_a_patched_network_lives_apart_from_the_plain_one(parts, tmp_path: Path) -> None:
    down, up = update()
    path = written(tmp_path / "a.safetensors", {f"unet.{LAYER}.lora_A.weight": down, f"unet.{LAYER}.lora_B.weight": up})
    residency = Residency()
    with residency.weights(parts.denoiser) as plain, residency.weights(patched(parts.denoiser, path)) as changed:
        assert plain is not changed
        assert not torch.equal(plain.get_submodule(LAYER).weight, changed.get_submodule(LAYER).weight)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tensors", "match"),
    [
        ({"unet.no.such.lora_A.weight": (2, 32), "unet.no.such.lora_B.weight": (32, 2)}, r"NF407.*no\.such"),
        ({f"unet.{LAYER}.lora_A.weight": (2, 32)}, r"NF407.*one half"),
        ({f"unet.{LAYER}.lora_A.weight": (2, 32), f"unet.{LAYER}.lora_B.weight": (31, 2)}, "NF407"),
        ({"something.else": (2, 2)}, "NF403"),
    ],
)
def test_what_does_not_fit_is_refused(tensors: dict[str, tuple[int, int]], match: str, parts, tmp_path: Path) -> None:
    path = written(tmp_path / "a.safetensors", {name: torch.ones(shape) for name, shape in tensors.items()})
    with pytest.raises(NodeflowError, match=match):
        load_weights(patched(parts.denoiser, path))


def test_a_file_that_changed_or_went_is_refused(parts, tmp_path: Path) -> None:
    down, up = update()
    tensors = {f"unet.{LAYER}.lora_A.weight": down, f"unet.{LAYER}.lora_B.weight": up}
    path = written(tmp_path / "a.safetensors", tensors)
    handle = patched(parts.denoiser, path)
    written(path, {name: 2 * tensor for name, tensor in tensors.items()})
    with pytest.raises(NodeflowError, match=r"NF402.*changed"):
        load_weights(handle)
    with pytest.raises(NodeflowError, match=r"NF401|NF107"):
        patched(parts.denoiser, tmp_path / "none.safetensors")
