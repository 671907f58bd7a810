"""A training run as one file: tensors and a few facts, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from nodeflow.atomic import atomic_path
from nodeflow.errors import NodeflowError


def save(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and facts (plain data); a file that was there is kept until the new one is whole.

    Raises:
        NodeflowError: NF108, the file cannot be written.
    """
    plain = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    try:
        with atomic_path(path) as temporary:
            save_file(plain, temporary, {"facts": json.dumps(facts)})
    except SafetensorError as error:
        raise NodeflowError("NF108", f"the training state cannot be written: {error}", where=str(path)) from None


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `save` wrote.

    Raises:
        NodeflowError: NF107, there is no readable file of this kind.
    """
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads(file.metadata()["facts"])
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118
    except (OSError, SafetensorError, TypeError, KeyError, ValueError) as error:
        raise NodeflowError("NF107", f"the training state cannot be read: {error}", where=str(path)) from None
