"""`run`: a graph from start to files."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ..errors import CANCELLED_STATUS, NodeflowError
from .command import Argument, Option, echo

if TYPE_CHECKING:
    from ..engine import Engine
    from ..execution import Report, Token
    from ..graph import Graph
    from ..saving import Saver


def run(
    graph: Annotated[str, Argument("A graph file, or a picture that carries one.")],
    settings: Annotated[list[str] | None, Option("--set", "-s", help="name=value of a graph input.")] = None,
    sweeps: Annotated[list[str] | None, Option("--sweep", help="name=0:8 or name=a,b,c: run once for each.")] = None,
    out: Annotated[Path, Option("--out", "-o", help="The folder for outputs.")] = Path("out"),
    name: Annotated[
        str, Option("--name", help="Names of files; {graph}, {seed}, {index}, {date}, {time}, {any input}.")
    ] = "{graph}-{seed}-{index:04}",
    format: Annotated[str, Option("--format", help="png, webp or jpg; flac, wav or ogg.")] = "",
    wanted: Annotated[list[str] | None, Option("--output", help="Only this output; may be repeated.")] = None,
    device: Annotated[str, Option("--device", help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    dtype: Annotated[str, Option("--dtype", help="auto, float32, float16, bfloat16.")] = "auto",
    vram: Annotated[
        str, Option("--vram", help="Weights on the device at once, as 6GB; what is larger passes through in blocks.")
    ] = "",
    attention: Annotated[str, Option("--attention", help="torch; xformers, flash, sage where installed.")] = "torch",
    compile: Annotated[
        bool, Option("--compile", help="Compile the denoiser's blocks: slow once, then faster.")
    ] = False,
    as_json: Annotated[bool, Option("--json", help="Events as JSON lines on standard output.")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress bars.")] = False,
    tell: Annotated[
        bool, Option("--report", help="Say what each node did: time, cache, size; and what moved.")
    ] = False,
    save_every: Annotated[
        int, Option("--save-every", low=0, help="Samplers keep their state each so manieth step.")
    ] = 0,
    resume: Annotated[bool, Option("--resume", help="Go on from the state an interrupted run kept.")] = False,
    fresh: Annotated[bool, Option("--fresh", help="Do not use results kept on disk.")] = False,
    locked: Annotated[bool, Option("--locked", help="Only with the models that `nodeflow lock` pinned.")] = False,
) -> int:
    """Run a graph and save its outputs.

    The names of the files are printed. Ctrl-C stops within a step; what is finished is kept, and so is the state of
    a sampler that was under way: with --resume the next run goes on from there, to the same picture bit for bit.
    """
    from ..engine import Engine
    from ..execution import Cache
    from ..opening import open_graph
    from ..saving import Saver
    from .arguments import read_bytes, read_values
    from .library import say_broken_packs
    from .progress import listener, table

    if fresh and (save_every or resume):
        raise NodeflowError("NF701", "--fresh uses nothing from disk", fix="leave out --resume and --save-every")
    document = open_graph(graph)
    suffix = _suffix(format)
    results = Cache(folder=None) if fresh else None
    computing: dict[str, Any] = {"device": device, "dtype": dtype, "attention": attention, "compile": compile}
    engine = Engine(results=results, vram=read_bytes(vram) if vram else 0, **computing)
    values = read_values(document, engine.library, settings or [], sweeps or [])
    if locked:
        _verify(document, graph, values)
    plan = engine.plan(document, values=values, wanted=wanted or None, folder=out, save_every=save_every, resume=resume)
    with listener(as_json, quiet) as emit, cancelled_by_ctrl_c() as token:
        report = engine.run(plan, emit=emit, cancel=token)
    if tell:
        echo("\n".join([table(report), *engine.moves()]), err=True)
    say_broken_packs(engine.library, report.faults)
    _deliver(report, Saver(document, out, values), name, suffix, as_json)
    return _status(report, engine)


def _verify(document: Graph, graph: str, values: dict[str, Any]) -> None:
    """Refuse models that are not those of the lock; the pictures of the run carry the lock."""
    from .. import lock as locks

    pinned = locks.read(locks.lock_path(Path(graph)))
    echo(locks.verify(document, pinned, values), err=True)
    document.extra["lock"] = pinned["models"]


@contextlib.contextmanager
def cancelled_by_ctrl_c() -> Iterator[Token]:
    """A token that the first Ctrl-C cancels; the second one ends the program at once."""
    from ..execution import Token

    token = Token()

    def stop(_signal: int, _frame: Any) -> None:
        token.cancel()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield token
    finally:
        signal.signal(signal.SIGINT, before)


def _suffix(format: str) -> str:
    """The ending of a format's files. NF605 where neither pictures nor sounds have it."""
    from ..errors import NodeflowError
    from ..media import images, sounds

    suffix = f".{format.lstrip('.').lower()}" if format else ""
    known = [*images.SUFFIXES, *sounds.SUFFIXES]
    if suffix and suffix not in known:
        raise NodeflowError("NF605", f"nothing is written as {format!r}", fix=f"use one of {', '.join(known)}")
    return suffix


def _deliver(report: Report, saver: Saver, name: str, suffix: str, as_json: bool) -> None:
    """Save pictures and sounds, print everything else; elements that failed are in the faults.

    A format that is for sounds leaves pictures in their own, and the other way round.
    """
    import json

    from ..media import images, sounds
    from ..values import Audio, Image

    endings = {Image: images.SUFFIXES, Audio: sounds.SUFFIXES}
    for output, value in report.outputs.items():
        items = value if isinstance(value, list) else [value]
        settings = report.plan.settings(output) or [{}] * len(items)
        for item, swept in zip(items, settings, strict=False):
            if item is None:
                continue
            media = isinstance(item, Image | Audio)
            fitting = suffix if suffix in endings.get(type(item), ()) else ""
            shown = saver.save(item, name, fitting, settings=swept) if media else _shown(item)
            if as_json:
                echo(json.dumps({"event": "Output", "name": output, "value": shown, "sweep": swept}))
            elif media:
                echo("\n".join(shown))
            else:
                echo(f"{output}: {shown}")


def _shown(item: Any) -> Any:
    from ..values import describe

    return item if isinstance(item, bool | int | float | str) else describe(item)


def _status(report: Report, engine: Engine) -> int:
    causes = [fault for fault in report.faults if fault.code != "NF508"]
    if silent := report.plan.silent:
        echo(f"not run: {', '.join(f'{name} ({why})' for name, why in silent.items())}", err=True)
    for fault in causes:
        echo(fault.line, err=True)
    if skipped := len(report.faults) - len(causes):
        echo(f"not run because of that: {skipped} more", err=True)
    if report.cancelled:
        known = engine.results.states.known() if engine.results.states is not None else {}
        stands = [
            f"{step.node} at step {place.step}" for step in report.plan.steps if (place := known.get(step.key or b""))
        ]
        further = f", and {', '.join(stands)}: go on with --resume" if stands else ""
        echo(f"stopped; what is finished is kept{further}", err=True)
        return CANCELLED_STATUS
    return causes[0].exit_status if causes else 0
