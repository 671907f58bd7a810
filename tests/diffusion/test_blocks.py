"""Laws of strengths by block: what a text means for a layer, what it refuses and where, what is shared in memory."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from nodeflow.diffusion.adapters.blocks import blocks_of, shares
from nodeflow.diffusion.adapters.fits import made_for
from nodeflow.diffusion.adapters.patch import patched
from nodeflow.diffusion.checkpoints import open_model, reading
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.residency import Residency
from nodeflow.errors import NodeflowError

UNET = ("down_blocks.0", "down_blocks.1", "mid_block", "up_blocks.0", "up_blocks.1")
MIDDLE = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
FIRST = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
NUMBER = st.floats(-10, 10, allow_nan=False)


def lora(folder: Path, layers: tuple[tuple[str, int], ...] = ((MIDDLE, 32), (FIRST, 16)), name: str = "a") -> Path:
    draw = torch.Generator().manual_seed(1)
    tensors = {}
    for layer, width in layers:
        tensors[f"unet.{layer}.lora_A.weight"] = torch.randn(2, width, generator=draw)
        tensors[f"unet.{layer}.lora_B.weight"] = torch.randn(width, 2, generator=draw)
    save_file(tensors, folder / f"{name}.safetensors")
    return folder / f"{name}.safetensors"


@pytest.fixture
def parts(tiny):
    return open_model(str(tiny("text_to_image")), dtype="float32")


@given(a=NUMBER, b=NUMBER, c=NUMBER, rest=NUMBER)
def test_the_longest_name_counts(a, b, c, rest):
    told = shares(f"in: {a}, down_blocks.1: {b}\n\ndown_blocks.1.resnets: {c}, rest: {rest}", UNET)
    assert told.of("down_blocks.0.resnets.0.conv1") == a
    assert told.of("down_blocks.1.attentions.0.norm") == b
    assert told.of("down_blocks.1.resnets.0.conv1") == c
    assert told.of("down_blocks.10.x") == a and told.of("conv_in") == told.of("mid_block.x") == rest


def test_nothing_said_is_everything():
    assert shares("", ()).of("anything") == shares(" \n , ", UNET).of("mid_block.x") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("in: 1\nmdi: 2", r"line 2.*'mdi' names no block"),
        ("in: 1,\n\nmid 1", r"line 3.*'mid 1' is no block and number"),
        ("mid: high", r"line 1.*'high' is no number"),
        ("mid: nan", "'nan' is no number"),
        ("mid: 11", "from -10 to 10"),
        ("mid: 1\nmid_block: 2", r"line 2.*mid_block is named twice"),
        ("down_blocks.7: 1", r"in, mid, out, down_blocks\.0 to 1, mid_block, up_blocks\.0 to 1, or rest"),
        ("single: 1", "names no block of this model"),
    ],
)
def test_what_means_nothing_is_refused_by_its_line(text, said):
    with pytest.raises(NodeflowError) as caught:
        shares(text, UNET)
    line = caught.value.faults[0].line
    assert "NF205" in line and re.search(said, line, re.DOTALL), line


def test_families_have_their_own_blocks():
    assert blocks_of("FluxTransformer2DModel", {"num_layers": 1, "num_single_layers": 2}) == (
        "transformer_blocks.0", "single_transformer_blocks.0", "single_transformer_blocks.1")  # fmt: skip
    assert shares("double: 0", blocks_of("SD3Transformer2DModel", {})).of("transformer_blocks.17.attn.to_q") == 0
    assert blocks_of("Unheard", {}) == ()
    with pytest.raises(NodeflowError, match="not known"):
        shares("mid: 1", ())


def test_each_block_gets_its_share(parts, tmp_path):
    path = lora(tmp_path)
    nets = [load_weights(patched(parts.denoiser, path, 2.0, text)) for text in ("", "in: 0, mid: 0.25", "rest: 0")]
    plain = load_weights(parts.denoiser)

    def change(net, layer):
        return net.get_submodule(layer).weight - plain.get_submodule(layer).weight

    full, some, none = nets
    torch.testing.assert_close(change(some, MIDDLE), 0.25 * change(full, MIDDLE), atol=1e-5, rtol=0)
    assert not change(some, FIRST).any() and change(full, FIRST).any()
    assert not change(none, MIDDLE).any()


def test_a_name_without_layers_is_refused_when_the_network_is_there(parts, tmp_path):
    handle = patched(parts.denoiser, lora(tmp_path), 1.0, "down_blocks.0.attentions.9: 1")
    with pytest.raises(NodeflowError, match=r"NF407.*no down_blocks\.0\.attentions\.9"):
        load_weights(handle)


def test_another_strength_reads_no_weights_and_copies_what_it_changes_alone(parts, tmp_path, monkeypatch):
    read = []
    real = reading.read_tensors
    monkeypatch.setattr("nodeflow.diffusion.checkpoints.load.read_tensors", lambda *a: read.append(a) or real(*a))
    one, two = lora(tmp_path), lora(tmp_path, ((FIRST, 16),), "b")
    lender = Residency({})
    handles = [parts.denoiser, *(patched(parts.denoiser, one, s) for s in (0.5, 1.0)),
               patched(patched(parts.denoiser, one, 1.0, "in: 0"), two, 0.3)]  # fmt: skip
    held = []
    for handle in handles:
        with lender.weights(handle) as net:
            held.append(dict(net.named_parameters()))
    assert len(read) == 1
    plain, touched = held[0], {f"{MIDDLE}.weight", f"{FIRST}.weight"}
    for form in held[1:]:
        own = {name for name in form if form[name].data_ptr() != plain[name].data_ptr()}
        assert own == touched and not torch.equal(form[f"{MIDDLE}.weight"], plain[f"{MIDDLE}.weight"])
    for handle, form in zip(handles, held, strict=True):
        fresh = dict(load_weights(handle).named_parameters())
        assert all(torch.equal(form[name], fresh[name]) for name in fresh)


# -- which family an adapter is for, in each format ----------------------------------------------------------------

CROSS = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k"
SPELT = {
    "kohya": ("lora_unet_{}.lora_down.weight", "_"), "PEFT": ("unet.{}.lora_A.weight", "."),
    "diffusers": ("unet.{}.lora.down.weight", "."), "ComfyUI": ("diffusion_model.{}.lora_down.weight", "."),
    "PEFT folder": ("base_model.model.{}.lora_A.weight", "."), "transformer": ("transformer.{}.lora_A.weight", "."),
    "LyCORIS": ("lycoris_{}.lora_down.weight", "_"),
}  # fmt: skip


def header(folder: Path, shapes: dict[str, tuple[int, ...]]) -> Path:
    save_file(
        {name: torch.zeros(shape, dtype=torch.float16) for name, shape in shapes.items()}, folder / "a.safetensors"
    )
    return folder / "a.safetensors"


@pytest.mark.parametrize("spelt", SPELT)
def test_every_spelling_tells_the_family(spelt, tmp_path):
    form, dot = SPELT[spelt]
    for layer, width, words in (
        (CROSS, 768, "models of sd1 (text states 768 wide)"),
        ("double_blocks.0.img_attn.qkv", 3072, "models of flux that are 3072 wide"),
        ("single_transformer_blocks.0.attn.to_q", 3072, "models of flux that are 3072 wide"),
        ("transformer_blocks.0.attn.to_q", 3072, "models of flux"),
        ("transformer_blocks.0.attn.to_q", 1536, "models of sd3"),
        ("joint_blocks.0.x_block.attn.qkv", 2432, "models of sd3 that are 2432 wide"),
    ):
        made = made_for(header(tmp_path, {form.format(layer.replace(".", dot)): (4, width)}))
        assert made is not None and made.words == words


PIECES = {
    "LoHa": {"hada_w1_a": (8, 2), "hada_w1_b": (2, 768), "hada_w2_a": (8, 2), "hada_w2_b": (2, 768)},
    "LoKr": {"lokr_w1": (4, 16), "lokr_w2": (2, 48)},
    "LoKr in factors": {"lokr_w1": (4, 16), "lokr_w2_a": (2, 3), "lokr_w2_b": (3, 48)},
    "DoRA": {"lora_down.weight": (2, 768), "lora_up.weight": (8, 2), "dora_scale": (1, 768)},
    "difference": {"diff": (8, 768)},
}


@pytest.mark.parametrize("kind", PIECES)
def test_every_kind_tells_the_width(kind, tmp_path):
    root = f"lora_unet_{CROSS.replace('.', '_')}"
    made = made_for(header(tmp_path, {f"{root}.{role}": shape for role, shape in PIECES[kind].items()}))
    assert made is not None and made.width == 768
    assert made.fits("UNet2DConditionModel", 768, None) and made.fits(None, None, None)
    assert not made.fits("UNet2DConditionModel", 2048, None)
    assert not made.fits("FluxTransformer2DModel", 4096, 3072)
