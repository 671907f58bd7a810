"""What a pack declares, as plain data, kept on disk until the pack's files change.

The core pack is described by importing it here. Other packs are described in a child process with a time limit, so
that one that raises, exits or hangs when imported costs a line and nothing else.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from ..atomic import atomic_write
from ..declaration import NodeSpec
from ..errors import Fault, NodeflowError
from .find import CORE, Pack, Stamp, engine_stamp
from .load import MEND, load

FORMAT = 3
PATIENCE = 20.0
"""Seconds a pack may take to be imported for the first time."""
RETRY = 600.0
"""Seconds until a pack that failed is tried again, though its files are the same: the cause may lie elsewhere."""

_CHILD = (
    "import os, sys; page = os.fdopen(os.dup(1), 'wb'); os.dup2(2, 1); sys.path[:0] = {path!r}; "
    "from pathlib import Path; from nodeflow.packs import catalogue, find; "
    "page.write(catalogue.encode(catalogue.describe(find.Pack({name!r}, Path({root!r}))))); page.close()"
)
"""What the pack prints goes to the standard errors, apart from its page."""


class Entry(msgspec.Struct, frozen=True):
    """One pack's page of the catalogue: its specs, and what is wrong with it as (code, what, where, fix)."""

    format: int
    stamp: Stamp
    made: float
    specs: tuple[NodeSpec, ...] = ()
    faults: tuple[tuple[str, str, str, str], ...] = ()


encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Entry).decode


def entry(pack: Pack, cache: Path) -> Entry:
    """The pack's page: from the cache while its files are unchanged, else described anew."""
    try:
        stamp = pack.stamp() + engine_stamp()
    except OSError as error:
        return _page([Fault("NF301", f"{error.filename}: {error.strerror}", f"pack {pack.name}", MEND)])
    where = hashlib.blake2b(f"{pack.name}\0{pack.root}\0{sys.version}".encode(), digest_size=8).hexdigest()
    file = cache / "catalogue" / f"{pack.module[:40]}-{where}.json"
    if (kept := _kept(file)) and kept.stamp == stamp:
        return kept
    page = msgspec.structs.replace(describe(pack) if pack.name == CORE else _in_child(pack), stamp=stamp)
    _keep(file, encode(page))
    return page


def describe(pack: Pack) -> Entry:
    """Import all of a pack's files and read off their specs."""
    specs: list[NodeSpec] = []
    faults: list[Fault] = []
    digest = pack.digest()
    files = [file for file in pack.files() if not file.name.startswith("_") or file == pack.root / "__init__.py"]
    for file in sorted(files, key=lambda file: file.name != "__init__.py"):
        try:
            kinds = load(pack, file)
        except NodeflowError as error:
            faults += [fault.at(f"pack {pack.name}") for fault in error.faults]
            if file.name == "__init__.py":
                break
            continue
        for kind in kinds:
            line = kind.spec.source.rpartition(":")[2]
            source = f"{file.relative_to(pack.folder).as_posix()}:{line}"
            specs.append(msgspec.structs.replace(kind.spec, pack=pack.name, digest=digest, source=source))
    faults += [fault for spec in specs for fault in _without_help(spec)]
    return _page(_in_one_line(faults), tuple(specs))


def _without_help(spec: NodeSpec) -> list[Fault]:
    """A node works without help for its ports, but its author is told."""
    bare = [port.name for port in spec.inputs if not port.doc]
    bare += [port.name for port in spec.outputs if not port.doc and len(spec.outputs) > 1]
    if not bare and spec.doc:
        return []
    what = f"{spec.id} says nothing about {', '.join(bare) or 'itself'}"
    return [Fault("NF303", what, f"pack {spec.pack}", "describe it in the docstring, ports under `Args:`")]


def _in_one_line(faults: list[Fault]) -> list[Fault]:
    """The first fault of each code, and how many are like it: a pack that lacks a library lacks it in each file."""
    first = {fault.code: fault for fault in reversed(faults)}
    counts = {code: sum(fault.code == code for fault in faults) - 1 for code in first}
    return [
        Fault(code, f"{fault.what}{f' (and {counts[code]} more)' * (counts[code] > 0)}", fault.where, fault.fix)
        for code, fault in first.items()
    ]


def _in_child(pack: Pack) -> Entry:
    code = _CHILD.format(path=sys.path, name=pack.name, root=str(pack.root))
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL, check=False
        )
        return _decode(done.stdout)
    except subprocess.TimeoutExpired:
        why = f"importing it took longer than {PATIENCE:g} s"
    except msgspec.MsgspecError:
        last = done.stderr.decode(errors="replace").strip().splitlines()
        why = f"importing it ended Python with status {done.returncode}" + (f": {last[-1]}" if last else "")
    return _page([Fault("NF301", why, f"pack {pack.name}", MEND)])


def _page(faults: list[Fault], specs: tuple[NodeSpec, ...] = ()) -> Entry:
    return Entry(FORMAT, [], time.time(), specs, tuple((f.code, f.what, f.where, f.fix) for f in faults))


def _kept(file: Path) -> Entry | None:
    """A page that may still be used."""
    try:
        page = _decode(file.read_bytes())
    except (OSError, msgspec.MsgspecError):
        return None
    stale = page.faults and not 0 <= time.time() - page.made < RETRY
    return None if stale or page.format != FORMAT else page


def _keep(file: Path, data: bytes) -> None:
    """The cache is a convenience: where it cannot be written, packs are described at each start."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, data)
    except (OSError, NodeflowError):
        pass
