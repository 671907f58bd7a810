"""Where networks run, in which number format and within which budgets, chosen explicitly or by one clear rule."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from nodeflow.errors import NodeflowError

HOST = "cpu"
DTYPES: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
SHORT_NAMES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
_BFLOAT16_CAPABILITY = (8, 0)


def available() -> tuple[str, ...]:
    """The devices of this machine, the preferred one first: CUDA cards, then MPS, then "cpu"."""
    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    mps = ["mps:0"] if torch.backends.mps.is_available() else []
    return (*cuda, *mps, "cpu")


def pick_device(name: str = "auto") -> str:
    """The device a user means, spelled as tensors spell it ("cuda:0", "mps:0", "cpu").

    Args:
        name: "auto" (the first CUDA card, else MPS, else the CPU), "cpu", "cuda", "cuda:1" or "mps".

    Raises:
        NodeflowError: NF411, the device is unknown or not there; names those that are.
    """
    there = available()
    if name == "auto":
        return there[0]
    kind, _, index = name.partition(":")
    wanted = kind if kind == "cpu" and index in ("", "0") else f"{kind}:{index or 0}"
    if wanted not in there:
        devices = ", ".join(there)
        raise NodeflowError("NF411", f"the device {name!r} is not available", fix=f"use auto or one of: {devices}")
    return wanted


def pick_dtype(name: str, device: str) -> str:
    """The number format a user means on a device.

    Args:
        name: "auto", a name of `DTYPES`, or its short form ("fp16", "bf16", "fp32"). Auto is float32 on the CPU,
            bfloat16 on CUDA cards that compute in it (capability 8.0 on), float16 on older ones and on MPS.
        device: As `pick_device` gives it.

    Raises:
        NodeflowError: NF412, no such format, or the card cannot compute in it.
    """
    kind = device.partition(":")[0]
    if name == "auto":
        return {"cpu": "float32", "mps": "float16"}.get(kind) or ("bfloat16" if _has_bfloat16(device) else "float16")
    full = SHORT_NAMES.get(name, name)
    torch_dtype(full)
    if full == "bfloat16" and kind == "cuda" and not _has_bfloat16(device):
        raise NodeflowError("NF412", f"{device} cannot compute in bfloat16", fix="use float16 or float32")
    return full


def torch_dtype(name: str) -> torch.dtype:
    """The torch dtype of that name.

    Raises:
        NodeflowError: NF412, it is none of `DTYPES`.
    """
    if name not in DTYPES:
        raise NodeflowError("NF412", f"unknown number format {name!r}", fix=f"use auto or one of: {', '.join(DTYPES)}")
    return DTYPES[name]


def _has_bfloat16(device: str) -> bool:
    return torch.cuda.get_device_capability(device) >= _BFLOAT16_CAPABILITY


def default_budgets() -> dict[str, int]:
    """Four fifths of each CUDA card and of the host's memory.

    In host memory the system takes pages of mapped weights back by itself, but not those of weights that were
    converted or changed.
    """
    cards = range(torch.cuda.device_count())
    budgets = {f"cuda:{i}": torch.cuda.get_device_properties(i).total_memory * 4 // 5 for i in cards}
    memory = _host_memory()
    return budgets | ({HOST: memory * 4 // 5} if memory else {})


def _host_memory() -> int:
    """Bytes of memory that this process may use; 0 where the system does not say."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return memory
    return min(memory, int(limit)) if limit.isdecimal() else memory
