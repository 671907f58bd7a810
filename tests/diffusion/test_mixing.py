"""Laws of merged models: the ends are the models themselves, differences add up, and unlike models are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from nodeflow import Graph
from nodeflow.diffusion.adapters.mixing import mixed
from nodeflow.diffusion.adapters.patch import patched
from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.checkpoints.handles import ModelParts
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.residency import Residency
from nodeflow.engine import Engine
from nodeflow.errors import NodeflowError
from nodeflow.execution import Cache
from nodeflow.graph import check, load
from nodeflow.graph.graph import Node
from nodeflow.values import Weights

MIDDLE = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"


def state(handle: Weights, dtype: str = "float32") -> dict[str, torch.Tensor]:
    return dict(load_weights(handle, dtype=dtype).state_dict())


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[ModelParts]:
    """Three models of one form; the second is stored in half precision, the third in shards."""
    made = []
    for i in range(3):
        folder = tmp_path_factory.mktemp("models") / f"m{i}"
        tiny.text_to_image(folder)
        for path in (*folder.glob("unet/*.safetensors"), *folder.glob("text_encoder/*.safetensors")):
            draw = torch.Generator().manual_seed(i)
            moved = {name: t + 0.1 * i * torch.randn(t.shape, generator=draw) for name, t in load_file(path).items()}
            save_file({name: t.half() if i == 1 else t for name, t in moved.items()}, path, {"format": "pt"})
        if i == 2:
            tiny.shard(folder / "unet" / "diffusion_pytorch_model.safetensors", 3)
        made.append(open_model(str(folder), dtype="float32"))
    return made


@pytest.mark.parametrize("part", ["denoiser", "text_encoder"])
def test_the_ends_of_a_sum_are_the_models_to_the_bit(three, part) -> None:
    a, b, _ = (getattr(parts, part) for parts in three)
    assert mixed(a, b, None, 0.0) == a
    assert equal(state(mixed(a, b, None, 1.0)), state(b)) and not equal(state(a), state(b))
    half, other = state(mixed(a, b, None, 0.5)), state(b)
    for name, tensor in state(a).items():
        torch.testing.assert_close(half[name], (tensor + other[name]) / 2)


def test_a_difference_to_the_model_itself_gives_the_other(three) -> None:
    a, b, c = (parts.denoiser for parts in three)
    first, second, third = map(state, (a, b, c))
    for name, tensor in state(mixed(a, b, a, 1.0)).items():
        torch.testing.assert_close(tensor, second[name], atol=1e-6, rtol=0)
    for name, tensor in state(mixed(a, b, c, 0.3)).items():
        expected = first[name] + 0.3 * (second[name] - third[name])
        torch.testing.assert_close(tensor, expected, atol=1e-6, rtol=0)


def test_blocks_are_mixed_by_their_own_share(three) -> None:
    a, b, _ = (parts.denoiser for parts in three)
    made, plain, other = state(mixed(a, b, None, 0.5, "mid: 2, rest: 0")), state(a), state(b)
    for name, tensor in made.items():
        assert torch.equal(tensor, (other if name.startswith("mid_block.") else plain)[name])
    with pytest.raises(NodeflowError, match=r"NF205.*line 1"):
        mixed(a, b, None, 0.5, "single: 1")


def test_merges_of_patched_models_and_of_merges(three, tmp_path: Path) -> None:
    a, b, c = (parts.denoiser for parts in three)
    draw = torch.Generator().manual_seed(5)
    halves = {"A": torch.randn(2, 32, generator=draw), "B": torch.randn(32, 2, generator=draw)}
    save_file({f"unet.{MIDDLE}.lora_{i}.weight": half for i, half in halves.items()}, tmp_path / "l.safetensors")
    changed = patched(c, tmp_path / "l.safetensors")
    inner = mixed(b, changed, None, 0.5)
    made, first, second, third = map(state, (mixed(a, inner, None, 0.25), a, b, changed))
    for name, tensor in made.items():
        expected = 0.75 * first[name] + 0.125 * (second[name] + third[name])
        torch.testing.assert_close(tensor, expected, atol=2e-3, rtol=1e-3)  # b is stored in 16 bits


def test_a_block_left_alone_is_not_copied_and_nothing_is_read_twice(three) -> None:
    a, b, _ = (parts.denoiser for parts in three)
    lender = Residency({})
    with lender.weights(a) as plain, lender.weights(mixed(a, b, None, 0.5, "rest: 0, mid: 1")) as made:
        pairs = {name: (tensor, made.get_parameter(name)) for name, tensor in plain.named_parameters()}
        own = {name for name, (one, other) in pairs.items() if one.data_ptr() != other.data_ptr()}
    assert own == {name for name in pairs if name.startswith("mid_block.")}


def test_unlike_models_are_refused_by_name(three, tiny: tiny.Tiny, tmp_path: Path) -> None:
    a = three[0].denoiser
    with pytest.raises(NodeflowError, match=r"NF404.*family of one is sd1, of the other sdxl"):
        mixed(a, open_model(str(tiny("sdxl"))).denoiser)
    with pytest.raises(NodeflowError, match=r"NF404.*task"):
        mixed(a, open_model(str(tiny("inpaint"))).denoiser)
    folder = tiny.copy("text_to_image", tmp_path)
    from tiny import UNET, write_network

    write_network(folder / "unet", "diffusers", "UNet2DConditionModel", UNET | {"block_out_channels": [16, 24]})
    with pytest.raises(NodeflowError, match=r"NF407.*tensors differ.*down_blocks.*\[24.*here \[32"):
        load_weights(mixed(a, open_model(str(folder)).denoiser))


GRAPHS = Path(__file__).parents[2] / "graphs"


def merged(first: str, second: str) -> Graph:
    made = load(GRAPHS / "text-to-image.json")
    made.nodes["load"].values["model"] = first
    made.nodes["other"] = Node("model/load", values={"model": second})
    wires = {"denoiser": "load.denoiser", "other": "other.denoiser", "text_encoder": "load.text_encoder"}
    made.nodes["merge"] = Node("model/merge", values={"share": 1.0}, wires=wires)
    made.nodes["denoise"].wires["model"] = "merge.denoiser"
    return made


def test_a_graph_of_merged_models_paints_and_is_checked(three, tiny: tiny.Tiny) -> None:
    engine = Engine(results=Cache(folder=None))
    one, other, _ = (str(parts.folder) for parts in three)
    graph = merged(one, other)
    assert not check(graph, engine.library)
    values = {"steps": 2, "seed": 1}
    made = engine.run(engine.plan(graph, values=values, wanted=["image"])).outputs["image"]
    plain = merged(one, other)
    plain.nodes["denoise"].wires["model"] = "other.denoiser"
    expected = engine.run(engine.plan(plain, values=values, wanted=["image"])).outputs["image"]
    assert torch.equal(made.data, expected.data)
    (fault,) = check(merged(one, str(tiny("sdxl"))), engine.library)
    assert "the family sd1" in fault.line and "the family sdxl" in fault.line
