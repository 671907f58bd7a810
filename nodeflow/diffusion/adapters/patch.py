"""A handle with a change to its weights, and the change itself when the network is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from nodeflow.errors import NodeflowError
from nodeflow.values import Patch, TextEncoder, Weights

from ..checkpoints.headers import read_header
from ..checkpoints.identity import digest
from . import names

if TYPE_CHECKING:
    from torch import nn

W = TypeVar("W", bound=Weights)


def patched(handle: W, path: str | Path, strength: float = 1.0) -> W:
    """The handle of the same network with one more change to its weights.

    Args:
        handle: A denoiser or a text encoder.
        path: A LoRA, or learnt words.
        strength: How much of the change; 0 leaves the handle as it is.

    Raises:
        NodeflowError: NF401, NF402 the file is missing or corrupt; NF403 it is no adapter that we know; NF404 it has
            nothing for this network.
    """
    if strength == 0:
        return handle
    file = Path(path).expanduser()
    part = part_of(handle)
    found = parts_in(file)
    if part not in found:
        words = " and ".join(sorted(found))
        raise NodeflowError("NF404", f"this adapter is for the {words}, not for the {part}", where=str(file))
    patch = Patch(str(file), digest((file,)), part, float(strength))
    return replace(handle, patches=(*handle.patches, patch))


def part_of(handle: Weights) -> str:
    """The part of a model that a handle stands for, as adapters name it."""
    return "text_encoder" if isinstance(handle, TextEncoder) else "unet"


def parts_in(path: str | Path) -> set[str]:
    """The parts of a model that an adapter file changes, from its header alone.

    Raises:
        NodeflowError: NF401, NF402 the file is missing or corrupt; NF403 it is no adapter that we know.
    """
    file = Path(path).expanduser()
    shapes = {name: info.shape for name, info in read_header(file).tensors.items()}
    found = {name.part for key in shapes if (name := names.read(key))}
    if not found and words_of(file):
        return {"text_encoder"}
    if not found:
        fix = "choose a LoRA in diffusers', PEFT's or kohya's form, or learnt words"
        raise NodeflowError("NF403", "there is no adapter in this file that we know", where=str(path), fix=fix)
    return found


def words_of(path: Path) -> dict[str, int]:
    """The learnt words in a file and how many vectors each has; empty for a file of another kind."""
    shapes = {name: tuple(info.shape) for name, info in read_header(path).tensors.items()}
    return names.words_in(shapes, path)


def words(handle: Weights) -> dict[str, int]:
    """The words that a text encoder has learnt, in the order of their tokens, and how many vectors each has.

    Raises:
        NodeflowError: NF408, two files teach the same word.
    """
    found: dict[str, int] = {}
    for patch in handle.patches:
        for word, count in words_of(Path(patch.path)).items():
            if word in found:
                raise NodeflowError(
                    "NF408", f"two files teach the word {word!r}", where=patch.path, fix="leave one out"
                )
            found[word] = count
    return found


def apply(net: nn.Module, patch: Patch) -> None:
    """Change a network's weights in place.

    Raises:
        NodeflowError: NF402 the file has changed since the handle was made; NF407 it does not fit the network.
    """
    from ..checkpoints.reading import read_stored
    from . import embedding, lora

    file = Path(patch.path)
    if digest((file,)) != patch.digest:
        raise NodeflowError(
            "NF402", "the adapter has changed since it was opened", where=patch.path, fix="run it again"
        )
    tensors, metadata = read_stored(file), read_header(file).metadata
    if words_of(file):
        embedding.apply(net, tensors, patch.strength, patch.path)
        return
    lora.apply(net, lora.updates(tensors, metadata, patch.part, net, patch.path), patch.strength)
