"""What a safetensors file holds, read from its header: names, shapes, number formats, places. GGUF files: see `gguf`.

The file is a little-endian u64 n, then n bytes of JSON `{name: {dtype, shape, data_offsets}}`, then the data
(https://huggingface.co/docs/safetensors). The header is small and is checked whole before anybody maps the data:
it is capped before it is parsed, and the tensors must fill the file without holes or overlaps.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodeflow.errors import NodeflowError

from .strict import decode

MAX_HEADER_BYTES = 16 << 20
MAX_TENSORS = 50_000
"""The largest published models have some thousand tensors in headers below 1 MB."""

ITEM_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8,
    "U16": 16, "I16": 16, "F16": 16, "BF16": 16,
    "U32": 32, "I32": 32, "F32": 32,
    "U64": 64, "I64": 64, "F64": 64, "C64": 64,
}  # fmt: skip


@dataclass(frozen=True)
class TensorInfo:
    """A tensor in a file.

    Args:
        dtype: A key of `ITEM_BITS`, or of `gguf.BLOCKS`.
        shape: Its sizes.
        start: Its first byte, counted from the begin of the file.
        end: The byte after its last.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Header:
    """The checked header of a weights file.

    Args:
        tensors: By name, in the order of the data.
        metadata: Free texts the writer left.
    """

    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]


def read_header(path: Path) -> Header:
    """Read and check the header of a safetensors or GGUF file; the data is not read.

    Raises:
        NodeflowError: NF401 there is no such file; NF402 it is cut or its header contradicts itself; NF403 it is
            something else; NF405 it is a pickle; NF107 it cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise _not_a_model(path, "it is a folder, a pipe or a device")
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(9)
            if start.startswith(b"GGUF"):
                return _read_gguf(path)
            length = int.from_bytes(start[:8], "little")
            if length > MAX_HEADER_BYTES:
                _refuse_stranger(path, start + file.read(64), length)
            if not size:
                raise NodeflowError("NF402", "the file is empty", where=str(path), fix="download it again")
            if len(start) < 9 or size < 8 + length:
                _refuse_stranger(path, start, 0)
                raise _cut(path, size, 8 + max(length, 2))
            if length < 2 or start[8:] != b"{":
                raise _not_a_model(path, "its header is not JSON")
            data = start[8:] + file.read(length - 1)
    except FileNotFoundError:
        raise NodeflowError("NF401", "the file does not exist", where=str(path)) from None
    except OSError as error:
        raise NodeflowError("NF107", error.strerror or str(error), where=str(path)) from error
    return _parse(path, data, size)


def _read_gguf(path: Path) -> Header:
    from .gguf import read_gguf  # which stands on this module

    return read_gguf(path)


def _parse(path: Path, data: bytes, size: int) -> Header:
    count = data.count(b'"data_offsets"')
    if count > MAX_TENSORS:
        raise _not_a_model(path, f"{count:,} tensors")
    try:
        content = decode(data)
    except ValueError:
        raise _corrupt(path, "its header is not valid JSON") from None
    metadata = content.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise _corrupt(path, "its metadata are not texts")
    first = 8 + len(data)
    tensors = {name: _tensor(path, name, entry, first) for name, entry in content.items()}
    ordered = dict(sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end)))
    place = first
    for name, tensor in ordered.items():
        if tensor.start != place:
            raise _corrupt(path, f"there is a hole or an overlap before the tensor {name!r}")
        place = tensor.end
    if place > size:
        raise _cut(path, size, place)
    if place < size:
        raise _corrupt(path, f"{size - place:,} bytes follow the last tensor")
    return Header(ordered, metadata)


def _tensor(path: Path, name: str, entry: Any, first: int) -> TensorInfo:
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [start, end]} if all(
            type(number) is int and number >= 0 for number in (*shape, start, end)
        ):
            bits = ITEM_BITS.get(dtype)
            if bits is None:
                raise NodeflowError("NF412", f"the tensor {name!r} has the unknown format {dtype!r}", where=str(path))
            if math.prod(shape) * bits != 8 * (end - start):
                raise _corrupt(path, f"the tensor {name!r} has {end - start} bytes for {dtype} {shape}")
            return TensorInfo(dtype, tuple(shape), first + start, first + end)
    raise _corrupt(path, f"the tensor {name!r} is not described as dtype, shape and offsets")


def _refuse_stranger(path: Path, start: bytes, length: int) -> None:
    """Name what the file is, if its first bytes tell. Raises where `length` is no header's."""
    if is_pickle(start):
        raise NodeflowError(
            "NF405",
            "this file is a pickle, and pickles can run code",
            where=str(path),
            fix="convert it with nodeflow models convert",
        )
    if start.startswith(b"version "):
        raise NodeflowError(
            "NF401", "only a Git LFS pointer is here, not the file itself", where=str(path), fix="run git lfs pull"
        )
    if start.lstrip().startswith((b"<", b"{")) and length:
        raise _not_a_model(path, "a web page or a text")
    if length:
        raise _not_a_model(path, "it does not begin as safetensors or GGUF files do")


def is_pickle(start: bytes) -> bool:
    """Whether a file that begins so is a pickle or an archive of pickles, as torch writes them."""
    zipped = start.startswith(b"PK\x03\x04")
    protocol = len(start) > 2 and start[0] == 0x80 and start[1] in range(2, 6) and any(start[2:8])
    return zipped or protocol


def _cut(path: Path, size: int, needed: int) -> NodeflowError:
    unit, scale = next(((u, s) for u, s in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)) if needed >= s), ("bytes", 1))
    digits = 0 if scale == 1 else 1
    return NodeflowError(
        "NF402",
        f"the file is cut: {size / scale:.{digits}f} of {needed / scale:.{digits}f} {unit} are here",
        where=str(path),
        fix="download it again",
    )


def _corrupt(path: Path, why: str) -> NodeflowError:
    return NodeflowError("NF402", f"the file is corrupt: {why}", where=str(path), fix="download it again")


def _not_a_model(path: Path, why: str) -> NodeflowError:
    return NodeflowError("NF403", f"not a model: {why}", where=str(path), fix="choose a safetensors file")
