"""List the packs there are and hash their sources. Nothing of them is run."""

from __future__ import annotations

import hashlib
import re
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .. import content

GROUP = "nodeflow.packs"
CORE = "core"
COMPUTING = ("torch", "transformers", "numpy", "pillow")
"""Distributions whose new version makes cached results wrong."""
Stamp = list[tuple[str, int, int]]


@dataclass(frozen=True)
class Pack:
    """A pack on disk.

    Args:
        name: Its name.
        root: Its folder, or its single file.
    """

    name: str
    root: Path

    @property
    def module(self) -> str:
        """The name as part of a module's or a file's name: modules are imported as `nodeflow_packs.<module>.<file>`."""
        return re.sub(r"\W", "_", self.name)

    @property
    def folder(self) -> Path:
        return self.root if self.root.is_dir() else self.root.parent

    def files(self) -> list[Path]:
        """Its Python files, sorted; names that begin with "_" declare no nodes but belong to it."""
        if not self.root.is_dir():
            return [self.root]
        files = sorted(self.root.rglob("*.py"))
        return [file for file in files if not any(part[0] == "." for part in file.relative_to(self.root).parts)]

    def stamp(self) -> Stamp:
        """Name, time and size of each file: changes when a source does, costs no read."""
        return _stamp(self.files(), self.folder)

    def digest(self) -> str:
        """Hash of the sources, of the parts of nodeflow that nodes compute with, and of the libraries below."""
        hasher = hashlib.blake2b("\0".join(_versions()).encode(), digest_size=16)
        for folder, files in ((self.folder, self.files()), (_ENGINE, engine_files())):
            for file in files:
                hasher.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
        return hasher.hexdigest()


_ENGINE = Path(content.__file__).parent


def engine_files() -> list[Path]:
    """The sources whose change makes cached results wrong: values, their storage, media, diffusion and its tables."""
    folders = (_ENGINE / "values", _ENGINE / "diffusion", _ENGINE / "media")
    inside = (file for folder in folders for file in sorted(folder.rglob("*")) if file.suffix in (".py", ".json"))
    return [_ENGINE / "packing.py", *inside]


def engine_stamp() -> Stamp:
    """Changes when a source of the engine does, or when a library is installed or removed."""
    return [*_stamp(engine_files(), _ENGINE), ("", Path(sysconfig.get_path("purelib")).stat().st_mtime_ns, 0)]


def packs() -> Iterator[Pack]:
    """The core pack, then installed ones, then the user's."""
    yield Pack(CORE, content.folder("nodes"))
    yield from _installed()
    folder = content.user_folder("packs")
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name[0] not in "._" and (path.suffix == ".py" or path.is_dir()):
            yield Pack(path.name.removesuffix(".py"), path)


def _installed() -> Iterator[Pack]:
    """Packs that packages offer: an entry point names a module, whose file is found without importing it."""
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP):
        if root := _source(point.value.partition(":")[0].strip()):
            yield Pack(point.name, root)


def _source(module: str) -> Path | None:
    """The folder of a package or the file of a module. `find_spec("a.b")` would run `a`, so each part is looked up."""
    from importlib.machinery import PathFinder
    from importlib.util import find_spec

    top, *others = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    for depth, _ in enumerate(others, 2):
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = ".".join(module.split(".")[:depth])
        spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin) if spec.has_location and spec.origin else None


def _stamp(files: list[Path], folder: Path) -> Stamp:
    stats = ((file, file.stat()) for file in files)
    return [(file.relative_to(folder).as_posix(), stat.st_mtime_ns, stat.st_size) for file, stat in stats]


def _versions() -> Iterator[str]:
    from importlib.metadata import PackageNotFoundError, version

    for name in COMPUTING:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            yield name
