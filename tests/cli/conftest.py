"""The command line in this process, and models to run."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from nodeflow.cli.app import run_app


class Said(NamedTuple):
    """What a command left: its exit status and what it printed."""

    status: int
    out: str
    err: str

    @property
    def files(self) -> list[Path]:
        return [Path(line) for line in self.out.splitlines()]


@pytest.fixture
def nodeflow(capfd: pytest.CaptureFixture[str]):
    """Run a command: `nodeflow("run", "graph.json", …)`."""

    def run(*arguments: object) -> Said:
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            run_app([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Said(int(stop.value.code or 0), out, err)

    return run
