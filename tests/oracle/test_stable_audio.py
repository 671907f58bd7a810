"""Stable Audio beside the reference: each network, and whole runs."""

from __future__ import annotations

import functools
from pathlib import Path

import diffusers
import pytest
import torch
import transformers
from oracle.whole import GUIDANCE, NEGATIVE, PROMPT, SEED, STEPS, Model, agree, generator
from tiny_flows import T5, write_t5_tokenizer

import nodeflow
from nodeflow.diffusion import schedulers
from nodeflow.diffusion.checkpoints.spaces import latent_space, trained_size
from nodeflow.diffusion.guidance import SkipLayers
from nodeflow.diffusion.models import model_class
from nodeflow.diffusion.sampling import sample
from nodeflow.diffusion.sounds import empty_for, to_latent, to_sound
from nodeflow.engine import Engine
from nodeflow.errors import NodeflowError
from nodeflow.execution import Cache
from nodeflow.values import Audio, Conditioning

GRAPHS = Path(__file__).parents[2] / "graphs"
RATE, CELLS = 400, 24
COSINE = "CosineDPMSolverMultistepScheduler"
EDM = "EDMDPMSolverMultistepScheduler"
OOBLECK = {
    "encoder_hidden_size": 8, "downsampling_ratios": [2, 4], "channel_multiples": [1, 2], "decoder_channels": 6,
    "decoder_input_channels": 4, "audio_channels": 2, "sampling_rate": RATE,
}  # fmt: skip
DIT = {
    "sample_size": CELLS, "in_channels": 4, "out_channels": 4, "num_layers": 2, "attention_head_dim": 8,
    "num_attention_heads": 4, "num_key_value_attention_heads": 2, "cross_attention_dim": 16, "time_proj_dim": 8,
    "global_states_input_dim": 24, "cross_attention_input_dim": 12,
}  # fmt: skip
PROJECTION = {"text_encoder_dim": T5["d_model"], "conditioning_dim": 12, "min_value": 0, "max_value": 512}


