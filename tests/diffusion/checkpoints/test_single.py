"""Models in single files: the same handles, weights and pictures as from their folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from nodeflow.diffusion.adapters.patch import patched
from nodeflow.diffusion.checkpoints.handles import ModelParts, facts, open_files, open_model
from nodeflow.diffusion.checkpoints.load import load_weights, weight_bytes
from nodeflow.diffusion.checkpoints.single import _TOKENIZERS
from nodeflow.diffusion.residency import Residency
from nodeflow.errors import NodeflowError
from tests import originals, tiny

UNET: dict[str, Any] = {
    "_class_name": "UNet2DConditionModel", "sample_size": 64, "in_channels": 4, "out_channels": 4,
    "block_out_channels": [32, 64], "layers_per_block": 1, "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"], "cross_attention_dim": 64, "attention_head_dim": 8,
}  # fmt: skip
XL_UNET = UNET | {
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"], "cross_attention_dim": 192,
    "block_out_channels": [64, 128],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"], "attention_head_dim": [1, 2], "use_linear_projection": True,
    "transformer_layers_per_block": [1, 2], "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 96 + 6 * 256, "sample_size": 128,
}  # fmt: skip
VAE: dict[str, Any] = {
    "_class_name": "AutoencoderKL", "sample_size": 16, "in_channels": 3, "out_channels": 3, "latent_channels": 4,
    "block_out_channels": [32, 64], "down_block_types": ["DownEncoderBlock2D"] * 2, "layers_per_block": 1,
    "up_block_types": ["UpDecoderBlock2D"] * 2, "scaling_factor": 0.18215,
}  # fmt: skip
TEXT: dict[str, Any] = {
    "vocab_size": 49408, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 1, "hidden_act": "quick_gelu", "projection_dim": 64, "eos_token_id": 49407,
}  # fmt: skip
BIG_TEXT = TEXT | {"hidden_size": 128, "num_attention_heads": 2, "hidden_act": "gelu", "projection_dim": 96}

Parts = dict[str, tuple[str, str, dict[str, Any]]]
SD: Parts = {
    "unet": ("diffusers", "UNet2DConditionModel", UNET),
    "vae": ("diffusers", "AutoencoderKL", VAE),
    "text_encoder": ("transformers", "CLIPTextModel", TEXT),
}
XL: Parts = {
    "unet": ("diffusers", "UNet2DConditionModel", XL_UNET),
    "vae": ("diffusers", "AutoencoderKL", VAE | {"scaling_factor": 0.13025}),
    "text_encoder": ("transformers", "CLIPTextModel", TEXT),
    "text_encoder_2": ("transformers", "CLIPTextModelWithProjection", BIG_TEXT),
}
MODELS = {"sd": SD, "sdxl": XL}


def write_folder(folder: Path, parts: Parts, scheduler: dict[str, Any] = tiny.SD_SCHEDULER) -> Path:
    """A model in the layout of the Hub, with CLIP's own tokenizers."""
    index: dict[str, Any] = {"_class_name": "DiffusionPipeline", "scheduler": ["diffusers", scheduler["_class_name"]]}
    index["force_zeros_for_empty_prompt"] = "text_encoder_2" in parts
    for seed, (name, (library, kind, config)) in enumerate(parts.items()):
        tiny.write_network(folder / name, library, kind, config, seed)
        index[name] = [library, kind]
        if library == "transformers":
            place = folder / name.replace("text_encoder", "tokenizer")
            place.symlink_to(_TOKENIZERS / ("open-clip" if config["hidden_act"] == "gelu" else "clip"))
            index[place.name] = ["transformers", "CLIPTokenizer"]
    tiny.write_json(folder / "scheduler" / "scheduler_config.json", scheduler)
    tiny.write_json(folder / "model_index.json", index)
    return folder


def states(parts: Parts) -> dict[str, originals.State]:
    return {name: dict(tiny.seeded(kind, config, seed).state_dict())
            for seed, (name, (_, kind, config)) in enumerate(parts.items())}  # fmt: skip


def original(parts: Parts) -> originals.State:
    """The same weights as the makers' single files have them."""
    state, is_xl = states(parts), "text_encoder_2" in parts
    first = "conditioner.embedders.0.transformer." if is_xl else "cond_stage_model.transformer."
    made = originals.prefixed(originals.unet(state["unet"], parts["unet"][2]), "model.diffusion_model.")
    made |= originals.prefixed(originals.autoencoder(state["vae"], parts["vae"][2]), "first_stage_model.")
    made |= originals.prefixed(state["text_encoder"], first)
    made[f"{first}text_model.embeddings.position_ids"] = torch.arange(77)[None]
    made["model_ema.decay"] = torch.tensor(0.9)
    if is_xl:
        made |= originals.prefixed(originals.open_clip(state["text_encoder_2"]), "conditioner.embedders.1.model.")
    return made


