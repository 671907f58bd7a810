"""Trainings to try things on: a host, a course, and a folder of toy pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_training import Host, two_kinds

from nodeflow.diffusion.training.course import Course


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def course(host: Host, tmp_path: Path) -> Course:
    return Course(host, tmp_path / "training", save_every=10)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_kinds(tmp_path_factory.mktemp("pictures"))
