"""Every training graph runs to its end on toy pictures, and what it saves is a model that samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import Tiny
from toy_training import two_kinds, two_tones

from nodeflow import NodeflowError, content
from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.engine import Engine
from nodeflow.execution import Cache
from nodeflow.flow import load
from nodeflow.graph import Node, check, migrated
from nodeflow.graph import load as load_graph
from nodeflow.models import open_control
from nodeflow.packs import default_library

GRAPHS = content.folder("graphs") / "training"
SMALL: dict[str, dict[str, Any]] = {
    "unconditional": {"size": 8, "widths": "8, 8"},
    "class-conditional": {"size": 8, "widths": "8, 8", "classes": 2, "prompts": "red\nblue"},
    "autoencoder": {"size": 16, "widths": "8, 8"},
    "text-to-image": {"size": 16, "widths": "8, 16", "autoencoder_steps": 2, "captions": "folders"},
    "fine-tune": {"size": 16},
    "control": {"size": 16},
    "lora": {"size": 16, "rank": 2},
    "few-steps": {"size": 16},
    "textual-inversion": {"size": 16, "like": "a cat", "vectors": 2},
    "text-to-sound": {"size": 16, "widths": "8, 16", "captions": "folders", "prompt": "low"},
    "fine-tune-sound": {"captions": "folders", "prompt": "low"},
    "waves": {"seconds": 0.008, "rate": 8000, "widths": "32, 32"},
    "dreambooth": {"size": 16, "rank": 2, "class_count": 3, "class_prompt": "a cat"},
}
ON_SOUNDS = {"text-to-sound": "autoencoder", "fine-tune-sound": "model", "waves": ""}
"""And the input that takes a model."""
ON_A_MODEL = ("fine-tune", "control", "lora", "dreambooth", "few-steps", "textual-inversion")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_kinds(tmp_path_factory.mktemp("pictures"), count=6, side=16)


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A training graph as a function that writes into the test's own folders."""
    monkeypatch.setenv("NODEFLOW_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    engine = Engine(results=Cache(folder=None))
    return lambda name: load(GRAPHS / f"{name}.json", engine=engine)


@pytest.mark.parametrize("path", sorted(GRAPHS.glob("*.json")), ids=lambda path: path.stem)
def test_every_training_graph_is_sound_and_small_here(path: Path) -> None:
    faults = [fault for fault in check(load_graph(path), default_library()) if "folder" not in fault.where]
    assert not faults and path.stem in SMALL


@pytest.mark.parametrize("name", SMALL)
def test_training_graphs_train(name: str, flow: Any, pictures: Path, tiny: Tiny) -> None:
    values = {"folder": str(pictures), "steps": 2, "batch": 2, **SMALL[name]}
    if name in ON_A_MODEL:
        values["model"] = str(tiny("text_to_image"))
    if name in ON_SOUNDS:
        values["folder"] = str(two_tones(pictures.with_name("sounds"), count=4))
        values |= {ON_SOUNDS[name]: str(tiny("sound"))} if ON_SOUNDS[name] else {}
    if name == "control":
        values["controls"] = str(two_kinds(pictures.with_name("controls"), count=6, side=16))
    done = flow(name)(**values)
    assert done.loss.size == (640, 320) and torch.isfinite(done.samples.data).all()
    if "file" in done:
        _changes(done.file, values["model"])
    if "control" in done:
        assert open_control(done.control) is not None
    if "model" not in done:
        return
    parts = open_model(done.model)
    if name in ON_SOUNDS:
        assert done.sound.rate == 8000 and torch.isfinite(done.sound.data).all()
        assert parts.family == ("waves" if name == "waves" else "sound")
        return
    assert (parts.text_encoder is not None) == (name == "text-to-image" or name in ON_A_MODEL)
    assert load_weights(parts.denoiser).config["sample_size"] == values["size"] // parts.denoiser.space.factor


def test_an_sdxl_needs_no_other_graph(flow: Any, pictures: Path, tiny: Tiny) -> None:
    values = {"folder": str(pictures), "model": str(tiny("sdxl")), "steps": 1, "batch": 2, **SMALL["lora"]}
    done = flow("lora")(**values)
    assert torch.isfinite(done.samples.data).all()
    _changes(done.file, values["model"])
    with pytest.raises(NodeflowError, match=r"NF404.*reads texts as sdxl"):
        flow("lora")(**values, train_text=True)
    with pytest.raises(NodeflowError, match=r"NF404.*a word can be learnt in models with one"):
        flow("textual-inversion")(folder=str(pictures), model=values["model"], size=16, like="a cat", steps=1)


def _changes(lora: str, model: str) -> None:
    """The file is one that the node for adapters takes, and it changes one of the networks."""
    parts = open_model(model)
    changed = default_library().type("model/lora").function(parts.denoiser, lora, parts.text_encoder)
    pairs = (parts.denoiser, changed.denoiser), (parts.text_encoder, changed.text_encoder)
    states = [[load_weights(handle).state_dict() for handle in pair if handle is not None] for pair in pairs]
    same = [a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a) for a, b in states]
    assert sorted(same) == [False, True]


def test_a_distillation_saved_before_there_were_two_methods_is_one_of_consistency() -> None:
    graph = load_graph(GRAPHS / "few-steps.json")
    graph.nodes["train"] = Node("training/distil", 1, {"steps": 7}, {})
    new, faults, _ = migrated(graph, default_library())
    assert not faults
    assert new.nodes["train"].values == {"method": "consistency", "teacher_steps": 50, "steps": 7}


def test_nothing_changed_nothing_runs_and_cosmetics_change_nothing(flow: Any, pictures: Path) -> None:
    one = flow("unconditional")
    values = {"folder": str(pictures), "steps": 2, "batch": 2, **SMALL["unconditional"]}
    one(**values)
    again = one.engine.plan(one.graph, values={**values, "save_every": 7, "preview_every": 1})
    report = one.engine.run(again)
    assert not [node.node for node in report.nodes if node.status == "ran" and node.node not in ("save",)]


def test_a_saved_model_is_a_plain_folder_inside_the_output_folder(flow: Any, pictures: Path) -> None:
    values = {"folder": str(pictures), "steps": 1, "batch": 2, **SMALL["unconditional"], "name": "../elsewhere"}
    with pytest.raises(NodeflowError, match="NF603"):
        flow("unconditional")(**values)


def test_a_model_with_classes_is_sampled_by_class(flow: Any, pictures: Path) -> None:
    values = {"folder": str(pictures), "steps": 1, "batch": 2, **SMALL["class-conditional"]}
    model = flow("class-conditional")(**values).model
    from nodeflow.diffusion.denoising import denoise, plain
    from nodeflow.diffusion.latents import empty
    from nodeflow.diffusion.scheduling import make_schedule

    parts = open_model(model)
    label = default_library().type("text/class").function
    net = load_weights(parts.denoiser)
    start, schedule = empty(parts.denoiser.space, 8, 8, 2), make_schedule(parts.scheduler, steps=2)
    one, other, guided = (
        denoise(net, start, schedule, positive=label(a), negative=label(2), guidance=plain(g)).latent.data
        for a, g in ((0, 1.0), (1, 1.0), (1, 3.0))
    )
    assert not torch.equal(one, other) and not torch.equal(other, guided)
