"""What stands beside the files of a folder: columns of `metadata.jsonl`, and control pictures. No torch.

pictures/a.png      controls/a.png                                          by name, any picture format
{"file_name": "a.png", "text": "a cat", "conditioning_image": "edges/a.png"}    a line of metadata.jsonl
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from nodeflow.errors import NodeflowError
from nodeflow.training import Dataset

METADATA = "metadata.jsonl"
COLUMN = "conditioning_image"
IN_METADATA = "metadata"
"""In place of a folder: control pictures are named in the metadata."""


def column(folder: Path, name: str) -> dict[str, str]:
    """A column of a folder's metadata, by file name.

    Raises:
        NodeflowError: NF107 it cannot be read; NF105 a line has no such column.
    """
    path = folder / METADATA
    try:
        status = path.stat()
        return _column(path, name, status.st_size, status.st_mtime_ns)
    except (OSError, UnicodeDecodeError) as error:
        raise NodeflowError("NF107", f"the captions cannot be read: {error}", where=str(path)) from None


@lru_cache(maxsize=16)
def _column(path: Path, name: str, _size: int, _time: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        match row:
            case {"file_name": str(file), **rest} if isinstance(said := rest.get(name), str):
                found[file] = said
            case _:
                fix = f'write {{"file_name": "a.png", "{name}": "…"}}'
                raise NodeflowError("NF105", f"no file_name and {name} in this line", where=f"{path}:{number}", fix=fix)
    return found


def is_control(dataset: Dataset, path: Path) -> bool:
    """Whether a picture of the folder is a control picture of another one."""
    if not dataset.controls:
        return False
    folder = Path(dataset.folder).expanduser()
    if dataset.controls == IN_METADATA:
        return path.relative_to(folder).as_posix() in column(folder, COLUMN).values()
    return path.resolve().is_relative_to(Path(dataset.controls).expanduser().resolve())


def control_of(dataset: Dataset, path: Path) -> Path | None:
    """The control picture of a picture; None where there is none.

    Raises:
        NodeflowError: NF105, NF107, the metadata cannot be read.
    """
    folder = Path(dataset.folder).expanduser()
    name = path.relative_to(folder)
    if dataset.controls == IN_METADATA:
        said = column(folder, COLUMN).get(name.as_posix())
        return folder / said if said and (folder / said).is_file() else None
    place = Path(dataset.controls).expanduser() / name
    if place.is_file():
        return place
    return next((other for other in sorted(place.parent.glob(f"{_escaped(place.stem)}.*")) if other.is_file()), None)


def _escaped(name: str) -> str:
    """A name with nothing in it that `glob` reads as a pattern."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
