"""No template, no value and no link leads a file out of the output folder."""

from __future__ import annotations

import os
import string
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nodeflow.errors import NodeflowError
from nodeflow.media import names

FIELDS = {"graph": "portrait", "seed": 7, "index": 1, "prompt": "a red heart"}
NASTY = ["..", ".", "/", "\\", "C:", "\0", "CON", "nul.txt", "~", " ", "%", "{seed}", "\ud800", "é" * 300, "\n", "a"]
TEMPLATES = st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=5)), max_size=6).map("".join)


def assert_inside(folder: Path, path: Path) -> None:
    assert path.resolve().is_relative_to(folder.resolve())
    relative = path.relative_to(folder)
    for part in relative.parts:
        assert part not in ("", ".", "..") and len(os.fsencode(part)) <= 255
        assert not PureWindowsPath(part).is_reserved() and not set(part) & set('<>:"|?*\\/\0')
    assert not PureWindowsPath(*relative.parts).is_absolute() and not PureWindowsPath(*relative.parts).drive
    assert not PurePosixPath(*relative.parts).is_absolute()


@given(TEMPLATES)
def test_a_template_is_refused_or_stays_inside(tmp_path: Path, template: str) -> None:
    try:
        path = names.output_path(tmp_path, template, FIELDS)
    except NodeflowError as error:
        assert error.code in ("NF603", "NF205") and "\n" not in str(error)
        str(error).encode()
    else:
        assert_inside(tmp_path, path)


@given(st.one_of(st.text(), TEMPLATES, st.none(), st.floats(), st.integers()))
@example("con")
@example("..")
@example("")
@example("赤いハート" * 50)
@example("x" * 79 + "/../..")
def test_no_value_spoils_a_good_template(tmp_path: Path, value: object) -> None:
    for template in ("{prompt}", "{prompt}-{seed}-{index:04}", "a/{prompt}", "{prompt}{prompt}.{prompt}"):
        path = names.output_path(tmp_path, template, FIELDS | {"prompt": value})
        assert_inside(tmp_path, path)
        assert path.suffix == ".png"


@pytest.mark.parametrize(
    "template",
    ["", "../x", "a/../../x", "/etc/x", "\\\\server\\x", "C:x", "C:\\x", "x\0y", "CON", "aux.png", "com1 .txt",
     "x" * 300, "a//b", "a/./b", "x.", " x", "a/b ", "lpt¹", "\ud800"],
)  # fmt: skip
def test_what_leaves_or_cannot_be_a_name_is_refused(tmp_path: Path, template: str) -> None:
    with pytest.raises(NodeflowError, match="NF603"):
        names.output_path(tmp_path, template, FIELDS)


@pytest.mark.parametrize(
    "template",
    ["{who}", "{", "{seed:q}", "{}", "{0}", "{seed.__class__}", "{seed[0]}", "{index:0999999999}", "{seed:{index}}",
     "{seed:.999999999f}"],
)  # fmt: skip
def test_what_is_no_template_is_refused(tmp_path: Path, template: str) -> None:
    with pytest.raises(NodeflowError, match="NF205"):
        names.output_path(tmp_path, template, FIELDS)


def test_fields_are_filled_in(tmp_path: Path) -> None:
    path = names.output_path(tmp_path, "{graph}/{prompt}-{seed}-{index:04}", FIELDS)
    assert path == tmp_path / "portrait" / "a red heart-7-0001.png"
    assert names.output_path(tmp_path, "a.PNG", FIELDS) == tmp_path / "a.PNG"
    assert names.output_path(tmp_path, "a.jpg", FIELDS) == tmp_path / "a.jpg.png"


def test_the_end_of_a_name_outlives_a_long_prompt(tmp_path: Path) -> None:
    path = names.output_path(tmp_path, "{prompt}-{seed}-{index:04}", FIELDS | {"prompt": "赤" * 500})
    assert path.name.endswith("-7-0001.png")


def test_a_folder_that_is_a_link_is_the_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to("real")
    assert names.output_path(tmp_path / "out", "a", FIELDS) == tmp_path / "out" / "a.png"


def test_a_link_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    out = tmp_path / "out"
    out.mkdir()
    (out / "away").symlink_to(tmp_path / "secret")
    (out / "file.png").symlink_to(tmp_path / "secret" / "x.png")
    (out / "circle").symlink_to("circle")
    for template in ("away/x", "file", "circle/x", "away/../x"):
        with pytest.raises(NodeflowError, match="NF603"):
            names.output_path(out, template, FIELDS)


@given(st.integers(0, 2**63), st.sampled_from(string.ascii_letters))
def test_different_seeds_have_different_names(tmp_path: Path, seed: int, letter: str) -> None:
    first = names.output_path(tmp_path, letter + "{seed}", {"seed": seed})
    assert first != names.output_path(tmp_path, letter + "{seed}", {"seed": seed + 1})
