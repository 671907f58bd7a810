"""A handle with a change to its weights, and the change itself when the network is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nodeflow.errors import NodeflowError
from nodeflow.values import Mix, Patch, TextEncoder, Weights

from ..checkpoints.families import FAMILIES
from ..checkpoints.headers import read_header
from ..checkpoints.identity import digest
from . import names
from .blocks import Shares, blocks_of, shares

if TYPE_CHECKING:
    from torch import nn

W = TypeVar("W", bound=Weights)
_SHOWN = 3


def patched(handle: W, path: str | Path, strength: float = 1.0, blocks: str = "") -> W:
    """The handle of the same network with one more change to its weights.

    Args:
        handle: A denoiser or a text encoder.
        path: A LoRA, or learnt words.
        strength: How much of the change; 0 leaves the handle as it is.
        blocks: How much of that each block of a denoiser gets; see `blocks`.

    Raises:
        NodeflowError: NF205 the blocks are not this network's; NF401, NF402 the file is missing or corrupt; NF403 it
            is no adapter that we know; NF404 it has nothing for this network.
    """
    shares(blocks, blocks_of(handle.kind, handle.config))
    if strength == 0:
        return handle
    file = Path(path).expanduser()
    found = parts_in(file)
    if isinstance(handle, TextEncoder):
        return _patched_texts(handle, file, found, strength)  # type: ignore[return-value]
    if "unet" not in found:
        raise _nothing(found, "unet", file)
    return _changed(handle, file, "unet", strength, blocks)


def _changed(handle: W, file: Path, part: str, strength: float, blocks: str = "") -> W:
    patch = Patch(str(file), digest((file,)), part, float(strength), blocks.strip())
    return replace(handle, patches=(*handle.patches, patch))


def _patched_texts(first: TextEncoder, file: Path, found: set[str], strength: float) -> TextEncoder:
    """Each text encoder with what a file has for it."""
    wanted = sorted(part for part in found if part.startswith("text_encoder"))
    if _lacks_first(first) and {*names.PAIRED.values()} == found:
        wanted = ["text_encoder_2"]
    seats = {part: _seat(first, part) for part in wanted}
    if not wanted or any(seat is None for seat in seats.values()):
        missing = next((part for part in wanted if seats[part] is None), "text_encoder")
        raise _nothing({*found} - {missing} if not wanted else {missing}, _names(first), file)
    encoders = list(first.all)
    for part, seat in seats.items():
        assert seat is not None
        encoders[seat] = _changed(encoders[seat], file, part, strength)
    return replace(encoders[0], more=tuple(encoders[1:]))


def _lacks_first(first: TextEncoder) -> bool:
    """Whether a model has but the second of the text encoders that a word was learnt by, as SDXL's refiner."""
    texts = next((one.texts for one in FAMILIES if one.texts and one.texts.reading == first.reading), None)
    return texts is not None and "text_encoder" not in texts.components


def _seat(first: TextEncoder, part: str) -> int | None:
    """Which of a model's text encoders an adapter means; None for one that it lacks.

    Adapters count T5 third, as Stable Diffusion 3 has it, also where a model has only one encoder before it.
    """
    if part == "text_encoder_3":
        return next((i for i, one in enumerate(first.all) if one.kind.startswith("T5")), None)
    texts = next((family.texts for family in FAMILIES if family.texts and family.texts.reading == first.reading), None)
    names = texts.components if texts else ("text_encoder",)
    at = names.index(part) if part in names else 0 if part == "text_encoder" else len(first.all)
    return at if at < len(first.all) else None


def _names(first: TextEncoder) -> str:
    return "text_encoder" if len(first.all) == 1 else f"{len(first.all)} text encoders of this model"


def _nothing(found: set[str], part: str, file: Path) -> NodeflowError:
    words = " and ".join(sorted(found))
    return NodeflowError("NF404", f"this adapter is for the {words}, not for the {part}", where=str(file))


def parts_in(path: str | Path) -> set[str]:
    """The parts of a model that an adapter file changes, from its header alone.

    Raises:
        NodeflowError: NF401, NF402 the file is missing or corrupt; NF403 it is no adapter that we know.
    """
    file = Path(path).expanduser()
    shapes = {name: info.shape for name, info in read_header(file).tensors.items()}
    read = {key: names.read(key) for key in shapes}
    found = {name.part for name in read.values() if name}
    if not found and (words := names.words_in(shapes, file)):
        return set(words)
    if not found:
        fix = "choose a LoRA in diffusers', PEFT's or kohya's form, or learnt words"
        raise NodeflowError("NF403", "there is no adapter in this file that we know", where=str(path), fix=fix)
    if strange := sorted(key for key, name in read.items() if name is None):
        more = f" and {len(strange) - _SHOWN} more" if len(strange) > _SHOWN else ""
        what = f"{len(strange)} tensors of this adapter mean nothing to us ({', '.join(strange[:_SHOWN])}{more})"
        raise NodeflowError("NF403", what, where=str(path), fix="convert it to diffusers' or kohya's names")
    return found


def words_of(path: Path, part: str) -> dict[str, int]:
    """The words in a file that a text encoder learns by it and how many vectors each has; empty = none."""
    shapes = {name: tuple(info.shape) for name, info in read_header(path).tensors.items()}
    found = names.words_in(shapes, path).get(part, {})
    return {word: shapes[name][0] if len(shapes[name]) == 2 else 1 for word, name in found.items()}


def words(handle: Weights) -> dict[str, int]:
    """The words that a text encoder has learnt, in the order of their tokens, and how many vectors each has.

    Raises:
        NodeflowError: NF408, two files teach the same word.
    """
    found: dict[str, int] = {}
    for patch in (one for one in handle.patches if isinstance(one, Patch)):
        for word, count in words_of(Path(patch.path), patch.part).items():
            if word in found:
                raise NodeflowError(
                    "NF408", f"two files teach the word {word!r}", where=patch.path, fix="leave one out"
                )
            found[word] = count
    return found


def apply(net: nn.Module, patch: Patch | Mix) -> None:
    """Change a network; the tensors that it had stay as they are for others who hold them.

    Raises:
        NodeflowError: NF402 the file has changed since the handle was made; NF407 it does not fit the network.
    """
    from ..checkpoints.reading import read_stored
    from . import embedding, lora, mixing

    if isinstance(patch, Mix):
        mixing.apply(net, patch)
        return
    file = Path(patch.path)
    if digest((file,)) != patch.digest:
        raise NodeflowError(
            "NF402", "the adapter has changed since it was opened", where=patch.path, fix="run it again"
        )
    tensors, metadata = read_stored(file), read_header(file).metadata
    if words := names.words_in({name: tuple(tensor.shape) for name, tensor in tensors.items()}, file):
        vectors = {word: tensors[name] for word, name in words.get(patch.part, {}).items()}
        embedding.apply(net, vectors, patch.strength, patch.path)
        return
    found = lora.updates(tensors, metadata, patch.part, net, patch.path)
    lora.apply(net, found, patch.strength, shares_in(net, patch.blocks))


def shares_in(net: Any, text: str) -> Shares | None:
    """What a text says about the layers of a network; None = nothing.

    Raises:
        NodeflowError: NF205, NF407, it names what the network has not.
    """
    if not text:
        return None
    found = shares(text, blocks_of(type(net).__name__, net.config))
    found.require(name for name, _ in net.named_modules())
    return found
