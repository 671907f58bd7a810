"""The header of a GGUF file: names, shapes, number formats, places. The weights are not read.

    "GGUF", u32 version (2 or 3), u64 tensors, u64 entries,
    entries (text key, u32 type, value), tensors (text name, u32 dimensions, u64 each, u32 format, u64 offset), data

Numbers are little-endian, a text is a u64 length and UTF-8, an array a u32 type, a u64 length and its items; sizes
come fastest first, the reverse of torch's; the data begins at a multiple of `general.alignment`
(https://github.com/ggml-org/ggml/blob/master/docs/gguf.md). Everything is capped before it is believed.
"""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path
from typing import Any

from nodeflow.errors import NodeflowError

from .headers import MAX_TENSORS, Header, TensorInfo

MAGIC = b"GGUF"
MAX_HEADER_BYTES = 64 << 20
"""Vocabularies of text models stand in it."""
BLOCKS: dict[str, tuple[int, int]] = {
    "F32": (1, 4), "F16": (1, 2), "BF16": (1, 2), "F64": (1, 8),
    "I8": (1, 1), "I16": (1, 2), "I32": (1, 4), "I64": (1, 8),
    "Q4_0": (32, 18), "Q4_1": (32, 20), "Q5_0": (32, 22), "Q5_1": (32, 24), "Q8_0": (32, 34), "Q2_K": (256, 84),
    "Q3_K": (256, 110), "Q4_K": (256, 144), "Q5_K": (256, 176), "Q6_K": (256, 210), "IQ4_NL": (32, 18),
    "IQ4_XS": (256, 136),
}  # fmt: skip
"""Format -> (numbers a block, bytes a block)."""
_FORMATS = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 10: "Q2_K", 11: "Q3_K", 12: "Q4_K",
    13: "Q5_K", 14: "Q6_K", 20: "IQ4_NL", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64",
    30: "BF16",
}  # fmt: skip
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9
_MAX_ENTRIES = 4096
_MAX_DIMENSIONS = 4
_MAX_KEPT = 1 << 16
_ORIGINAL_SHAPE = "comfy.gguf.orig_shape."


