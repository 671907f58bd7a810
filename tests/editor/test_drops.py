"""Files dropped on the window, and nodes taken from one window to another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nodeflow.editor.dropping import meaning

from .conftest import GRAPHS, Hands

pytest.importorskip("PySide6")


def weights(path: Path, *names: str) -> Path:
    """A file of weights with these names, a number each."""
    head = {name: {"dtype": "F32", "shape": [1], "data_offsets": [4 * at, 4 * at + 4]} for at, name in enumerate(names)}
    text = json.dumps(head).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(4 * len(names)))
    return path


FLUX = ("double_blocks.0.img_attn.norm.key_norm.scale", "single_blocks.0.linear1.weight")
CODER = ("decoder.up.0.block.0.conv1.weight", "encoder.conv_in.weight")
CLIP = ("text_model.embeddings.token_embedding.weight",)
LORA = ("lora_unet_mid.lora_down.weight", "lora_unet_mid.lora_up.weight")
CONTROL = ("controlnet_cond_embedding.conv_in.weight",)


def test_what_a_file_of_weights_is_says_its_header(tmp_path: Path):
    def kind(*names: str) -> tuple[str, str]:
        meant = meaning(str(weights(tmp_path / "x.safetensors", *names)))
        return meant.kind, meant.ports[0] if meant.ports else meant.why

    assert kind(*FLUX) == ("model/files", "denoiser")
    assert kind(*CODER) == ("model/files", "autoencoder")
    assert kind(*CLIP) == ("model/files", "text_encoder")
    assert kind(*LORA) == ("model/lora", "path")
    assert kind("ip_adapter.1.to_k_ip.weight") == ("control/load-ip-adapter", "adapter")
    assert kind("vision_model.x") == ("control/load-image-encoder", "encoder")
    assert kind(*CONTROL) == ("control/load", "network")
    assert "config.json" in kind("adapter.body.0.in_conv.weight")[1]
    (tmp_path / "config.json").write_text("{}")
    assert kind(*CONTROL) == ("control/load", "network")
    assert "an upscaler" in kind("conv_first.weight")[1]
    assert "convert old.ckpt" in meaning("old.ckpt").why and meaning("words.doc").why
    assert (
        meaning(str(tmp_path)).why and meaning(str(GRAPHS.parent / "assets" / "models" / "emoji")).kind == "model/load"
    )


def test_a_model_of_four_bits_is_opened_by_the_loader_of_files(tmp_path: Path):
    gguf = pytest.importorskip("gguf")
    import numpy as np

    writer = gguf.GGUFWriter(tmp_path / "flux.gguf", "flux")
    for name in FLUX:
        writer.add_tensor(name, np.zeros((4, 4), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    meant = meaning(str(tmp_path / "flux.gguf"))
    assert (meant.kind, meant.ports[0]) == ("model/files", "denoiser")


def drop(target, *paths: Path | str, at=None):
    from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
    from PySide6.QtGui import QDragEnterEvent, QDropEvent
    from PySide6.QtWidgets import QApplication

    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    spot, action, held = at or QPoint(40, 40), Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(spot, action, data, Qt.MouseButton.LeftButton, held)
    QApplication.sendEvent(target, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(target, QDropEvent(QPointF(spot), action, data, Qt.MouseButton.LeftButton, held))


def test_pictures_and_models_become_nodes_in_one_step_each(window, opened, tmp_path: Path, hands: Hands):
    from PIL import Image

    document, pane = window.current.document, window.current.canvas.viewport()
    before = document.text
    Image.new("RGB", (8, 8), "red").save(tmp_path / "plain.png")
    drop(pane, tmp_path / "plain.png", weights(tmp_path / "style.safetensors", *LORA))
    assert document.graph.nodes["load_2"].type == "image/load"
    assert document.value("load_2", "path") == str(tmp_path / "plain.png")
    assert document.value("lora", "path") == str(tmp_path / "style.safetensors")
    assert window.current.canvas.selected() == ["load_2", "lora"]
    hands.do("undo")
    assert "lora" not in document.graph.nodes and "load_2" in document.graph.nodes
    hands.do("undo")
    assert document.text == before


def test_a_part_dropped_on_its_loader_is_taken_by_it(window, opened, tmp_path: Path):
    from PySide6.QtCore import QPointF

    document, canvas = window.current.document, window.current.canvas
    name = document.add("model/files", (0, 900))
    canvas.show_node(name)
    spot = canvas.mapFromScene(canvas.nodes[name].pos() + QPointF(60, 12))
    for file, names in (("flux", FLUX), ("ae", CODER), ("clip_l", CLIP), ("clip_g", CLIP)):
        drop(canvas.viewport(), weights(tmp_path / f"{file}.safetensors", *names), at=spot)
    said = {port: Path(path).stem for port, path in document.graph.nodes[name].values.items()}
    assert said == {"denoiser": "flux", "autoencoder": "ae", "text_encoder": "clip_l", "second": "clip_g"}
    assert [node.type for node in document.graph.nodes.values()].count("model/files") == 1


def test_graphs_open_from_what_carries_them_on_the_first_page_too(window, tmp_path: Path):
    import numpy as np

    from nodeflow.media import images, sounds

    text = (GRAPHS / "text-to-image.json").read_text()
    pixels = np.zeros((8, 8, 3), np.uint8)
    for suffix in ("png", "webp"):
        (tmp_path / f"made.{suffix}").write_bytes(images.encode(pixels, suffix.upper(), graph=text))
    (tmp_path / "made.flac").write_bytes(sounds.encode(np.zeros((1, 800), np.float32), 8000, "FLAC", graph=text))
    (tmp_path / "made.json").write_text(text)
    assert window.current is None
    drop(window, *(tmp_path / f"made.{suffix}" for suffix in ("png", "webp", "flac", "json")))
    assert len(window.spaces) == 4
    assert all(len(space.document.graph.nodes) == 7 for space in window.spaces)
    drop(window.palette_.line.parentWidget().window(), tmp_path / "nothing.xyz")
    assert "drop a graph" in window.statusBar().currentMessage()


def test_a_model_dropped_on_the_first_page_begins_a_graph(window):
    drop(window, GRAPHS.parent / "assets" / "models" / "emoji")
    (node,) = window.current.document.graph.nodes.values()
    assert node.type == "model/load" and node.values["model"].endswith("emoji")


def test_nodes_are_copied_between_windows_as_text(window, opened, hands: Hands, qtbot, library, hub):
    from PySide6.QtGui import QGuiApplication

    from nodeflow.editor.window import Window

    window.current.canvas.select(["schedule", "denoise"])
    hands.do("copy")
    text = QGuiApplication.clipboard().text()
    assert set(json.loads(text)["nodes"]) == {"schedule", "denoise"}
    other = Window(library, hub)
    closes, hub.close = hub.close, lambda: None
    try:
        other.files.open_empty()
        other.commands.do("paste")
        nodes = other.current.document.graph.nodes
        assert nodes["denoise"].wires["schedule"] == "schedule.schedule" and nodes["schedule"].values["steps"] == 4
        assert set(other.current.canvas.selected()) == {"schedule", "denoise"}
    finally:
        other.files.leaving = True
        other.close()
        hub.close = closes
        other.deleteLater()
