"""The template graphs with SDXL models: nothing changed but `model`, and the reference's picture."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from oracle.whole import NEGATIVE, PROMPT, SEED, STEPS, Model, agree

import nodeflow
from nodeflow.engine import Engine
from nodeflow.errors import NodeflowError
from nodeflow.execution import Cache
from nodeflow.flow import Flow
from nodeflow.graph import check
from nodeflow.graph.graph import Node
from nodeflow.values import Image

GRAPHS = Path(__file__).parents[2] / "graphs"
SAID = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "seed": SEED, "steps": STEPS, "guidance": 4.0}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(results=Cache(folder=None))


def flow(engine: Engine, name: str) -> Flow:
    return nodeflow.load(GRAPHS / f"{name}.json", engine=engine)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pictures")
    draw = torch.Generator().manual_seed(4)
    noise = torch.rand(1, 3, 16, 16, generator=draw)
    made = {"image": noise, "mask": noise.round()}
    return {name: str(Image(data).save(folder / f"{name}.png")[0]) for name, data in made.items()}


@pytest.mark.parametrize("negative", [NEGATIVE, ""])
def test_text_to_image(engine, tiny, negative):
    folder = str(tiny("sdxl"))
    found = flow(engine, "text-to-image")(model=folder, **SAID | {"negative_prompt": negative}).image
    call = {"negative_prompt": negative or None, "width": 16, "height": 16}
    agree(found.data, Model.load(folder).expected("StableDiffusionXLPipeline", "EulerDiscreteScheduler", {}, **call))


@pytest.mark.parametrize(
    ("name", "model"), [("image-to-image", "sdxl"), ("inpaint", "sdxl"), ("inpaint", "sdxl_inpaint")]
)
def test_other_templates_run(engine, tiny, files, name, model):
    made = flow(engine, name)
    given = {key: files[key] for key in ("image", "mask") if key in made.inputs}
    low, high = (made(model=str(tiny(model)), strength=0.6, **given, **SAID | {"seed": seed}).image for seed in (1, 2))
    assert low.data.shape == (1, 3, 16, 16) and low.data.isfinite().all()
    assert (low.data - high.data).abs().max() > 1e-3


def test_refiner(engine, tiny):
    base, refiner = (Model.load(str(tiny(kind))) for kind in ("sdxl", "sdxl_refiner"))
    made = flow(engine, "sdxl-refiner")
    assert not check(made.graph, engine.library)
    found = made(base=base.folder, refiner=refiner.folder, hand_over=4, **SAID).image
    euler = ("EulerDiscreteScheduler", {})
    call = {"width": 16, "height": 16, "denoising_end": 0.67, "output_type": "latent"}
    left = base.expected("StableDiffusionXLPipeline", *euler, **call)
    agree(found.data, refiner.expected("StableDiffusionXLImg2ImgPipeline", *euler, image=left, denoising_start=0.67))


def test_sizes(engine, tiny):
    made = flow(engine, "text-to-image")
    plain = made(model=str(tiny("sdxl")), **SAID).image
    for prompt in ("positive", "negative"):
        wires, values = {"conditioning": f"{prompt}.conditioning"}, {"width": 40, "height": 48, "left": 5, "top": 3}
        made.graph.nodes[f"{prompt}_sizes"] = Node("text/sizes", values=values, wires=wires)
        made.graph.nodes["denoise"].wires[prompt] = f"{prompt}_sizes.conditioning"
    found = made(model=str(tiny("sdxl")), **SAID).image
    said = {"original_size": (48, 40), "crops_coords_top_left": (3, 5), "width": 16, "height": 16}
    away = {"negative_original_size": (48, 40), "negative_crops_coords_top_left": (3, 5)}
    away["negative_target_size"] = (16, 16)
    model = Model.load(str(tiny("sdxl")))
    agree(found.data, model.expected("StableDiffusionXLPipeline", "EulerDiscreteScheduler", {}, **said, **away))
    assert (found.data - plain.data).abs().max() > 1e-3


def test_one_side_of_a_size_is_refused(engine, tiny):
    made = flow(engine, "text-to-image")
    wires = {"conditioning": "positive.conditioning"}
    made.graph.nodes["sizes"] = Node("text/sizes", values={"width": 40}, wires=wires)
    made.graph.nodes["denoise"].wires["positive"] = "sizes.conditioning"
    with pytest.raises(NodeflowError, match=r"NF205.*one side only"):
        made(model=str(tiny("sdxl")), **SAID)


def test_hires_fix(engine, tiny):
    folder, said = str(tiny("sdxl")), SAID | {"negative_prompt": ""}
    made = flow(engine, "hires-fix")
    assert not check(made.graph, engine.library)
    found = made(model=folder, factor=2.0, strength=0.5, **said)
    assert torch.equal(found.first.data, flow(engine, "text-to-image")(model=folder, **said).image.data)
    assert found.image.data.shape == (1, 3, 32, 32) and found.image.data.isfinite().all()
    made.graph.nodes["scale"] = Node("latent/scale", wires={"latent": "denoise.latent"})
    made.graph.nodes["refine"].wires["latent"] = "scale.latent"
    made.graph.inputs.pop("factor")
    del made.graph.nodes["encode"]
    assert made(model=folder, **said).image.data.shape == (1, 3, 32, 32)
