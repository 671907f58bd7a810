"""Pictures with control pictures, and a ControlNet that learns from them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_training import Host, paint

from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.training import fresh
from nodeflow.diffusion.training.control import new_control, train_control
from nodeflow.diffusion.training.course import Course
from nodeflow.diffusion.training.folder import scan
from nodeflow.diffusion.training.lessons import Base, Plan
from nodeflow.diffusion.training.painting import Wanted
from nodeflow.diffusion.training.pairing import paired
from nodeflow.errors import NodeflowError
from nodeflow.models import open_control
from nodeflow.training import Dataset, Objective, Optimiser, Settings


def pairs(folder: Path, inside: str = "", count: int = 6) -> Dataset:
    """Pictures whose halves are told by their control pictures, and by nothing else."""
    controls = folder / inside if inside else folder.with_name("controls")
    for i in range(count):
        half = np.s_[:, :8] if i % 2 else np.s_[:, 8:]
        picture, control = np.full((16, 16, 3), 30), np.zeros((16, 16, 3))
        picture[half], control[half] = 230, 255
        paint(folder / f"{i}.png", picture)
        paint(controls / f"{i}.{'png' if i else 'webp'}", control)
    return Dataset(str(folder), "none", size=16, controls=str(controls))


@pytest.mark.parametrize("inside", ["", "controls"])
def test_control_pictures_are_found_by_name_and_are_no_pictures_to_learn(tmp_path: Path, inside: str) -> None:
    data = pairs(tmp_path / "pictures", inside)
    items = scan(data).items
    assert [item.path.stem for item in items] == [str(i) for i in range(6)]
    assert [item.path.stem for item in paired(data, items)] == [item.path.stem for item in items]
    assert all(item.path.parent.name == "controls" for item in paired(data, items))


def test_control_pictures_are_named_by_the_metadata(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    data = replace(pairs(folder, "edges"), captions="auto", controls="metadata")
    for i in range(6):
        (folder / "edges" / f"{i}.{'png' if i else 'webp'}").rename(folder / "edges" / f"edge-{i}.png")
    rows = [{"file_name": f"{i}.png", "text": f"a {i}", "conditioning_image": f"edges/edge-{i}.png"} for i in range(6)]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    items = scan(data).items
    assert [item.caption for item in items] == [f"a {i}" for i in range(6)]
    assert [item.path.name for item in paired(data, items)] == [f"edge-{i}.png" for i in range(6)]


def test_pictures_without_control_pictures_are_named(tmp_path: Path) -> None:
    data = pairs(tmp_path / "pictures")
    (tmp_path / "controls" / "3.png").unlink()
    with pytest.raises(NodeflowError, match=r"NF105.*3\.png"):
        paired(data, scan(data).items)
    with pytest.raises(NodeflowError, match=r"NF203.*no control pictures"):
        paired(replace(data, controls=""), scan(data).items)
    with pytest.raises(NodeflowError, match=r"NF205.*mirror"):
        paired(replace(data, mirror=True), scan(data).items)


def test_a_control_network_learns_what_its_pictures_say(course: Course, host: Host, tmp_path: Path, tiny: Any) -> None:
    parts = open_model(str(tiny("text_to_image")))
    base = Base(parts.denoiser, parts.scheduler, parts.autoencoder, parts.text_encoder)
    start = new_control(tmp_path / "new", parts.denoiser, seed=0)
    plan = Plan(pairs(tmp_path / "pictures"), Optimiser(3e-3, warmup=5), Settings(batch=6, ema=0.0), 60)
    done = train_control(course, plan, Objective(), base, start, wanted=Wanted(count=2, steps=2))
    losses = done.result.losses
    assert losses[-10:].mean() < 0.9 * losses[:10].mean()
    again = open_control(done.network.folder)
    assert again is not None and again.digest == done.network.digest
    ends = load_weights(done.network).controlnet_mid_block.weight
    assert ends.any() and not load_weights(start).controlnet_mid_block.weight.any()
    steps = len(host.steps)
    train_control(course, plan, Objective(), base, start)
    assert len(host.steps) == steps  # done before


def test_only_u_nets_that_read_texts_have_control_networks(tmp_path: Path) -> None:
    config = fresh.denoiser_config(size=8, widths=(8, 16), attention=1)
    plain = fresh.new_denoiser(tmp_path, config, fresh.PIXELS, seed=0)
    with pytest.raises(NodeflowError, match="NF404"):
        new_control(tmp_path, plain, seed=0)