def read_gguf(path: Path) -> Header:
    """Read and check the header of a GGUF file.

    Returns:
        As `read_header`, the shapes in torch's order; texts, numbers and short lists of the entries as `metadata`.

    Raises:
        NodeflowError: NF402, the file is cut or contradicts itself; NF403, it has more in it than models have; NF412,
            a format that we do not know; NF107, it cannot be read.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(min(size, MAX_HEADER_BYTES))
    except OSError as error:
        raise NodeflowError("NF107", error.strerror or str(error), where=str(path)) from error
    reader = _Reader(data, path)
    if reader.bytes(4) != MAGIC or (version := reader.number("I")) not in (2, 3):
        what = "it does not begin as GGUF files do" if data[:4] != MAGIC else f"its version is {version}, not 2 or 3"
        raise NodeflowError("NF403", f"not a model: {what}", where=str(path))
    tensors, entries = reader.number("Q"), reader.number("Q")
    if tensors > MAX_TENSORS or entries > _MAX_ENTRIES:
        raise NodeflowError("NF403", f"not a model: {tensors:,} tensors, {entries:,} entries", where=str(path))
    metadata = {}
    for _ in range(entries):
        key = reader.text()
        metadata[key] = reader.value(reader.number("I"))
    rows = [_described(reader) for _ in range(tensors)]
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 1 <= alignment <= 1 << 16:
        raise reader.corrupt(f"its alignment is {alignment!r}")
    first = -(-reader.at // alignment) * alignment
    return Header(
        _placed(rows, first, size, metadata, reader), {k: str(v) for k, v in metadata.items() if v is not None}
    )


def _described(reader: _Reader) -> tuple[str, tuple[int, ...], str, int]:
    """(name, sizes in torch's order, format, offset) of a tensor."""
    name, dimensions = reader.text(), reader.number("I")
    if dimensions > _MAX_DIMENSIONS:
        raise reader.corrupt(f"the tensor {name[:60]!r} has {dimensions} dimensions")
    sizes = tuple(reader.number("Q") for _ in range(dimensions))
    number, offset = reader.number("I"), reader.number("Q")
    if number not in _FORMATS:
        raise NodeflowError("NF412", f"the tensor {name[:60]!r} has the unknown format {number}",
                            where=str(reader.path), fix=f"choose a file in one of {', '.join(BLOCKS)}")  # fmt: skip
    return name, sizes[::-1], _FORMATS[number], offset


def _placed(
    rows: list[tuple[str, tuple[int, ...], str, int]], first: int, size: int, metadata: dict[str, Any], reader: _Reader
) -> dict[str, TensorInfo]:
    tensors: dict[str, TensorInfo] = {}
    end = first
    for name, shape, form, offset in sorted(rows, key=lambda row: row[3]):
        numbers, width = BLOCKS[form]
        count = math.prod(shape)
        start = first + offset
        if start < end or name in tensors:
            raise reader.corrupt(f"the tensor {name[:60]!r} overlaps another")
        if (shape[-1] if shape else 1) % numbers:
            raise reader.corrupt(f"the tensor {name[:60]!r} has rows of {shape[-1]} numbers, no multiple of {numbers}")
        end = start + count // numbers * width
        if end > size:
            raise NodeflowError("NF402", f"the file is cut: {size:,} of at least {end:,} bytes are here",
                                where=str(reader.path), fix="download it again")  # fmt: skip
        tensors[name] = TensorInfo(form, _shaped(shape, metadata.get(_ORIGINAL_SHAPE + name)), start, end)
    return tensors


def _shaped(shape: tuple[int, ...], original: Any) -> tuple[int, ...]:
    """A tensor's own shape, where the writer had to change it to store it in blocks."""
    if isinstance(original, list) and all(isinstance(side, int) and side > 0 for side in original):
        return tuple(original) if math.prod(original) == math.prod(shape) else shape
    return shape


class _Reader:
    """Reads numbers and texts from the begin of a file, and refuses to read past what is there."""

    def __init__(self, data: bytes, path: Path) -> None:
        self.data, self.path, self.at = data, path, 0

    def corrupt(self, why: str) -> NodeflowError:
        return NodeflowError("NF402", f"the file is corrupt: {why}", where=str(self.path), fix="download it again")

    def bytes(self, count: int) -> bytes:
        if count > len(self.data) - self.at:
            raise self.corrupt("its header ends too early or is too long")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, form: str) -> Any:
        return struct.unpack(f"<{form}", self.bytes(struct.calcsize(f"<{form}")))[0]

    def text(self) -> str:
        try:
            return self.bytes(self.number("Q")).decode("utf-8")
        except UnicodeDecodeError:
            raise self.corrupt("a text is not UTF-8") from None

    def value(self, kind: int) -> Any:
        """An entry's value; None for lists too long to be of interest, which are skipped."""
        if kind in _SCALARS:
            return self.number(_SCALARS[kind])
        if kind == _TEXT:
            return self.text()
        if kind != _ARRAY:
            raise self.corrupt(f"an entry is of the unknown type {kind}")
        inner, count = self.number("I"), self.number("Q")
        if inner in _SCALARS:
            form = _SCALARS[inner]
            raw = self.bytes(count * struct.calcsize(f"<{form}"))
            return list(struct.unpack(f"<{count}{form}", raw)) if count <= _MAX_KEPT else None
        if inner != _TEXT:
            raise self.corrupt("an entry is a list of lists")
        if count > len(self.data):
            raise self.corrupt("a list is longer than the file")
        texts = [self.text() for _ in range(count)]
        return texts if count <= _MAX_KEPT else None
