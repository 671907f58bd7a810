"""A folder of pictures as data to learn from: what is in it, what is said of it, what of it cannot be read. No torch.

    folder/                       captions
        a.png  a.txt              "text": the file of the same name
        metadata.jsonl            "metadata": {"file_name": "a.png", "text": "a red heart"} a line
        red_heart_003.png         "names": "red heart"
        cat/1.png  dog/2.png      "folders": "cat", "dog", which are also the classes

Pictures are found in all subfolders, sorted by path; names that begin with a dot are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

from nodeflow.errors import Fault, NodeflowError
from nodeflow.media import images
from nodeflow.media.files import fingerprint as content
from nodeflow.training import Dataset

from . import partners

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
CAPTIONS = ("auto", "text", "metadata", "names", "folders", "none")
_MAX_LINE = 1 << 16


@dataclass(frozen=True)
class Item:
    """A picture.

    Args:
        path: Its file.
        caption: What is said of it; empty = nothing.
        label: The number of its class, −1 without classes.
        size: (width, height) in pixels.
        digest: Identifies the file's content.
    """

    path: Path
    caption: str
    label: int
    size: tuple[int, int]
    digest: str


@dataclass(frozen=True)
class Pictures:
    """What a folder holds.

    Args:
        items: The pictures that can be read, by path.
        classes: Names of the classes, by number.
        unreadable: One fault a file that was left out.
    """

    items: tuple[Item, ...]
    classes: tuple[str, ...]
    unreadable: tuple[Fault, ...]

    @property
    def digest(self) -> str:
        """Identifies pictures and captions, wherever the folder lies."""
        total = blake2b(digest_size=16)
        for item in self.items:
            total.update(f"{item.digest} {item.label} {item.caption}\n".encode())
        return total.hexdigest()


def scan(dataset: Dataset) -> Pictures:
    """Read every picture of a folder once.

    Raises:
        NodeflowError: NF107 there is no such folder or no picture in it; NF105 a caption is missing or damaged;
            NF601, NF602 a picture cannot be read, and it was not asked to skip those. One fault a file.
    """
    if not dataset.folder:
        raise NodeflowError("NF107", "no folder of pictures is chosen", where="folder", fix="choose one")
    folder = Path(dataset.folder).expanduser()
    paths = [path for path in files(folder) if not partners.is_control(dataset, path)]
    captions = _captions(folder, paths, dataset.captions)
    by_folder = dataset.captions == "folders"
    classes = tuple(sorted({path.parent.name for path in paths})) if by_folder else ()
    items, faults = [], []
    for path in paths:
        try:
            size, digest = look(path)
        except NodeflowError as error:
            faults.append(error.faults[0])
            continue
        label = classes.index(path.parent.name) if classes else -1
        items.append(Item(path, captions[path], label, size, digest))
    if faults and not dataset.skip_unreadable:
        advice = "repair or remove it, or ask to skip what cannot be read"
        raise NodeflowError.of([Fault(fault.code, fault.what, fault.where, advice) for fault in faults])
    if not items:
        raise NodeflowError("NF107", "none of the pictures can be read", where=str(folder), fix="choose another folder")
    return Pictures(tuple(items), classes, tuple(faults))


def files(folder: Path) -> list[Path]:
    """The picture files of a folder and its subfolders, sorted.

    Raises:
        NodeflowError: NF107, there is no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise NodeflowError("NF107", "there is no such folder", where=str(folder), fix="choose a folder of pictures")
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        known = ", ".join(SUFFIXES)
        raise NodeflowError("NF107", "there is no picture in this folder", where=str(folder), fix=f"known are {known}")
    return found


def fingerprint(folder: str) -> list[list[str | int]]:
    """Changes when a file of the folder does: name, size and time of every one, without reading them."""
    if not folder:
        return []
    root = Path(folder).expanduser()
    paths = (path for path in sorted(root.rglob("*")) if path.suffix.lower() in (*SUFFIXES, ".txt", ".jsonl"))
    return [[path.relative_to(root).as_posix(), *_stamp(path)] for path in paths if path.is_file()]


def _captions(folder: Path, paths: list[Path], kind: str) -> dict[Path, str]:
    """What is said of each picture."""
    if kind not in CAPTIONS:
        fix = f"choose one of {', '.join(CAPTIONS)}"
        raise NodeflowError("NF205", f"there are no captions of the kind {kind!r}", where="captions", fix=fix)
    if kind == "auto":
        texts = any(path.with_suffix(".txt").is_file() for path in paths)
        kind = "metadata" if (folder / partners.METADATA).is_file() else "text" if texts else "names"
    match kind:
        case "none":
            return dict.fromkeys(paths, "")
        case "folders":
            return {path: _words(path.parent.name) for path in paths}
        case "names":
            return {path: _words(path.stem) for path in paths}
        case "metadata":
            said = partners.column(folder, "text")
            return _complete(paths, {path: said.get(path.relative_to(folder).as_posix()) for path in paths})
    return _complete(paths, {path: _text(path.with_suffix(".txt")) for path in paths})


def _complete(paths: list[Path], said: dict[Path, str | None]) -> dict[Path, str]:
    """All captions; a picture without one is refused."""
    missing = [Fault("NF105", "this picture has no caption", str(path), "write one, or take another kind of captions")
               for path in paths if said[path] is None]  # fmt: skip
    if missing:
        raise NodeflowError.of(missing)
    return {path: caption or "" for path, caption in said.items()}


def _words(name: str) -> str:
    """A file's or folder's name as words, without a number at its end."""
    words = " ".join(name.replace("_", " ").split())
    return re.sub(r"[\s\-]*\(?\d+\)?$", "", words) or words


def _text(path: Path) -> str | None:
    if not path.is_file():
        return None
    try:
        with path.open(encoding="utf-8-sig") as file:
            return " ".join(file.read(_MAX_LINE).split())
    except (OSError, UnicodeDecodeError) as error:
        raise NodeflowError("NF105", f"the caption cannot be read: {error}", where=str(path)) from None


def look(path: Path) -> tuple[tuple[int, int], str]:
    """Size in pixels and digest of a picture.

    Raises:
        NodeflowError: NF601, NF602, it cannot be read.
    """
    return _read(path, *_stamp(path))


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=1 << 16)
def _read(path: Path, _size: int, _time: int) -> tuple[tuple[int, int], str]:
    """Size in pixels and digest of a picture, remembered while the file stays as it is."""
    pixels, _ = images.read(path)
    return (pixels.shape[1], pixels.shape[0]), content(path)
