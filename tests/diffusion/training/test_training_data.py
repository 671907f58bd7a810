"""Laws of the data: every picture is found, shaped, captioned and shown; what is broken is named."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_training import paint

from nodeflow.diffusion.training import buckets, folder
from nodeflow.diffusion.training.buckets import Order
from nodeflow.diffusion.training.folder import Found, scan
from nodeflow.diffusion.training.material import Material
from nodeflow.diffusion.training.store import Store
from nodeflow.errors import NodeflowError
from nodeflow.media import images
from nodeflow.training import Dataset

GREY = np.full((8, 8, 3), 128)


def captions(pictures: Found) -> dict[str, str]:
    return {item.path.name: item.caption for item in pictures.items}


def test_captions_come_from_text_files(tmp_path: Path) -> None:
    paint(tmp_path / "a.png", GREY)
    paint(tmp_path / "sub" / "b.png", GREY)
    (tmp_path / "a.txt").write_text("a red\n heart ", encoding="utf-8")
    (tmp_path / "sub" / "b.txt").write_text("\ufeffein Stern", encoding="utf-8")
    for kind in ("text", "auto"):
        assert captions(scan(Dataset(str(tmp_path), kind))) == {"a.png": "a red heart", "b.png": "ein Stern"}


def test_captions_come_from_metadata(tmp_path: Path) -> None:
    paint(tmp_path / "sub" / "a.png", GREY)
    (tmp_path / "metadata.jsonl").write_text(json.dumps({"file_name": "sub/a.png", "text": "x", "more": 1}) + "\n\n")
    (tmp_path / "sub" / "a.txt").write_text("not this")
    for kind in ("metadata", "auto"):
        assert captions(scan(Dataset(str(tmp_path), kind))) == {"a.png": "x"}


@pytest.mark.parametrize(
    ("name", "words"),
    [("red_heart_003", "red heart"), ("cat (2)", "cat"), ("a  b-7", "a b"), ("42", "42"), ("top10 song", "top10 song")],
)
def test_captions_come_from_names(name: str, words: str, tmp_path: Path) -> None:
    paint(tmp_path / f"{name}.png", GREY)
    for kind in ("names", "auto"):
        assert captions(scan(Dataset(str(tmp_path), kind))) == {f"{name}.png": words}


def test_folders_are_classes(pictures: Path) -> None:
    found = scan(Dataset(str(pictures), "folders"))
    assert found.classes == ("blue", "red")
    assert {(item.path.parent.name, item.label, item.caption) for item in found.items} == {
        ("blue", 0, "blue"),
        ("red", 1, "red"),
    }


def test_hidden_files_and_others_are_no_pictures(tmp_path: Path) -> None:
    for name in ("a.png", ".b.png", ".thumbs/c.png", "d.PNG"):
        paint(tmp_path / name, GREY) if name != "d.PNG" else (tmp_path / name).write_bytes(
            images.encode(GREY.astype(np.uint8))
        )
    (tmp_path / "notes.md").write_text("x")
    assert [path.name for path in folder.files(tmp_path)] == ["a.png", "d.PNG"]


def test_every_unreadable_picture_is_named_and_left_out_only_when_asked(tmp_path: Path) -> None:
    paint(tmp_path / "good.png", GREY)
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(NodeflowError, match=r"NF601") as caught:
        scan(Dataset(str(tmp_path), "none"))
    assert [Path(fault.where).name for fault in caught.value.faults] == ["cut.png", "text.jpg"]
    found = scan(Dataset(str(tmp_path), "none", skip_unreadable=True))
    assert [item.path.name for item in found.items] == ["good.png"]
    assert [Path(fault.where).name for fault in found.unreadable] == ["cut.png", "text.jpg"]


@pytest.mark.parametrize(
    ("content", "kind", "match"),
    [
        ({}, "auto", r"NF107.*no picture"),
        ({"a.png": "", "b.png": "", "a.txt": "x"}, "auto", r"NF105.*b\.png.*no caption"),
        ({"a.png": "", "metadata.jsonl": "{}"}, "auto", r"NF105.*metadata\.jsonl:1"),
        ({"a.png": "", "metadata.jsonl": "\nnot json"}, "auto", r"NF105.*metadata\.jsonl:2"),
        ({"a.png": "", "metadata.jsonl": ""}, "auto", r"NF105.*a\.png.*no caption"),
        ({"a.png": ""}, "metadata", r"NF107.*metadata"),
        ({"a.png": ""}, "colours", r"NF205.*colours"),
    ],
)
def test_what_is_missing_is_refused(content: dict[str, str], kind: str, match: str, tmp_path: Path) -> None:
    for name, text in content.items():
        paint(tmp_path / name, GREY) if name.endswith(".png") else (tmp_path / name).write_text(text)
    with pytest.raises(NodeflowError, match=match):
        scan(Dataset(str(tmp_path), kind))
    with pytest.raises(NodeflowError, match="NF107"):
        scan(Dataset(str(tmp_path / "nowhere")))


def test_no_folder_is_not_the_present_one() -> None:
    with pytest.raises(NodeflowError, match=r"NF107.*chosen"):
        scan(Dataset(""))
    assert folder.fingerprint("") == []


def test_the_digest_knows_content_and_captions_but_not_the_place(tmp_path: Path) -> None:
    def digest(place: str, grey: int = 128, caption: str = "x") -> str:
        paint(tmp_path / place / "a.png", np.full((8, 8, 3), grey))
        (tmp_path / place / "a.txt").write_text(caption)
        return scan(Dataset(str(tmp_path / place))).digest

    first = digest("one")
    assert digest("two") == first
    assert len({first, digest("two", grey=1), digest("two", caption="y")}) == 3


def test_the_fingerprint_sees_files_without_reading_them(tmp_path: Path) -> None:
    paint(tmp_path / "a.png", GREY)
    seen = [folder.fingerprint(str(tmp_path))]
    for change in (lambda: (tmp_path / "a.txt").write_text("x"), lambda: paint(tmp_path / "b.png", GREY)):
        change()
        seen.append(folder.fingerprint(str(tmp_path)))
    assert len({str(one) for one in seen}) == 3


# -- shapes and order ----------------------------------------------------------------------------------------------


@given(st.integers(1, 16), st.sampled_from([8, 16, 64]), st.floats(-1, 1))
def test_a_bucket_is_no_larger_than_the_square_and_the_nearest(squares: int, step: int, octaves: float) -> None:
    side = squares * step
    shapes = buckets.sizes(side, step)
    assert all(w * h <= side * side and w % step == h % step == 0 for w, h in shapes)
    assert (side, side) in shapes and {(h, w) for w, h in shapes} == set(shapes)
    size = (round(1000 * 2**octaves), 1000)
    chosen = buckets.nearest(size, shapes)
    assert all(off(chosen, size) <= off(one, size) + 1e-9 for one in shapes)


def off(one: tuple[int, int], size: tuple[int, int]) -> float:
    return abs(math.log(one[0] / one[1]) - math.log(size[0] / size[1]))


@given(st.lists(st.integers(0, 9), max_size=4), st.integers(1, 5), st.integers(0, 3))
def test_an_epoch_shows_every_picture_in_full_batches_of_one_shape(lengths: list[int], batch: int, seed: int) -> None:
    numbers = iter(range(1000))
    groups = [[next(numbers) for _ in range(length)] for length in [*lengths, 3]]
    order = Order(groups, batch, seed)
    for epoch in range(2):
        batches = [order(epoch * order.length + i) for i in range(order.length)]
        assert all(len(shown) == batch for shown in batches)
        assert all(any(set(shown) <= set(group) for group in groups) for shown in batches)
        counts = Counter(i for shown in batches for i in shown)
        assert set(counts) == {i for group in groups for i in group}
        for group in groups:
            most = {counts[i] for i in group}
            assert not most or max(most) - min(most) <= 1


def test_the_order_is_a_function_of_seed_and_number() -> None:
    groups = [range(20), range(20, 30)]
    one, other = Order(groups, 4, 0), Order(groups, 4, 0)
    assert [one(i) for i in range(40)] == [other(i) for i in reversed(range(40))][::-1]
    assert [one(i) for i in range(8)] != [one(i) for i in range(8, 16)]
    assert [one(i) for i in range(8)] != [Order(groups, 4, 1)(i) for i in range(8)]


def test_material_covers_its_shape_and_is_mirrored_half_the_time(tmp_path: Path) -> None:
    pixels = np.zeros((16, 48, 3))
    pixels[:, 24:] = 255
    paint(tmp_path / "wide.png", pixels)
    paint(tmp_path / "tall.png", pixels.transpose(1, 0, 2))
    data = Dataset(str(tmp_path), "none", size=16, buckets=True, step=4, mirror=True)
    material = Material(scan(data).items, data, Store(None))
    assert sorted(material.shapes) == [(11 // 4 * 4, 22 // 4 * 4 + 0), (20, 8)] or len(set(material.shapes)) == 2
    (wide,) = [i for i, shape in enumerate(material.shapes) if shape[0] > shape[1]]
    x = torch.cat([material([wide], torch.Generator().manual_seed(i)) for i in range(40)])
    assert x.shape[1:] == (3, *material.shapes[wide][::-1])
    bright_left = (x[:, 0, 0, 0] > 0.9).float().mean()
    assert 0.25 < bright_left < 0.75 and x.min() == -1 and x.max() == 1


def test_transparent_parts_are_white(tmp_path: Path) -> None:
    rgba = np.zeros((8, 8, 4), dtype=np.uint8)
    rgba[:4, :, 3] = 255
    images.write(tmp_path / "a.png", rgba)
    data = Dataset(str(tmp_path), "none", size=8)
    x = Material(scan(data).items, data, Store(None))([0], torch.Generator())
    assert torch.equal(x[0, :, :4], torch.full((3, 4, 8), -1.0)) and torch.equal(x[0, :, 4:], torch.ones(3, 4, 8))


# -- what is kept --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("memory", [0, 1 << 20])
def test_what_is_kept_is_computed_once_and_outlives_the_process(memory: int, tmp_path: Path) -> None:
    calls = []

    def compute() -> dict[str, torch.Tensor]:
        calls.append(1)
        return {"x": torch.arange(3.0)}

    store = Store(tmp_path, memory)
    key = store.key("a", 1)
    for kept in (store, store, Store(tmp_path, memory)):
        assert torch.equal(kept.get(key, compute)["x"], torch.arange(3.0))
    assert len(calls) == 1
    next(tmp_path.rglob("*.safetensors")).write_bytes(b"cut")
    assert torch.equal(Store(tmp_path).get(key, compute)["x"], torch.arange(3.0))
    assert len(calls) == 2
    assert len({store.key("a", 1), store.key("a", 2), store.key("a1")}) == 3
