"""A handle becomes a network: built without memory, then filled with tensors that are views into the mapped files.

Where the format and device are those of the file, nothing is copied: pages are read when the network first uses
them, and several processes share them. Otherwise each tensor is converted straight to its place, and the pages it
came from are given back at once, so peak memory is one copy of the weights. The mapping is private: a network may
write into its weights, the file never changes.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nodeflow.diffusion.adapters.patch import apply
from nodeflow.diffusion.devices import torch_dtype
from nodeflow.diffusion.models import MODELS, model_class
from nodeflow.diffusion.models.attention import current_names
from nodeflow.errors import NodeflowError
from nodeflow.values import TextEncoder, Weights

from .handles import files_of
from .headers import Header, TensorInfo, read_header
from .identity import digest

TORCH_DTYPES: dict[str, torch.dtype] = {
    "BOOL": torch.bool, "U8": torch.uint8, "I8": torch.int8, "I16": torch.int16, "I32": torch.int32,
    "I64": torch.int64, "F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip


def load_weights(handle: Weights, device: str = "cpu", dtype: str = "float32") -> nn.Module:
    """Build a handle's network and fill it with its weights, ready to evaluate.

    Args:
        handle: From `open_model`.
        device: As `pick_device` gives it.
        dtype: "float32", "float16" or "bfloat16".

    Returns:
        The network in evaluation mode, its parameters frozen. Kind "Pixels" gives `nn.Identity`, "Waves" a `Waves`.

    Raises:
        NodeflowError: NF402 the files are corrupt or have changed since the handle was made; NF406 the configuration
            cannot be built; NF407 the weights, or changes to them, do not fit the network; NF412.
    """
    if handle.identity:
        return nn.Identity().eval() if handle.kind == "Pixels" else model_class(handle.kind).from_config(handle.config)
    files = files_of(handle)
    if digest(files) != handle.digest:
        raise NodeflowError(
            "NF402", "the weights have changed since the model was opened", where=handle.folder, fix="run it again"
        )
    if handle.kind not in MODELS and isinstance(handle, TextEncoder):
        return _frozen(_patched(_from_transformers(handle, device, dtype), handle))
    with torch.device("meta"), _NoInitialisation():
        net = model_class(handle.kind).from_config(handle.config)
    net.load(current_names(read_tensors(files, device, torch_dtype(dtype)), known=net.state_dict()))
    return _frozen(_patched(net, handle))


def _patched(net: nn.Module, handle: Weights) -> nn.Module:
    """The network with the handle's changes to its weights."""
    for patch in handle.patches:
        apply(net, patch)
    return net


def weight_bytes(handle: Weights, dtype: str = "float32") -> int:
    """The memory a handle's network takes in a number format, from the headers of its files.

    Raises:
        NodeflowError: As `files_of` and `read_header`.
    """
    if handle.identity:
        return 0
    width = torch_dtype(dtype).itemsize
    shapes = [info.shape for path in files_of(handle) for info in read_header(path).tensors.values()]
    return sum(math.prod(shape) for shape in shapes) * width


def read_tensors(files: tuple[Path, ...], device: str, dtype: torch.dtype) -> dict[str, Tensor]:
    """All tensors of some safetensors files, by name; floating-point ones in `dtype`, on `device`.

    Names that the writer left out because two names share one tensor are put back.

    Raises:
        NodeflowError: As `read_header`; NF402, a name stands in two files.
    """
    state: dict[str, Tensor] = {}
    for path in files:
        header = read_header(path)
        for name, tensor in _tensors(path, header, device, dtype):
            if name in state:
                raise NodeflowError("NF402", f"the tensor {name!r} stands in two files", where=str(path))
            state[name] = tensor
        for absent, kept in header.metadata.items():
            if kept in header.tensors and absent not in header.tensors:
                state[absent] = state[kept]
    return state


def read_stored(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file as it stores them, on the CPU.

    Raises:
        NodeflowError: As `read_header`.
    """
    header = read_header(path)
    if not header.tensors:
        return {}
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return {name: _view(data, path, name, info) for name, info in header.tensors.items()}


def _tensors(path: Path, header: Header, device: str, dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    if not header.tensors:
        return
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    for name, info in header.tensors.items():
        stored = _view(data, path, name, info)
        wanted = dtype if stored.is_floating_point() else stored.dtype
        tensor = stored.to(device).to(wanted)
        if tensor is not stored:
            _give_back(data, info)
        yield name, tensor


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


def _frozen(net: nn.Module) -> nn.Module:
    lost = [name for name, tensor in (*net.named_parameters(), *net.named_buffers()) if tensor.is_meta]
    if lost:
        raise NodeflowError("NF407", f"no weights for {', '.join(lost[:3])}", fix="download the model again")
    return net.eval().requires_grad_(False)


class _NoInitialisation(TorchFunctionMode):
    """Skips `torch.nn.init`, whose values would be thrown away.

    Not for those values: on tensors without memory they cost little, but the first normal one among them makes torch
    import its compiler, two seconds.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def _from_transformers(handle: TextEncoder, device: str, dtype: str) -> nn.Module:
    """A text encoder that is not among our own networks."""
    import transformers

    kind: Any = getattr(transformers, handle.kind, None)
    known: bool = isinstance(kind, type) and issubclass(kind, transformers.PreTrainedModel)
    if not known:
        raise NodeflowError("NF406", f"there is no text encoder called {handle.kind!r}", where=handle.folder)
    options = {"variant": handle.variant or None, "dtype": torch_dtype(dtype)}
    try:
        net = kind.from_pretrained(handle.folder, local_files_only=True, use_safetensors=True, **options)
    except (OSError, ValueError, RuntimeError) as error:
        why = str(error).splitlines()[0]
        raise NodeflowError("NF407", f"{handle.kind} cannot be loaded: {why}", where=handle.folder) from error
    return net.to(device)
