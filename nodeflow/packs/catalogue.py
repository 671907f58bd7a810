"""What a pack declares, as plain data, kept on disk until the pack's files change.

The core pack is described by importing it here. Other packs are described in a child process with a time limit, so
that one that raises, exits or hangs when imported costs a line and nothing else.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import msgspec

from ..atomic import atomic_write
from ..errors import Fault, NodeflowError
from ..declaration import NodeSpec
from .find import Pack, engine_stamp
from .load import load

FORMAT = 1
PATIENCE = 20.0
"""Seconds a pack may take to be imported for the first time."""

_CHILD = (
    "import sys; sys.path[:0] = {path!r}; from pathlib import Path; from nodeflow.packs import catalogue, find; "
    "entry = catalogue.describe(find.Pack({name!r}, Path({root!r}))); "
    "sys.stdout.buffer.write(b'\\0' + catalogue.encode(entry))"
)


class Entry(msgspec.Struct, frozen=True):
    """One pack's page of the catalogue: its specs, and what is wrong with it as (code, what, where, fix)."""

    format: int
    stamp: list[tuple[str, int, int]]
    specs: tuple[NodeSpec, ...] = ()
    faults: tuple[tuple[str, str, str, str], ...] = ()


encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Entry).decode


def entry(pack: Pack, cache: Path) -> Entry:
    """The pack's page: from the cache while its files are unchanged, else described anew."""
    where = hashlib.blake2b(f"{pack.name}\0{pack.root}\0{sys.version}".encode(), digest_size=8).hexdigest()
    file = cache / "catalogue" / f"{pack.name}-{where}.json"
    stamp = pack.stamp() + engine_stamp()
    try:
        kept = _decode(file.read_bytes())
        if kept.stamp == stamp and kept.format == FORMAT:
            return kept
    except (OSError, msgspec.MsgspecError):
        pass
    page = msgspec.structs.replace(describe(pack) if pack.name == "core" else _in_child(pack), stamp=stamp)
    if not page.faults:
        _keep(file, encode(page))
    return page


def describe(pack: Pack) -> Entry:
    """Import all of a pack's files and read off their specs."""
    specs: list[NodeSpec] = []
    faults: list[Fault] = []
    digest = pack.digest()
    for file in pack.files():
        if file.name.startswith("_") and file.name != "__init__.py":
            continue
        try:
            kinds = load(pack, file)
        except NodeflowError as error:
            faults += [fault.at(f"pack {pack.name}") for fault in error.faults]
            continue
        for kind in kinds:
            line = kind.spec.source.rpartition(":")[2]
            source = f"{file.relative_to(pack.folder).as_posix()}:{line}"
            specs.append(msgspec.structs.replace(kind.spec, pack=pack.name, digest=digest, source=source))
    return Entry(FORMAT, [], tuple(specs), tuple((f.code, f.what, f.where, f.fix) for f in faults))


def _in_child(pack: Pack) -> Entry:
    code = _CHILD.format(path=sys.path, name=pack.name, root=str(pack.root))
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL, check=False
        )
        return _decode(done.stdout.rpartition(b"\0")[2])
    except subprocess.TimeoutExpired:
        why = f"importing it took longer than {PATIENCE:g} s"
    except msgspec.MsgspecError:
        last = done.stderr.decode(errors="replace").strip().splitlines()
        why = f"importing it ended Python with status {done.returncode}" + (f": {last[-1]}" if last else "")
    fault = ("NF301", why, f"pack {pack.name}", "mend or remove the pack; the others work")
    return Entry(FORMAT, [], (), (fault,))


def _keep(file: Path, data: bytes) -> None:
    """The cache is a convenience: where it cannot be written, packs are described at each start."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, data)
    except (OSError, NodeflowError):
        pass