@pytest.fixture(scope="module", params=MODELS)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelParts, ModelParts]:
    root = tmp_path_factory.mktemp(request.param)
    parts = MODELS[request.param]
    scheduler = tiny.XL_SCHEDULER if request.param == "sdxl" else tiny.SD_SCHEDULER
    folder = write_folder(root / "folder", parts, scheduler)
    save_file(original(parts), root / "one.safetensors")
    return open_model(str(folder)), open_model(str(root / "one.safetensors"))


def test_a_single_file_loads_to_the_weights_of_its_folder(both: tuple[ModelParts, ModelParts]) -> None:
    folder, single = both
    assert single.family == folder.family
    for a, b in zip(folder.networks, single.networks, strict=True):
        assert (a.kind, Path(b.folder).name) == (b.kind, "one.safetensors")
        expected, got = load_weights(a).state_dict(), load_weights(b).state_dict()
        assert expected.keys() == got.keys()
        assert all(torch.equal(expected[name], got[name]) for name in expected)
        assert weight_bytes(b) == weight_bytes(a)


def test_a_single_file_paints_the_same_picture(both: tuple[ModelParts, ModelParts]) -> None:
    import nodeflow

    pictures = []
    for parts in both:
        flow = nodeflow.load(Path(__file__).parents[3] / "graphs" / "text-to-image.json")
        made = flow(model=str(parts.folder), prompt="a red heart", steps=2, seed=3, width=32, height=32)
        pictures.append(made.image.data)
    # The weights are equal to the bit; where they lie in memory decides how sums over them are rounded.
    torch.testing.assert_close(*pictures, rtol=0, atol=5e-6)


def test_parts_of_one_file_have_their_own_digests(both: tuple[ModelParts, ModelParts]) -> None:
    single = both[1]
    digests = [network.digest for network in single.networks]
    assert len(set(digests)) == len(digests)
    residency = Residency({})
    with residency.weights(single.denoiser, "cpu", "float32") as a, residency.weights(single.denoiser, "cpu") as b:
        assert a is b


def test_the_facts_of_a_file_are_those_of_its_folder(both: tuple[ModelParts, ModelParts]) -> None:
    folder, single = (facts(str(parts.folder)) for parts in both)
    same = ("family", "denoiser", "autoencoder", "text_encoder", "parameters", "bytes", "formats")
    assert {key: folder[key] for key in same} == {key: single[key] for key in same}
    assert single["space"]["scale"] == folder["space"]["scale"]


def test_a_file_that_changed_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    state = original(SD)
    save_file(state, path)
    handle = open_model(str(path)).denoiser
    save_file(state | {"more": torch.zeros(3)}, path)
    with pytest.raises(NodeflowError, match="NF402"):
        load_weights(handle)


def test_split_files_make_the_same_model(tmp_path: Path) -> None:
    folder, state = open_model(str(write_folder(tmp_path / "folder", SD))), states(SD)
    files = {
        "unet": originals.unet(state["unet"], UNET),
        "vae": originals.autoencoder(state["vae"], VAE),
        "text_encoder": state["text_encoder"],
    }
    for name, tensors in files.items():
        save_file(originals.prefixed(tensors, ""), tmp_path / f"{name}.safetensors")
    made = open_files([tmp_path / f"{name}.safetensors" for name in files])
    for a, b in zip(folder.networks, made.networks, strict=True):
        expected, got = load_weights(a).state_dict(), load_weights(b).state_dict()
        assert all(torch.equal(expected[name], got[name]) for name in expected)
    with pytest.raises(NodeflowError, match="it lacks text encoder, autoencoder"):
        open_model(str(tmp_path / "unet.safetensors"))
    with pytest.raises(NodeflowError, match="not a text encoder or an autoencoder"):
        open_files([tmp_path / "unet.safetensors", tmp_path / "unet.safetensors"])
    with pytest.raises(NodeflowError, match="this is an autoencoder of 4 channels, not a model"):
        open_model(str(tmp_path / "vae.safetensors"))


