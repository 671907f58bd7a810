"""A model's name becomes handles, or one sentence that says what is wrong with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file
from tiny import write_json

from nodeflow.diffusion.checkpoints import facts, open_model
from nodeflow.diffusion.checkpoints.families import FAMILIES, known, recognised
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.checkpoints.save import save_model
from nodeflow.diffusion.checkpoints.spaces import latent_space, wave_length
from nodeflow.errors import NodeflowError
from nodeflow.values import LatentSpace


def fault(model, **options) -> NodeflowError:
    with pytest.raises(NodeflowError) as caught:
        open_model(str(model), **options)
    return caught.value


def edit(path, **changes) -> None:
    write_json(path, json.loads(path.read_text()) | changes)


@pytest.mark.parametrize(
    ("kind", "family", "size"),
    [
        ("text_to_image", "sd1", (16, 16)),
        ("inpaint", "sd1", (16, 16)),
        ("unconditional", "pixels", (16, 16)),
        ("unconditional_at_root", "pixels", (16, 16)),
        ("waves", "waves", (512, 1)),
        ("fp16", "sd1", (16, 16)),
        ("sharded", "sd1", (16, 16)),
    ],
)
def test_every_kind_of_checkpoint_opens(tiny, kind, family, size):
    parts = open_model(str(tiny(kind)))
    assert (parts.family, parts.denoiser.size) == (family, size)
    assert parts.denoiser.space == parts.autoencoder.space
    assert (parts.text_encoder is None) == (family in ("pixels", "waves"))
    assert parts.autoencoder.identity == (family in ("pixels", "waves"))
    assert parts.scheduler.config["_class_name"] in ("PNDMScheduler", "DDPMScheduler", "IPNDMScheduler")
    assert parts.denoiser.variant == ("fp16" if kind == "fp16" else "")
    assert parts.denoiser.task == ("inpaint" if kind == "inpaint" else "paint")


def test_a_model_of_waves_says_its_rate_or_is_refused(tiny, tmp_path):
    parts = open_model(str(tiny("waves")))
    assert parts.denoiser.space == LatentSpace("waves-8000", 2, 1)
    assert parts.autoencoder.media == "audio"
    folder = tiny.copy("waves", tmp_path)
    edit(folder / "unet" / "config.json", sample_rate=None)
    assert fault(folder).code == "NF406" and "sample_rate" in str(fault(folder))


@pytest.mark.parametrize(("seconds", "samples"), [(0, 512), (0.003, 24), (0.02, 160), (0.0201, 168)])
def test_waves_are_as_long_as_the_model_can_halve(tiny, seconds, samples):
    config = open_model(str(tiny("waves"))).denoiser.config
    assert wave_length(config, seconds) == samples
    with pytest.raises(NodeflowError, match=r"NF414.*0\.003 s or more"):
        wave_length(config, 0.002)


def test_a_model_of_waves_saved_is_the_same_model(tiny, tmp_path):
    parts = open_model(str(tiny("waves")))
    save_model(tmp_path / "model", parts.denoiser, parts.scheduler, parts.autoencoder)
    again = open_model(str(tmp_path / "model"))
    assert (again.family, again.denoiser.space) == ("waves", parts.denoiser.space)
    ours, theirs = (load_weights(model.denoiser).state_dict() for model in (again, parts))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours.keys() | theirs.keys())


@pytest.mark.parametrize("kind", ["sdxl", "sdxl_refiner", "stable_diffusion_2", "instruct"])
def test_a_model_saved_is_the_same_model(tiny, tmp_path, kind):
    parts = open_model(str(tiny(kind)))
    save_model(tmp_path / "model", parts.denoiser, parts.scheduler, parts.autoencoder, parts.text_encoder)
    again = open_model(str(tmp_path / "model"))
    assert (again.family, again.denoiser.task) == (parts.family, parts.denoiser.task)
    assert len(again.networks) == len(parts.networks) == {"sdxl": 4}.get(kind, 3)
    assert again.text_encoder.options == parts.text_encoder.options
    for ours, theirs in zip(again.networks, parts.networks, strict=True):
        states = [load_weights(handle).state_dict() for handle in (ours, theirs)]
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0].keys() | states[1].keys())


def test_facts_are_plain_data_from_headers(tiny):
    said = facts(str(tiny("text_to_image")))
    assert json.loads(json.dumps(said)) == said
    assert (said["denoiser"], said["autoencoder"], said["formats"]) == (
        "UNet2DConditionModel",
        "AutoencoderKL",
        ["F32"],
    )
    assert said["bytes"] == 4 * said["parameters"] > 100_000


def test_describing_a_model_needs_no_torch(tiny):
    script = (
        "import sys; from nodeflow.diffusion.checkpoints import facts; facts(sys.argv[1]);"
        "print({'torch', 'transformers', 'huggingface_hub'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", script, str(tiny())], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"


def test_embedded_models_are_found_by_name(tiny):
    parts = open_model("unconditional", search_folders=[tiny("unconditional").parent])
    assert parts.folder == tiny("unconditional")
    assert fault("other", search_folders=[parts.folder.parent]).code == "NF401"
    assert "unconditional" in str(fault("other", search_folders=[parts.folder.parent]))


@pytest.mark.parametrize("name", ["", "../x", "nothing", "a/b/c", "x y", "\0", "a" * 5000, "a--b/c..d", "~nobody/x"])
def test_names_that_lead_nowhere(name):
    assert fault(name).code == "NF401"


def test_known_spaces_have_names_and_others_their_digest():
    known = {"latent_channels": 4, "block_out_channels": [128, 256, 512, 512]}
    assert latent_space(known, "f" * 32).name == "sd1"
    assert latent_space(known | {"scaling_factor": 0.13025}, "f" * 32).name == "sdxl"
    flux = known | {"latent_channels": 16, "scaling_factor": 0.3611, "shift_factor": 0.1159}
    assert latent_space(flux, "f" * 32) == LatentSpace("flux", 16, 8, 0.3611, 0.1159)
    assert latent_space(known | {"scaling_factor": 0.5}, "f" * 32).name == "f" * 12


SD_PARTS = {"vae": "AutoencoderKL", "text_encoder": "CLIPTextModel"}
XL = {"addition_embed_type": "text_time", "use_linear_projection": True}


@pytest.mark.parametrize(
    ("config", "parts", "expected"),
    [
        ({}, SD_PARTS, "sd1"),
        ({"use_linear_projection": True}, SD_PARTS, "sd2"),
        (XL, SD_PARTS | {"text_encoder_2": "CLIPTextModelWithProjection"}, "sdxl"),
        (XL, {"vae": "AutoencoderKL", "text_encoder_2": "CLIPTextModelWithProjection"}, "sdxl-refiner"),
        ({}, {"vae": "SpectrogramAutoencoder"}, "sound"),
    ],
)
def test_families_by_configuration(config, parts, expected):
    assert recognised("UNet2DConditionModel", config, parts).name == expected


@pytest.mark.parametrize(("channels", "task"), [(4, "paint"), (8, "edit"), (9, "inpaint")])
def test_the_channels_tell_the_task(channels, task):
    assert known("sd1").task({"in_channels": channels}, 4) == task


def test_strange_denoisers_are_refused():
    with pytest.raises(NodeflowError, match=r"NF406.*a denoiser of 5 channels.*4 \(paint\) or 9 \(inpaint\)"):
        known("sd1").task({"in_channels": 5}, 4)
    with pytest.raises(NodeflowError, match="NF406"):
        recognised("HunyuanDiT2DModel", {}, SD_PARTS)
    with pytest.raises(NodeflowError, match=r"NF406.*beside AutoencoderDC"):
        recognised("UNet2DConditionModel", {}, {"vae": "AutoencoderDC"})


def test_families_have_names_of_their_own():
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)


# -- the wrong thing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "words"), [("vae", "an autoencoder"), ("unet", "denoiser"), ("text_encoder", "text encoder")]
)
def test_a_component_is_not_a_model(tiny, part, words):
    error = fault(tiny() / part)
    assert error.code == "NF404" and words in str(error)
    file = next((tiny() / part).glob("*.safetensors"))
    error = fault(file)
    assert error.code == "NF404" and words in str(error)


@pytest.mark.parametrize(
    ("name", "words", "code"),
    [
        ("lora_unet_down.lora_up.weight", "a LoRA", "NF404"),
        ("unet.to_q.lora.down.weight", "a LoRA", "NF404"),
        ("controlnet_cond_embedding.conv_in.weight", "a ControlNet", "NF404"),
        ("something.else", "no model that we know", "NF404"),
        ("model.diffusion_model.head.modulation", "the denoiser of Wan alone", "NF406"),
    ],
)
def test_a_single_file_says_what_it_is(tmp_path, name, words, code):
    save_file({name: torch.zeros(2)}, tmp_path / "x.safetensors")
    error = fault(tmp_path / "x.safetensors")
    assert error.code == code and words in str(error)


def test_folders_that_hold_no_model(tmp_path):
    assert fault(tmp_path).code == "NF401"
    save_file({"lora": torch.zeros(1)}, tmp_path / "pytorch_lora_weights.safetensors")
    assert fault(tmp_path).code == "NF404"
    write_json(tmp_path / "model_index.json", {"_class_name": "X", "vae": ["diffusers", "AutoencoderKL"]})
    assert fault(tmp_path).code == "NF404"
    write_json(tmp_path / "model_index.json", {"transformer": ["diffusers", "HunyuanDiT2DModel"]})
    assert fault(tmp_path).code == "NF406"


def test_all_faults_of_all_components_come_at_once(tiny, tmp_path):
    folder = tiny.copy("text_to_image", tmp_path)
    (folder / "unet" / "config.json").write_text("{")
    (folder / "scheduler" / "scheduler_config.json").unlink()
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    os.truncate(weights, weights.stat().st_size // 2)
    weights = folder / "text_encoder" / "model.safetensors"
    torch.save({}, weights)
    found = {(error.code, os.path.relpath(error.where, folder).split(os.sep)[0]) for error in fault(folder).faults}
    assert found == {("NF402", "unet"), ("NF402", "vae"), ("NF405", "text_encoder"), ("NF401", "scheduler")}


def test_missing_or_unfitting_text_encoders(tiny, tmp_path):
    folder = tiny.copy("text_to_image", tmp_path)
    edit(folder / "unet" / "config.json", cross_attention_dim=64)
    assert fault(folder).code == "NF404"
    edit(folder / "unet" / "config.json", addition_embed_type="text_time")
    assert "needs 2 text encoders, 1 are here" in str(fault(folder))
    edit(folder / "unet" / "config.json", addition_embed_type=None, cross_attention_dim=32)
    edit(folder / "model_index.json", tokenizer=[None, None])
    assert fault(folder).code == "NF408"
    edit(folder / "model_index.json", text_encoder=[None, None])
    assert fault(folder).code == "NF404"


def test_the_number_format_is_kept_for_the_loader(tiny):
    assert open_model(str(tiny())).denoiser.dtype == "auto"
    assert open_model(str(tiny()), dtype="bfloat16").autoencoder.dtype == "bfloat16"
