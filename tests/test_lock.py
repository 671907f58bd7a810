"""Locks: the models of a graph by their hashes, verified in a sentence, carried by pictures."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from picturing import write_adapter, write_eye
from safetensors.torch import save_file

from nodeflow import lock
from nodeflow.cli.app import run_app
from nodeflow.errors import NodeflowError
from nodeflow.graph import Graph, load, save


@pytest.fixture
def models(tmp_path: Path, tiny: Any) -> list[Path]:
    return [shutil.copytree(tiny("unconditional"), tmp_path / name) for name in ("a", "b", "c")]


def graph(models: list[Path]) -> Graph:
    made = Graph()
    for path in models:
        made.add("model/load", model=str(path))
    return made


def change(model: Path) -> Path:
    """One bit of the weights, the size and the time as they were: what only a hash sees."""
    path = model / "unet" / "diffusion_pytorch_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    return path


def test_what_was_locked_is_verified_and_what_differs_is_named(models: list[Path]) -> None:
    document = graph(models)
    pinned = lock.locked(document)
    assert lock.verify(document, pinned) == "3 of 3 models verified"
    change(models[1])
    with pytest.raises(NodeflowError, match=r"NF415 2 of 3 models verified, 1 differs: .*unet/diffusion_pytorch_model"):
        lock.verify(document, pinned)


def test_a_model_may_move_and_another_is_refused(models: list[Path], tmp_path: Path) -> None:
    pinned = lock.locked(graph(models[:1]))
    moved = graph([models[0].rename(tmp_path / "moved")])
    assert lock.verify(moved, pinned) == "1 of 1 model verified"
    with pytest.raises(NodeflowError, match="is not in the lock"):
        lock.verify(graph([tmp_path / "moved", models[1]]), pinned)


def test_a_file_may_be_renamed(tmp_path: Path) -> None:
    from tests import singles

    file = tmp_path / "model.safetensors"
    save_file(singles.original("sd1"), file)
    pinned = lock.locked(graph([file]))
    renamed = file.rename(tmp_path / "sd1.safetensors")
    assert lock.verify(graph([renamed]), pinned) == "1 of 1 model verified"
    data = bytearray(renamed.read_bytes())
    data[-1] ^= 1
    renamed.write_bytes(data)
    with pytest.raises(NodeflowError, match="0 of 1 model verified"):
        lock.verify(graph([renamed]), pinned)


def test_locks_are_files_that_are_checked(tmp_path: Path, models: list[Path]) -> None:
    path = lock.lock_path(tmp_path / "heart.json")
    assert path.name == "heart.lock.json"
    pinned = lock.locked(graph(models[:1]))
    lock.write(pinned, path)
    assert lock.read(path) == pinned
    wrong = '{"nodeflow-lock": 1, "models": {"a": {"model": "x", "files": {"y": 3}}}}'
    for data, code in (
        ("{", "NF105"),
        ('{"nodeflow-lock": 9}', "NF106"),
        ('{"nodeflow-lock": 1, "models": 3}', "NF105"),
        (wrong, "NF105"),
    ):
        path.write_text(data)
        with pytest.raises(NodeflowError, match=code):
            lock.read(path)
    with pytest.raises(NodeflowError, match="no lock file"):
        lock.read(tmp_path / "absent.lock.json")
    with pytest.raises(NodeflowError, match="opens no model"):
        lock.locked(Graph())


def test_a_run_with_other_models_is_refused_and_pictures_carry_the_lock(
    tmp_path: Path, models: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    document = load(Path(__file__).parents[1] / "graphs" / "unconditional.json")
    for node in document.nodes.values():
        if node.type == "model/load":
            node.values["model"] = str(models[0])
    file = tmp_path / "picture.json"
    save(document, file)

    def command(*arguments: str) -> int:
        with pytest.raises(SystemExit) as ended:
            run_app(arguments)
        return int(ended.value.code or 0)

    run = ("run", str(file), "--locked", "--fresh", "-q", "-s", "steps=1", "-o", str(tmp_path / "out"))
    assert command(*run) == 3
    assert "make it with nodeflow lock" in capsys.readouterr().err
    assert command("lock", str(file)) == 0
    assert command(*run) == 0
    seen = capsys.readouterr()
    assert "1 of 1 model verified" in seen.err
    picture = next(line for line in seen.out.splitlines() if line.endswith(".png"))
    from nodeflow.opening import open_graph

    assert open_graph(picture).extra["lock"] == lock.read(lock.lock_path(file))["models"]
    change(models[0])
    assert command(*run) == 5
    assert "0 of 1 model verified, 1 differs" in capsys.readouterr().err


def test_control_networks_and_adapters_are_locked_too(tiny: Any, tmp_path: Path) -> None:
    control = shutil.copytree(tiny("control"), tmp_path / "control")
    adapter = write_adapter(tmp_path / "ip.safetensors")
    encoder = write_eye(tmp_path / "eye")
    lora = tmp_path / "lora.safetensors"
    save_file({"lora_unet_x.lora_down.weight": torch.zeros(2, 3)}, lora)
    made = Graph()
    made.add("control/load", network=str(control))
    made.add("control/load-ip-adapter", adapter=str(adapter))
    made.add("control/load-image-encoder", encoder=str(encoder))
    made.add("model/lora", path=str(lora))
    pinned = lock.locked(made)
    assert lock.verify(made, pinned) == "4 of 4 models verified"
    data = bytearray(adapter.read_bytes())
    data[-1] ^= 1
    adapter.write_bytes(data)
    with pytest.raises(NodeflowError, match=r"NF415 3 of 4 models verified, 1 differs: .*ip.safetensors"):
        lock.verify(made, pinned)
