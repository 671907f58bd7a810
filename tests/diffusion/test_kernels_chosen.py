"""Attention back-ends and compiled blocks: the same numbers, chosen aloud, refused in a sentence where they are not."""

from __future__ import annotations

import copy
import sys
import types
from importlib.machinery import ModuleSpec

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nodeflow.diffusion import compiling, residency
from nodeflow.diffusion.compiling import compile_blocks, graphs, repeated, require_kernels
from nodeflow.diffusion.models import attending, model_class
from nodeflow.diffusion.models.attending import NAMES, attend, attention, choose_attention
from nodeflow.diffusion.residency import Residency
from nodeflow.engine import Engine
from nodeflow.errors import NodeflowError
from nodeflow.execution import Cache
from nodeflow.values import Denoiser, TextEncoder

UNET = {
    "block_out_channels": [16], "down_block_types": ["CrossAttnDownBlock2D"], "norm_num_groups": 8,
    "up_block_types": ["CrossAttnUpBlock2D"], "cross_attention_dim": 8, "attention_head_dim": 2, "layers_per_block": 1,
}  # fmt: skip
CLIP = {"vocab_size": 64, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3, "eos_token_id": 63}
DIT = {
    "num_attention_heads": 2, "attention_head_dim": 8, "in_channels": 4, "num_layers": 4, "sample_size": 8,
    "num_embeds_ada_norm": 10,
}  # fmt: skip


def built(kind, config):
    torch.manual_seed(0)
    return model_class(kind).from_config(config).eval().requires_grad_(False)


# -- attention -----------------------------------------------------------------------------------------------------


def fake(monkeypatch, name, **functions):
    """A package that says how it was called and computes as torch does."""
    module = types.ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    module.__path__ = []
    for key, value in functions.items():
        setattr(module, key, value)
    monkeypatch.setitem(sys.modules, name, module)
    return module


@pytest.fixture
def packages(monkeypatch):
    """Toy packages with the published signatures, tokens before heads where the real ones have them so."""
    seen = []

    def tokens_first(q, k, v, causal=False, scale=None):
        seen.append(tuple(q.shape))
        q, k, v = (heads.transpose(1, 2) for heads in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scale).transpose(1, 2)

    def flash(q, k, v, softmax_scale=None, causal=False):
        return tokens_first(q, k, v, causal, softmax_scale)

    def efficient(q, k, v, attn_bias=None, scale=None):
        return tokens_first(q, k, v, attn_bias is not None, scale)

    def sage(q, k, v, tensor_layout="HND", is_causal=False, sm_scale=None):
        assert tensor_layout == "HND"
        seen.append(tuple(q.shape))
        return F.scaled_dot_product_attention(q, k, v, is_causal=is_causal, scale=sm_scale)

    fake(monkeypatch, "flash_attn", flash_attn_func=flash)
    fake(monkeypatch, "sageattention", sageattn=sage)
    fake(monkeypatch, "xformers")
    fake(monkeypatch, "xformers.ops", memory_efficient_attention=efficient, LowerTriangularMask=lambda: "triangle")
    return seen


@pytest.mark.parametrize("name", NAMES[1:])
@pytest.mark.parametrize("how", [{}, {"causal": True}, {"scale": 0.3}])
def test_each_back_end_gets_what_its_package_takes(packages, name, how):
    q, k, v = torch.randn(3, 2, 4, 5, 8).unbind()
    function = attention(name, "cuda:0", "bfloat16")
    assert torch.allclose(function(q, k, v, **how), attend(q, k, v, **how), atol=1e-6)
    assert packages == [(2, 4, 5, 8) if name == "sage" else (2, 5, 4, 8)]


@pytest.mark.parametrize("name", NAMES[1:])
def test_masks_and_heads_that_a_back_end_does_not_know_stay_torchs(packages, name):
    q = torch.randn(1, 2, 5, 8)
    function, mask = attention(name, "cuda:0", "bfloat16"), torch.rand(1, 1, 5, 5) > 0.3
    assert torch.equal(function(q, q, q, mask), attend(q, q, q, mask))
    wide = torch.randn(1, 1, 5, 512)
    function(wide, wide, wide)
    assert len(packages) == (name == "xformers")


def test_what_is_not_there_is_refused_in_a_sentence(monkeypatch, packages):
    with pytest.raises(NodeflowError, match=r"NF416 there is no attention 'fast'; use one of torch, "):
        attention("fast")
    with pytest.raises(NodeflowError, match=r"NF416 .* on CUDA cards, not on cpu"):
        attention("flash", "cpu", "bfloat16")
    with pytest.raises(NodeflowError, match=r"NF416 .* float16 and bfloat16 only"):
        attention("sage", "cuda:0", "float32")
    monkeypatch.setattr(attending, "find_spec", lambda name: None)
    with pytest.raises(NodeflowError, match=r"NF416 .* needs the package flash_attn; pip install flash-attn, or use"):
        attention("flash", "cuda:0", "bfloat16")
    with pytest.raises(NodeflowError, match="NF416"):
        Engine(results=Cache(folder=None), device="cpu", attention="sage")
    assert attending.available() == ("torch",)


