"""Run as a program of its own by `convert`: reads a pickle of weights, writes safetensors. Imports nothing of nodeflow.

Usage: unpickle.py SOURCE TARGET BYTES. Ends with 0, with 3 and a reason where the pickle wants more than weights, with
4 where it has no tensors.
"""

from __future__ import annotations

import sys
from typing import Any

_REFUSED, _EMPTY = 3, 4
_SECONDS = 1800
_SPARE = 8 << 30
"""Bytes that Python and torch need besides the weights, address space included."""


def _limit(size: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    resource.setrlimit(resource.RLIMIT_AS, (3 * size + _SPARE,) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * size + (16 << 20),) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS,) * 2)


def _tensors(value: Any, path: str = "") -> dict[str, Any]:
    """The tensors in nested mappings, by the names of the innermost mapping that checkpoints wrap them in.

    Where a mapping has both the weights and their moving average, the average counts, as for those who publish them.
    """
    import torch

    if isinstance(value, torch.Tensor):
        return {path: value.detach().clone().contiguous()}
    found: dict[str, Any] = {}
    if isinstance(value, dict):
        for key, item in sorted(value.items(), key=lambda pair: pair[0] == "params_ema"):
            inside = path if key in _WRAPPERS else f"{path}.{key}".strip(".")
            found |= _tensors(item, inside)
    return found


_WRAPPERS = ("state_dict", "model_state_dict", "params_ema", "params")


def _child(source: str, target: str, size: int) -> int:
    """What runs in the process of its own."""
    _limit(size)
    import torch
    from safetensors.torch import save_file

    try:
        found = _tensors(torch.load(source, map_location="cpu", weights_only=True))
    except Exception as error:
        print(" ".join(str(error).split())[:160] or type(error).__name__, file=sys.stderr)
        return _REFUSED
    if not found:
        return _EMPTY
    save_file(found, target, {"format": "pt"})
    return 0


if __name__ == "__main__":
    sys.exit(_child(sys.argv[1], sys.argv[2], int(sys.argv[3])))
