"""Names for the content of weight files, so that one content is loaded once and results know their weights."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from .headers import read_header

_SAMPLES = 16
_SAMPLE_BYTES = 4096


def digest(files: Iterable[Path], *, timed: bool = True) -> str:
    """Identify the content of weight files in milliseconds, without reading them whole.

    Hashed are each file's size, time of last change, header, and 16 blocks of 4 KiB spread over the data. So it
    sees every replaced, re-downloaded or retrained file, and every edit through the file system, which sets the time.
    It does not see a change of bytes between the samples that also forges the time: a bit that fell over on the
    disk, say. Use `full_digest` against that. A copy with another time counts as another content: that costs a
    second load, never a wrong result.

    Args:
        files: In their order.
        timed: Whether the time of change counts; without it, copies of one file have one digest.

    Returns:
        32 hexadecimal digits.

    Raises:
        NodeflowError: As `read_header`.
    """
    return _digest(tuple(_stamp(path) for path in files), timed)


def part_digest(files: Iterable[Path], part: str, *, timed: bool = True) -> str:
    """As `digest`, told apart by which part of the files is meant; see `Weights.part`.

    Raises:
        NodeflowError: As `read_header`.
    """
    whole = digest(files, timed=timed)
    return hashlib.blake2b(f"{whole} {part}".encode(), digest_size=16).hexdigest() if part else whole


def _stamp(path: Path) -> tuple[str, int, int, int, int]:
    """What changes when a file does; a missing file has none, and is refused where its header is read."""
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, 0, 0, 0
    return str(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


@lru_cache(maxsize=256)
def _digest(files: tuple[tuple[str, int, int, int, int], ...], timed: bool) -> str:
    """Remembered while the files stay as they are: every plan asks for it."""
    total = hashlib.blake2b(digest_size=16)
    for name, *_ in files:
        path = Path(name)
        data_start = min((tensor.start for tensor in read_header(path).tensors.values()), default=0)
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            total.update(f"{status.st_size} {status.st_mtime_ns if timed else 0} ".encode())
            total.update(file.read(data_start))
            step = max(1, (status.st_size - data_start - _SAMPLE_BYTES) // (_SAMPLES - 1))
            for i in range(_SAMPLES):
                file.seek(data_start + i * step)
                total.update(file.read(_SAMPLE_BYTES))
    return total.hexdigest()


def full_digest(path: Path) -> str:
    """The SHA-256 of the whole file, as the Hub and lock files name it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
