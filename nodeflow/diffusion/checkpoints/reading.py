"""The tensors of weight files under their published names: views into the mapped files wherever that can be.

Splitting a fused matrix and making a convolution a matrix are views. What is stored in 8 bits or
fewer stays so (`models.stored`), together with the scale that some files write beside it: `scale_weight` (ComfyUI) or
`weight_scale`. The mapping is private: a network may write into its weights, the file never changes.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from nodeflow.diffusion.models.ggml import EXPAND
from nodeflow.diffusion.models.stored import Stored
from nodeflow.errors import NodeflowError

from .headers import Header, TensorInfo, read_header
from .originals import Source, sources

TORCH_DTYPES: dict[str, torch.dtype] = {
    "BOOL": torch.bool, "U8": torch.uint8, "I8": torch.int8, "I16": torch.int16, "I32": torch.int32,
    "I64": torch.int64, "F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip
EIGHT_BITS = ("F8_E4M3", "F8_E5M2")
_SCALES = ("scale_weight", "weight_scale")
_MARKS = ("scaled_fp8", "scale_input", "input_scale", "comfy_quant")
"""What files in 8 bits say besides, for those who multiply in 8 bits."""

AnyTensor = Tensor | Stored


def read_tensors(files: tuple[Path, ...], device: str, dtype: torch.dtype, part: str = "") -> dict[str, AnyTensor]:
    """All tensors of some files, or those of a part, by published name; floating-point ones in `dtype`, on `device`.

    Names that the writer left out because two names share one tensor are put back.

    Args:
        files: In their order.
        device: As `pick_device` gives it.
        dtype: For what is not stored in 8 bits or fewer.
        part: As `originals.part` writes it; empty = everything, the names are the published ones.

    Raises:
        NodeflowError: As `read_header`; NF402, a name stands in two files; NF407, the names cannot be mapped.
    """
    state: dict[str, AnyTensor] = {}
    for path in files:
        header = read_header(path)
        for name, tensor in _tensors(path, header, device, dtype, part):
            if name in state:
                raise NodeflowError("NF402", f"the tensor {name!r} stands in two files", where=str(path))
            state[name] = tensor
        for absent, kept in header.metadata.items():
            if kept in header.tensors and absent not in header.tensors and kept in state:
                state[absent] = state[kept]
    return state


def read_stored(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file as it stores them, on the CPU.

    Raises:
        NodeflowError: As `read_header`.
    """
    header = read_header(path)
    data = _mapped(path, header)
    return {name: _view(data, path, name, info) for name, info in header.tensors.items()}


def stored_bytes(info: TensorInfo, width: int) -> int:
    """The memory a tensor takes in a network whose numbers have `width` bytes."""
    return info.end - info.start if info.dtype in EIGHT_BITS or info.dtype in EXPAND else math.prod(info.shape) * width


def _mapped(path: Path, header: Header) -> mmap.mmap:
    if not header.tensors:
        return mmap.mmap(-1, 1)
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


def _tensors(path: Path, header: Header, device: str, dtype: torch.dtype, part: str) -> Iterator[tuple[str, AnyTensor]]:
    data = _mapped(path, header)
    wanted = {name: info for name, info in header.tensors.items() if name.rpartition(".")[2] not in _MARKS}
    shapes = {name: info.shape for name, info in wanted.items()}
    found = sources(part, shapes) if part else {name: Source(name) for name in shapes}
    scales = _scales(found, wanted)
    for name in sorted(
        (name for name in found if name not in scales.values()), key=lambda n: wanted[found[n].name].start
    ):
        source = found[name]
        info = wanted[source.name]
        scale = scales.get(name)
        if info.dtype in EXPAND or info.dtype in EIGHT_BITS:
            stored = _in_blocks(data, path, source.name, info)
            if scale is not None:
                stored = Stored(stored.data, stored.shape, scale=_of(found[scale], wanted, data, path).float())
            yield name, _changed_stored(stored, source, dtype).to(device)
            continue
        view = _of(source, wanted, data, path)
        tensor = view.to(device).to(dtype if view.is_floating_point() else view.dtype)
        if tensor.data_ptr() != view.data_ptr() and not source.rows:
            _give_back(data, info)
        yield name, tensor


def _scales(found: Mapping[str, Source], infos: Mapping[str, TensorInfo]) -> dict[str, str]:
    """Published name of a weight -> that of the scale beside it."""
    pairs = {}
    for name in found:
        layer, _, last = name.rpartition(".")
        weight = f"{layer}.weight"
        if last in _SCALES and weight in found and infos[found[weight].name].dtype in EIGHT_BITS:
            pairs[weight] = name
    return pairs


def _of(source: Source, infos: Mapping[str, TensorInfo], data: mmap.mmap, path: Path) -> Tensor:
    return _changed(_view(data, path, source.name, infos[source.name]), source)


def _changed(tensor: Tensor, source: Source) -> Tensor:
    """What a name map takes of a tensor; views, but for what is turned or swapped."""
    if source.rows:
        tensor = tensor.narrow(0, source.start, source.rows)
    if source.change == "matrix" and tensor.ndim == 4:
        return tensor.flatten(1)
    if source.change == "vector":
        return tensor.flatten()
    if source.change == "channels" and tensor.ndim == 1:
        return tensor[None, :, None]
    if source.change == "identity":
        return torch.eye(tensor.shape[0], dtype=tensor.dtype)
    if source.change == "transposed":
        return tensor.T.contiguous()  # as the published file has it: the same rounding, to the bit
    if source.change == "swapped" and tensor.ndim and tensor.shape[0] % 2 == 0:
        return torch.cat(tensor.chunk(2)[::-1])
    return tensor


def _changed_stored(stored: Stored, source: Source, dtype: torch.dtype) -> AnyTensor:
    if source.rows:
        stored = stored.rows(source.start, source.rows)
    return _changed(stored.expand(dtype), Source(source.name, change=source.change)) if source.change else stored


def _in_blocks(data: mmap.mmap, path: Path, name: str, info: TensorInfo) -> Stored:
    if info.dtype not in EXPAND:
        return Stored(_view(data, path, name, info), info.shape)
    raw = torch.frombuffer(data, dtype=torch.uint8, count=info.end - info.start, offset=info.start)
    rows = info.shape[0] if info.shape else 1
    if len(raw) % max(1, rows) or (len(raw) // max(1, rows)) % EXPAND[info.dtype][0]:
        raise NodeflowError("NF412", f"the tensor {name!r} has blocks that reach over its rows", where=str(path))
    return Stored(raw.view(rows, -1), info.shape, info.dtype)


def _view(data: mmap.mmap, path: Path, name: str, info: TensorInfo) -> Tensor:
    """The tensor as a view into the mapped file."""
    dtype = TORCH_DTYPES.get(info.dtype)
    if dtype is None:
        raise NodeflowError("NF412", f"the tensor {name!r} has the format {info.dtype}", where=str(path))
    if info.start == info.end:
        return torch.empty(info.shape, dtype=dtype)
    count = (info.end - info.start) // dtype.itemsize
    return torch.frombuffer(data, dtype=dtype, count=count, offset=info.start).view(info.shape)


def _give_back(data: mmap.mmap, info: TensorInfo) -> None:
    """Let the system take the pages of a tensor that has been copied; they are on disk."""
    start = info.start - info.start % mmap.PAGESIZE
    if hasattr(mmap, "MADV_DONTNEED") and info.end > info.start:
        data.madvise(mmap.MADV_DONTNEED, start, info.end - start)
