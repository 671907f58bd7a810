"""Masks: where to change a picture, 1 = change, 0 = keep."""

from typing import Annotated, Literal

from nodeflow import Color, Image, Mask, Path, Range, node
from nodeflow.media import images
from nodeflow.media.files import fingerprint

Fraction = Annotated[float, Range(0, 1)]


def _content(path: str) -> str:
    return fingerprint(path)


@node("mask/load", title="Load mask", waits=True, fingerprint=_content)
def load(
    path: Annotated[str, Path("file", (".png", ".webp", ".jpg", ".jpeg"))],
    channel: Literal["brightness", "transparency"] = "brightness",
) -> Mask:
    """Load a mask from a black and white picture, or from a picture's transparency.

    Args:
        path: The picture.
        channel: "brightness": white = change; "transparency": transparent = change.
    """
    from nodeflow.diffusion import imaging, masks

    image, mask = imaging.from_pixels(*images.read(path))
    if channel == "brightness":
        return masks.from_luma(image)
    return mask or Mask(image.data.new_zeros(1, 1, *image.data.shape[-2:]))


@node("mask/from-color", title="Mask from colour")
def from_color(image: Image, color: Annotated[str, Color()] = "#00ff00", tolerance: Fraction = 0.1) -> Mask:
    """Mask what has a colour.

    Args:
        image: The picture.
        color: The colour to change.
        tolerance: How far each channel may be off.
    """
    from nodeflow.diffusion import masks

    return masks.from_color(image, color, tolerance)


@node("mask/from-image", title="Mask from image")
def from_image(image: Image) -> Mask:
    """Take a black and white picture as a mask: white = change.

    Args:
        image: The picture.
    """
    from nodeflow.diffusion import masks

    return masks.from_luma(image)


@node("mask/rectangle", title="Rectangle mask")
def rectangle(
    image: Image, x: Fraction = 0.25, y: Fraction = 0.25, width: Fraction = 0.5, height: Fraction = 0.5
) -> Mask:
    """Mask a rectangle, in fractions of the picture.

    Args:
        image: Whose size the mask takes.
        x: Left edge.
        y: Upper edge.
        width: Of the rectangle.
        height: Of the rectangle.
    """
    from nodeflow.diffusion import masks

    return masks.rectangle(*image.size, x, y, width, height)


@node("mask/invert", title="Invert mask")
def invert(mask: Mask) -> Mask:
    """Swap what changes and what stays.

    Args:
        mask: The mask.
    """
    from nodeflow.diffusion import masks

    return masks.invert(mask)


@node("mask/grow", title="Grow mask")
def grow(mask: Mask, pixels: Annotated[int, Range(-256, 256, unit="px")] = 4) -> Mask:
    """Grow or shrink a mask.

    Args:
        mask: The mask.
        pixels: Negative shrinks.
    """
    from nodeflow.diffusion import masks

    return masks.grow(mask, pixels)


@node("mask/feather", title="Feather mask")
def feather(mask: Mask, radius: Annotated[float, Range(0, 128, unit="px")] = 4.0) -> Mask:
    """Soften the edge of a mask.

    Args:
        mask: The mask.
        radius: Standard deviation of the blur.
    """
    from nodeflow.diffusion import masks

    return masks.feather(mask, radius)


@node("mask/combine", title="Combine masks")
def combine(a: Mask, b: Mask, how: Literal["union", "intersection", "difference"] = "union") -> Mask:
    """Combine two masks of one size.

    Args:
        a: The first.
        b: The second.
        how: "difference" takes b away from a.
    """
    from nodeflow.diffusion import masks

    return masks.combine(a, b, how)


@node("mask/to-image", title="Mask to image")
def to_image(mask: Mask) -> Image:
    """Show a mask as a black and white picture.

    Args:
        mask: The mask.
    """
    from nodeflow.diffusion import masks

    return masks.picture(mask)
