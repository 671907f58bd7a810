"""`nodeflow train`: recipes by name, notes with rate and time left."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from pathlib import Path

import pytest
from toy_training import two_kinds

from nodeflow.cli import progress
from nodeflow.cli.training import recipes
from nodeflow.execution import events


def test_recipes_are_listed_and_unknown_ones_refused(nodeflow) -> None:
    assert nodeflow("train", "list").out.split() == list(recipes())
    assert nodeflow("train", "nonsense").err.startswith("NF107")


def test_a_recipe_trains_and_saves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nodeflow) -> None:
    monkeypatch.setenv("NODEFLOW_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NODEFLOW_CACHE", str(tmp_path / "cache"))
    two_kinds(tmp_path / "pictures", count=4)
    given = ["folder=" + str(tmp_path / "pictures"), "steps=2", "batch=2", "size=8", "widths=8,8"]
    options = [part for text in given for part in ("--set", text)]
    done = nodeflow("train", "unconditional", *options, "--out", tmp_path / "out")
    assert done.status == 0, done
    assert (tmp_path / "out" / "unconditional" / "model_index.json").is_file()


def test_long_nodes_say_now_and_then_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    lines = progress._Lines()
    lines(events.NodeStarted("r", "train"))
    said = io.StringIO()
    with redirect_stderr(said):
        for step in range(1, 41):
            clock[0] += 1
            lines(events.NodeProgress("r", "train", step, 100, None, "loss 0.5"))
            lines(events.NodeProgress("r", "quiet", step, 100))
    left = {10: "0:01:30", 20: "0:01:20", 30: "0:01:10", 40: "0:01:00"}
    expected = [f"train: {step}/100, loss 0.5, 1 a second, {time} left" for step, time in left.items()]
    assert said.getvalue().splitlines() == expected
