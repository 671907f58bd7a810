"""Read and write pictures, and the graph JSON they carry.

The graph stands in a PNG `iTXt` chunk named "nodeflow", or in WebP and JPEG as the EXIF tag "UserComment".
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic import atomic_write
from ..errors import NodeflowError
from .files import regular_file

if TYPE_CHECKING:
    import numpy as np

KEY = "nodeflow"
MAX_PIXELS = 178_956_970
"""About 179 megapixels: what Pillow holds for a decompression bomb."""
MAX_EXIF = 65_000
"""Bytes of graph that fit into a JPEG's EXIF block."""
SUFFIXES = {".png": "PNG", ".webp": "WEBP", ".jpg": "JPEG", ".jpeg": "JPEG"}
READABLE = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
"""What is tried on a stranger's file; some of Pillow's other formats start programs."""

_EXIF, _USER_COMMENT, _MARK = 0x8769, 0x9286, b"ASCII\0\0\0nodeflow:"
_OPTIONS: dict[str, dict[str, Any]] = {"PNG": {}, "WEBP": {"lossless": True}, "JPEG": {}}
_SIDE = {"PNG": 2**31 - 1, "WEBP": 16_383, "JPEG": 65_535}
_WARNINGS = threading.Lock()


def read(path: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray | None]:
    """A picture and its transparency.

    Turned upright by its EXIF tag; CMYK, palette, grey and 16-bit pictures become RGB; of an animation, the first
    frame.

    Returns:
        ([H, W, 3] uint8, [H, W] uint8 alpha or None).

    Raises:
        NodeflowError: NF107 when there is no such file, NF601 when it is not a whole picture, NF602 when it is too
            large.
    """
    import numpy as np
    from PIL import ImageOps

    with _opened(path) as picture:
        upright = ImageOps.exif_transpose(picture)
        has_alpha = upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info
        if upright.mode[0] in "IF":
            upright = _to_8_bit(upright)
        rgba = np.asarray(upright.convert("RGBA" if has_alpha else "RGB"))
    return np.ascontiguousarray(rgba[..., :3]), (np.ascontiguousarray(rgba[..., 3]) if has_alpha else None)


def read_levels(path: str | os.PathLike[str]) -> np.ndarray:
    """One number a pixel at the file's own precision, as maps of depth have it: 8 or 16 bit, or floating point.

    Colours become brightness; transparency is not read.

    Returns:
        [H, W] float32 in the file's own units: 0..255, 0..65535, or whatever a floating-point TIFF holds.

    Raises:
        NodeflowError: As `read`.
    """
    import numpy as np
    from PIL import ImageOps

    with _opened(path) as picture:
        upright = ImageOps.exif_transpose(picture)
        levels = upright if upright.mode[0] in "IF" else upright.convert("L")
        return np.array(levels, dtype=np.float32)


def write(path: str | os.PathLike[str], pixels: np.ndarray, *, graph: str | None = None, quality: int = 95) -> None:
    """Write [H, W, 3] or [H, W, 4] uint8 as PNG, WebP or JPEG, by the name's ending.

    Args:
        path: The file; replaced whole or not at all.
        pixels: The picture.
        graph: Graph JSON to carry.
        quality: 1 to 100 for JPEG; WebP is lossless.

    Raises:
        NodeflowError: NF605 for an unknown ending, NF108 when the file cannot be written.
    """
    atomic_write(path, encode(pixels, format_of(path), graph=graph, quality=quality))


