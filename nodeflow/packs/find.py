"""List the packs there are and hash their sources. Nothing of them is run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .. import content

GROUP = "nodeflow.packs"


@dataclass(frozen=True)
class Pack:
    """A pack on disk.

    Args:
        name: Its name; modules are imported as `nodeflow_packs.<name>.<file>`.
        root: Its folder, or its single file.
    """

    name: str
    root: Path

    @property
    def folder(self) -> Path:
        return self.root if self.root.is_dir() else self.root.parent

    def files(self) -> list[Path]:
        """Its Python files, sorted; names that begin with "_" declare no nodes but belong to it."""
        return sorted(self.root.rglob("*.py")) if self.root.is_dir() else [self.root]

    def stamp(self) -> list[tuple[str, int, int]]:
        """Name, time and size of each file: changes when a source does, costs no read."""
        stats = ((file, file.stat()) for file in self.files())
        return [(str(file.relative_to(self.folder)), stat.st_mtime_ns, stat.st_size) for file, stat in stats]

    def digest(self) -> str:
        """Hash of the sources and of the parts of nodeflow that nodes compute with."""
        hasher = hashlib.blake2b(digest_size=16)
        for file in [*self.files(), *engine_files()]:
            hasher.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
        return hasher.hexdigest()


def engine_files() -> list[Path]:
    """The sources whose change makes cached results wrong: values, media, diffusion."""
    package = Path(content.__file__).parent
    folders = (package / "diffusion", package / "media")
    return [package / "values.py", *(file for folder in folders for file in sorted(folder.rglob("*.py")))]


def engine_stamp() -> list[tuple[str, int, int]]:
    stats = ((file, file.stat()) for file in engine_files())
    return [(file.name, stat.st_mtime_ns, stat.st_size) for file, stat in stats]


def packs() -> Iterator[Pack]:
    """The core pack, then installed ones, then the user's."""
    yield Pack("core", content.folder("nodes"))
    yield from _installed()
    folder = content.user_folder("packs")
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix == ".py" or (path.is_dir() and not path.name.startswith((".", "_"))):
            yield Pack(path.stem, path)


def _installed() -> Iterator[Pack]:
    """Packs that packages offer: an entry point names a module, whose file is found without importing it."""
    from importlib.metadata import entry_points
    from importlib.util import find_spec

    for point in entry_points(group=GROUP):
        try:
            spec = find_spec(point.value.partition(":")[0])
        except (ImportError, ValueError):
            spec = None
        if spec and spec.origin:
            origin = Path(spec.origin)
            yield Pack(point.name, origin.parent if spec.submodule_search_locations else origin)
