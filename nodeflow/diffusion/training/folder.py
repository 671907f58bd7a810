"""A folder of pictures or sounds to learn from: what is there, what is said of it, what cannot be read. No torch.

    folder/                       captions
        a.png  a.txt              "text": the file of the same name
        metadata.jsonl            "metadata": {"file_name": "a.png", "text": "a red heart"} a line
        red_heart_003.png         "names": "red heart"
        cat/1.png  dog/2.png      "folders": "cat", "dog", which are also the classes

Files are found in all subfolders, sorted by path; names that begin with a dot are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

from nodeflow.errors import Fault, NodeflowError
from nodeflow.media import images, sounds
from nodeflow.media.files import fingerprint as content
from nodeflow.training import Dataset, Folder, Sounds

from . import partners

CAPTIONS = ("auto", "text", "metadata", "names", "folders", "none")
_MAX_LINE = 1 << 16


@dataclass(frozen=True)
class Medium:
    """A kind of files that can be learnt from.

    Args:
        name: What one of them is called.
        suffixes: How their names end.
        size: Reads one whole; its (width, height) in pixels, or (samples, samples a second).
    """

    name: str
    suffixes: tuple[str, ...]
    size: Callable[[Path], tuple[int, int]]


def _pixels(path: Path) -> tuple[int, int]:
    pixels, _ = images.read(path)
    return pixels.shape[1], pixels.shape[0]


def _samples(path: Path) -> tuple[int, int]:
    samples, rate = sounds.read(path)
    if not samples.size:
        raise NodeflowError("NF601", "the sound has no samples", where=str(path))
    if not (abs(samples) < 1e6).all():
        raise NodeflowError("NF601", "samples of the sound are no numbers, or without bounds", where=str(path))
    return samples.shape[1], rate


PICTURE = Medium("picture", (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"), _pixels)
SOUND = Medium("sound", sounds.READABLE, _samples)


def medium_of(data: Folder) -> Medium:
    """What a folder is read for."""
    return SOUND if isinstance(data, Sounds) else PICTURE


def pictures(data: Folder) -> Dataset:
    """The folder, for trainings that are for pictures only.

    Raises:
        NodeflowError: NF404, it is one of sounds.
    """
    if not isinstance(data, Dataset):
        raise NodeflowError("NF404", "this training is for pictures, not for sounds", where="data")
    return data


@dataclass(frozen=True)
class Item:
    """A picture or a sound.

    Args:
        path: Its file.
        caption: What is said of it; empty = nothing.
        label: The number of its class, −1 without classes.
        size: (width, height) in pixels; (samples, samples a second) of a sound.
        digest: Identifies the file's content.
    """

    path: Path
    caption: str
    label: int
    size: tuple[int, int]
    digest: str


@dataclass(frozen=True)
class Found:
    """What a folder holds.

    Args:
        items: The files that can be read, by path.
        classes: Names of the classes, by number.
        unreadable: One fault a file that was left out.
    """

    items: tuple[Item, ...]
    classes: tuple[str, ...]
    unreadable: tuple[Fault, ...]

    @property
    def digest(self) -> str:
        """Identifies files and captions, wherever the folder lies."""
        total = blake2b(digest_size=16)
        for item in self.items:
            total.update(f"{item.digest} {item.label} {item.caption}\n".encode())
        return total.hexdigest()


def scan(dataset: Folder) -> Found:
    """Read every picture or sound of a folder once.

    Raises:
        NodeflowError: NF107 there is no such folder or nothing in it; NF105 a caption is missing or damaged;
            NF601, NF602 a file cannot be read, and it was not asked to skip those. One fault a file.
    """
    medium = medium_of(dataset)
    if not dataset.folder:
        raise NodeflowError("NF107", f"no folder of {medium.name}s is chosen", where="folder", fix="choose one")
    folder = Path(dataset.folder).expanduser()
    paths = files(folder, medium)
    if isinstance(dataset, Dataset):
        paths = [path for path in paths if not partners.is_control(dataset, path)]
    captions = _captions(folder, paths, dataset.captions, medium)
    by_folder = dataset.captions == "folders"
    classes = tuple(sorted({path.parent.name for path in paths})) if by_folder else ()
    items, faults = [], []
    for path in paths:
        try:
            size, digest = look(path, medium)
        except NodeflowError as error:
            faults.append(error.faults[0])
            continue
        label = classes.index(path.parent.name) if classes else -1
        items.append(Item(path, captions[path], label, size, digest))
    if faults and not dataset.skip_unreadable:
        advice = "repair or remove it, or ask to skip what cannot be read"
        raise NodeflowError.of([Fault(fault.code, fault.what, fault.where, advice) for fault in faults])
    if not items:
        what = f"none of the {medium.name}s can be read"
        raise NodeflowError("NF107", what, where=str(folder), fix="choose another folder")
    return Found(tuple(items), classes, tuple(faults))


def files(folder: Path, medium: Medium = PICTURE) -> list[Path]:
    """The files of a medium in a folder and its subfolders, sorted.

    Raises:
        NodeflowError: NF107, there is no such folder, or no such file in it.
    """
    if not folder.is_dir():
        fix = f"choose a folder of {medium.name}s"
        raise NodeflowError("NF107", "there is no such folder", where=str(folder), fix=fix)
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in medium.suffixes
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        what, known = f"there is no {medium.name} in this folder", ", ".join(medium.suffixes)
        raise NodeflowError("NF107", what, where=str(folder), fix=f"known are {known}")
    return found


def fingerprint(folder: str, medium: Medium = PICTURE) -> list[list[str | int]]:
    """Changes when a file of the folder does: name, size and time of every one, without reading them."""
    if not folder:
        return []
    root = Path(folder).expanduser()
    told = (*medium.suffixes, ".txt", ".jsonl")
    paths = (path for path in sorted(root.rglob("*")) if path.suffix.lower() in told)
    return [[path.relative_to(root).as_posix(), *_stamp(path)] for path in paths if path.is_file()]


def _captions(folder: Path, paths: list[Path], kind: str, medium: Medium) -> dict[Path, str]:
    """What is said of each file."""
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
            found = {path: said.get(path.relative_to(folder).as_posix()) for path in paths}
        case _:
            found = {path: _text(path.with_suffix(".txt")) for path in paths}
    return _complete(found, medium)


def _complete(said: dict[Path, str | None], medium: Medium) -> dict[Path, str]:
    """All captions; a file without one is refused."""
    what, fix = f"this {medium.name} has no caption", "write one, or take another kind of captions"
    missing = [Fault("NF105", what, str(path), fix) for path, caption in said.items() if caption is None]
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


def look(path: Path, medium: Medium = PICTURE) -> tuple[tuple[int, int], str]:
    """Size and digest of a picture or sound, see `Item`.

    Raises:
        NodeflowError: NF601, NF602, it cannot be read.
    """
    return _read(path, medium, *_stamp(path))


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=1 << 16)
def _read(path: Path, medium: Medium, _size: int, _time: int) -> tuple[tuple[int, int], str]:
    """Size and digest of a file, remembered while it stays as it is."""
    return medium.size(path), content(path)
