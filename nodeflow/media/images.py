"""Read and write pictures, and the graph JSON they carry.

The graph stands in a PNG `iTXt` chunk named "nodeflow", or in WebP and JPEG as the EXIF tag "UserComment".
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic import atomic_write
from ..errors import NodeflowError

if TYPE_CHECKING:
    import numpy as np

KEY = "nodeflow"
MAX_PIXELS = 178_956_970
"""About 179 megapixels: what Pillow holds for a decompression bomb."""
MAX_EXIF = 60_000
"""Bytes of graph that fit into a JPEG's EXIF block."""
SUFFIXES = {".png": "PNG", ".webp": "WEBP", ".jpg": "JPEG", ".jpeg": "JPEG"}

_EXIF, _USER_COMMENT, _MARK = 0x8769, 0x9286, b"ASCII\0\0\0nodeflow:"


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
        if upright.mode in ("I", "I;16", "I;16B", "F"):
            upright = _to_8_bit(upright)
        rgba = np.asarray(upright.convert("RGBA" if has_alpha else "RGB"))
    return np.ascontiguousarray(rgba[..., :3]), (np.ascontiguousarray(rgba[..., 3]) if has_alpha else None)


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

    picture = Image.fromarray(pixels)
    options: dict[str, Any] = {"PNG": {}, "WEBP": {"lossless": True}, "JPEG": {"quality": quality}}[format]
    if graph is not None and format == "PNG":
        options["pnginfo"] = info = PngInfo()
        info.add_itxt(KEY, graph)
    elif graph is not None:
        if format == "JPEG" and len(graph) > MAX_EXIF:
            raise NodeflowError("NF605", "the graph is too large for a JPEG", fix="save as PNG or WebP")
        exif = Image.Exif()
        exif.get_ifd(_EXIF)[_USER_COMMENT] = _MARK + graph.encode()
        options["exif"] = exif
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


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
    with _opened(path, load=False) as picture:
        text = getattr(picture, "text", {}).get(KEY) if picture.format == "PNG" else None
        if text is None:
            comment = picture.getexif().get_ifd(_EXIF).get(_USER_COMMENT, b"")
            if isinstance(comment, bytes) and comment.startswith(_MARK):
                text = comment[len(_MARK) :].decode("utf-8", "strict")
    if not text:
        raise NodeflowError("NF604", "the picture carries no graph", where=str(path),
                            fix="open one that nodeflow saved, unchanged")  # fmt: skip
    return str(text)


def fingerprint(path: str | os.PathLike[str]) -> str:
    """Hash of a file's bytes; NF107 when it cannot be read."""
    import hashlib

    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise NodeflowError("NF107", error.strerror or "cannot be read", where=str(path)) from error


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str], *, load: bool = True) -> Iterator[Any]:
    """The opened picture; whatever Pillow or its warnings say comes out as one located error."""
    from PIL import Image, UnidentifiedImageError

    try:
        data = Path(path).open("rb")  # noqa: SIM115  (closed by the `with` below)
    except OSError as error:
        raise NodeflowError("NF107", error.strerror or "cannot be read", where=str(path)) from error
    with data, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(data) as picture:
                _bounded(picture, path)
                if load or picture.format == "PNG":
                    picture.load()
                yield picture
        except NodeflowError:
            raise
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise NodeflowError("NF602", str(error), where=str(path), fix="make it smaller first") from error
        except UnidentifiedImageError as error:
            raise NodeflowError(
                "NF601", "this is not a picture", where=str(path), fix="use PNG, WebP or JPEG"
            ) from error
        except (OSError, ValueError, SyntaxError, IndexError, KeyError, TypeError, EOFError, OverflowError) as error:
            raise NodeflowError("NF601", f"the picture is damaged: {error}", where=str(path),
                                fix="save it again") from error  # fmt: skip


def _bounded(picture: Any, path: object) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise NodeflowError(
            "NF602",
            f"{width}×{height} = {width * height // 10**6} Mpx; the limit is {MAX_PIXELS // 10**6}",
            where=str(path),
            fix="make it smaller first",
        )


def _to_8_bit(picture: Any) -> Any:
    import numpy as np
    from PIL import Image

    values = np.asarray(picture).astype(np.float64)
    scale = 255.0 if picture.mode == "F" and values.max(initial=0) <= 1 else 255 / 65535
    return Image.fromarray((values * scale).clip(0, 255).round().astype(np.uint8))
