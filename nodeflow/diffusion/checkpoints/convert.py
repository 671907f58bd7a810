"""Pickled weights to safetensors, when the user asks for it by name: in a process of its own, within bounds.

A pickle is a program. torch's `weights_only` reader runs none of it but what makes tensors; should that fail to hold,
the process that reads has no environment, no input and limits on memory, time and the size of what it writes. What it
leaves is checked as any other model file is.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from nodeflow.atomic import atomic_path
from nodeflow.errors import NodeflowError

from .headers import is_pickle, read_header

ENDINGS = (".ckpt", ".pt", ".pth", ".bin")
_SECONDS = 1800


def convert(source: Path, target: Path | None = None, *, replace: bool = False) -> Path:
    """Convert a pickle of weights.

    Args:
        source: The pickle, left as it is.
        target: Where to write; by default beside it, with the ending .safetensors.
        replace: Whether to replace a file that is there.

    Raises:
        NodeflowError: NF401, there is no such file; NF403, it is no pickle or has no tensors; NF405, it wants more than
            weights; NF108, the result is there already or cannot be written.
    """
    target = target or source.with_suffix(".safetensors")
    try:
        with source.open("rb") as file:
            start, size = file.read(16), os.fstat(file.fileno()).st_size
    except OSError as error:
        raise NodeflowError("NF401", error.strerror or str(error), where=str(source)) from None
    if not is_pickle(start):
        raise NodeflowError("NF403", "this is no pickle of weights", where=str(source))
    if target.exists() and not replace:
        raise NodeflowError("NF108", "the file is there already", where=str(target), fix="use --force to replace it")
    with atomic_path(target) as temporary:
        _run(source, Path(temporary), size)
        read_header(Path(temporary))
    return target


def _run(source: Path, target: Path, size: int) -> None:
    reader = Path(__file__).with_name("unpickle.py")
    bare = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
    command = [sys.executable, "-I", str(reader), str(source.resolve()), str(target.resolve()), str(size)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, env=bare, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise NodeflowError("NF405", f"it was not read within {_SECONDS // 60} minutes", where=str(source)) from None
    if done.returncode == _EMPTY:
        raise NodeflowError("NF403", "there are no tensors in it", where=str(source))
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        why = said[-1][:200] if said else f"the process that read it ended with {done.returncode}"
        what = f"it wants more than weights, so it is not opened ({why})"
        raise NodeflowError("NF405", what, where=str(source), fix="get the model as safetensors")


_EMPTY = 4
"""How the reading process ends where there are no tensors."""
