"""`check` and `plan`: what is wrong with a graph, and what a run of it would do. Neither runs anything."""

from __future__ import annotations

import json
from typing import Annotated

from .command import Argument, Option, echo


def check(
    graphs: Annotated[list[str], Argument("Graph files, or pictures that carry one.")],
    deep: Annotated[bool, Option(help="Also read the headers of models and see whether the parts fit.")] = True,
    as_json: Annotated[bool, Option("--json", help="As JSON lines.")] = False,
) -> int:
    """Find everything that is wrong with graphs."""
    import dataclasses

    from ..errors import Fault, NodeflowError
    from ..graph import check as problems
    from ..opening import open_graph
    from ..packs import default_library
    from .library import say_broken_packs

    library, status = default_library(), 0
    for name in graphs:
        try:
            document = open_graph(name)
            faults: list[Fault] = problems(document, library, deep=deep)
        except NodeflowError as error:
            document, faults = None, list(error.faults)
        for fault in faults:
            echo(json.dumps({"graph": name, **dataclasses.asdict(fault)}) if as_json else f"{name}: {fault.line}")
        say_broken_packs(library, faults)
        if faults:
            status = status or faults[0].exit_status
        elif document is not None and not as_json:
            echo(f"{name}: fine, {len(document.nodes)} nodes")
    return status


def plan(
    graph: Annotated[str, Argument("A graph file, or a picture that carries one.")],
    settings: Annotated[list[str] | None, Option("--set", "-s", help="name=value of a graph input.")] = None,
    sweeps: Annotated[list[str] | None, Option("--sweep", help="name=0:8 or name=a,b,c.")] = None,
    wanted: Annotated[list[str] | None, Option("--output", help="Only this output; may be repeated.")] = None,
    device: Annotated[str, Option("--device", help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    dtype: Annotated[str, Option("--dtype", help="auto, float32, float16, bfloat16.")] = "auto",
    attention: Annotated[str, Option("--attention", help="torch; xformers, flash, sage where installed.")] = "torch",
    compile: Annotated[bool, Option("--compile", help="As a run with compiled blocks.")] = False,
    as_json: Annotated[bool, Option("--json", help="As JSON.")] = False,
) -> None:
    """Say what a run would compute, and why."""
    from ..engine import Engine
    from ..opening import open_graph
    from .arguments import read_values

    document = open_graph(graph)
    engine = Engine(device=device, dtype=dtype, attention=attention, compile=compile)
    made = engine.plan(
        document, values=read_values(document, engine.library, settings or [], sweeps or []), wanted=wanted or None
    )
    why = made.reasons
    rows = [
        (_place(step.node, step.at), step.status, step.tier, why.get(step.node, ""), step.stands) for step in made.steps
    ]
    rows += [(name, "muted", "", why, None) for name, why in made.silent.items()]
    if as_json:
        fields = ("node", "status", "tier", "reason", "stands")
        echo(json.dumps([dict(zip(fields, row, strict=True)) for row in rows], indent=2))
        return
    width = max((len(row[0]) for row in rows), default=0)
    for node, status, tier, reason, stands in rows:
        state = f"{status} ({tier})" if tier else status
        further = f"goes on from step {stands.step} of {stands.total} with --resume" if stands else ""
        echo(f"{node:<{width}}  {state:<15}  {'; '.join(filter(None, (reason, further)))}".rstrip())
    running = sum(row[1] in ("run", "unknown") for row in rows)
    echo(f"{running} of {len(made.steps)} steps would run")
    for step in made.steps:
        if step.fault:
            echo(step.fault.line, err=True)


def _place(node: str, at: tuple[int, ...]) -> str:
    return node + "".join(f"[{index}]" for index in at)
