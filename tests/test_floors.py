"""The floors of the house, seen from outside: what a process has loaded after it imported a part."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "transformers", "diffusers", "numpy", "PIL", "safetensors", "PySide6", "NodeGraphQt"}


@pytest.mark.parametrize(
    "part",
    [
        "nodeflow",
        "nodeflow.values",
        "nodeflow.declaration",
        "nodeflow.media.images",
        "nodeflow.packs",
        "nodeflow.graph",
        "nodeflow.execution",
        "nodeflow.diffusion",
        "nodeflow.cli",
        "nodeflow.worker",
    ],
)
def test_a_part_loads_nothing_heavy(part: str) -> None:
    code = f"import sys, {part}; print(' '.join({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_every_public_name_arrives() -> None:
    import nodeflow

    assert set(nodeflow.__all__) == set(dir(nodeflow))
    assert [name for name in nodeflow.__all__ if getattr(nodeflow, name, None) is None] == []
