"""Handles become networks: right weights, one copy, nothing initialised, strict about what does not fit."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import shard, write_json

from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.checkpoints.load import load_weights, read_tensors, weight_bytes
from nodeflow.errors import NodeflowError

WEIGHTS = "diffusion_pytorch_model.safetensors"


def predict(model, dtype="float32"):
    """What a model's denoiser says about a fixed input."""
    net = load_weights(open_model(str(model)).denoiser, dtype=dtype)
    torch.manual_seed(0)
    x, states = torch.randn(2, 4, 8, 8), torch.randn(2, 7, 32)
    return net(x, torch.tensor([10, 900]), states)


def fault(handle, **options) -> NodeflowError:
    with pytest.raises(NodeflowError) as caught:
        load_weights(handle, **options)
    return caught.value


def reopened(folder):
    return open_model(str(folder)).denoiser


@pytest.mark.parametrize("kind", ["text_to_image", "fp16", "unconditional", "unconditional_at_root", "sharded"])
def test_the_weights_are_those_of_the_files(tiny, kind):
    parts = open_model(str(tiny(kind)))
    for handle in filter(None, (parts.denoiser, parts.text_encoder, parts.autoencoder)):
        net = load_weights(handle)
        assert not net.training and not any(p.requires_grad for p in net.parameters())
        if not handle.folder:
            continue
        stored = {}
        for path in tiny.root.joinpath(handle.folder).glob("*.safetensors"):
            stored |= load_file(path)
        assert net.state_dict().keys() == stored.keys()
        assert all(torch.equal(tensor, stored[name].float()) for name, tensor in net.state_dict().items())


def test_shards_and_half_precision_are_the_same_model(tiny):
    plain = predict(tiny("text_to_image"))
    assert torch.equal(predict(tiny("sharded")), plain)
    assert torch.allclose(predict(tiny("fp16")), plain, atol=2e-2)
    assert not torch.equal(predict(tiny("fp16")), plain)


@pytest.mark.parametrize("spelling", ["{}.safetensors.index.fp16.json", "{}.fp16.index.json"])
def test_shards_of_a_variant_in_every_spelling(tiny, tmp_path, spelling):
    folder = tiny.copy("fp16", tmp_path)
    stem = WEIGHTS.partition(".")[0]
    single = (folder / "unet" / f"{stem}.fp16.safetensors").rename(folder / "unet" / WEIGHTS)
    shard(single, 2, "fp16")
    (folder / "unet" / f"{stem}.safetensors.index.fp16.json").rename(folder / "unet" / spelling.format(stem))
    assert torch.equal(predict(folder), predict(tiny("fp16")))


def test_variants_and_plain_files_mix(tiny, tmp_path):
    folder = tiny.copy("text_to_image", tmp_path)
    half = {name: tensor.half() for name, tensor in load_file(folder / "unet" / WEIGHTS).items()}
    save_file(half, folder / "unet" / WEIGHTS.replace(".", ".fp16.", 1))
    parts = open_model(str(folder), variant="fp16")
    assert (parts.denoiser.variant, parts.autoencoder.variant) == ("fp16", "")


@pytest.mark.parametrize(("dtype", "tolerance"), [("float16", 0.02), ("bfloat16", 0.1)])
def test_formats(tiny, dtype, tolerance):
    net = load_weights(open_model(str(tiny())).denoiser, dtype=dtype)
    assert {tensor.dtype for tensor in net.state_dict().values()} == {getattr(torch, dtype)}
    stored = load_file(tiny() / "unet" / WEIGHTS)
    assert all(torch.equal(net.state_dict()[name], tensor.to(net.dtype)) for name, tensor in stored.items())


def test_nothing_is_initialised(tiny, monkeypatch):
    """No tensor with memory is ever filled with starting values, and no random number is drawn."""

    def refuse(tensor, *args, **kwargs):
        assert tensor.is_meta, "weights were initialised only to be thrown away"
        return tensor

    handles = [open_model(str(tiny())).denoiser, open_model(str(tiny("unconditional"))).denoiser]
    for name in ("kaiming_uniform_", "uniform_", "normal_", "zeros_", "ones_", "xavier_uniform_"):
        monkeypatch.setattr(torch.nn.init, name, refuse)
    before = torch.get_rng_state()
    for handle in handles:
        load_weights(handle)
    assert torch.equal(torch.get_rng_state(), before)


def test_loading_does_not_import_the_compiler(tiny):
    """Starting values on the meta device would: two seconds of every start."""
    script = (
        "import sys; from nodeflow.diffusion.checkpoints import open_model;"
        "from nodeflow.diffusion.checkpoints.load import load_weights; parts = open_model(sys.argv[1]);"
        "[load_weights(part) for part in (parts.denoiser, parts.autoencoder, parts.text_encoder)];"
        "print({'torch._dynamo', 'sympy', 'transformers', 'diffusers'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", script, str(tiny())], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"


def test_the_file_is_mapped_and_never_written(tiny, tmp_path):
    folder = tiny.copy("text_to_image", tmp_path)
    before = (folder / "unet" / WEIGHTS).read_bytes()
    net = load_weights(reopened(folder))
    with torch.no_grad():
        for tensor in net.parameters():
            tensor.zero_()
    assert (folder / "unet" / WEIGHTS).read_bytes() == before
    assert torch.equal(predict(folder), predict(tiny()))


