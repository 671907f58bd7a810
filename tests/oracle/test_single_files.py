"""Single files beside the reference: its converters, fed the same original names, give the weights that we load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.loaders import single_file_utils as reference
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from nodeflow.diffusion.checkpoints.handles import open_model
from nodeflow.diffusion.checkpoints.load import load_weights
from tests import originals, singles

Model = tuple[str, Any, dict[str, Tensor]]
NAMES = [name for name in singles.MODELS if name != "stable-audio"]


@pytest.fixture(scope="module", params=NAMES)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model's name, its parts as we load them from a single file, and the tensors of that file."""
    state = singles.original(request.param)
    file = tmp_path_factory.mktemp("single") / f"{request.param}.safetensors"
    save_file(state, file)
    return request.param, open_model(str(file)), state


def agree(handle: Any, expected: dict[str, Tensor]) -> None:
    ours = load_weights(handle).state_dict()
    assert ours.keys() == expected.keys()
    different = [name for name in ours if not torch.equal(ours[name], expected[name])]
    assert different == []


def test_denoisers(model: Model) -> None:
    name, parts, state = model
    if name.startswith("sd3"):
        expected = reference.convert_sd3_transformer_checkpoint_to_diffusers(_denoiser(state))
    elif name.startswith("flux"):
        expected = _flux(_denoiser(state))
    else:
        expected = reference.convert_ldm_unet_checkpoint(dict(state), parts.denoiser.config)
    agree(parts.denoiser, expected)


def _denoiser(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if name.startswith("model.diffusion_model.")}


def _flux(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The reference takes every Flux to be 3072 wide; a single block's fused matrix is cut by that number alone."""
    width, mlp, made = singles.FLUX["attention_head_dim"] * singles.FLUX["num_attention_heads"], 4, {}
    parts = [width, width, width, mlp * width]
    inside = [name for name in state if ".linear1." in name]
    wide = {name: state.pop(name) for name in inside}
    rows = 3 * 3072 + mlp * 3072
    stands = {name: torch.zeros(rows, *tensor.shape[1:]) for name, tensor in wide.items()}
    made = reference.convert_flux_transformer_checkpoint_to_diffusers({**state, **stands})
    for name, tensor in wide.items():
        _, _, _, block, _, leaf = name.split(".")
        root = f"single_transformer_blocks.{block}"
        places = [*(f"{root}.attn.to_{x}" for x in "qkv"), f"{root}.proj_mlp"]
        made |= {f"{place}.{leaf}": part for place, part in zip(places, tensor.split(parts), strict=True)}
    return made


def test_autoencoders(model: Model) -> None:
    _, parts, state = model
    agree(parts.autoencoder, reference.convert_ldm_vae_checkpoint(dict(state), parts.autoencoder.config))


def test_text_encoders(model: Model) -> None:
    name, parts, state = model
    for handle in parts.text_encoder.all:
        if handle.kind == "T5EncoderModel":
            expected = reference.convert_sd3_t5_checkpoint_to_diffusers(state)
            expected.pop("encoder.embed_tokens.weight")
        elif "@text_encoders.clip_l." in handle.part:
            expected = reference.convert_ldm_clip_checkpoint(state, "text_encoders.clip_l.transformer.")
            expected["text_projection.weight"] = torch.eye(64)  # as the reference makes it
        elif "@text_encoders." in handle.part:
            expected = reference.convert_ldm_clip_checkpoint(state, "text_encoders.clip_g.transformer.")
        elif ".model." in handle.part:
            expected = _open_clip(handle, state)
        else:
            expected = reference.convert_ldm_clip_checkpoint(state)
        known = load_weights(handle).state_dict()
        spare = {"logit_scale", "text_model.embeddings.position_ids"}
        spare |= {"text_projection.weight"} if handle.kind == "CLIPTextModel" else set()
        agree(handle, {key: tensor for key, tensor in expected.items() if key in known or key not in spare})
    assert name == "sd3-without-t5" or len(parts.text_encoder.all) == sum(
        "text" in part for part in singles.MODELS[name]
    )


def _open_clip(handle: Any, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The reference knows that Stable Diffusion 2 leaves its 24th layer out, not which one a small model does."""
    net = CLIPTextModelWithProjection(CLIPTextConfig(**handle.config))
    prefix = handle.part.partition("@")[2]
    made = reference.convert_open_clip_checkpoint(net, dict(state), prefix)
    depth = handle.config["num_hidden_layers"]
    return {name: tensor for name, tensor in made.items() if f".layers.{depth}." not in name}


def test_autoencoders_alone(tmp_path: Path) -> None:
    """A VAE in a file of its own takes the place of the one inside, whatever its names begin with."""
    from nodeflow.diffusion.checkpoints.handles import open_files

    save_file(singles.original("sd1"), tmp_path / "whole.safetensors")
    config = singles.VAE
    for prefix in ("", "first_stage_model.", "vae."):
        coder = originals.autoencoder(dict(singles.tiny.seeded("AutoencoderKL", config, 77).state_dict()), config)
        named = originals.prefixed(coder, prefix)
        save_file(named | {"loss.logvar": torch.zeros(1)}, tmp_path / "vae.safetensors")
        parts = open_files([tmp_path / "whole.safetensors", tmp_path / "vae.safetensors"])
        agree(parts.autoencoder, reference.convert_ldm_vae_checkpoint(named, config))
