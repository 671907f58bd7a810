"""Import one file of a pack under a private name, `nodeflow_packs.<pack>.<file>`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from ..errors import NodeflowError
from ..node import NodeType
from .find import Pack

ROOT = "nodeflow_packs"


def load(pack: Pack, file: Path) -> list[NodeType]:
    """The node types that a file declares.

    Raises:
        NodeflowError: NF301 when importing it fails or tries to end the program, NF303 for a wrong declaration.
    """
    for name, folder in ((ROOT, None), (f"{ROOT}.{pack.name}", pack.folder)):
        if name not in sys.modules:
            _package(name, folder)
    parts = file.relative_to(pack.folder).with_suffix("").parts
    name = ".".join((ROOT, pack.name, *(part for part in parts if part != "__init__")))
    try:
        module = sys.modules[name] if parts == ("__init__",) else importlib.import_module(name)
        if parts == ("__init__",):
            _execute(module, file)
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
    return [kind for kind in _declared(module) if kind.function.__module__ == name]


def unload(pack: Pack) -> None:
    """Forget a pack's modules, so that the next load reads its files again."""
    prefix = f"{ROOT}.{pack.name}"
    for name in [name for name in sys.modules if name == prefix or name.startswith(prefix + ".")]:
        del sys.modules[name]


def _package(name: str, folder: Path | None) -> None:
    module = ModuleType(name)
    module.__path__ = [str(folder)] if folder else []
    sys.modules[name] = module


def _execute(module: ModuleType, file: Path) -> None:
    exec(compile(file.read_bytes(), str(file), "exec"), module.__dict__)


def _declared(module: ModuleType) -> Iterator[NodeType]:
    for item in list(vars(module).values()):
        kind = getattr(item, "node", None)
        if isinstance(kind, NodeType):
            yield kind
