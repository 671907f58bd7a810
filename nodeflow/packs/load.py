"""Import one file of a pack under a private name, `nodeflow_packs.<pack>.<file>`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from ..errors import NodeflowError
from ..declaration import NodeType
from .find import Pack

ROOT = "nodeflow_packs"


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
        raise NodeflowError(
            "NF301",
            f"importing {file.name} failed: {why}",
            where=f"pack {pack.name}",
            fix="mend or remove the pack; the others work",
        ) from error
    return [kind for kind in _declared(module) if kind.function.__module__ == module.__name__]


def unload(pack: Pack) -> None:
    """Forget a pack's modules, so that the next load reads its files again."""
    prefix = f"{ROOT}.{pack.name}"
    for name in [name for name in sys.modules if name == prefix or name.startswith(prefix + ".")]:
        del sys.modules[name]


def _module(pack: Pack, file: Path) -> ModuleType:
    _package(ROOT, None)
    package = _package(f"{ROOT}.{pack.name}", pack.folder)
    if file.name == "__init__.py":
        return package
    return importlib.import_module(".".join((package.__name__, *file.relative_to(pack.folder).with_suffix("").parts)))


def _package(name: str, folder: Path | None) -> ModuleType:
    """A package that exists only in `sys.modules`; a pack's own `__init__.py` is run in it."""
    if name in sys.modules:
        return sys.modules[name]
    module = sys.modules[name] = ModuleType(name)
    module.__path__ = [str(folder)] if folder else []
    start = folder / "__init__.py" if folder else None
    if start and start.is_file():
        try:
            exec(compile(start.read_bytes(), str(start), "exec"), module.__dict__)
        except BaseException:
            del sys.modules[name]
            raise
    return module


def _declared(module: ModuleType) -> Iterator[NodeType]:
    for item in list(vars(module).values()):
        kind = getattr(item, "node", None)
        if isinstance(kind, NodeType):
            yield kind
