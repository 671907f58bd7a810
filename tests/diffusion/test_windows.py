"""Laws of sampling in windows: one window is plain sampling, agreement is kept, and seams vanish with the overlap."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nodeflow.diffusion.denoising import denoise, windows_of
from nodeflow.diffusion.guidance import ClassifierFree, Guided
from nodeflow.diffusion.guidance.base import POSITIVE
from nodeflow.diffusion.windows import Windows
from nodeflow.engine import Engine
from nodeflow.errors import NodeflowError
from nodeflow.execution import Cache
from nodeflow.graph import load
from nodeflow.graph.graph import Node
from nodeflow.values import Conditioning, Denoiser, Image, Latent, LatentSpace

GRAPHS = Path(__file__).parents[2] / "graphs"
T = torch.tensor(1.0)


def guided(predict, windows: Windows | None, told: Conditioning | None = None) -> Guided:
    return Guided(predict, {POSITIVE: told}, ClassifierFree(1.0), windows=windows)


def noise(height: int = 20, width: int = 44, seed: int = 0) -> torch.Tensor:
    return torch.randn(2, 4, height, width, generator=torch.Generator().manual_seed(seed))


def own_mean(x, t, conditioning, hand=None):
    """A network that sees its whole window: what it says depends on all of it."""
    return x - 4 * x.mean((-2, -1), keepdim=True)


def test_shares_of_a_map_sum_to_one() -> None:
    for size in ((20, 44), (8, 8), (9, 31)):
        total = torch.zeros(size)
        for box, share in Windows(8, 12, 0.5).boxes(*size):
            box.of(total).add_(share)
        torch.testing.assert_close(total, torch.ones(size))


def test_one_window_is_the_plain_prediction_to_the_bit() -> None:
    x = noise()
    for windows in (Windows(20, 44), Windows(64, 64)):
        assert torch.equal(guided(own_mean, windows)(x, T), guided(own_mean, None)(x, T))


def test_what_all_windows_agree_on_stays() -> None:
    x, windows = noise(), Windows(8, 12, 0.5)
    torch.testing.assert_close(guided(lambda x, *_: x.sin(), windows)(x, T), x.sin())
    constant = guided(lambda x, *_: torch.full_like(x, 3.0), windows)(x, T)
    torch.testing.assert_close(constant, torch.full_like(x, 3.0))


def test_seams_vanish_with_the_overlap() -> None:
    """Steps between neighbouring columns of what windows disagree on, the steepest of many draws."""

    def steepest(overlap: float) -> float:
        x = torch.randn(64, 1, 8, 64, generator=torch.Generator().manual_seed(1))
        wrong = guided(lambda x, *_: x.mean((-2, -1), keepdim=True).expand_as(x), Windows(8, 16, overlap))(x, T)
        return float(wrong.diff(dim=-1).square().mean((0, 1, 2)).sqrt().max())

    none, quarter, half = (steepest(overlap) for overlap in (0.0, 0.25, 0.5))
    assert half < quarter < none and half < 0.25 * none


def test_maps_beside_the_latent_are_cut_with_it_and_others_are_not() -> None:
    x, seen = noise(), []
    more = {"beside": x.clone(), "sizes": torch.arange(4.0).expand(2, 4)}
    told = Conditioning(torch.zeros(2, 3, 5), more=more)

    def look(x, t, conditioning, hand=None):
        seen.append((torch.equal(conditioning.more["beside"], x), conditioning.more["sizes"].shape))
        return x

    guided(look, Windows(8, 12), told)(x, T)
    assert len(seen) > 4 and set(seen) == {(True, torch.Size([2, 4]))}


def test_windows_are_counted_in_cells() -> None:
    space = LatentSpace("sd1", 4, 8)
    plain = Denoiser("", "UNet2DConditionModel", {}, "", space=space)
    assert windows_of(plain) is None
    assert windows_of(replace(plain, window=(512, 256), overlap=0.5)) == Windows(32, 64, 0.5)
    waves = Latent(torch.zeros(1, 2, 64), space)
    with pytest.raises(NodeflowError, match=r"NF414.*waves"):
        net = torch.nn.Linear(1, 1)
        net.config = {}  # type: ignore[assignment]
        denoise(net, waves, None, windows=Windows(8, 8))  # type: ignore[arg-type]


def test_a_graph_in_windows_with_guidance_and_a_control(tiny, tmp_path) -> None:
    """A larger picture through windows; where one is enough, the very picture of the graph without them."""
    engine = Engine(results=Cache(folder=None))
    graph = load(GRAPHS / "text-to-image.json")
    graph.nodes["load"].values["model"] = str(tiny("text_to_image"))
    (picture,) = Image(torch.rand(1, 3, 16, 40, generator=torch.Generator().manual_seed(2))).save(tmp_path / "p.png")

    def painted(width: int, windows: bool, steered: bool = False):
        made = graph.copy()
        model = "load.denoiser"
        if windows:
            made.nodes["windows"] = Node("sampling/windows", wires={"model": model})
            model = "windows.denoiser"
        if steered:
            made.nodes["net"] = Node("control/load", values={"network": str(tiny("control"))})
            wires = {"model": model, "network": "net.control_network", "image": "load2.image"}
            made.nodes["load2"] = Node("image/load", values={"path": str(picture)})
            made.nodes["control"] = Node("control/apply", wires=wires)
            model = "control.denoiser"
        made.nodes["denoise"].wires["model"] = model
        values = {"steps": 2, "seed": 1, "width": width, "height": 16}
        report = engine.run(engine.plan(made, values=values, wanted=["image"]))
        assert not report.faults, report.faults
        return report.outputs["image"].data

    for steered in (False, True):
        assert torch.equal(painted(16, True, steered), painted(16, False, steered))
    wide = painted(40, windows=True)
    assert wide.shape[-1] == 40 and not torch.allclose(wide, painted(40, windows=False), atol=1e-3)
    assert not torch.allclose(painted(40, True, steered=True), wide, atol=1e-3)
