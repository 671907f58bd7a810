"""Models in single files: the same handles, weights and pictures as from their folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tiny_flows import write_t5_tokenizer

import nodeflow
from nodeflow.diffusion.adapters.patch import patched
from nodeflow.diffusion.checkpoints import marks
from nodeflow.diffusion.checkpoints.handles import ModelParts, facts, open_files, open_model
from nodeflow.diffusion.checkpoints.load import load_weights, weight_bytes
from nodeflow.diffusion.residency import Residency
from nodeflow.errors import NodeflowError
from tests import originals, singles, tiny
from tests.singles import original, text_file, write_folder

GRAPHS = Path(__file__).parents[3] / "graphs"
PROMPT = {"prompt": "a red heart", "steps": 2, "seed": 3}


@pytest.fixture(scope="module", params=["sd1", "sdxl", "sd3", "flux"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelParts, ModelParts]:
    root = tmp_path_factory.mktemp(request.param)
    folder = write_folder(root / "folder", request.param)
    save_file(original(request.param), root / "one.safetensors")
    return open_model(str(folder)), open_model(str(root / "one.safetensors"))


def test_a_single_file_loads_to_the_weights_of_its_folder(both: tuple[ModelParts, ModelParts]) -> None:
    folder, single = both
    assert single.family == folder.family
    for a, b in zip(folder.networks, single.networks, strict=True):
        assert (a.kind, Path(b.folder).name) == (b.kind, "one.safetensors")
        expected, got = load_weights(a).state_dict(), load_weights(b).state_dict()
        assert expected.keys() == got.keys()
        assert all(torch.equal(expected[name], got[name]) for name in expected)
        assert weight_bytes(b) == pytest.approx(weight_bytes(a), rel=5e-3)  # SD 3: less an identity that nobody stores


def test_a_single_file_paints_the_same_picture(both: tuple[ModelParts, ModelParts]) -> None:
    pictures = []
    for parts in both:
        flow = nodeflow.load(GRAPHS / "text-to-image.json")
        made = flow(model=str(parts.folder), width=16, height=16, **PROMPT)
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
    same = ("family", "denoiser", "autoencoder", "text_encoder", "formats")
    assert {key: folder[key] for key in same} == {key: single[key] for key in same}
    for key in ("parameters", "bytes"):
        assert single[key] == pytest.approx(folder[key], rel=5e-3)
    assert single["space"]["scale"] == folder["space"]["scale"]


def test_a_file_that_changed_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    state = original("sd1")
    save_file(state, path)
    handle = open_model(str(path)).denoiser
    save_file(state | {"more": torch.zeros(3)}, path)
    with pytest.raises(NodeflowError, match="NF402"):
        load_weights(handle)


def keep(state: originals.State, file: Path) -> Path:
    """Write a file where other tools keep such files."""
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(originals.prefixed(state, ""), file)
    return file


def same(one: ModelParts, other: ModelParts) -> bool:
    """Whether two models have the same weights."""
    for a, b in zip(one.networks, other.networks, strict=True):
        expected, got = load_weights(a).state_dict(), load_weights(b).state_dict()
        if expected.keys() != got.keys() or not all(torch.equal(expected[name], got[name]) for name in expected):
            return False
    return True


def split(name: str, root: Path) -> list[Path]:
    """The files of a model in the folders of ComfyUI: the denoiser's first."""
    state, configs = singles.states(name), {part: row[2] for part, row in singles.MODELS[name].items()}
    write = {"sd3": originals.sd3, "flux": originals.flux}
    denoiser = write[name](state["transformer"]) if name in write else originals.unet(state["unet"], configs["unet"])
    files = [keep(denoiser, root / "diffusion_models" / f"{name}.safetensors")]
    files += [keep(text_file(name, state, part), root / "text_encoders" / f"{part}.safetensors")
              for part in state if part.startswith("text_encoder")]  # fmt: skip
    return [*files, keep(originals.autoencoder(state["vae"], configs["vae"]), root / "vae" / "ae.safetensors")]


def through(files: list[Path], graph: str, to: Path, **inputs: Any) -> Any:
    """Run a template graph whose model comes from files."""
    document = json.loads((GRAPHS / f"{graph}.json").read_text())
    names = ("denoiser", "autoencoder", "text_encoder", "second", "third")
    values = dict(zip(names, [str(files[0]), str(files[-1]), *map(str, files[1:-1])], strict=False))
    document["nodes"]["load"] = {"type": "model/files", "version": 1, "values": values}
    del document["inputs"]["model"]
    (to / "graph.json").write_text(json.dumps(document))
    return nodeflow.load(to / "graph.json")(**PROMPT, **inputs)


@pytest.mark.parametrize("name", ["sd1", "sd3", "flux"])
def test_split_files_make_the_same_model(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "_CLIP_L", 64)  # CLIP G is told by its width
    folder, files = write_folder(tmp_path / "folder", name), split(name, tmp_path)
    assert same(open_model(str(folder)), open_files(files))
    if name == "flux":
        found = through(files, "text-to-image", tmp_path, width=16, height=16).image.data
        whole = nodeflow.load(GRAPHS / "text-to-image.json")(model=str(folder), **PROMPT, width=16, height=16)
        torch.testing.assert_close(found, whole.image.data, rtol=0, atol=5e-6)


