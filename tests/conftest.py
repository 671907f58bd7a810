"""What every test stands on: no network, no user folders, one thread, and one profile for generated examples."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile

import pytest
from hypothesis import HealthCheck, settings

_HOME = tempfile.mkdtemp(prefix="nodeflow-tests-")
"""Set before any test imports nodeflow: caches and user packs of the machine must not leak into the tests."""

os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "NODEFLOW_CACHE": os.path.join(_HOME, "cache"),
    "NODEFLOW_DATA": os.path.join(_HOME, "data"),
}
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

slow_to_start = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("quick", deadline=None, max_examples=25, suppress_health_check=slow_to_start)
settings.register_profile("thorough", deadline=None, max_examples=500, suppress_health_check=slow_to_start)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def _qt() -> str:
    """Why Qt does not load here; empty where it does."""
    try:
        import PySide6.QtWidgets  # noqa: F401
    except ImportError as error:
        return str(error)
    return ""


NO_QT = _qt()
sys.path.insert(0, os.path.dirname(__file__))
pytest_plugins = ("tiny", *(() if NO_QT else ("pytestqt.plugin",)))
"""Tiny checkpoints for everybody: the fixture `tiny`. The fixture `qtbot`, where Qt loads."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items if NO_QT else ():
        if "qtbot" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason=f"Qt does not load: {NO_QT}"))


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(_HOME, ignore_errors=True)
