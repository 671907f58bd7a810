"""A graph as a Python function."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch

import nodeflow
from nodeflow.engine import Engine
from nodeflow.execution import Cache
from nodeflow.flow import Flow

GRAPH = Path(__file__).parents[1] / "graphs" / "text-to-image.json"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(results=Cache(folder=None))


@pytest.fixture
def flow(engine, tiny) -> Flow:
    made = nodeflow.load(GRAPH, engine=engine)
    made.graph.nodes["load"].values["model"] = str(tiny("text_to_image"))
    made.graph.nodes["schedule"].values["steps"] = 2
    return made


def test_a_flow_is_called_like_a_function(flow, tmp_path):
    result = flow(prompt="a b", seed=3)
    assert list(result) == ["image"]
    assert result.image.data.shape == (1, 3, 16, 16)
    assert 0 <= float(result.image.data.min()) <= float(result.image.data.max()) <= 1
    result.image.save(tmp_path / "heart.png")
    assert (tmp_path / "heart.png").stat().st_size
    assert repr(result) == "Outputs(image=Image float32 [1, 3, 16, 16])"
    assert result.image._repr_png_().startswith(b"\x89PNG")


def test_the_same_call_gives_the_same_tensor_and_other_seeds_others(flow):
    one, same, other = flow(seed=1).image, flow(seed=1).image, flow(seed=2).image
    assert one.data is same.data
    assert not torch.equal(one.data, other.data)


def test_inputs_and_outputs_are_named(flow):
    assert {"prompt", "seed", "steps", "model"} <= set(flow.inputs)
    assert flow.inputs["steps"] == 2
    assert flow.outputs == ["image"]


def test_a_sweep_gives_a_list_that_equals_single_calls(flow):
    swept = flow(seed={"sweep": [5, 6]}).image
    assert [torch.equal(swept[i].data, flow(seed=5 + i).image.data) for i in range(2)] == [True, True]


def test_a_batch_equals_its_single_runs(flow):
    flow.graph.nodes["latent"].values["batch"] = 3
    batch = flow(seed=5).image.data
    flow.graph.nodes["latent"].values["batch"] = 1
    for i in range(3):
        torch.testing.assert_close(batch[i : i + 1], flow(seed=5 + i).image.data, atol=1e-5, rtol=0)


def test_bad_calls_are_refused_where_they_are(flow):
    with pytest.raises(nodeflow.NodeflowError, match="NF213"):
        flow(promt="a heart")
    with pytest.raises(nodeflow.NodeflowError, match=r"NF205 schedule\.steps"):
        flow(steps=-1)
    with pytest.raises(AttributeError, match="it has image"):
        flow(seed=1).picture  # noqa: B018


def test_negative_prompts_are_not_encoded_without_guidance(engine, flow):
    report = engine.run(engine.plan(flow.graph, values={"guidance": 1.0, "negative_prompt": "asked by nobody"}))
    assert report.of("negative")[0].status == "lazy-unused"


def test_weights_are_shared_between_runs(engine, flow):
    flow(seed=41)
    before = {held.kind for held in engine.residency.held()}
    flow(seed=42)
    assert {held.kind for held in engine.residency.held()} == before
    assert {"UNet2DConditionModel", "AutoencoderKL"} <= before


def test_a_graph_can_be_built_in_code(engine, tiny):
    g = nodeflow.Graph()
    load = g.add("model/load", model=str(tiny("unconditional")))
    schedule = g.add("schedule/steps", default=load["scheduler"], steps=2)
    latent = g.add("latent/empty", model=load["denoiser"])
    denoise = g.add("sampling/denoise", model=load["denoiser"], latent=latent["latent"], schedule=schedule["schedule"])
    decode = g.add("latent/decode", autoencoder=load["autoencoder"], latent=denoise["latent"])
    g.outputs["image"] = decode["image"]
    assert Flow(g, engine)().image.data.shape == (1, 3, 16, 16)


def test_an_interrupted_call_leaves_the_engine_usable(flow):
    done = flow(seed=51).image.data

    def interrupt(_signal, _frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            flow(seed=52, steps=900, scheduler="DDIMScheduler")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert flow(seed=51).image.data is done
    assert flow(seed=53).image.data.isfinite().all()
