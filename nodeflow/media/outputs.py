"""Files into the output folder, under names that nobody has: not this run, not another process."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ..atomic import atomic_create
from ..errors import NodeflowError
from . import names

FIRST = 1
"""The first {index}."""


def save_all(
    contents: Iterable[bytes], folder: Path, template: str, suffix: str, fields: Mapping[str, object]
) -> list[Path]:
    """Write each file under the next free name, whole or not at all.

    Args:
        contents: What the files hold, one after the other.
        folder: The output folder; made if it is not there.
        template: Names the files; {index} is the first free number from 1. Without {index}, a taken name gets "-2".
        suffix: Their ending, ".png".
        fields: What the template may name besides {index}.

    Returns:
        The files, in the order of their contents.

    Raises:
        NodeflowError: NF603 or NF205 for a bad template (nothing is written), NF108 when a file cannot be written.
    """
    candidates = _candidates(template, suffix, fields)
    return [_save(data, folder, candidates) for data in contents]


def _candidates(template: str, suffix: str, fields: Mapping[str, object]) -> Iterator[Path]:
    """Names that may be free, best first; without end."""
    path = None
    if "{index" in template:
        for index in itertools.count(FIRST):
            previous, path = path, names.relative_path(template, {**fields, "index": index}, suffix)
            if path == previous:
                break
            yield path
    path = path or names.relative_path(template, fields, suffix)
    yield path
    for number in itertools.count(2):
        yield path.with_stem(f"{path.stem}-{number}")


def _save(data: bytes, folder: Path, candidates: Iterator[Path]) -> Path:
    """Write under the first candidate that is free."""
    while os.path.lexists(folder / (name := next(candidates))):
        pass
    path = names.inside(folder, name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_create(path, data)
    except FileExistsError:
        if path.parent.is_dir():
            return _save(data, folder, candidates)
        raise NodeflowError("NF108", "a file has the folder's name", where=str(path.parent),
                            fix="choose another folder") from None  # fmt: skip
    except OSError as error:
        raise NodeflowError("NF108", f"the folder cannot be made: {error.strerror}", where=str(path.parent),
                            fix="choose another folder") from error  # fmt: skip
    return path