def test_two_names_of_one_tensor_come_back(tmp_path):
    path = tmp_path / "x.safetensors"
    save_file({"kept": torch.ones(3)}, path, {"dropped": "kept", "format": "pt"})
    state = read_tensors((path,), "cpu", torch.float32)
    assert state.keys() == {"kept", "dropped"} and state["kept"] is state["dropped"]


def test_empty_and_odd_tensors(tmp_path):
    path = tmp_path / "x.safetensors"
    stored = {"none": torch.empty(0, 3), "bytes": torch.arange(3, dtype=torch.uint8), "one": torch.tensor(2.0)}
    save_file(stored, path)
    state = read_tensors((path,), "cpu", torch.float16)
    assert state["none"].shape == (0, 3) and state["one"] == 2 and state["bytes"].dtype == torch.uint8
    assert read_tensors((), "cpu", torch.float16) == {}


# -- faults ------------------------------------------------------------------------------------------------------


def test_weights_that_do_not_fit_their_configuration(tiny, tmp_path):
    folder = tiny.copy("text_to_image", tmp_path)
    config = json.loads((folder / "unet" / "config.json").read_text())
    write_json(folder / "unet" / "config.json", config | {"block_out_channels": [16, 64]})
    assert fault(reopened(folder)).code == "NF407"
    write_json(folder / "unet" / "config.json", config | {"block_out_channels": [16, -1]})
    assert fault(reopened(folder)).code == "NF406"
    write_json(folder / "unet" / "config.json", config)
    state = load_file(folder / "unet" / WEIGHTS)
    save_file({name: tensor for name, tensor in state.items() if name != "conv_in.bias"}, folder / "unet" / WEIGHTS)
    error = fault(reopened(folder))
    assert error.code == "NF407" and "conv_in.bias" in str(error)
    save_file(state | {"conv_in.more": torch.zeros(1)}, folder / "unet" / WEIGHTS)
    assert fault(reopened(folder)).code == "NF407"


def test_a_tensor_in_two_shards_is_refused(tiny, tmp_path):
    folder = tiny.copy("sharded", tmp_path)
    files = sorted((folder / "unet").glob("*.safetensors"))
    save_file(load_file(files[0]) | load_file(files[1]), files[0])
    assert fault(reopened(folder)).code == "NF402"


def test_weights_that_changed_after_opening_are_refused(tiny, tmp_path):
    folder = tiny.copy("text_to_image", tmp_path)
    handle = reopened(folder)
    state = load_file(folder / "unet" / WEIGHTS)
    save_file({name: tensor + 1 for name, tensor in state.items()}, folder / "unet" / WEIGHTS)
    assert fault(handle).code == "NF402"


def test_what_cannot_be_loaded(tiny):
    handle = open_model(str(tiny())).denoiser
    assert fault(handle, dtype="float8").code == "NF412"
    assert fault(dataclasses.replace(handle, kind="NoSuchModel")).code == "NF406"
    encoder = open_model(str(tiny())).text_encoder
    for kind in ("NoSuchModel", "logging", "AutoTokenizer"):
        assert fault(dataclasses.replace(encoder, kind=kind)).code == "NF406"


def test_pixels_need_no_weights(tiny):
    handle = open_model(str(tiny("unconditional"))).autoencoder
    assert isinstance(load_weights(handle), torch.nn.Identity)
    assert weight_bytes(handle) == 0


def test_old_names_of_attention_are_understood(tiny, tmp_path):
    folder = tiny.copy("unconditional", tmp_path)
    state = load_file(folder / "unet" / WEIGHTS)
    for new, old in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")):
        state = {name.replace(f".{new}.", f".{old}."): tensor for name, tensor in state.items()}
    assert any(".proj_attn." in name for name in state)
    save_file(state, folder / "unet" / WEIGHTS)
    old, new = load_weights(reopened(folder)), load_weights(reopened(tiny("unconditional")))
    assert all(torch.equal(a, b) for a, b in zip(old.state_dict().values(), new.state_dict().values(), strict=True))


MEASURE = """
import resource, sys, torch
from nodeflow.values import TextEncoder
from nodeflow.diffusion.checkpoints.identity import digest
from nodeflow.diffusion.checkpoints import load
from pathlib import Path
folder, dtype = sys.argv[1:]
import nodeflow.diffusion.models.clip_text
config = dict(vocab_size=60_000, hidden_size=256, num_hidden_layers=1, num_attention_heads=4)
files = [Path(folder) / "model.safetensors"]
handle = TextEncoder(folder, "CLIPTextModel", config, digest(files))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
net = load.load_weights(handle, "cpu", dtype)
total = sum(p.double().sum().item() if p.numel() < 1e6 else p[:100].sum().item() + sum(
    row.sum().item() for row in p.split(1000)) for p in net.parameters())
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / load.weight_bytes(handle, dtype))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is counted otherwise elsewhere")
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_peak_memory_is_one_copy(tmp_path, dtype):
    from nodeflow.diffusion.models import model_class

    config = {"vocab_size": 60_000, "hidden_size": 256, "num_hidden_layers": 1, "num_attention_heads": 4}
    net = model_class("CLIPTextModel").from_config(config)
    save_file(net.state_dict(), tmp_path / "model.safetensors")
    said = subprocess.run([sys.executable, "-c", MEASURE, tmp_path, dtype], capture_output=True, text=True, check=True)
    assert float(said.stdout) < 1.25
