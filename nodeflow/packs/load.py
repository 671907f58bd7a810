"""Import one file of a pack under a private name, `nodeflow_packs.<pack>.<file>`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

from ..declaration import NodeType
from ..errors import NodeflowError
from .find import Pack

ROOT = "nodeflow_packs"
MEND = "mend or remove the pack; the others work"


def load(pack: Pack, file: Path) -> list[NodeType]:
    """The node types that a file declares.

    Raises:
        NodeflowError: NF301 when importing it fails or tries to end the program, NF303 for a wrong declaration.
    """
    try:
        module = _module(pack, file)
    except NodeflowError:
        raise
    except (Exception, SystemExit) as error:
        why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        what = f"importing {file.name} failed: {why}"
        raise NodeflowError("NF301", what, where=f"pack {pack.name}", fix=MEND) from error
    return [kind for kind in _declared(module) if kind.function.__module__ == module.__name__]


def unload(pack: Pack) -> None:
    """Forget a pack's modules, so that the next load reads its files again."""
    prefix = f"{ROOT}.{pack.module}"
    for name in [name for name in sys.modules if name == prefix or name.startswith(prefix + ".")]:
        del sys.modules[name]
    importlib.invalidate_caches()


class _Source(SourceFileLoader):
    """Compiles a file each time: bytecode is matched by whole seconds, and a file saved twice in one would be stale."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


class _Finder:
    """Finds the modules of packs: a `MetaPathFinder`, whose home is slow to import."""

    @staticmethod
    def find_spec(fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path) if fullname.startswith(f"{ROOT}.") else None
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Source(fullname, str(spec.origin))
        return spec


sys.meta_path.insert(0, _Finder)


def _module(pack: Pack, file: Path) -> ModuleType:
    sys.modules.setdefault(ROOT, _bare(ROOT, None))
    package = _package(pack)
    if file == pack.root / "__init__.py":
        return package
    *folders, name = file.relative_to(pack.folder).with_suffix("").parts
    parts = [*folders] if name == "__init__" else [*folders, name]
    return importlib.import_module(".".join((package.__name__, *parts)))


def _package(pack: Pack) -> ModuleType:
    """The module of the pack's folder; its own `__init__.py` is run, where it has one."""
    name = f"{ROOT}.{pack.module}"
    if name in sys.modules:
        return sys.modules[name]
    start = pack.root / "__init__.py"
    loader = _Source(name, str(start))
    spec = spec_from_file_location(name, start, loader=loader, submodule_search_locations=[str(pack.root)])
    if not start.is_file() or spec is None or spec.loader is None:
        return sys.modules.setdefault(name, _bare(name, pack.folder))
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _bare(name: str, folder: Path | None) -> ModuleType:
    """A package that is nothing but a folder."""
    module = ModuleType(name)
    module.__path__ = [str(folder)] if folder else []
    return module


def _declared(module: ModuleType) -> Iterator[NodeType]:
    for item in list(vars(module).values()):
        kind = getattr(item, "node", None)
        if isinstance(kind, NodeType):
            yield kind