@pytest.mark.parametrize(
    ("kind", "config", "calls"),
    [("UNet2DConditionModel", UNET, 8), ("CLIPTextModel", CLIP, 3), ("DiTTransformer2DModel", DIT, 4)],
)
def test_all_attention_of_a_network_goes_through_the_one_function(kind, config, calls):
    net, seen = built(kind, config), []
    choose_attention(net, lambda *given, **named: (seen.append(1), attend(*given, **named))[1])
    call(net)
    assert len(seen) == calls


def call(net, size=8):
    match type(net).__name__:
        case "UNet2DConditionModel":
            return net(torch.ones(2, 4, size, size), 5, torch.ones(2, 7, 8))
        case "CLIPTextModel":
            return net(torch.arange(12).view(2, 6)).last_hidden_state
        case _:
            return net(torch.ones(2, 4, size, size), 3, torch.tensor([1, 10]))


# -- compiling -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "config", "blocks", "most"),
    [("UNet2DConditionModel", UNET, 9, 8), ("CLIPTextModel", CLIP, 3, 1), ("DiTTransformer2DModel", DIT, 4, 1)],
)
@torch.no_grad()
def test_blocks_alike_are_compiled_once_and_nothing_from_the_second_step_on(kind, config, blocks, most):
    torch._dynamo.reset()
    net = built(kind, config)
    expected, names, before = call(net), [name for name, _ in net.named_modules()], graphs()
    assert len(repeated(net)) == compile_blocks(net, "eager") == blocks
    assert torch.allclose(call(net), expected, atol=1e-4)
    first = graphs()
    assert 1 <= first - before <= most
    for _ in range(2):
        call(net)
    assert graphs() == first
    assert [name for name, _ in net.named_modules()] == names
    copied = copy.deepcopy(net)
    for parameter in copied.parameters():
        parameter.zero_()
    assert torch.equal(call(net), call(net)) and not torch.equal(call(copied), call(net))


@pytest.mark.skipif(not compiling._compiler(), reason="no C++ compiler")
@torch.no_grad()
def test_what_the_compiler_makes_computes_the_same_and_is_kept(tmp_path, monkeypatch):
    torch._dynamo.reset()
    monkeypatch.setenv("NODEFLOW_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")  # to be put back
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    Engine(results=Cache(folder=None), device="cpu", compile=True)
    net = nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.SiLU(), nn.Linear(8, 8)) for _ in range(2))
    x = torch.ones(2, 8)
    expected = net[1](net[0](x))
    assert compile_blocks(net) == 2
    assert torch.allclose(net[1](net[0](x)), expected, atol=1e-4)
    assert any((tmp_path / "compiled").rglob("*.so"))


def test_without_a_compiler_there_is_a_sentence(monkeypatch):
    monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    with pytest.raises(NodeflowError, match=r"NF416 compiling needs a C\+\+ compiler; install g\+\+"):
        require_kernels("torch", True, "cpu", "float32")
    with pytest.raises(NodeflowError, match="NF416"):
        Engine(results=Cache(folder=None), device="cpu", compile=True)
    require_kernels("torch", False, "cpu", "float32")


def test_denoisers_are_compiled_but_not_in_blocks_that_pass_through_a_device(monkeypatch):
    monkeypatch.setattr(residency, "pick_device", lambda name: name)
    compiled = []
    monkeypatch.setattr(residency, "compile_blocks", lambda net: compiled.append(type(net).__name__))
    lender = Residency({"meta": 10}, lambda *_: built("DiTTransformer2DModel", DIT), lambda *_: 1000, compile=True)
    handles = [kind(folder="", kind="Any", config={}, digest=kind.__name__) for kind in (Denoiser, TextEncoder)]
    for handle in handles:
        with lender.weights(handle, "cpu"):
            pass
    assert compiled == ["DiTTransformer2DModel"]
    with pytest.raises(NodeflowError, match=r"NF416 Any does not fit on meta"), lender.weights(handles[0], "meta"):
        pass


def test_results_of_other_kernels_are_other_results():
    usual, compiled = (Engine(results=Cache(folder=None), device="cpu", compile=one) for one in (False, True))
    (a, b) = (engine.environment(_graph()).identity(sink=False) for engine in (usual, compiled))
    assert a != b and "compiled" in b


def _graph():
    from nodeflow.graph import Graph

    return Graph()