def encode(pixels: np.ndarray, format: str = "PNG", *, graph: str | None = None, quality: int = 95) -> bytes:
    """A picture as the bytes of a file: "PNG", "WEBP" or "JPEG"."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    _writable(pixels, format)
    picture, options = Image.fromarray(pixels), dict(_OPTIONS[format])
    if format == "JPEG":
        options["quality"] = quality
    if graph is not None and format == "PNG":
        options["pnginfo"] = info = PngInfo()
        info.add_itxt(KEY, graph)
    elif graph is not None:
        options["exif"] = _exif(graph, format)
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def _writable(pixels: np.ndarray, format: str) -> None:
    height, width = pixels.shape[:2]
    if not 0 < min(width, height) <= max(width, height) <= _SIDE[format]:
        raise NodeflowError("NF605", f"a picture of {width}×{height} cannot be written as {format}",
                            fix=f"sides are 1 to {_SIDE[format]} there")  # fmt: skip
    if format == "JPEG" and pixels.shape[2:] == (4,):
        raise NodeflowError("NF605", "a JPEG has no transparency", fix="save as PNG or WebP")


def _exif(graph: str, format: str) -> Any:
    from PIL import Image

    comment = _MARK + graph.encode()
    if format == "JPEG" and len(comment) > MAX_EXIF:
        raise NodeflowError("NF605", f"a graph of {len(comment)} bytes is too large for a JPEG",
                            fix="save as PNG or WebP, or without the graph")  # fmt: skip
    exif = Image.Exif()
    exif.get_ifd(_EXIF)[_USER_COMMENT] = comment
    return exif


def format_of(path: str | os.PathLike[str]) -> str:
    """The format a name's ending asks for; NF605 when unknown."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise NodeflowError("NF605", f"pictures cannot be written as {suffix or 'a file without ending'!r}",
                            where=str(path), fix=f"use one of {known}")  # fmt: skip
    return SUFFIXES[suffix]


def graph_in(path: str | os.PathLike[str]) -> str:
    """The graph JSON inside a picture.

    Raises:
        NodeflowError: NF604 when it carries none, else as `read`.
    """
    with _opened(path) as picture:
        text = picture.info.get(KEY) or _trailing_text(picture) or _comment(picture)
    if not text:
        raise NodeflowError("NF604", "the picture carries no graph", where=str(path),
                            fix="open one that nodeflow saved, unchanged")  # fmt: skip
    return str(text)


def _trailing_text(picture: Any) -> str | None:
    """A PNG's text that stands behind its pixels, where other programs may put it."""
    if picture.format != "PNG":
        return None
    picture.load()
    return picture.info.get(KEY)


def _comment(picture: Any) -> str | None:
    comment = picture.getexif().get_ifd(_EXIF).get(_USER_COMMENT, b"")
    return comment[len(_MARK) :].decode() if isinstance(comment, bytes) and comment.startswith(_MARK) else None


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Any]:
    """The opened picture; whatever Pillow says while it is open comes out as one located error."""
    from PIL import Image, UnidentifiedImageError

    with regular_file(path) as file:
        try:
            with _identified(file) as picture:
                _bounded(picture, path)
                yield picture
        except NodeflowError:
            raise
        except Image.DecompressionBombError as error:
            size = re.search(r"[0-9]+", str(error))
            raise _too_large(f"{int(size[0]) // 10**6} Mpx" if size else "it", path) from error
        except UnidentifiedImageError as error:
            raise NodeflowError(
                "NF601", "this is not a picture", where=str(path), fix=f"use one of {', '.join(READABLE)}"
            ) from error
        except Exception as error:  # of a damaged file, Pillow's parts raise what they like
            raise NodeflowError("NF601", f"the picture is damaged: {error}", where=str(path),
                                fix="save it again") from error  # fmt: skip


def _identified(file: io.BufferedReader) -> Any:
    """Pillow's picture; its warning is left to `_bounded`. Warnings are of the process, hence the lock."""
    from PIL import Image

    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(file, formats=READABLE)


def _bounded(picture: Any, path: object) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise _too_large(f"{width}×{height} = {width * height // 10**6} Mpx", path)


def _too_large(size: str, path: object) -> NodeflowError:
    what = f"{size}; the limit is {MAX_PIXELS // 10**6}"
    return NodeflowError("NF602", what, where=str(path), fix="make it smaller first")


def _to_8_bit(picture: Any) -> Any:
    import numpy as np
    from PIL import Image

    values = np.nan_to_num(np.asarray(picture, dtype=np.float32))
    scale = 255.0 if picture.mode == "F" and values.max(initial=0) <= 1 else 255 / 65535
    return Image.fromarray((values * scale).clip(0, 255).round().astype(np.uint8))
