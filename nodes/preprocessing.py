"""Pictures as control networks know them: edges, lines, strokes, tiles, depth. No weights are needed."""

from typing import Annotated

from nodeflow import Image, Path, Range, node
from nodeflow.media import images
from nodeflow.media.files import fingerprint

from .images import PICTURES

Share = Annotated[float, Range(0, 1, step=0.01)]
Blur = Annotated[float, Range(0, 20, step=0.1, unit="px")]


@node("control/canny", title="Canny edges")
def canny(image: Image, low: Share = 0.05, high: Share = 0.15, sigma: Blur = 1.4) -> Image:
    """Edges one pixel wide, white on black (Canny 1986).

    Args:
        image: The pictures.
        low: An edge goes on while it is this strong; a step from black to white has 1.
        high: An edge must be this strong somewhere.
        sigma: Blur before; more leaves only large edges.
    """
    from nodeflow.diffusion import preprocessing

    return preprocessing.canny(image, low, high, sigma)


@node("control/lineart", title="Line art")
def lineart(image: Image, sigma: Blur = 6.0, floor: Share = 0.03) -> Image:
    """Dark lines as soft white ones on black: what is darker than its surroundings.

    Args:
        image: The pictures.
        sigma: Of the surroundings; about as wide as the widest line.
        floor: What is not darker by this is no line.
    """
    from nodeflow.diffusion import preprocessing

    return preprocessing.lineart(image, sigma, floor)


@node("control/scribble", title="Scribble")
def scribble(
    image: Image, sigma: Blur = 2.0, width: Annotated[int, Range(1, 31, step=2, unit="px")] = 5, threshold: Share = 0.1
) -> Image:
    """Broad white strokes along the edges, as if scribbled by hand.

    Args:
        image: The pictures.
        sigma: Blur before; more leaves only large shapes.
        width: Of the strokes.
        threshold: How strong an edge must be.
    """
    from nodeflow.diffusion import preprocessing

    return preprocessing.scribble(image, sigma, width, threshold)


@node("control/tile", title="Tile")
def tile(image: Image, factor: Annotated[int, Range(2, 64, unit="px")] = 8) -> Image:
    """The picture with its details gone, for networks that paint new ones.

    Args:
        image: The pictures.
        factor: Side of the squares that are averaged.
    """
    from nodeflow.diffusion import preprocessing

    return preprocessing.tile(image, factor)


def _content(path: str) -> str:
    return fingerprint(path)


@node("control/depth", title="Depth from a file", waits=True, fingerprint=_content)
def depth(
    path: Annotated[str, Path("file", PICTURES)],
    near_is_white: bool = True,
    cut: Annotated[float, Range(0, 0.2, step=0.005)] = 0.0,
) -> Image:
    """A map of depths at its full precision (16-bit PNG, floating-point TIFF), its nearest white.

    Args:
        path: The map; another program made it.
        near_is_white: More is nearer in the file, as in disparities; off for distances.
        cut: Share of the pixels at each end that may be cut off, so that a few wild ones do not set the range.
    """
    from nodeflow.diffusion import preprocessing

    return preprocessing.depth(preprocessing.levels(images.read_levels(path)), near_is_white, cut)


@node("control/invert", title="Invert picture")
def invert(image: Image) -> Image:
    """Black on white becomes white on black, as control networks of lines want it.

    Args:
        image: The pictures.
    """
    from nodeflow.diffusion import preprocessing

    return preprocessing.invert(image)