def shaken(net):
    """A reference network with none of its weights at its trivial initial value."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return net.eval()


def ours(reference):
    with torch.device("meta"):
        net = model_class(type(reference).__name__).from_config(dict(reference.config))
    return net.load(reference.state_dict()).eval()


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Model:
    torch.manual_seed(7)
    folder = tmp_path_factory.mktemp("sound")
    write_t5_tokenizer(folder / "words")
    tokenizer = transformers.T5TokenizerFast.from_pretrained(folder / "words", model_max_length=20)
    text = shaken(transformers.T5EncoderModel(transformers.T5Config(**T5)))
    parts = {
        "vae": shaken(diffusers.AutoencoderOobleck(**OOBLECK)),
        "text_encoder": text,
        "projection_model": shaken(diffusers.StableAudioProjectionModel(**PROJECTION)),
        "tokenizer": tokenizer,
        "transformer": shaken(diffusers.StableAudioDiTModel(**DIT)),
        "scheduler": diffusers.CosineDPMSolverMultistepScheduler(),
    }
    diffusers.StableAudioPipeline(**parts).save_pretrained(folder)
    return Model.load(str(folder))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(results=Cache(folder=None))


@pytest.mark.parametrize("change", [{}, {"num_key_value_attention_heads": 4}, {"cross_attention_dim": 12}])
def test_the_denoiser_equals_the_reference(change: dict) -> None:
    torch.manual_seed(1)
    reference = shaken(diffusers.StableAudioDiTModel(**DIT | change))
    x, text, seconds = torch.randn(2, 4, 9), torch.randn(2, 5, 12), torch.randn(2, 1, 24)
    turn = diffusers.models.embeddings.get_1d_rotary_pos_embed(4, 10, use_real=True, repeat_interleave_real=False)
    t = torch.tensor([0.2, 0.9])
    with torch.no_grad():
        expected = reference(x, t, text, seconds, turn).sample
        torch.testing.assert_close(ours(reference)(x, t, text, seconds), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("change", [{}, {"audio_channels": 1}, {"downsampling_ratios": [4, 2]}])
def test_the_autoencoder_equals_the_reference(change: dict) -> None:
    torch.manual_seed(2)
    reference = shaken(diffusers.AutoencoderOobleck(**OOBLECK | change))
    found, wave = ours(reference), torch.rand(2, (OOBLECK | change)["audio_channels"], 64) * 2 - 1
    with torch.no_grad():
        said = reference.encode(wave).latent_dist
        z = said.mode()
        torch.testing.assert_close(found.encode(wave), z, rtol=0, atol=1e-5)
        torch.testing.assert_close(found.distribution(wave).deviation, said.std, rtol=0, atol=1e-5)
        torch.testing.assert_close(found.decode(z), reference.decode(z).sample, rtol=0, atol=1e-5)


@pytest.mark.parametrize("change", [{}, {"conditioning_dim": T5["d_model"]}, {"min_value": 2, "max_value": 40}])
def test_the_projection_equals_the_reference(change: dict) -> None:
    torch.manual_seed(3)
    reference = shaken(diffusers.StableAudioProjectionModel(**PROJECTION | change))
    said = {"text_hidden_states": torch.randn(2, 3, T5["d_model"]), "start_seconds": torch.tensor([0.0, 3.5])}
    said["end_seconds"] = torch.tensor([47.5, 600.0])
    with torch.no_grad():
        expected, found = reference(**said), ours(reference)(**said)
    for name in expected:
        torch.testing.assert_close(getattr(found, name), expected[name], rtol=0, atol=1e-5)


def test_the_family_is_recognised(model: Model) -> None:
    denoiser, coder = model.parts.denoiser, model.parts.autoencoder
    assert (denoiser.family, denoiser.size, coder.media) == ("stable-audio", (CELLS * 8, 1), "audio")
    assert (denoiser.space.channels, denoiser.space.factor, denoiser.space.rate) == (4, 8, RATE)
    space = latent_space(dict(diffusers.AutoencoderOobleck(encoder_hidden_size=128).config), "unknown")
    assert (space.name, space.factor, space.rate) == ("stable-audio", 2048, 44_100)
    assert trained_size("StableAudioDiTModel", {"sample_size": 1024}, space) == (2_097_152, 1)


def sounding(model: Model, solver, seconds: float = 0.0, **options) -> torch.Tensor:
    latent = empty_for(model.parts.denoiser, seconds)
    done = sample(model.denoise(latent, **options), latent, solver, schedulers.Noise(generator()))
    return to_sound(model.vae, done.latent).data


CALL = {"guidance_scale": GUIDANCE, "num_inference_steps": STEPS, "output_type": "pt"}


@pytest.mark.parametrize("seconds", [0.0, 0.25])
@pytest.mark.parametrize("negative", [NEGATIVE, None], ids=["steered away", "free"])
def test_a_sound_is_the_reference_s(model: Model, seconds: float, negative: str | None) -> None:
    pipe = model.pipeline("StableAudioPipeline", EDM, {"prediction_type": "v_prediction"})
    call = CALL | {"prompt": PROMPT, "negative_prompt": negative, "audio_end_in_s": seconds or None}
    expected = pipe(**call, generator=generator()).audios
    prompts = {"positive": model.encode(PROMPT), "negative": model.encode(negative or "")}
    found = sounding(model, model.solver(EDM, {}), seconds, prompts=prompts)
    assert found.shape == (1, 2, round(seconds * RATE) or CELLS * 8)
    agree(found, expected)


def test_an_empty_prompt_may_be_read(model: Model) -> None:
    pipe = model.pipeline("StableAudioPipeline", EDM, {"prediction_type": "v_prediction"})
    expected = pipe(**CALL, prompt=PROMPT, negative_prompt="", generator=generator()).audios
    prompts = {"positive": model.encode(PROMPT), "negative": model.encode("", empty="text")}
    agree(sounding(model, model.solver(EDM, {}), prompts=prompts), expected)


def test_its_own_scheduler_walks_as_the_reference_s(model: Model) -> None:
    assert model.parts.scheduler.config["_class_name"] == COSINE
    expected = model.pipeline("StableAudioPipeline", COSINE, {})(**CALL, prompt=PROMPT, generator=generator()).audios
    prompts = {"positive": model.encode(PROMPT), "negative": model.encode("")}
    agree(sounding(model, model.solver(COSINE, {}), prompts=prompts), expected)


def test_the_graph_sounds_with_another_model_alone(model: Model, engine: Engine) -> None:
    flow = nodeflow.load(GRAPHS / "text-to-sound.json", engine=engine)
    given = {"prompt": PROMPT, "guidance": GUIDANCE, "seed": SEED, "steps": STEPS}
    found = flow(model=model.folder, seconds=0.25, **given).audio
    assert (found.data.shape, found.rate) == ((1, 2, 100), RATE)
    prompts = {"positive": model.encode(PROMPT), "negative": model.encode("")}
    wave = sounding(model, model.solver(COSINE, {}), 0.25, prompts=prompts)
    torch.testing.assert_close(found.data, wave / wave.abs().max() * 10 ** (-1 / 20), rtol=0, atol=1e-4)
    with pytest.raises(NodeflowError, match=r"NF414.*more than the model's 0.48 s"):
        flow(model=model.folder, seconds=9.0, **given)
    with pytest.raises(NodeflowError, match=r"NF211.*for sounds"):
        nodeflow.load(GRAPHS / "text-to-image.json", engine=engine)(model=model.folder, **given)


def test_a_sound_comes_back_as_long_as_it_was(model: Model) -> None:
    sound = Audio(torch.rand(1, 1, 50, generator=generator()) - 0.5, RATE)
    latent = to_latent(model.vae, sound, model.space)
    assert latent.data.shape == (1, 4, 7)
    assert to_sound(model.vae, latent).data.shape == (1, 2, 50)


def test_seconds_are_asked_for_by_who_can_say_them(model: Model) -> None:
    latent = empty_for(model.parts.denoiser)
    with pytest.raises(NodeflowError, match=r"NF414.*cannot say them"):
        model.denoise(latent, prompts={"positive": Conditioning(torch.zeros(1, 3, 12))})
    told = model.encode(PROMPT)
    told.more["seconds"] = torch.tensor([[0.0, 900.0]])
    with pytest.raises(NodeflowError, match=r"NF414.*0 to 512 s"):
        model.denoise(latent, prompts={"positive": told})


def test_blocks_may_be_left_out(model: Model) -> None:
    usual = sounding(model, model.solver(EDM, {}))
    around = functools.partial(SkipLayers, scale=3.0, layers=("transformer_blocks.0",), start=0.0, end=1.0)
    assert (sounding(model, model.solver(EDM, {}), around=around) - usual).abs().max() > 1e-3
