"""Batches go out under names that nobody has, whole or not at all."""

from __future__ import annotations

import errno
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest

from nodeflow.atomic import atomic_create
from nodeflow.errors import NodeflowError
from nodeflow.media import images
from nodeflow.media.outputs import save_all

FIELDS = {"graph": "portrait", "seed": 7}


def save_pictures(
    pixels: np.ndarray, folder: Path, template: str, suffix: str, fields: dict[str, object], graph: str | None
) -> list[Path]:
    format = images.format_of(f"picture{suffix}")
    return save_all((images.encode(one, format, graph=graph) for one in pixels), folder, template, suffix, fields)


def batch(count: int, value: int = 0) -> np.ndarray:
    return np.full((count, 2, 2, 3), value, np.uint8)


def test_a_batch_is_numbered_and_the_next_goes_on(tmp_path: Path) -> None:
    first = save_pictures(batch(2), tmp_path / "out", "{graph}-{seed}-{index:04}", ".png", FIELDS, "{}")
    second = save_pictures(batch(1), tmp_path / "out", "{graph}-{seed}-{index:04}", ".png", FIELDS, None)
    assert [path.name for path in first + second] == [f"portrait-7-{i:04}.png" for i in (1, 2, 3)]
    assert images.graph_in(first[1]) == "{}"
    with pytest.raises(NodeflowError, match="NF604"):
        images.graph_in(second[0])


def test_the_first_free_number_is_taken(tmp_path: Path) -> None:
    paths = save_pictures(batch(3), tmp_path, "{index}", ".png", {}, None)
    paths[1].unlink()
    assert [path.name for path in save_pictures(batch(2), tmp_path, "{index}", ".png", {}, None)] == ["2.png", "4.png"]


@pytest.mark.parametrize("template", ["heart", "a/{graph}", "{index:.0e}" * 3, "{{index}}"])
def test_nothing_is_overwritten_by_any_template(tmp_path: Path, template: str) -> None:
    paths = [
        path for value in range(7) for path in save_pictures(batch(2, value), tmp_path, template, ".png", FIELDS, None)
    ]
    assert len(set(paths)) == 14
    assert [images.read(path)[0].max() for path in paths] == [value for value in range(7) for _ in range(2)]


def test_a_taken_name_is_left_alone_whatever_has_it(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    (tmp_path / "a-2.png").symlink_to("nowhere")
    assert save_pictures(batch(1), tmp_path, "a", ".png", {}, None) == [tmp_path / "a-3.png"]
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("template", "suffix", "code"), [("../x", ".png", "NF603"), ("{x}", ".png", "NF205"), ("x", ".tga", "NF605")]
)
def test_a_bad_request_writes_nothing(tmp_path: Path, template: str, suffix: str, code: str) -> None:
    with pytest.raises(NodeflowError, match=code):
        save_pictures(batch(1), tmp_path / "out", template, suffix, FIELDS, None)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    for template in ("x", "a/x"):
        with pytest.raises(NodeflowError, match=r"NF108.*out"):
            save_pictures(batch(1), tmp_path / "out", template, ".png", {}, None)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").symlink_to(tmp_path)
    with pytest.raises(NodeflowError, match="NF603"):
        save_pictures(batch(1), tmp_path / "out", "a/x", ".png", {}, None)
    assert not (tmp_path / "x.png").exists()


def test_a_file_system_without_hard_links_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "1.png").write_bytes(b"mine")
    assert save_pictures(batch(1), tmp_path, "{index}", ".png", {}, None) == [tmp_path / "2.png"]
    assert (tmp_path / "1.png").read_bytes() == b"mine"
    with pytest.raises(FileExistsError):
        atomic_create(tmp_path / "1.png", b"yours")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.png", "2.png"]


def _save_many(folder: Path, value: int) -> list[Path]:
    return [path for _ in range(10) for path in save_pictures(batch(2, value), folder, "{index}", ".png", {}, None)]


def test_two_processes_share_a_folder(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        first, second = pool.starmap(_save_many, [(tmp_path, 1), (tmp_path, 2)])
    assert sorted(int(path.stem) for path in first + second) == list(range(1, 41))
    for value, paths in ((1, first), (2, second)):
        assert {int(images.read(path)[0].max()) for path in paths} == {value}
    assert len(list(tmp_path.iterdir())) == 40
