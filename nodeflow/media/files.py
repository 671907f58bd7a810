"""Files of strangers: open only what is a file, and know its content."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Iterator

from ..errors import NodeflowError


@contextlib.contextmanager
def regular_file(path: str | os.PathLike[str]) -> Iterator[io.BufferedReader]:
    """The file, open for reading; nothing that blocks or never ends, such as a pipe or a device.

    Raises:
        NodeflowError: NF107 when it cannot be read.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise NodeflowError("NF107", "this is not a file", where=str(path), fix="choose a file")
        with open(path, "rb") as file:
            yield file
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise NodeflowError("NF107", f"the file cannot be read: {why}", where=str(path),
                            fix="check the path") from error  # fmt: skip


def fingerprint(path: str | os.PathLike[str]) -> str:
    """Hash of a file's bytes; NF107 when it cannot be read."""
    import hashlib

    with regular_file(path) as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
