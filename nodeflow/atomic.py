"""Write a file whole or not at all.

Every file a user would miss (graphs, pictures, cache entries) goes through `atomic_write`: a temporary file in the
same folder, synced, moved over the target, and the folder synced. Killed at any moment, the old file or the new one
is there, never less.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
from pathlib import Path

from .errors import NodeflowError

_CAUSES = {
    errno.ENOSPC: ("the disk is full", "free some space"),
    errno.EDQUOT: ("your disk quota is used up", "free some space"),
    errno.EROFS: ("the file system is read-only", "choose another folder"),
    errno.EACCES: ("permission denied", "choose another folder or change its permissions"),
    errno.EPERM: ("permission denied", "choose another folder or change its permissions"),
    errno.ENOENT: ("the folder does not exist", "create it first"),
    errno.ENOTDIR: ("the folder is a file", "choose another folder"),
    errno.EIO: ("the disk reported an error", "check the disk"),
}


def atomic_write(path: str | os.PathLike[str], data: bytes) -> None:
    """Replace the file at `path` by `data`, keeping the old content until the new one is safe on disk.

    Raises:
        NodeflowError: NF108, when the disk is full, read-only or forbidden; the old file is untouched.
    """
    target = Path(path)
    try:
        _write(target.resolve() if target.is_symlink() else target, data)
    except OSError as error:
        why, fix = _CAUSES.get(error.errno or 0, (error.strerror or str(error), "try another folder"))
        kept = "the old file is kept" if target.exists() else "nothing was written"
        raise NodeflowError("NF108", f"{why}: {_size(len(data))} needed; {kept}", where=str(path), fix=fix) from error


def _write(target: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, _mode(target))
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    _sync_folder(target.parent)


def _mode(target: Path) -> int:
    """The permissions the file has, or those a new file would get: `mkstemp` makes private ones."""
    try:
        return target.stat().st_mode & 0o777
    except OSError:
        return 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable; Windows does so on its own."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _size(count: int) -> str:
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} bytes"
