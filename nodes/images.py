"""Pictures: load, save, resize, cut, combine."""

from typing import Annotated, Any, Literal, NamedTuple

from nodeflow import Color, Image, Mask, Path, Range, Run, node
from nodeflow.media import images
from nodeflow.media.files import fingerprint

PICTURES = (".png", ".webp", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff")
Size = Annotated[int, Range(0, 16384, unit="px")]
Filter = Literal["bicubic", "bilinear", "area", "nearest"]


class Loaded(NamedTuple):
    """What a picture file holds.

    Args:
        image: The picture, [1, 3, H, W].
        mask: Its transparent part, 1 = transparent; all 0 for a picture without transparency.
    """

    image: Image
    mask: Mask


class Padded(NamedTuple):
    """A picture on a larger canvas.

    Args:
        image: The picture with its borders.
        mask: 1 on what was added.
    """

    image: Image
    mask: Mask


def _content(path: str) -> str:
    return fingerprint(path)


@node("image/load", title="Load image", waits=True, fingerprint=_content)
def load(path: Annotated[str, Path("file", PICTURES)]) -> Loaded:
    """Load a picture from a file.

    Args:
        path: PNG, WebP, JPEG and other formats that Pillow reads.
    """
    from nodeflow.diffusion import imaging

    image, mask = imaging.from_pixels(*images.read(path))
    return Loaded(image, mask or Mask(image.data.new_zeros(1, 1, *image.data.shape[-2:])))


@node("image/save", title="Save image", sink=True, waits=True, volatile=True)
def save(
    run: Run,
    image: Image,
    name: str = "{graph}-{seed}-{index:04}",
    format: Literal["png", "webp", "jpg"] = "png",
    embed: bool = True,
) -> list[str]:
    """Save pictures into the output folder, with the graph inside.

    Args:
        image: The pictures.
        name: May use {graph}, {seed}, {index}, {date}, {time} and every input of the graph, such as {prompt}.
        format: PNG and WebP are lossless.
        embed: Whether the files carry the graph that made them.

    Returns:
        The files written.
    """
    return run.save(image, name, f".{format}", embed=embed)


@node("image/preview", title="Preview image", sink=True)
def preview(run: Run, image: Image) -> None:
    """Show pictures without saving them.

    Args:
        image: The pictures.
    """
    run.progress(1, 1, preview=image)


@node("image/resize", title="Resize image")
def resize(image: Image, width: Size = 512, height: Size = 512, filter: Filter = "bicubic") -> Image:
    """Change the size in pixels.

    Args:
        image: The pictures.
        width: 0 keeps the proportions.
        height: 0 keeps the proportions.
        filter: "area" averages when shrinking, "nearest" keeps hard pixels.
    """
    from nodeflow.diffusion import imaging

    return imaging.resize(image, width, height, filter)


@node("image/scale", title="Scale image")
def scale(image: Image, factor: Annotated[float, Range(0.05, 8, log=True)] = 2.0, filter: Filter = "bicubic") -> Image:
    """Enlarge or shrink by a factor.

    Args:
        image: The pictures.
        factor: 2 doubles both sides.
        filter: "area" averages when shrinking, "nearest" keeps hard pixels.
    """
    from nodeflow.diffusion import imaging

    width, height = image.size
    return imaging.resize(image, max(1, round(width * factor)), max(1, round(height * factor)), filter)


@node("image/crop", title="Crop image")
def crop(image: Image, x: Size = 0, y: Size = 0, width: Size = 512, height: Size = 512) -> Image:
    """Cut out a rectangle.

    Args:
        image: The pictures.
        x: Left edge.
        y: Upper edge.
        width: Of the cut.
        height: Of the cut.
    """
    from nodeflow.diffusion import imaging

    return imaging.crop(image, x, y, width, height)


@node("image/pad", title="Pad image")
def pad(
    image: Image,
    left: Size = 0,
    top: Size = 0,
    right: Size = 0,
    bottom: Size = 0,
    color: Annotated[str, Color()] = "#808080",
) -> Padded:
    """Add borders; with the mask, a sampler can paint them.

    Args:
        image: The pictures.
        left: Pixels to add.
        top: Pixels to add.
        right: Pixels to add.
        bottom: Pixels to add.
        color: Of the borders.
    """
    from nodeflow.diffusion import imaging

    return Padded(*imaging.pad(image, left, top, right, bottom, color))


@node("image/fit", title="Fit image")
def fit(
    image: Image,
    width: Size = 512,
    height: Size = 512,
    how: Literal["cover", "contain", "stretch"] = "cover",
    color: Annotated[str, Color()] = "#808080",
) -> Image:
    """Bring pictures to a size by cutting what overhangs, adding borders, or stretching.

    Args:
        image: The pictures.
        width: Of the result.
        height: Of the result.
        how: "cover" cuts, "contain" adds borders, "stretch" distorts.
        color: Of the borders.
    """
    from nodeflow.diffusion import imaging

    return imaging.fit(image, width, height, how, color)


@node("image/flip", title="Flip image")
def flip(image: Image, axis: Literal["horizontal", "vertical", "both"] = "horizontal") -> Image:
    """Mirror pictures.

    Args:
        image: The pictures.
        axis: "horizontal" swaps left and right.
    """
    from nodeflow.diffusion import imaging

    return imaging.flip(image, axis)


@node("image/rotate", title="Rotate image")
def rotate(image: Image, quarters: Annotated[int, Range(0, 3)] = 1) -> Image:
    """Turn pictures clockwise by quarter turns.

    Args:
        image: The pictures.
        quarters: 1 = 90°.
    """
    from nodeflow.diffusion import imaging

    return imaging.rotate(image, quarters)


@node("image/composite", title="Composite images")
def composite(
    below: Image, above: Image, mask: Mask | None = None, opacity: Annotated[float, Range(0, 1)] = 1.0
) -> Image:
    """Lay one picture over another.

    Args:
        below: The background.
        above: What lies over it, of the same size.
        mask: Where it shows; everywhere without one.
        opacity: How much of it shows.
    """
    from nodeflow.diffusion import imaging

    return imaging.composite(below, above, mask, opacity)


@node("image/blend", title="Blend images")
def blend(a: Image, b: Image, amount: Annotated[float, Range(0, 1)] = 0.5) -> Image:
    """Mix two pictures of one size.

    Args:
        a: Shown at 0.
        b: Shown at 1.
        amount: From a to b.
    """
    from nodeflow.diffusion import imaging

    return imaging.blend(a, b, amount)


@node("image/adjust", title="Adjust colours")
def adjust(
    image: Image,
    brightness: Annotated[float, Range(-1, 1)] = 0.0,
    contrast: Annotated[float, Range(0, 4)] = 1.0,
    saturation: Annotated[float, Range(0, 4)] = 1.0,
    gamma: Annotated[float, Range(0.1, 5)] = 1.0,
) -> Image:
    """Change brightness, contrast, saturation and gamma.

    Args:
        image: The pictures.
        brightness: Added to every channel.
        contrast: Scales about mid-grey.
        saturation: 0 = grey.
        gamma: Above 1 lightens the shadows.
    """
    from nodeflow.diffusion import imaging

    return imaging.adjust(image, brightness, contrast, saturation, gamma)


@node("image/batch", title="Batch images")
def batch(images: list[Image]) -> Image:
    """Put pictures of one size into one batch.

    Args:
        images: The pictures, in the order of the wires.
    """
    from nodeflow.diffusion import imaging

    return imaging.batch(images)


@node("image/contact-sheet", version=2, title="Contact sheet")
def contact_sheet(
    images: list[Image],
    columns: Annotated[int, Range(0, 100)] = 0,
    gap: Annotated[int, Range(0, 256, unit="px")] = 4,
    color: Annotated[str, Color()] = "#ffffff",
    labels: list[str] | None = None,
    text: Annotated[int, Range(6, 200, unit="px")] = 13,
) -> Image:
    """Lay all pictures side by side in one, each with a label if you like.

    Args:
        images: The pictures, in the order of the wires; a sweep brings all of its pictures.
        columns: Pictures a row; 0 makes the sheet about square.
        gap: Between the pictures.
        color: Of the gaps.
        labels: What stands under each picture, one a picture; a sweep wired to it brings all of its values.
        text: Size of the letters; they shrink where a label is too long.
    """
    from nodeflow.diffusion import imaging

    return imaging.contact_sheet(images, columns, gap, color, labels or (), text)


@contact_sheet.migrate(1)  # type: ignore[attr-defined]
def _without_labels(saved: dict[str, Any]) -> dict[str, Any]:
    """Version 1 had no labels; what it had means the same."""
    return saved