def test_a_file_of_stable_audio_and_one_of_t5_make_the_same_sound(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "folder", "stable-audio")
    words = text_file("stable-audio", singles.states("stable-audio"), "text_encoder")
    files = [keep(original("stable-audio"), tmp_path / "checkpoints" / "model.safetensors"),
             keep(words, tmp_path / "text_encoders" / "t5_base.safetensors")]  # fmt: skip
    with pytest.raises(NodeflowError, match="it lacks text encoder; give the files of these parts"):
        open_model(str(files[0]))
    assert same(open_model(str(folder)), open_files(files))
    given = {"seconds": 0.01, "negative_prompt": "", "guidance": 2.0}
    found = through([*files, files[0]], "text-to-sound", tmp_path, **given)
    whole = nodeflow.load(GRAPHS / "text-to-sound.json")(model=str(folder), **PROMPT, **given)
    torch.testing.assert_close(found.audio.data, whole.audio.data, rtol=0, atol=1e-5)


def test_a_t5_with_words_of_its_own_needs_its_tokenizer_beside_it(tmp_path: Path) -> None:
    files = split("flux", tmp_path)
    small = singles.T5 | {"vocab_size": 192}
    keep(dict(tiny.seeded("T5EncoderModel", small).state_dict()), files[2])
    with pytest.raises(NodeflowError, match=f"NF408 .*put its tokenizer.json or spiece.model into {files[2].parent}"):
        open_files(files)
    write_t5_tokenizer(files[2].parent)
    assert open_files(files).text_encoder is not None


def test_files_that_are_no_parts_are_named(tmp_path: Path) -> None:
    denoiser, words, coder = split("sd1", tmp_path)
    with pytest.raises(NodeflowError, match="it lacks text encoder, autoencoder"):
        open_model(str(denoiser))
    with pytest.raises(NodeflowError, match="not a text encoder or an autoencoder"):
        open_files([denoiser, denoiser])
    with pytest.raises(NodeflowError, match="this is an autoencoder of 4 channels, not a model"):
        open_model(str(coder))
    with pytest.raises(NodeflowError, match="this is the text encoder T5, which a sd1 model does not use"):
        open_files([denoiser, words, coder, split("flux", tmp_path / "flux")[2]])


def test_what_a_file_says_of_its_prediction_reaches_the_scheduler(tmp_path: Path) -> None:
    state = original("sd1")
    save_file(state | {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}, tmp_path / "v.safetensors")
    config = open_model(str(tmp_path / "v.safetensors")).scheduler.config
    assert (config["prediction_type"], config["rescale_betas_zero_snr"]) == ("v_prediction", True)
    save_file(state, tmp_path / "plain.safetensors")
    assert open_model(str(tmp_path / "plain.safetensors")).scheduler.config["prediction_type"] == "epsilon"
    (tmp_path / "plain.yaml").write_text('model:\n  params:\n    parameterization: "v"\n')
    assert open_model(str(tmp_path / "plain.safetensors")).scheduler.config["prediction_type"] == "v_prediction"


def test_hostile_shapes_are_one_sentence(tmp_path: Path) -> None:
    for name in ("input_blocks.0.0.weight", "middle_block.1.transformer_blocks.0.attn2.to_k.weight", "out.2.weight"):
        state = original("sd1")
        state[f"model.diffusion_model.{name}"] = torch.zeros(2)
        path = tmp_path / f"{name}.safetensors"
        save_file(state, path)
        with pytest.raises(NodeflowError, match=r"NF40[2467]"):
            load_weights(open_model(str(path)).denoiser)


def test_a_folder_of_plain_names_finds_files_too(tmp_path: Path) -> None:
    save_file(original("sd1"), tmp_path / "mine.safetensors")
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
    state = original("sd1")
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
    save_file(eight_bits(original("sd1"), True), tmp_path / "eight.safetensors")
    name = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k"
    down, up = torch.randn(2, 64), torch.randn(64, 2)
    save_file({f"unet.{name}.lora_A.weight": down, f"unet.{name}.lora_B.weight": up}, tmp_path / "lora.safetensors")
    handle = open_model(str(tmp_path / "eight.safetensors")).denoiser
    before: Any = load_weights(handle).get_submodule(name)
    after: Any = load_weights(patched(handle, tmp_path / "lora.safetensors", 0.5)).get_submodule(name)
    assert after.weight_data.dtype == torch.float8_e4m3fn
    torch.testing.assert_close(after.weight, before.weight + 0.5 * up @ down)


def test_a_cut_file_says_so(tmp_path: Path) -> None:
    save_file(original("sdxl"), tmp_path / "one.safetensors")
    data = (tmp_path / "one.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    assert len(json.loads(data[8 : 8 + length])) > 200
    (tmp_path / "cut.safetensors").write_bytes(data[: 8 + length])
    with pytest.raises(NodeflowError, match="the file is cut"):
        open_model(str(tmp_path / "cut.safetensors"))
