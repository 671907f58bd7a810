"""A model made and saved here is opened by the oracle: every component, with the same output."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from toy_training import two_kinds

from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.checkpoints.save import save_model
from nodeflow.diffusion.checkpoints.tokenizer import load_tokenizer
from nodeflow.diffusion.training import fresh
from nodeflow.diffusion.training.conditions import token_ids
from nodeflow.training import Dataset

diffusers = pytest.importorskip("diffusers")


def seeded(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "flow_prediction"])
@torch.no_grad()
def test_a_text_to_image_model_from_scratch_opens_there(prediction: str, tmp_path: Path) -> None:
    data = Dataset(str(two_kinds(tmp_path / "pictures", 4)), "folders")
    new = tmp_path / "new"
    encoder = fresh.new_text_encoder(new, data, tokens=20, width=32, layers=2, heads=4, seed=0)
    coder = fresh.new_autoencoder(new, fresh.autoencoder_config(size=16, widths=(8, 16), layers=1, channels=4), seed=0)
    config = fresh.denoiser_config(size=16, space=coder.space, widths=(16, 32), text_width=32)
    unet = fresh.new_denoiser(new, config, coder.space, seed=0)
    save_model(tmp_path / "model", unet, fresh.scheduler_for(prediction, coder.space), coder, encoder)
    pipe = diffusers.DiffusionPipeline.from_pretrained(tmp_path / "model")
    again = open_model(str(tmp_path / "model"), dtype="float32")
    assert again.text_encoder is not None
    caption = "a red picture, blue"
    ids = token_ids(caption, load_tokenizer(again.text_encoder))[None]
    theirs = pipe.tokenizer(caption, padding="max_length", max_length=77, return_tensors="pt").input_ids
    assert torch.equal(ids, theirs)
    states = load_weights(again.text_encoder)(ids).last_hidden_state
    assert torch.allclose(states, pipe.text_encoder(ids).last_hidden_state, atol=1e-4)
    x = seeded(1, 4, 8, 8)
    assert torch.allclose(load_weights(again.denoiser)(x, 400, states), pipe.unet(x, 400, states).sample, atol=1e-4)
    assert torch.allclose(load_weights(again.autoencoder).decode(x), pipe.vae.decode(x).sample, atol=1e-4)
    assert type(pipe.scheduler).__name__ == again.scheduler.config["_class_name"]
    assert not pipe.scheduler.config.get("clip_sample")


@torch.no_grad()
def test_a_model_on_pixels_from_scratch_opens_there_in_half_precision(tmp_path: Path) -> None:
    config = fresh.denoiser_config(size=16, widths=(16, 32), attention=1)
    unet = fresh.new_denoiser(tmp_path / "new", config, fresh.PIXELS, seed=0)
    save_model(tmp_path / "model", unet, fresh.scheduler_for("epsilon"), dtype="float16")
    pipe = diffusers.DDPMPipeline.from_pretrained(tmp_path / "model")
    x, again = seeded(1, 3, 16, 16), open_model(str(tmp_path / "model"), dtype="float32")
    expected = load_weights(unet)(x, 400)
    for found in (pipe.unet(x, 400).sample, load_weights(again.denoiser)(x, 400)):
        assert torch.allclose(found, expected, atol=2e-2)
