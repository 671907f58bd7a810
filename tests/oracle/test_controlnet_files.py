"""Control networks as their makers wrote them into single files, against the published ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import originals
import pytest
import torch
from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint
from oracle.test_controlnet import PUBLISHED, SMALL, VARIANTS, Options, pair
from safetensors.torch import load_file, save_file
from tiny import control as write_control

from nodeflow import NodeflowError
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.checkpoints.originals import part, sources
from nodeflow.diffusion.checkpoints.originals.alone import controlnet
from nodeflow.diffusion.models import model_class
from nodeflow.models import open_control

WIDE: Options = SMALL | {"block_out_channels": (32, 64), "norm_num_groups": 32}
FORMS: dict[str, Options] = {
    "plain": {},
    "three levels": VARIANTS["three levels, two layers"] | {"block_out_channels": (32, 32, 64)},
    "text time": VARIANTS["text time"],
}


def opened(file: Path) -> Any:
    handle = open_control(str(file))
    assert handle is not None
    return handle


@pytest.mark.parametrize("prefix", ["control_model.", ""])
@pytest.mark.parametrize("options", FORMS.values(), ids=FORMS)
def test_an_original_file_has_the_same_weights(options: Options, prefix: str, tmp_path: Path) -> None:
    config = WIDE | options
    published = pair(config)[0].state_dict()
    original = originals.controlnet(published, config)
    save_file(originals.prefixed(original, prefix), tmp_path / "control.safetensors", {"format": "pt"})
    handle = opened(tmp_path / "control.safetensors")
    found = load_weights(handle).state_dict()
    assert found.keys() == published.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in published.items())
    for key in ("block_out_channels", "down_block_types", "cross_attention_dim", "layers_per_block"):
        assert list(handle.config[key]) == list(config[key]) if isinstance(config[key], tuple) else config[key]


def test_the_reference_converts_to_the_same_weights(tmp_path: Path) -> None:
    config = WIDE | {"conditioning_embedding_out_channels": (4, 4, 8, 8)}
    original = originals.controlnet(pair(config)[0].state_dict(), config)
    save_file(originals.prefixed(original, "control_model."), tmp_path / "control.safetensors", {"format": "pt"})
    expected = convert_controlnet_checkpoint(load_file(tmp_path / "control.safetensors"), config)
    found = load_weights(opened(tmp_path / "control.safetensors")).state_dict()
    assert found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_published_file_without_its_folder(tmp_path: Path) -> None:
    write_control(tmp_path / "folder", block_out_channels=[32, 64], norm_num_groups=32)
    file = tmp_path / "folder" / "diffusion_pytorch_model.safetensors"
    known = load_weights(opened(tmp_path / "folder")).state_dict()
    found = load_weights(opened(file.rename(tmp_path / "control.safetensors"))).state_dict()
    assert found.keys() == known.keys() and all(torch.equal(found[name], known[name]) for name in known)


def test_a_file_in_its_folder_has_the_configuration_beside_it(tiny: Any) -> None:
    file = tiny("control") / "diffusion_pytorch_model.safetensors"
    assert opened(file).config == opened(tiny("control")).config


@pytest.mark.parametrize("config", PUBLISHED.values(), ids=PUBLISHED)
def test_configurations_are_told_from_shapes(config: Options) -> None:
    with torch.device("meta"):
        state = model_class("ControlNetModel").from_config(config).state_dict()
    full = {"conditioning_embedding_out_channels": (16, 32, 96, 256), "layers_per_block": 2} | config
    shapes = {name: tuple(tensor.shape) for name, tensor in originals.controlnet(state, full).items()}
    told = controlnet({name: shapes[one.name] for name, one in sources(part("ldm-controlnet"), shapes).items()})
    assert {key: told[key] for key in config if key in told and key != "transformer_layers_per_block"} == {
        key: value for key, value in config.items() if key in told and key != "transformer_layers_per_block"
    }
    with torch.device("meta"):
        again = model_class("ControlNetModel").from_config(told).state_dict()
    assert {name: tensor.shape for name, tensor in again.items()} == {name: t.shape for name, t in state.items()}


def test_other_files_are_refused_by_what_they_are(tiny: Any) -> None:
    with pytest.raises(NodeflowError, match=r"NF404.*the denoiser of Stable Diffusion 1 alone.*not a ControlNet"):
        open_control(str(tiny("text_to_image") / "unet" / "diffusion_pytorch_model.safetensors"))
