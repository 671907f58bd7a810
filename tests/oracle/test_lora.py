"""A LoRA trained here loads in the oracle, and one saved there loads here, with the same output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import Tiny
from torch import Tensor
from toy_training import Host, two_kinds

from nodeflow.diffusion.adapters.patch import patched
from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.training import recipes
from nodeflow.diffusion.training.course import Course
from nodeflow.diffusion.training.lessons import Base, Plan
from nodeflow.diffusion.training.painting import Wanted
from nodeflow.diffusion.training.recipes import LowRank
from nodeflow.training import Dataset, Objective, Optimiser, Settings
from nodeflow.values import Weights

diffusers = pytest.importorskip("diffusers")
peft = pytest.importorskip("peft")

TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "proj_in")


def ours(unet: Weights, text: Weights) -> tuple[Tensor, Tensor]:
    x, ids, states = inputs()
    return load_weights(unet)(x, 500, states), load_weights(text)(ids).last_hidden_state


def theirs(pipe: Any) -> tuple[Tensor, Tensor]:
    x, ids, states = inputs()
    with torch.no_grad():
        return pipe.unet(x, 500, states).sample, pipe.text_encoder(ids).last_hidden_state


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, states = torch.randn(1, 4, 8, 8, generator=generator), torch.randn(1, 7, 32, generator=generator)
    return x, torch.arange(100, 110)[None], states


def pipeline(folder: Path) -> Any:
    return diffusers.StableDiffusionPipeline.from_pretrained(folder, safety_checker=None).to("cpu")


@pytest.mark.parametrize("train_text", [False, True])
def test_a_lora_trained_here_loads_there(train_text: bool, tiny: Tiny, tmp_path: Path) -> None:
    folder = tiny("text_to_image")
    parts = open_model(str(folder), dtype="float32")
    data = Dataset(str(two_kinds(tmp_path / "pictures", 6, 16)), "folders", size=16)
    done = recipes.train_lora(
        Course(Host(), tmp_path / "training"),
        Plan(data, Optimiser(5e-2), Settings(batch=2, ema=0), 4),
        Objective(),
        Base(parts.denoiser, parts.scheduler, parts.autoencoder, parts.text_encoder, train_text),
        LowRank(rank=4, alpha=8, targets=TARGETS),
        wanted=Wanted(count=1, steps=1),
    )
    assert parts.text_encoder is not None and done.text_encoder is not None
    plain, expected = ours(parts.denoiser, parts.text_encoder), ours(done.denoiser, done.text_encoder)
    assert (plain[0] - expected[0]).abs().max() > 1e-2
    assert torch.equal(plain[1], expected[1]) != train_text
    for path in (done.path, done.kohya):
        pipe = pipeline(folder)
        pipe.load_lora_weights(path.parent, weight_name=path.name)
        for mine, reference in zip(expected, theirs(pipe), strict=True):
            assert torch.allclose(mine, reference, atol=1e-4), path.name
        again = patched(parts.denoiser, path)
        assert torch.allclose(ours(again, parts.text_encoder)[0], expected[0], atol=1e-5)


@pytest.mark.parametrize("told", [False, True], ids=["plain", "metadata"])
def test_a_lora_saved_there_loads_here(told: bool, tiny: Tiny, tmp_path: Path) -> None:
    folder = tiny("text_to_image")
    pipe = pipeline(folder)
    torch.manual_seed(0)
    alpha = 8 if told else 4
    options = {"r": 4, "lora_alpha": alpha, "init_lora_weights": False}
    unet = peft.LoraConfig(target_modules=[*TARGETS, "conv1"], **options)
    text = peft.LoraConfig(target_modules=["q_proj", "v_proj", "fc1"], **options)
    pipe.unet.add_adapter(unet)
    pipe.text_encoder.add_adapter(text)
    layers = [peft.utils.get_peft_model_state_dict(net) for net in (pipe.unet, pipe.text_encoder)]
    about = {"unet_lora_adapter_metadata": unet.to_dict(), "text_encoder_lora_adapter_metadata": text.to_dict()}
    type(pipe).save_lora_weights(tmp_path, *layers, **(about if told else {}))
    path = tmp_path / "pytorch_lora_weights.safetensors"
    parts = open_model(str(folder), dtype="float32")
    assert parts.text_encoder is not None
    found = ours(patched(parts.denoiser, path), patched(parts.text_encoder, path))
    for mine, reference in zip(found, theirs(pipe), strict=True):
        assert torch.allclose(mine, reference, atol=1e-4)
