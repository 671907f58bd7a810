"""Which files hold a component's weights, chosen by their published names.

    diffusion_pytorch_model[.variant].safetensors               one file
    diffusion_pytorch_model[.variant]-00001-of-00002.safetensors  shards, also …-00001-of-00002.variant.safetensors
    diffusion_pytorch_model.safetensors.index[.variant].json    which shards, also ….variant.index.json and
                                                                ….variant.safetensors.index.json; `weight_map` in it

Networks of transformers say `model` for `diffusion_pytorch_model`. Choosing works on names alone, so that it serves
a folder and a listing of a repository alike.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from nodeflow.errors import NodeflowError

from .headers import is_pickle
from .strict import decode

STEMS = {"diffusers": "diffusion_pytorch_model", "transformers": "model", "latent_diffusion": "model"}
"""By the library that `model_index.json` names."""
OWN_TEXTS = ("GlideTextModel", "StableAudioProjectionModel")
"""What reads texts, but is no text encoder of transformers."""
MAX_JSON_BYTES = 16 << 20
_PICKLES = (".bin", ".ckpt", ".pt", ".pth")


def choose_weights(names: Collection[str], stem: str, variant: str = "") -> tuple[list[str], str]:
    """Choose the file names of one component's weights.

    The variant asked for comes first, then the plain files; a component that has neither but one other variant is
    taken as it is.

    Args:
        names: The file names in the component's folder.
        stem: A value of `STEMS`.
        variant: Such as "fp16"; empty = plain.

    Returns:
        The names, either one weights file, one index, or all shards, and the variant they belong to. Empty: none.
    """
    others = sorted(found for found in _variants(names, stem) if found not in ("", variant))
    for candidate in dict.fromkeys([variant, "", *(others if len(others) == 1 else [])]):
        if found := _of_variant(names, stem, candidate):
            return found, candidate
    return [], ""


def _variants(names: Collection[str], stem: str) -> set[str]:
    """The variants that files of these names belong to; plain is ""."""
    part = r"\d{5}-of-\d{5}"
    forms = (
        rf"{stem}(?:\.(?P<a>[\w]+))?(?:-{part})?\.safetensors",
        rf"{stem}-{part}\.(?P<a>[\w]+)\.safetensors",
        rf"{stem}\.(?P<a>[\w]+)\.(?:safetensors\.)?index\.json",
        rf"{stem}\.safetensors\.index\.(?P<a>[\w]+)\.json",
    )
    matches = (re.fullmatch(form, name) for name in names for form in forms)
    return {match["a"] or "" for match in matches if match} - {"safetensors"}


def _of_variant(names: Collection[str], stem: str, variant: str) -> list[str]:
    dot = f".{variant}" if variant else ""
    single = f"{stem}{dot}.safetensors"
    if single in names:
        return [single]
    indexes = (
        f"{stem}{dot}.safetensors.index.json",
        f"{stem}.safetensors.index{dot}.json",
        f"{stem}{dot}.index.json",
    )
    for index in indexes:
        if index in names:
            return [index]
    return shard_names(names, stem, variant)


def shard_names(names: Collection[str], stem: str, variant: str = "") -> list[str]:
    """Those of the names that are shards of a variant, in order."""
    dot = f".{variant}" if variant else ""
    shard = rf"{stem}(?:{re.escape(dot)}-\d{{5}}-of-(\d{{5}})|-\d{{5}}-of-(\d{{5}}){re.escape(dot)})\.safetensors"
    return sorted(name for name in names if re.fullmatch(shard, name))


def weight_files(folder: Path, stem: str, variant: str = "") -> tuple[tuple[Path, ...], str]:
    """The files that hold a component's weights, and the variant they belong to.

    Args:
        folder: The component's folder.
        stem: A value of `STEMS`.
        variant: Such as "fp16"; empty = plain.

    Raises:
        NodeflowError: NF401 files are missing, NF402 the index is corrupt, NF405 only pickles are there.
    """
    names = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
    chosen, found = choose_weights(names, stem, variant)
    if not chosen:
        raise _no_weights(folder, names, stem)
    if chosen[0].endswith(".json"):
        chosen = _shards(folder / chosen[0])
    elif match := re.search(r"-of-(\d{5})", chosen[0]):
        numbers = range(1, int(match[1]) + 1)
        chosen = [re.sub(r"-\d{5}-of-", f"-{i:05d}-of-", chosen[0]) for i in numbers]
    missing = [name for name in chosen if name not in names]
    if missing:
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise NodeflowError(
            "NF401",
            f"{len(missing)} of {len(chosen)} files of the weights are missing: {shown}",
            where=str(folder),
            fix="download the model again",
        )
    return tuple(folder / name for name in chosen), found


def _shards(index: Path) -> list[str]:
    """The shards that an index names, each once."""
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(name, str) for name in places.values()):
        raise NodeflowError("NF402", "the index has no weight_map", where=str(index), fix="download it again")
    names = sorted(set(places.values()))
    for name in names:
        check_name(name, index)
        if not name.endswith(".safetensors"):
            raise _pickles(index)
    return names


def check_name(name: str, source: Path) -> None:
    """Refuse a name out of a file that is not the plain name of a neighbour.

    Raises:
        NodeflowError: NF402, it leads out of the folder or is no name at all.
    """
    if name in ("", ".", "..") or any(sign in name for sign in "/\\:\0") or len(name) > 255:
        raise NodeflowError("NF402", f"it names the file {name[:60]!r} outside its own folder", where=str(source))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file that came with a model.

    Raises:
        NodeflowError: NF401 there is no such file, NF402 it is not a JSON object or too large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_JSON_BYTES + 1)
        if len(data) > MAX_JSON_BYTES:
            raise ValueError("too large")
        content = decode(data)
    except (FileNotFoundError, NotADirectoryError):
        raise NodeflowError("NF401", "the file is missing", where=str(path), fix="download the model again") from None
    except OSError as error:
        raise NodeflowError("NF107", error.strerror or str(error), where=str(path)) from error
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise NodeflowError("NF402", "the file is not a JSON object", where=str(path), fix="download the model again")
    return content


def _no_weights(folder: Path, names: Collection[str], stem: str) -> NodeflowError:
    for name in sorted(names):
        if name.endswith(_PICKLES) and (folder / name).is_file():
            with (folder / name).open("rb") as file:
                if is_pickle(file.read(16)):
                    return _pickles(folder / name)
    return NodeflowError(
        "NF401", f"there is no {stem}.safetensors", where=str(folder), fix="choose a model saved as safetensors"
    )


def _pickles(path: Path) -> NodeflowError:
    return NodeflowError(
        "NF405",
        "the weights are pickles, and pickles can run code",
        where=str(path),
        fix="convert it with nodeflow models convert",
    )