def test_what_a_file_says_of_its_prediction_reaches_the_scheduler(tmp_path: Path) -> None:
    state = original(SD)
    save_file(state | {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}, tmp_path / "v.safetensors")
    config = open_model(str(tmp_path / "v.safetensors")).scheduler.config
    assert (config["prediction_type"], config["rescale_betas_zero_snr"]) == ("v_prediction", True)
    save_file(state, tmp_path / "plain.safetensors")
    assert open_model(str(tmp_path / "plain.safetensors")).scheduler.config["prediction_type"] == "epsilon"
    (tmp_path / "plain.yaml").write_text('model:\n  params:\n    parameterization: "v"\n')
    assert open_model(str(tmp_path / "plain.safetensors")).scheduler.config["prediction_type"] == "v_prediction"


def test_hostile_shapes_are_one_sentence(tmp_path: Path) -> None:
    for name in ("input_blocks.0.0.weight", "middle_block.1.transformer_blocks.0.attn2.to_k.weight", "out.2.weight"):
        state = original(SD)
        state[f"model.diffusion_model.{name}"] = torch.zeros(2)
        path = tmp_path / f"{name}.safetensors"
        save_file(state, path)
        with pytest.raises(NodeflowError, match=r"NF40[2467]"):
            load_weights(open_model(str(path)).denoiser)


def test_a_folder_of_plain_names_finds_files_too(tmp_path: Path) -> None:
    save_file(original(SD), tmp_path / "mine.safetensors")
    assert open_model("mine", search_folders=[tmp_path]).family == "sd1"


# -- weights of few bits -----------------------------------------------------------------------------------------------


def eight_bits(state: originals.State, scaled: bool) -> originals.State:
    """The denoiser's matrices in float8, as ComfyUI keeps them."""
    made: originals.State = {}
    for name, tensor in state.items():
        if name.startswith("model.diffusion_model.") and name.endswith(".weight") and tensor.ndim == 2:
            scale = tensor.abs().max() / 448 if scaled else torch.tensor(1.0)
            made[name] = (tensor / scale).to(torch.float8_e4m3fn)
            if scaled:
                made[name.replace(".weight", ".scale_weight")] = scale
        else:
            made[name] = tensor
    return made | ({"model.diffusion_model.scaled_fp8": torch.zeros(2).to(torch.float8_e4m3fn)} if scaled else {})


@pytest.mark.parametrize("scaled", [False, True])
def test_float8_weights_stay_so_and_run(tmp_path: Path, scaled: bool) -> None:
    state = original(SD)
    save_file(eight_bits(state, scaled), tmp_path / "eight.safetensors")
    save_file(state, tmp_path / "full.safetensors")
    handle = open_model(str(tmp_path / "eight.safetensors")).denoiser
    net, full = load_weights(handle), load_weights(open_model(str(tmp_path / "full.safetensors")).denoiser)
    layer: Any = net.get_submodule("mid_block.attentions.0.transformer_blocks.0.attn2.to_k")
    assert layer.weight_data.dtype == torch.float8_e4m3fn
    assert weight_bytes(handle) < 0.8 * sum(tensor.nbytes for tensor in full.state_dict().values())
    expected, got = full.state_dict(), net.state_dict()
    errors = [(expected[name] - got[name]).abs().max() / expected[name].abs().max() for name in expected]
    assert max(errors) < 0.07
    x, t, states = torch.randn(1, 4, 8, 8), torch.tensor([500]), torch.randn(1, 5, 64)
    full.load_state_dict(got)
    torch.testing.assert_close(net(x, t, states), full(x, t, states))


def test_a_lora_changes_a_stored_weight_without_expanding_it(tmp_path: Path) -> None:
    save_file(eight_bits(original(SD), True), tmp_path / "eight.safetensors")
    name = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k"
    down, up = torch.randn(2, 64), torch.randn(64, 2)
    save_file({f"unet.{name}.lora_A.weight": down, f"unet.{name}.lora_B.weight": up}, tmp_path / "lora.safetensors")
    handle = open_model(str(tmp_path / "eight.safetensors")).denoiser
    before: Any = load_weights(handle).get_submodule(name)
    after: Any = load_weights(patched(handle, tmp_path / "lora.safetensors", 0.5)).get_submodule(name)
    assert after.weight_data.dtype == torch.float8_e4m3fn
    torch.testing.assert_close(after.weight, before.weight + 0.5 * up @ down)


def test_a_cut_file_says_so(tmp_path: Path) -> None:
    save_file(original(XL), tmp_path / "one.safetensors")
    data = (tmp_path / "one.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    assert len(json.loads(data[8 : 8 + length])) > 200
    (tmp_path / "cut.safetensors").write_bytes(data[: 8 + length])
    with pytest.raises(NodeflowError, match="the file is cut"):
        open_model(str(tmp_path / "cut.safetensors"))
