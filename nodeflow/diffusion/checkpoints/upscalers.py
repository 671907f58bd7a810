"""Upscalers: single files whose names tell which network they are, to the package `spandrel`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nodeflow.errors import NodeflowError
from nodeflow.values import Upscaler

from .handles import read_part
from .headers import read_header
from .layout import Component
from .marks import recognise
from .originals import part

_MAYBE = ("upscaler", "unknown")
"""What a header may be said to be: there are more forms of upscalers than we know by their names."""


def open_upscaler(file: str, *, dtype: str = "float32", search_folders: Iterable[Path] = ()) -> Upscaler:
    """Describe an upscaler by the header of its file, without reading weights.

    Args:
        file: A safetensors file, or its name in one of the folders.
        dtype: Number format the handle asks for.
        search_folders: Where files named without a folder are.

    Raises:
        NodeflowError: NF401, there is no such file; NF404, it is a folder or a model of another kind; NF405, it is a
            pickle; and as `read_header`.
    """
    fix = "choose the safetensors file of an upscaler"
    places = [Path(file).expanduser(), *(folder / file for folder in search_folders)] if file else []
    place = next((place for place in places if place.exists()), None)
    if place is None:
        what = f"there is no {file[:60]!r} on this machine" if file else "nothing is chosen"
        raise NodeflowError("NF401", what, where="upscaler", fix=fix)
    if place.is_dir():
        raise NodeflowError("NF404", "this is a folder, not an upscaler", where=str(place), fix=fix)
    known = recognise(read_header(place))
    if known.what not in _MAYBE:
        raise NodeflowError("NF404", f"this is {known.words}, not an upscaler", where=str(place), fix=fix)
    return Upscaler(**read_part(Component("", "Upscaler", place, part(""), {}), "", dtype))
