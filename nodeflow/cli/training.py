"""`train`: a training graph from start to model."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

from ..errors import NodeflowError
from . import running
from .command import Argument, Option, echo


def train(
    graph: Annotated[str, Argument("A recipe's name (`list` shows them), or a graph file.")],
    settings: Annotated[list[str] | None, Option("--set", "-s", help="name=value of a graph input.")] = None,
    out: Annotated[Path, Option("--out", "-o", help="The folder for the model and pictures.")] = Path("out"),
    device: Annotated[str, Option("--device", help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    as_json: Annotated[bool, Option("--json", help="Events as JSON lines on standard output.")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress.")] = False,
    fresh: Annotated[bool, Option("--fresh", help="Do not use results kept on disk; states are used.")] = False,
) -> int:
    """Train a model: the recipes of graphs/training, or a graph of one's own.

    The same as `run`, with loss, rate and time left. Nothing changed, nothing is trained again; more steps go on from
    the last state. Ctrl-C saves; the same command goes on from there and ends as if it had never stopped.

        nodeflow train class-conditional --set folder=pictures --set classes=3 --set steps=2000

    On several devices (`pip install "nodeflow[training]"`): accelerate launch -m nodeflow train ...
    """
    if graph == "list":
        for name in recipes():
            echo(name)
        return 0
    if os.environ.get("RANK", "0") != "0":  # one of several processes under `accelerate launch`: the first one speaks
        quiet, out = True, Path(tempfile.mkdtemp(prefix="nodeflow-"))
    return running.run(_file(graph), settings, None, out, as_json=as_json, quiet=quiet, device=device, fresh=fresh)


def recipes() -> dict[str, Path]:
    """The training graphs that came with nodeflow, by name."""
    from .. import content

    return {path.stem: path for path in sorted((content.folder("graphs") / "training").glob("*.json"))}


def _file(graph: str) -> str:
    known = recipes()
    if graph in known:
        return str(known[graph])
    if not Path(graph).suffix and not Path(graph).exists():
        raise NodeflowError("NF107", f"there is no recipe {graph!r}", fix=f"known are {', '.join(known)}")
    return graph
