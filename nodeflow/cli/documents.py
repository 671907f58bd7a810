"""`new`, `diff`, `merge`: graphs as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ..errors import NodeflowError
from .command import Argument, Option, echo


def new(
    file: Annotated[Path, Argument("The graph file to make.")],
    template: Annotated[str, Option("--from", "-f", help="A template's name, or a graph file.")] = "text-to-image",
    force: Annotated[bool, Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Make a graph from a template.

    `nodeflow new --from list -` lists the templates.
    """
    from .. import content
    from ..graph import load, save

    folder = content.folder("graphs")
    known = sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.json"))
    if template == "list":
        echo("\n".join(known))
        return
    source = folder / f"{template}.json" if template in known else Path(template)
    if not source.is_file():
        raise NodeflowError("NF107", f"there is no template {template!r}", fix=f"use one of: {', '.join(known)}")
    if file.exists() and not force:
        raise NodeflowError("NF108", "the file is there already", where=str(file), fix="use --force to replace it")
    save(load(source), file)
    echo(str(file))


def diff(
    old: Annotated[Path, Argument("The earlier graph.")],
    new: Annotated[Path, Argument("The later graph.")],
    moves: Annotated[bool, Option("--moves", help="Also say which nodes were moved.")] = False,
    status: Annotated[bool, Option("--exit-code", help="Leave with status 1 where they differ.")] = False,
    rest: Annotated[list[str] | None, Argument(hidden=True)] = None,
) -> int:
    """Say how two graphs differ, one line a change.

    As a git driver: `git config diff.nodeflow.command "nodeflow diff"` and `*.json diff=nodeflow` in .gitattributes.
    """
    from ..graph import load
    from ..graph.compare import compare

    if rest:
        old, new = _git_sides(old, new, rest)
    lines = compare(load(old, empty=True), load(new, empty=True)).lines(moves=moves)
    for line in lines:
        echo(line)
    return 1 if status and lines else 0


def merge(
    base: Annotated[Path, Argument("The graph both sides started from.")],
    ours: Annotated[Path, Argument("Our graph; the result is written here.")],
    theirs: Annotated[Path, Argument("Their graph.")],
    output: Annotated[Path | None, Option("--out", "-o", help="Write the result here instead.")] = None,
) -> int:
    """Join two edits of one graph.

    Where they disagree, ours stays and the conflict is one line; leaves with status 1 when there are conflicts.

    As a git driver: `git config merge.nodeflow.driver "nodeflow merge %O %A %B"` and `*.json merge=nodeflow` in
    .gitattributes.
    """
    from ..graph import load, save
    from ..graph.merge import merge as merged

    result = merged(load(base, empty=True), load(ours), load(theirs))
    save(result.graph, output or ours)
    for note in result.notes:
        echo(note, err=True)
    for fault in result.conflicts:
        echo(fault.line, err=True)
    return 1 if result.conflicts else 0


def _git_sides(path: Path, old_file: Path, rest: list[str]) -> tuple[Path, Path]:
    """git calls a diff driver with: path old-file old-hex old-mode new-file new-hex new-mode."""
    if len(rest) < 5:
        raise NodeflowError("NF701", "diff takes two graphs", fix="see `nodeflow diff --help`")
    return old_file, Path(rest[2])
