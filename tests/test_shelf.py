"""The models on this machine: found where other tools keep them, described from headers, remembered."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from nodeflow import shelf
from nodeflow.cli.app import run_app


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with nothing in it but what a test puts there."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for name in ("NODEFLOW_DATA", "NODEFLOW_CACHE", "NODEFLOW_MODELS", "HF_HUB_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setattr(shelf, "folders", lambda: [tmp_path / "nodeflow_models"])
    monkeypatch.delenv("NODEFLOW_MODEL_PATHS", raising=False)
    return tmp_path


def lora(path: Path, width: int = 768) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight"
    save_file({name: torch.zeros(4, width)}, path)
    return path


def test_files_and_folders_of_other_tools_are_found(home: Path, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lora(home / "ComfyUI" / "models" / "loras" / "style.safetensors")
    lora(home / "stable-diffusion-webui" / "models" / "Lora" / "xl.safetensors", 2048)
    (home / "ComfyUI" / "models" / "loras" / "style.preview.png").write_bytes(b"")
    snapshot = home / "hf_hub_cache" / "models--org--tiny" / "snapshots" / "0123"
    snapshot.parent.mkdir(parents=True)
    shutil.copytree(tiny(), snapshot)
    (home / "elsewhere").mkdir()
    (home / "elsewhere" / "broken.safetensors").write_bytes(b"no model at all")
    (home / "nodeflow_data").mkdir()
    (home / "nodeflow_data" / "model-paths.txt").write_text(f"# mine\n{home / 'elsewhere'}\n")
    found = {row.name: row for row in shelf.scan()}
    assert {name: (row.what, row.family) for name, row in found.items()} == {
        "style.safetensors": ("lora", "sd1"),
        "xl.safetensors": ("lora", "sdxl"),
        "broken.safetensors": ("unreadable", ""),
        "org/tiny": ("model", "sd1"),
    }
    assert found["style.safetensors"].preview.endswith("style.preview.png")
    assert found["xl.safetensors"].words == "a LoRA for SDXL"
    assert found["org/tiny"].bytes > 0
    monkeypatch.setenv("NODEFLOW_MODEL_PATHS", str(home / "elsewhere"))
    assert len(shelf.scan()) == len(found)


def test_strange_files_are_one_line_each(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Cut, empty, of another kind, a pipe, links that lead nowhere or in a circle, names that nobody types."""
    place = home / "ComfyUI" / "models"
    good = lora(place / "loras" / "日本\n♥.safetensors").read_bytes()
    outside = lora(home / "outside" / "linked.safetensors").parent
    (place / "more").symlink_to(outside)
    (outside / "back").symlink_to(place)
    strange = {"cut": good[:-1], "empty": b"", "png": b"\x89PNG\r\n\x1a\n" + bytes(99), "huge": b"\xff" * 7 + b"\x7f{}"}
    for name, data in strange.items():
        (place / f"{name}.safetensors").write_bytes(data)
    (place / "none.safetensors").symlink_to("nowhere")
    (place / "self.safetensors").symlink_to("self.safetensors")
    if hasattr(os, "mkfifo"):
        os.mkfifo(place / "pipe.safetensors")
    with pytest.raises(SystemExit):
        run_app(["models", "--all"])
    lines = capsys.readouterr().out.splitlines()
    for name, words in (("cut", "the file is cut"), ("empty", "the file is empty"), ("png", "does not begin as"),
                        ("huge", "does not begin as"), ("none", "does not exist"), ("self", "links"),
                        ("linked", "a LoRA"), ("日本", "a LoRA"), ("pipe", "a pipe")):  # fmt: skip
        (line,) = [line for line in lines if line.startswith(name)]
        assert words in line
    assert len(lines) == 10


def test_a_file_is_opened_again_only_when_it_changed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = lora(home / "nodeflow_models" / "a.safetensors")
    first = shelf.scan()
    assert first == shelf.remembered()
    described = shelf._described
    opened: list[Path] = []
    monkeypatch.setattr(shelf, "_described", lambda path, stamp: opened.append(path) or described(path, stamp))
    assert shelf.scan() == first
    assert opened == []
    lora(path, 2048)
    assert [row.family for row in shelf.scan()] == ["sdxl"]
    path.unlink()
    assert shelf.scan() == shelf.remembered() == []


def test_hashes_are_computed_once_and_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = lora(home / "nodeflow_models" / "a.safetensors")
    (row,) = shelf.scan(hashes=True)
    assert row.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(shelf, "_sha256", lambda path: "")
    assert shelf.scan(hashes=True) == [row]


def test_the_memory_may_be_anything(home: Path) -> None:
    lora(home / "nodeflow_models" / "a.safetensors")
    expected = shelf.scan()
    for damage in ("", "[1, 2]", '[{"name": 3}]', "{"):
        (home / "nodeflow_cache" / "models.json").write_text(damage)
        assert shelf.scan() == expected


def test_the_command_lists_and_converts(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lora(home / "nodeflow_models" / "a.safetensors")
    torch.save({"state_dict": {"x": torch.zeros(2)}}, home / "old.ckpt")
    for arguments, expected in (
        (["models", "--all"], "a LoRA for Stable Diffusion 1"),
        (["models", "convert", str(home / "old.ckpt")], "old.safetensors"),
    ):
        with pytest.raises(SystemExit) as ended:
            run_app(arguments)
        assert ended.value.code == 0
        assert expected in capsys.readouterr().out
    with pytest.raises(SystemExit):
        run_app(["models", "--all", "--json"])
    assert json.loads(capsys.readouterr().out)[0]["what"] == "lora"
