"""Devices and number formats: an explicit choice or one rule, never a silent replacement."""

from __future__ import annotations

import pytest
import torch

from nodeflow.diffusion import devices
from nodeflow.errors import NodeflowError


@pytest.fixture
def cards(monkeypatch):
    """A machine with two CUDA cards of this capability."""

    def plug(capability=(8, 0)):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)

    return plug


@pytest.fixture
def bare(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_auto_prefers_cuda_then_mps_then_cpu(monkeypatch, bare, cards):
    assert devices.pick_device("auto") == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert devices.pick_device("auto") == "mps:0"
    cards()
    assert devices.pick_device("auto") == "cuda:0"


def test_names_are_spelled_as_tensors_spell_them(cards):
    cards()
    assert [devices.pick_device(name) for name in ("cpu", "cuda", "cuda:1")] == ["cpu", "cuda:0", "cuda:1"]


@pytest.mark.parametrize("name", ["cuda", "cuda:7", "mps", "gpu", "", "cpu:1", "meta"])
def test_what_is_not_there_is_refused_naming_what_is(bare, name):
    with pytest.raises(NodeflowError, match=r"NF411.*cpu"):
        devices.pick_device(name)


def test_formats_by_device(cards):
    assert devices.pick_dtype("auto", "cpu") == "float32"
    assert devices.pick_dtype("auto", "mps:0") == "float16"
    cards((8, 9))
    assert devices.pick_dtype("auto", "cuda:0") == "bfloat16"
    cards((7, 5))
    assert devices.pick_dtype("auto", "cuda:0") == "float16"
    with pytest.raises(NodeflowError, match="NF412"):
        devices.pick_dtype("bfloat16", "cuda:0")


def test_explicit_formats_stay():
    assert devices.pick_dtype("fp16", "cpu") == devices.pick_dtype("float16", "cpu") == "float16"
    assert devices.torch_dtype(devices.pick_dtype("bf16", "cpu")) is torch.bfloat16
    for name in ("float8", "int8", "", "torch.float32"):
        with pytest.raises(NodeflowError, match="NF412"):
            devices.pick_dtype(name, "cpu")
