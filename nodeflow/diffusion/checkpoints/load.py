"""A handle becomes a network: built without memory, then filled with tensors that are views into the mapped files.

Where the format and device are those of the file, nothing is copied: pages are read when the network first uses
them, and several processes share them. Otherwise each tensor is converted straight to its place, and the pages it
came from are given back at once, so peak memory is one copy of the weights. The mapping is private: a network may
write into its weights, the file never changes.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from nodeflow.diffusion.adapters.patch import apply
from nodeflow.diffusion.devices import torch_dtype
from nodeflow.diffusion.models import MODELS, model_class
from nodeflow.diffusion.models.attention import current_names
from nodeflow.diffusion.models.stored import placeholders, settle
from nodeflow.diffusion.upscaling import load_upscaler
from nodeflow.errors import NodeflowError
from nodeflow.values import TextEncoder, Upscaler, Weights

from .handles import files_of, tensors_of
from .identity import part_digest
from .reading import read_tensors, stored_bytes


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
            cannot be built; NF407 the weights, or changes to them, do not fit the network; NF412. Of upscalers, as
            `load_upscaler`.
    """
    if handle.identity:
        return nn.Identity().eval() if handle.kind == "Pixels" else model_class(handle.kind).from_config(handle.config)
    files = files_of(handle)
    if part_digest(files, handle.part) != handle.digest:
        raise NodeflowError(
            "NF402", "the weights have changed since the model was opened", where=handle.folder, fix="run it again"
        )
    if isinstance(handle, Upscaler):
        return _frozen(load_upscaler(files[0], device, torch_dtype(dtype)))
    if handle.kind not in MODELS and isinstance(handle, TextEncoder) and not handle.part:
        return _frozen(_patched(_from_transformers(handle, device, dtype), handle))
    with torch.device("meta"), _NoInitialisation():
        net = model_class(handle.kind).from_config(handle.config)
    numbers = torch_dtype(dtype)
    state, stands = placeholders(read_tensors(files, device, numbers, handle.part), numbers)
    net.load(current_names(state, known=net.state_dict()))
    settle(net, stands, numbers)
    return _frozen(_patched(net, handle))


def changed(net: nn.Module, handle: Weights) -> nn.Module:
    """A network with a handle's changes, made of one without; what they leave alone, both share.

    Args:
        net: Of the same handle without changes.
        handle: With them.

    Raises:
        NodeflowError: As `load_weights`.
    """
    kept = {id(tensor): tensor for tensor in (*net.parameters(), *net.buffers())}
    return _frozen(_patched(copy.deepcopy(net, kept), handle))


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
    return sum(stored_bytes(info, width) for info in tensors_of(handle))


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
