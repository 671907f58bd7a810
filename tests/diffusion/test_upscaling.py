"""Laws of enlarging with networks of others: tiles change nothing but at seams, what does not fit is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nodeflow.diffusion import upscaling
from nodeflow.diffusion.checkpoints.convert import convert
from nodeflow.diffusion.residency import Residency
from nodeflow.engine import Engine
from nodeflow.errors import Cancelled, NodeflowError
from nodeflow.execution import Cache
from nodeflow.flow import Flow
from nodeflow.graph.check import check
from nodeflow.graph.graph import Graph
from nodeflow.models import open_upscaler
from nodeflow.packs import default_library
from nodeflow.values import Image


class Enlarged(nn.Module):
    """Each pixel becomes f × f: nothing depends on a neighbour, unless by a convolution."""

    def __init__(self, factor: int = 2, reach: int = 0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.factor = factor
        self.conv = nn.Conv2d(3, 3, 2 * reach + 1, padding=reach).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(self.conv(x).sigmoid(), scale_factor=float(self.factor))


def picture(width: int = 40, height: int = 30, count: int = 1) -> Image:
    return Image(torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(width)))


@given(width=st.integers(1, 50), height=st.integers(1, 50), tile=st.integers(2, 24), data=st.data())
def test_tiles_change_nothing_that_depends_on_no_neighbour(width: int, height: int, tile: int, data: Any) -> None:
    overlap, factor = data.draw(st.integers(1, tile - 1)), data.draw(st.sampled_from([1, 2, 3]))
    net, image = Enlarged(factor), picture(width, height)
    found = upscaling.upscale(net, image, tile, overlap)
    assert found.size == (factor * width, factor * height)
    torch.testing.assert_close(found.data, net(image.data))


def test_one_tile_is_the_whole_picture_bit_by_bit() -> None:
    net, image = Enlarged(reach=2), picture()
    whole = upscaling.upscale(net, image).data
    assert torch.equal(whole, net(image.data))
    assert torch.equal(upscaling.upscale(net, image, 40, 8).data, whole)
    assert not torch.equal(upscaling.upscale(net, image, 16, 8).data, whole)


def test_each_tile_is_reported_and_no_tile_follows_a_stop() -> None:
    told: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        told.append((done, total))
        if done == 3:
            raise Cancelled

    upscaling.upscale(Enlarged(), picture(count=2), 16, 8, lambda done, total: told.append((done, total)))
    assert told == [(i, 2 * 4 * 3) for i in range(1, 25)]
    told.clear()
    with pytest.raises(Cancelled):
        upscaling.upscale(Enlarged(), picture(count=2), 16, 8, stop)
    assert told[-1] == (3, 24)


def esrgan(scale: int = 2, width: int = 4, block: int = 1) -> dict[str, Tensor]:
    """Weights of a small RRDB network as ESRGAN's authors named them (Wang et al. 2018)."""
    draw = torch.Generator().manual_seed(0)
    state: dict[str, Tensor] = {}

    def conv(name: str, gives: int, takes: int) -> None:
        state[f"{name}.weight"] = torch.randn(gives, takes, 3, 3, generator=draw) * (9 * takes) ** -0.5
        state[f"{name}.bias"] = torch.full((gives,), 0.1)

    grows = 32  # in all that were published
    conv("conv_first", width, 3)
    for i in range(block):
        for j in (1, 2, 3):
            for k in range(5):
                conv(f"body.{i}.rdb{j}.conv{k + 1}", width if k == 4 else grows, width + k * grows)
    for name in ("conv_body", *(f"conv_up{i + 1}" for i in range(scale.bit_length() - 1)), "conv_hr"):
        conv(name, width, width)
    conv("conv_last", 3, width)
    return state


