"""Pictures enlarged by networks that were trained for it."""

from typing import Annotated, Any, Literal

from nodeflow import Image, Path, Range, Run, Upscaler, node
from nodeflow.models import open_upscaler

from ._fits import check_tiles


def _content(upscaler: str) -> list[str]:
    handle = open_upscaler(upscaler)
    return [handle.folder, handle.digest]


def _facts(upscaler: str | None, **_: Any) -> dict[str, Any]:
    if upscaler:
        open_upscaler(upscaler)
    return {}


@node("image/load-upscaler", title="Load upscaler", waits=True, fingerprint=_content, describe=_facts)
def load(
    upscaler: Annotated[str, Path("file", (".safetensors",))],
    dtype: Literal["float32", "float16", "bfloat16"] = "float32",
) -> Upscaler:
    """Open an upscaler, such as Real-ESRGAN or SwinIR: a safetensors file of any network that spandrel knows.

    Needs pip install "nodeflow[upscale]". A .pth file becomes a safetensors file by: nodeflow models convert FILE.
    Weights are read when pictures are first enlarged.

    Args:
        upscaler: The file.
        dtype: Number format of the weights; bfloat16 has fewer levels than a picture.

    Returns:
        The upscaler, to enlarge pictures with.
    """
    return open_upscaler(upscaler, dtype=dtype)


def _tiles(tile: int | None = None, overlap: int | None = None, **_: Any) -> dict[str, Any]:
    if tile and overlap is not None:
        check_tiles(tile, overlap)
    return {}


@node("image/upscale", title="Upscale image", describe=_tiles)
def upscale(
    run: Run,
    image: Image,
    upscaler: Upscaler,
    tile: Annotated[int, Range(0, 8192, unit="px")] = 512,
    overlap: Annotated[int, Range(1, 1024, unit="px")] = 32,
) -> Image:
    """Enlarge pictures by the factor of an upscaler, such as 4.

    Args:
        image: The pictures.
        upscaler: What enlarges them.
        tile: Side of the tiles in which large pictures are enlarged, so that memory stays bounded; 0 = all at once.
        overlap: What neighbouring tiles share, and over which they fade into each other.

    Returns:
        The larger pictures.
    """
    from nodeflow.diffusion import upscaling

    check_tiles(tile, overlap)
    with run.weights(upscaler) as net:
        return upscaling.upscale(net, image, tile, overlap, run.progress)
