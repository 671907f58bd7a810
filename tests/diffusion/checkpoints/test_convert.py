"""Pickled weights: converted when they are weights, refused when they are programs, with nothing run."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from nodeflow.diffusion.checkpoints.convert import convert
from nodeflow.errors import NodeflowError


def test_weights_come_out_under_their_names(tmp_path: Path) -> None:
    a = torch.randn(3, 4)
    torch.save({"state_dict": {"x.weight": a, "y.weight": a.T, "epoch": 3}, "global_step": 7}, tmp_path / "m.ckpt")
    made = load_file(convert(tmp_path / "m.ckpt"))
    assert made.keys() == {"x.weight", "y.weight"}
    assert torch.equal(made["x.weight"], a)
    assert torch.equal(made["y.weight"], a.T)
    with pytest.raises(NodeflowError, match="the file is there already"):
        convert(tmp_path / "m.ckpt")
    convert(tmp_path / "m.ckpt", replace=True)


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


def test_a_program_leaves_no_mark(tmp_path: Path) -> None:
    torch.save({"state_dict": {"x": torch.zeros(2)}, "evil": Evil(tmp_path / "mark")}, tmp_path / "m.ckpt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Evil(tmp_path / "mark"), protocol=2))
    for name in ("m.ckpt", "plain.pt"):
        with pytest.raises(NodeflowError, match=r"NF405.*more than weights"):
            convert(tmp_path / name)
    assert not (tmp_path / "mark").exists()
    assert not (tmp_path / "m.safetensors").exists()


def test_what_is_no_pickle_of_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.ckpt").write_bytes(b"hello there, this is a text")
    torch.save({"epoch": 3}, tmp_path / "empty.ckpt")
    for name, code in (("text.ckpt", "NF403"), ("empty.ckpt", "NF403"), ("absent.ckpt", "NF401")):
        with pytest.raises(NodeflowError, match=code):
            convert(tmp_path / name)