def passing(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same network with weights that pass colours on, so that a pixel becomes a square of its colour."""
    for name, tensor in state.items():
        tensor.zero_()
        if name.endswith("weight") and "rdb" not in name and name != "conv_body.weight":
            tensor[range(3), range(3), 1, 1] = 1
    return state


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_file(esrgan(4), tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


class Described(SimpleNamespace):
    """As `spandrel` describes a network."""

    @torch.inference_mode()
    def __call__(self, x: Tensor) -> Tensor:
        return self.model(x)


def described(**more: Any) -> Described:
    """A network that enlarges twice."""
    own = {
        "model": Enlarged(), "scale": 2, "purpose": "SR", "input_channels": 3, "output_channels": 3,
        "architecture": SimpleNamespace(name="Toy"), "supports_half": False, "supports_bfloat16": True,
    }  # fmt: skip
    return Described(**own | more)


def stand_in(monkeypatch: pytest.MonkeyPatch, load: Any) -> None:
    loader = SimpleNamespace(load_from_state_dict=load)
    unknown = type("UnsupportedModelError", (Exception,), {})
    module = SimpleNamespace(ModelLoader=lambda: loader, UnsupportedModelError=unknown)
    monkeypatch.setitem(sys.modules, "spandrel", module)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("more", "dtype", "code"),
    [
        ({"purpose": "Restoration"}, "float32", "NF404"),
        ({"purpose": "FaceSR"}, "float32", "NF404"),
        ({"input_channels": 1, "output_channels": 1}, "float32", "NF404"),
        ({}, "float16", "NF412"),
    ],
)
def test_what_is_no_upscaler_of_colour_pictures_is_refused(
    monkeypatch: pytest.MonkeyPatch, file: Path, more: dict[str, Any], dtype: str, code: str
) -> None:
    stand_in(monkeypatch, lambda state: described(**more))
    with pytest.raises(NodeflowError, match=code), Residency().weights(open_upscaler(str(file), dtype=dtype)):
        pass


def test_what_spandrel_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    def unknown(state: Any) -> None:
        raise sys.modules["spandrel"].UnsupportedModelError

    def misfit(state: Any) -> None:
        raise RuntimeError("size mismatch\nfor conv")

    for load, code in ((unknown, "NF406"), (misfit, r"NF407.*size mismatch")):
        stand_in(monkeypatch, load)
        with pytest.raises(NodeflowError, match=code), Residency().weights(open_upscaler(str(file))):
            pass


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ModuleNotFoundError("none", name="spandrel"), r'spandrel, which is not installed; pip install "nodeflow\[up'),
        (ModuleNotFoundError("none", name="einops"), r'einops, which is not installed; pip install "nodeflow\[up'),
        (RuntimeError("operator torchvision::nms does not exist"), "nms does not exist; install torchvision again"),
    ],
)
def test_without_spandrel_a_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, file: Path, error: Exception, message: str
) -> None:
    class Finder:
        def find_spec(self, name: str, *_: Any) -> None:
            if name == "spandrel":
                raise error

    handle = open_upscaler(str(file))  # which needs no spandrel
    monkeypatch.delitem(sys.modules, "spandrel", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(NodeflowError, match=f"NF301.*{message}"), Residency().weights(handle):
        pass


def test_only_a_file_of_an_upscaler_is_opened(tmp_path: Path, file: Path) -> None:
    save_file({"lora_unet_mid_block.lora_up.weight": torch.zeros(2, 2)}, tmp_path / "lora.safetensors")
    torch.save(esrgan(), tmp_path / "net.pth")
    for name, message in (
        ("lora.safetensors", "NF404.*a LoRA"),
        ("net.pth", "NF405.*nodeflow models convert"),
        (".", "NF404.*folder"),
        ("absent.safetensors", "NF401"),
    ):
        with pytest.raises(NodeflowError, match=message):
            open_upscaler(str(tmp_path / name))
    assert open_upscaler(str(file)).digest != open_upscaler(str(convert(tmp_path / "net.pth", tmp_path / "c"))).digest


@pytest.mark.parametrize("order", [("params", "params_ema"), ("params_ema", "params")])
def test_of_weights_and_their_average_the_average_is_converted(tmp_path: Path, order: tuple[str, str]) -> None:
    average = esrgan()
    states = {"params_ema": average, "params": {name: -tensor for name, tensor in average.items()}}
    torch.save({name: states[name] for name in order}, tmp_path / "net.pth")
    made = load_file(convert(tmp_path / "net.pth"))
    assert made.keys() == average.keys() and all(torch.equal(made[name], average[name]) for name in made)


@pytest.fixture
def flow(tmp_path: Path, file: Path) -> Flow:
    picture().save(tmp_path / "picture.png")
    graph = Graph()
    shown = graph.add("image/load", path=str(tmp_path / "picture.png"))
    upscaler = graph.add("image/load-upscaler", upscaler=str(file))
    large = graph.add("image/upscale", image=shown["image"], upscaler=upscaler["upscaler"], tile=16, overlap=8)
    graph.outputs["image"] = f"{large.name}.image"
    return Flow(graph, engine=Engine(results=Cache(folder=None)))


def test_a_graph_enlarges(monkeypatch: pytest.MonkeyPatch, flow: Flow) -> None:
    stand_in(monkeypatch, lambda state: described())
    assert not check(flow.graph, default_library())
    found = flow().image.data
    assert found.shape == (1, 3, 60, 80) and not found.is_inference()


def test_check_names_tiles_that_are_all_overlap_and_files_that_are_no_upscaler(flow: Flow, tmp_path: Path) -> None:
    save_file({"lora_unet_mid_block.lora_up.weight": torch.zeros(2, 2)}, tmp_path / "lora.safetensors")
    flow.graph.nodes["upscale"].values["overlap"] = 16
    flow.graph.nodes["load-upscaler"].values["upscaler"] = str(tmp_path / "lora.safetensors")
    assert {fault.code for fault in check(flow.graph, default_library())} == {"NF205", "NF404"}


def test_spandrel_enlarges(flow: Flow, file: Path) -> None:
    try:
        import spandrel  # noqa: F401
    except Exception as error:  # torchvision for CUDA does not load beside torch for the CPU
        pytest.skip(f"spandrel does not load: {error}")
    with Residency().weights(open_upscaler(str(file))) as net:
        whole = upscaling.upscale(net, picture()).data
        assert torch.equal(upscaling.upscale(net, picture(), 40, 8).data, whole)
    assert whole.shape == (1, 3, 120, 160) and whole.std() > 1e-3 and not whole.is_inference()
    save_file(passing(esrgan(4)), file)
    found = flow().image.data  # in tiles
    torch.testing.assert_close(found[..., ::4, ::4].mul(255).round(), picture().data.mul(255).round())
    torch.testing.assert_close(found, found[..., ::4, ::4].repeat_interleave(4, -1).repeat_interleave(4, -2))
