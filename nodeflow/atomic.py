"""Write a file whole or not at all.

Every file a user would miss (graphs, pictures, cache entries) is written here: a temporary file in the same folder,
synced, moved to its name, and the folder synced. Killed at any moment, the old file or the new one is there, never
less.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from .errors import NodeflowError

_FREE = "free some space"
_FOLDER = "choose another folder or change its permissions"
_CAUSES = {
    errno.ENOSPC: ("the disk is full", _FREE),
    errno.EDQUOT: ("your disk quota is used up", _FREE),
    errno.EFBIG: ("the file system cannot hold so large a file", "choose another folder"),
    errno.EROFS: ("the file system is read-only", "choose another folder"),
    errno.EACCES: ("permission denied", _FOLDER),
    errno.EPERM: ("permission denied", _FOLDER),
    errno.ENOENT: ("the folder does not exist", "create it first"),
    errno.ENOTDIR: ("the folder is a file", "choose another folder"),
    errno.EISDIR: ("a folder has this name", "choose another name"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one"),
    errno.EIO: ("the disk reported an error", "check the disk"),
}


def atomic_write(path: str | os.PathLike[str], data: bytes) -> None:
    """Replace the file at `path` by `data`, keeping the old content until the new one is safe on disk.

    A link is followed; permissions are kept.

    Raises:
        NodeflowError: NF108, when the disk is full, read-only or forbidden; the old file is untouched.
    """
    with _explained(path, len(data)):
        _write(Path(os.path.realpath(path)), data, os.replace)


def atomic_create(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a new file. Of several processes that try the same name, one wins.

    Raises:
        FileExistsError: When the name is taken, by a file, a folder or a link.
        NodeflowError: NF108, as `atomic_write`.
    """
    with _explained(path, len(data)):
        _write(Path(path), data, _move_to_new)


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file beside `path` that replaces it when the block ends well, for content that is not in memory.

    Raises:
        NodeflowError: NF108, as `atomic_write`.
    """
    target = Path(os.path.realpath(path))
    with _explained(path, 0), _replacing(target, os.replace) as temporary:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str], overwrite: bool = False) -> Iterator[Path]:
    """A temporary folder beside `path` that gets its name when the block ends well.

    Args:
        path: The folder.
        overwrite: Whether it takes the place of a folder of that name.

    Raises:
        NodeflowError: NF108, there is something of that name, or as `atomic_write`.
    """
    target = Path(path)
    if _exists(target) and not (overwrite and target.is_dir()):
        fix = "choose another name, or let it be replaced" if target.is_dir() else "choose another name"
        raise NodeflowError("NF108", "there is something of this name", where=str(path), fix=fix)
    temporary, old = (target.parent / f".{target.name[:40]}.{os.urandom(6).hex()}.{end}" for end in ("tmp", "old"))
    try:
        with _explained(path, 0):
            temporary.mkdir(parents=True)
            yield temporary
            if _exists(target):
                os.rename(target, old)
            os.rename(temporary, target)
            _sync_folder(target)
    except BaseException:
        if _exists(old) and not _exists(target):
            os.rename(old, target)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def _explained(path: str | os.PathLike[str], size: int) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None) or 0
        why, fix = _CAUSES.get(number, (getattr(error, "strerror", None) or str(error), "try another folder"))
        needed = f"{_size(size)} needed; " if size else ""
        kept = "the old file is kept" if _exists(path) else "nothing was written"
        raise NodeflowError("NF108", f"{why}: {needed}{kept}", where=str(path), fix=fix) from error


def _exists(path: str | os.PathLike[str]) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return os.path.lexists(path)
    return False


def _write(target: Path, data: bytes, move: Callable[[Path, Path], None]) -> None:
    with _replacing(target, move) as temporary, open(temporary, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _replacing(target: Path, move: Callable[[Path, Path], None]) -> Iterator[Path]:
    """The name of a temporary file that is moved to the target at the end of the block, or removed if it failed."""
    temporary = target.parent / f".{target.name[:40]}.{os.urandom(6).hex()}.tmp"
    try:
        yield temporary
        with contextlib.suppress(FileNotFoundError):
            os.chmod(temporary, target.stat().st_mode & 0o777)
        move(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError, ValueError):
            os.unlink(temporary)
        raise
    _sync_folder(target)


def _move_to_new(temporary: Path, target: Path) -> None:
    """Move without replacing: a hard link fails where the name is taken, in one step."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # FAT and some network drives have no hard links: reserve the name, then fill it
        open(target, "xb").close()
        os.replace(temporary, target)
    else:
        os.unlink(temporary)


def _sync_folder(target: Path) -> None:
    """Make the move itself durable; Windows does so on its own, and some file systems cannot."""
    if sys.platform == "win32":
        return
    try:
        handle = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno in (errno.EIO, errno.ENOSPC, errno.EDQUOT):
            why = "it is written, but the disk could not confirm it, so a power cut may undo it"
            raise NodeflowError("NF108", why, where=str(target), fix="check the disk and save again") from error


def _size(count: int) -> str:
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} bytes"
