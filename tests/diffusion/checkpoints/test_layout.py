"""Which components a folder has, and which files hold their weights."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.diffusion.checkpoints.files import choose_weights, weight_files
from nodeflow.diffusion.checkpoints.layout import read_layout
from nodeflow.errors import NodeflowError

STEM = "diffusion_pytorch_model"
PLAIN, HALF = f"{STEM}.safetensors", f"{STEM}.fp16.safetensors"
SHARDS = [f"{STEM}-0000{i}-of-00002.safetensors" for i in (1, 2)]


@pytest.mark.parametrize(
    ("names", "variant", "chosen", "found"),
    [
        ([PLAIN, HALF, f"{STEM}.bin"], "", [PLAIN], ""),
        ([PLAIN, HALF], "fp16", [HALF], "fp16"),
        ([PLAIN], "fp16", [PLAIN], ""),
        ([HALF], "", [HALF], "fp16"),
        ([HALF, f"{STEM}.bf16.safetensors"], "", [], ""),
        ([*SHARDS, f"{STEM}.safetensors.index.json"], "", [f"{STEM}.safetensors.index.json"], ""),
        ([f"{STEM}.safetensors.index.fp16.json"], "fp16", [f"{STEM}.safetensors.index.fp16.json"], "fp16"),
        ([f"{STEM}.fp16.index.json"], "fp16", [f"{STEM}.fp16.index.json"], "fp16"),
        ([f"{STEM}.fp16.safetensors.index.json"], "", [f"{STEM}.fp16.safetensors.index.json"], "fp16"),
        (SHARDS, "", SHARDS, ""),
        ([f"{STEM}.fp16-00001-of-00001.safetensors"], "fp16", [f"{STEM}.fp16-00001-of-00001.safetensors"], "fp16"),
        ([f"{STEM}-00001-of-00001.fp16.safetensors"], "", [f"{STEM}-00001-of-00001.fp16.safetensors"], "fp16"),
        (["model.safetensors", f"{STEM}.bin", "README.md"], "", [], ""),
    ],
)
def test_files_are_chosen_by_name(names, variant, chosen, found):
    assert choose_weights(names, STEM, variant) == (chosen, found)


def touched(folder, *names):
    for name in names:
        (folder / name).touch()


def code_of(folder) -> NodeflowError:
    with pytest.raises(NodeflowError) as caught:
        weight_files(folder, STEM)
    return caught.value


def test_missing_shards_are_named(tmp_path):
    touched(tmp_path, SHARDS[0])
    assert SHARDS[1] in str(code_of(tmp_path))
    index = {"weight_map": {"a": SHARDS[0], "b": "gone.safetensors"}}
    (tmp_path / f"{STEM}.safetensors.index.json").write_text(json.dumps(index))
    assert code_of(tmp_path).code == "NF401"
    assert "gone.safetensors" in str(code_of(tmp_path))


@pytest.mark.parametrize(
    "index",
    [
        "{}",
        "[]",
        '{"x": NaN}',
        '{"x": 1, "x": 2}',
        "[" * 100_000,
        '{"weight_map": {}}',
        '{"weight_map": {"a": 1}}',
        "{",
        "\udc00" * 3,
    ],
)
def test_a_corrupt_index_is_refused(tmp_path, index):
    (tmp_path / f"{STEM}.safetensors.index.json").write_bytes(index.encode("utf-8", "surrogatepass"))
    assert code_of(tmp_path).code == "NF402"


hostile = st.sampled_from(["../x", "/etc/passwd", "a/b", "..", ".", "", "C:\\x", "a\0b", "..\\x", "x" * 300]) | st.text(
    st.sampled_from("./\\:ab")
).filter(lambda name: any(sign in name for sign in "/\\:") or name in ("", ".", ".."))


@given(name=hostile)
def test_names_cannot_leave_their_folder(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("hostile")
    (folder / f"{STEM}.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    assert code_of(folder).code == "NF402"
    (folder / "model_index.json").write_text(json.dumps({name: ["diffusers", "UNet2DModel"]}))
    with pytest.raises(NodeflowError, match="NF402"):
        read_layout(folder)


def test_pickled_weights_are_refused(tmp_path):
    (tmp_path / f"{STEM}.bin").write_bytes(b"PK\x03\x04" + bytes(20))
    assert code_of(tmp_path).code == "NF405"
    (tmp_path / f"{STEM}.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "model.bin"}}))
    assert code_of(tmp_path).code == "NF405"


def test_a_layout_keeps_components_and_plain_values_apart(tiny):
    layout = read_layout(tiny("text_to_image"))
    assert set(layout.components) == {"scheduler", "text_encoder", "tokenizer", "unet", "vae"}
    assert layout.options["requires_safety_checker"] is False
    assert layout.components["unet"].folder == tiny("text_to_image") / "unet"
    assert layout.components["text_encoder"].stem == "model"


def test_the_oldest_layout_has_all_at_the_root(tiny, tmp_path):
    folder = tiny.copy("unconditional_at_root", tmp_path)
    assert {part.folder for part in read_layout(folder).components.values()} == {folder}
    (folder / "model_index.json").unlink()
    assert read_layout(folder).components["unet"].kind == "UNet2DModel"
