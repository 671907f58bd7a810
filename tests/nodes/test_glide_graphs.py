"""GLIDE from its own files in the template graphs: text to a small picture, and that to a large one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_glide import glide, glide_inpaint, glide_upsampler

import nodeflow
from nodeflow.engine import Engine
from nodeflow.errors import NodeflowError
from nodeflow.execution import Cache
from nodeflow.graph import check, load
from nodeflow.graph.graph import Node
from nodeflow.values import Image

GRAPHS = Path(__file__).parents[2] / "graphs"
STEPS = 3


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(results=Cache(folder=None))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("glide")
    return {
        "model": str(glide(folder)),
        "upscaler": str(glide_upsampler(folder)),
        "inpaint": str(glide_inpaint(folder)),
    }


def made(engine: Engine, graph: str, **given: Any) -> Any:
    return nodeflow.load(GRAPHS / f"{graph}.json", engine=engine)(**{"steps": STEPS, "prompt": "a red heart", **given})


def test_text_to_a_small_picture_and_that_to_a_large_one(engine, files):
    given = {name: files[name] for name in ("model", "upscaler")}
    first = made(engine, "text-to-image-upscaled", upscale_steps=STEPS, **given)
    again = made(Engine(results=Cache(folder=None)), "text-to-image-upscaled", upscale_steps=STEPS, **given)
    assert first.small.size == (16, 16) and first.image.size == (64, 64)
    assert torch.equal(first.image.data, again.image.data) and torch.equal(first.small.data, again.small.data)
    other = made(engine, "text-to-image-upscaled", upscale_steps=STEPS, **given | {"prompt": "a blue cat"})
    assert not torch.equal(first.image.data, other.image.data) and not torch.equal(first.small.data, other.small.data)


def test_the_usual_graph_paints_the_same_small_picture(engine, files):
    whole = made(engine, "text-to-image-upscaled", upscale_steps=1, model=files["model"], upscaler=files["upscaler"])
    alone = made(engine, "text-to-image", model=files["model"], guidance=3.0)
    assert torch.equal(whole.small.data, alone.image.data)


@pytest.mark.parametrize("scheduler", ["DDIMScheduler", "EulerDiscreteScheduler", "DPMSolverMultistepScheduler"])
def test_solvers_with_a_variance_of_their_own(engine, files, scheduler):
    assert made(engine, "text-to-image", model=files["model"], scheduler=scheduler).image.size == (16, 16)


@pytest.mark.parametrize("model", ["model", "inpaint"])
def test_a_mask_is_repainted(engine, files, model, tmp_path):
    given = {"image": torch.rand(1, 3, 16, 16), "mask": torch.ones(1, 3, 16, 16)}
    given["mask"][..., 8:] = 0
    paths = {name: str(Image(data).save(tmp_path / f"{name}.png")[0]) for name, data in given.items()}
    image = made(engine, "inpaint", model=files[model], **paths).image
    kept = (image.data - given["image"])[..., 8:].abs().max() < 0.01
    assert image.size == (16, 16) and bool(kept) is (model == "model")


def wrong(files: dict[str, str], node: str, **wires: str) -> Any:
    graph = load(GRAPHS / "text-to-image-upscaled.json")
    for name, key in (("base", "model"), ("upscaler", "upscaler")):
        graph.nodes[name].values["model"] = files[key]
    graph.nodes[node].wires.update(wires)
    return graph


def test_what_fits_is_not_refused(engine, files):
    assert not check(wrong(files, "enlarge"), engine.library)


@pytest.mark.parametrize(
    ("node", "wires", "words"),
    [
        (
            "large_text",
            {"text_encoder": "base.text_encoder"},
            "read for glide, the denoiser was trained with glide-upscale",
        ),
        (
            "enlarge",
            {"latent": "latent.latent"},
            'trained to enlarge a picture.*make it with "Encode image for upscaling"',
        ),
        ("latent", {"model": "other.denoiser"}, "the latent is in the space .* the denoiser works in pixels"),
        ("decode", {"autoencoder": "other.autoencoder"}, "the latent is in the space pixels"),
    ],
)
def test_wrong_wires_are_refused_in_a_sentence(engine, files, node, wires, words, tiny):
    graph = wrong(files, node, **wires)
    graph.nodes["other"] = Node("model/load", values={"model": str(tiny("text_to_image"))})
    lines = [fault.line for fault in check(graph, engine.library)]
    assert any(re.search(words, line) for line in lines), lines


def test_an_upsampler_wants_its_prompt(engine, files, tmp_path):
    image = Image(torch.rand(1, 3, 16, 16)).save(tmp_path / "small.png")[0]
    with pytest.raises(NodeflowError, match=r"NF203.*follows a prompt"):
        nodeflow.load(GRAPHS / "super-resolution.json", engine=engine)(model=files["upscaler"], image=str(image))


def test_what_is_trained_further_is_saved_and_paints(engine, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    Image(torch.rand(1, 3, 16, 16)).save(tmp_path / "data" / "heart.png")
    (tmp_path / "data" / "heart.txt").write_text("a red heart")
    given = {"folder": str(tmp_path / "data"), "size": 16, "batch": 1, "name": "mine"}
    flow = nodeflow.load(GRAPHS / "training" / "fine-tune.json", engine=engine)
    flow(model=files["model"], steps=1, **given)
    mine, theirs = (
        made(engine, "text-to-image", model=model).image for model in (str(tmp_path / "mine"), files["model"])
    )
    assert mine.size == theirs.size and not torch.equal(mine.data, theirs.data)
