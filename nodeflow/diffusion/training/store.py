"""Latents and text states, computed once and kept: in memory while they fit, and on disk under what they depend on."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

from torch import Tensor

from nodeflow.errors import NodeflowError

from . import state

MEMORY = 2 << 30
"""Bytes kept in memory."""

Tensors = dict[str, Tensor]


class Store:
    """Named tensors by the content they were made from.

    Args:
        folder: Where they outlive the process; None keeps them in memory only.
        memory: Bytes to keep there.
    """

    def __init__(self, folder: Path | None, memory: int = MEMORY) -> None:
        self.folder, self.memory = folder, memory
        self._held: dict[str, Tensors] = {}
        self._bytes = 0

    @staticmethod
    def key(*parts: object) -> str:
        """The name of what is made from these parts."""
        return blake2b(repr(parts).encode(), digest_size=20).hexdigest()

    def get(self, key: str, compute: Callable[[], Tensors]) -> Tensors:
        """What is kept under a key, on the CPU, or else what `compute` gives, which is kept from then on.

        Raises:
            NodeflowError: NF108, the disk cannot take it.
        """
        if key in self._held:
            return self._held[key]
        found = self._stored(key)
        if found is None:
            found = {name: tensor.detach().cpu().contiguous() for name, tensor in compute().items()}
            self._keep(key, found)
        size = sum(tensor.nbytes for tensor in found.values())
        if self._bytes + size <= self.memory or self.folder is None:
            self._held[key] = found
            self._bytes += size
        return found

    def _path(self, key: str) -> Path | None:
        return None if self.folder is None else self.folder / key[:2] / f"{key}.safetensors"

    def _stored(self, key: str) -> Tensors | None:
        path = self._path(key)
        if path is None or not path.is_file():
            return None
        try:
            return state.load(path)[0]
        except NodeflowError:  # cut short by a full disk, say: it is computed again
            return None

    def _keep(self, key: str, tensors: Tensors) -> None:
        path = self._path(key)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            state.save(path, tensors, {})
