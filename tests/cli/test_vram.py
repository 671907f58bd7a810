"""`--vram`: what is said in words reaches the weights, and models share it."""

from __future__ import annotations

from pathlib import Path

import pytest

import nodeflow as flows
from nodeflow.cli.arguments import read_bytes
from nodeflow.engine import Engine
from nodeflow.errors import NodeflowError
from nodeflow.execution import Cache

GRAPH = Path(__file__).parents[2] / "graphs" / "text-to-image.json"


@pytest.mark.parametrize(("text", "size"), [("6GB", 6 * 10**9), ("1.5 GiB", 3 << 29), ("512mb", 512 * 10**6)])
def test_sizes_are_read(text, size):
    assert read_bytes(text) == size


@pytest.mark.parametrize("text", ["6", "GB", "-1GB", "0MB", "six GB", "6TB"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(NodeflowError, match="NF701"):
        read_bytes(text)


def test_models_make_room_for_each_other_and_the_picture_stays(tiny):
    free, tight = Engine(results=Cache(folder=None)), Engine(results=Cache(folder=None), vram=1)
    given = {"model": str(tiny()), "prompt": "a cat", "steps": 1}
    first, second = (flows.load(GRAPH, engine=engine)(**given).image for engine in (free, tight))
    assert (first.data == second.data).all()
    kinds = {held.kind for held in free.residency.held()}
    assert kinds == {"CLIPTextModel", "UNet2DConditionModel", "AutoencoderKL"}
    assert [held.kind for held in tight.residency.held()] == ["AutoencoderKL"]
    free.bound(1)
    assert free.residency.held() == []
    free.bound(0)
    assert flows.load(GRAPH, engine=free)(**given | {"prompt": "a dog"}) and len(free.residency.held()) == 3


def test_the_option_is_heard(nodeflow, tiny, tmp_path):
    told = ["run", GRAPH, "--set", f"model={tiny()}", "--set", "steps=1", "-o", tmp_path]
    assert nodeflow(*told, "--vram", "1MB").status == 0
    assert "NF701" in nodeflow(*told, "--vram", "much").err
