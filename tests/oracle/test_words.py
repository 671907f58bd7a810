"""A word learnt here is known there, and one written there is known here: the same text states."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from oracle.whole import Model
from safetensors.torch import save_file
from tiny import Tiny
from toy_training import Host, two_kinds

from nodeflow.diffusion.adapters.patch import patched
from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.checkpoints.tokenizer import load_tokenizer
from nodeflow.diffusion.reading import Prompts, conditioning
from nodeflow.diffusion.text import encode
from nodeflow.diffusion.training.concepts import Word, learn_word
from nodeflow.diffusion.training.course import Course
from nodeflow.diffusion.training.lessons import Base, Plan
from nodeflow.diffusion.training.painting import Wanted
from nodeflow.errors import NodeflowError
from nodeflow.training import Dataset, Objective, Optimiser, Settings
from nodeflow.values import TextEncoder

diffusers = pytest.importorskip("diffusers")

PROMPTS = ("a <zork> cat", "<zork><zork>", "a photo of the dog", "zork, <zork>")


def ours(handle: TextEncoder) -> torch.Tensor:
    return encode(PROMPTS, load_tokenizer(handle), load_weights(handle), weighting="none").states


def theirs(folder: Path, path: Path, token: str | None = None) -> torch.Tensor:
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    pipe.load_textual_inversion(path.parent, weight_name=path.name, token=token)
    prompts = [pipe.maybe_convert_prompt(prompt, pipe.tokenizer) for prompt in PROMPTS]
    ids = pipe.tokenizer(prompts, padding="max_length", max_length=77, return_tensors="pt").input_ids
    with torch.no_grad():
        return pipe.text_encoder(ids).last_hidden_state


@pytest.mark.parametrize("vectors", [1, 3])
def test_a_word_learnt_here_is_known_there(vectors: int, tiny: Tiny, tmp_path: Path) -> None:
    folder = tiny("text_to_image")
    parts = open_model(str(folder), dtype="float32")
    data = Dataset(str(two_kinds(tmp_path / "pictures", 4, 16)), "none", size=16)
    assert parts.text_encoder is not None
    done = learn_word(
        Course(Host(), tmp_path / "training"),
        Plan(data, Optimiser(0.1), Settings(batch=2, ema=0), 3),
        Objective(),
        Base(parts.denoiser, parts.scheduler, parts.autoencoder, parts.text_encoder),
        Word("<zork>", "a cat", vectors),
        wanted=Wanted(count=1, steps=1),
    )
    mine = ours(done.text_encoder)
    assert torch.allclose(mine, theirs(folder, done.path), atol=1e-4)
    plain = encode(PROMPTS, load_tokenizer(parts.text_encoder), load_weights(parts.text_encoder), weighting="none")
    assert torch.equal(mine[2], plain.states[2]) and not torch.allclose(mine[0], plain.states[0], atol=1e-2)


@pytest.mark.parametrize("form", ["diffusers", "web interfaces"])
def test_a_word_written_elsewhere_is_known_here(form: str, tiny: Tiny, tmp_path: Path) -> None:
    folder = tiny("text_to_image")
    rows = torch.randn(2, 32, generator=torch.Generator().manual_seed(0))
    path = tmp_path / "<zork>.safetensors"
    save_file({"<zork>" if form == "diffusers" else "emb_params": rows}, path)
    parts = open_model(str(folder), dtype="float32")
    assert parts.text_encoder is not None
    handle = patched(parts.text_encoder, path)
    assert torch.allclose(ours(handle), theirs(folder, path, "<zork>"), atol=1e-4)
    with pytest.raises(NodeflowError, match=r"NF408.*two files"):
        load_tokenizer(patched(handle, path))
    with pytest.raises(NodeflowError, match=r"NF404.*text_encoder, not for the unet"):
        patched(parts.denoiser, path)


def test_a_word_of_both_encoders_of_sdxl_is_read_as_there(tiny: Tiny, tmp_path: Path) -> None:
    folder, draw = tiny("sdxl"), torch.Generator().manual_seed(1)
    rows = {"clip_l": torch.randn(2, 32, generator=draw), "clip_g": torch.randn(2, 24, generator=draw)}
    path = tmp_path / "<zork>.safetensors"
    save_file(rows, path)
    pipe = diffusers.StableDiffusionXLPipeline.from_pretrained(folder, add_watermarker=False)
    for key, number in (("clip_l", ""), ("clip_g", "_2")):
        parts = {name: getattr(pipe, f"{name}{number}") for name in ("text_encoder", "tokenizer")}
        pipe.load_textual_inversion(rows[key], token="<zork>", **parts)
    encoder = open_model(str(folder), dtype="float32").text_encoder
    assert encoder is not None
    model = Model(str(folder), None, None, None)
    learnt = patched(encoder, path)
    for prompt in PROMPTS:
        said = conditioning(learnt, Prompts([prompt], "none"), model.lend)
        expected, _, pooled, _ = pipe.encode_prompt(prompt, do_classifier_free_guidance=False)
        torch.testing.assert_close(said.states, expected.detach(), rtol=0, atol=1e-4)
        torch.testing.assert_close(said.pooled, pooled.detach(), rtol=0, atol=1e-4)


def test_the_refiner_learns_the_second_half(tiny: Tiny, tmp_path: Path) -> None:
    path = tmp_path / "zork.safetensors"
    save_file({"clip_l": torch.randn(1, 32), "clip_g": torch.randn(1, 24)}, path)
    encoder = open_model(str(tiny("sdxl_refiner"))).text_encoder
    assert encoder is not None
    assert [patch.part for patch in patched(encoder, path).patches] == ["text_encoder_2"]
    first = open_model(str(tiny())).text_encoder
    assert first is not None
    with pytest.raises(NodeflowError, match="NF404"):
        patched(first, path)
