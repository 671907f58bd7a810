"""Where nodeflow's own content and the user's files lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeflow import content


@pytest.mark.parametrize("name", ["nodes", "graphs", "assets"])
def test_the_content_is_there(name: str) -> None:
    assert content.folder(name).is_dir()


def test_a_wheel_carries_its_own_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "nodeflow"
    (tmp_path / "site-packages" / "nodes").mkdir(parents=True)
    (package / "_content" / "nodes").mkdir(parents=True)
    monkeypatch.setattr(content, "_PACKAGE", package)
    assert content.folder("nodes") == package / "_content" / "nodes"


def test_the_user_may_move_caches_and_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODEFLOW_CACHE", str(tmp_path / "c"))
    monkeypatch.setenv("NODEFLOW_DATA", str(tmp_path / "d"))
    assert content.cache_folder() == tmp_path / "c"
    assert content.user_folder("packs") == tmp_path / "d" / "packs"
    monkeypatch.setenv("NODEFLOW_CACHE", "")
    monkeypatch.delenv("NODEFLOW_DATA")
    assert content.cache_folder().is_absolute() and content.cache_folder().name == "nodeflow"
    assert content.user_folder("packs").is_absolute() and not content.user_folder("packs").is_relative_to(tmp_path)
