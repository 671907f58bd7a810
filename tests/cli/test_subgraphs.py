"""Graphs with subgraphs and muted nodes on the command line."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from nodeflow.graph import load, save
from nodeflow.graph.grouping import grouped
from nodeflow.packs import default_library

GRAPH = Path(__file__).parents[2] / "graphs" / "text-to-image.json"


def test_a_graph_with_subgraphs_is_checked_planned_run_and_compared(nodeflow, tmp_path):
    path, graph = tmp_path / "grouped.json", load(GRAPH)
    edit, name = grouped(graph, "", ["denoise", "schedule", "latent"], "Sampler", default_library())
    graph.apply(edit)
    save(graph, path)
    assert nodeflow("check", path).out.strip().endswith(f"fine, {len(graph.nodes)} nodes")
    settings = ["--set", "steps=2", "--set", "seed=3"]
    planned = nodeflow("plan", path, *settings)
    assert f"{name} / denoise" in planned.out and planned.status == 0
    ours = nodeflow("run", path, *settings, "-o", tmp_path / "ours")
    theirs = nodeflow("run", GRAPH, *settings, "-o", tmp_path / "theirs")
    assert ours.status == 0, ours.err
    one, other = (Image.open(each.files[0]) for each in (ours, theirs))
    assert one.tobytes() == other.tobytes()
    again = nodeflow("run", ours.files[0], "--fresh", "-o", tmp_path / "again")
    assert Image.open(again.files[0]).tobytes() == one.tobytes()
    graph.graphs["Sampler"].nodes["denoise"].values["guidance"] = 3.0
    save(graph, tmp_path / "other.json")
    assert "Sampler / denoise.guidance: 2.0 → 3.0" in nodeflow("diff", path, tmp_path / "other.json").out


def test_what_is_muted_is_said_and_all_muted_is_an_error(nodeflow, tmp_path):
    graph = load(GRAPH)
    graph.nodes["negative"].mute = True
    graph.outputs["schedule"] = "schedule.schedule"
    save(graph, tmp_path / "g.json")
    planned = nodeflow("plan", tmp_path / "g.json")
    assert "negative is muted" in planned.out and planned.status == 0
    ran = nodeflow("run", tmp_path / "g.json", "-q")
    assert ran.status == 0 and "not run: negative (it is muted)" in ran.err and "schedule" in ran.out
    del graph.outputs["schedule"]
    save(graph, tmp_path / "g.json")
    assert "hangs on what is muted: negative" in nodeflow("plan", tmp_path / "g.json").err
