"""Latents: empty ones to start from, and the way between them and pictures."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from nodeflow import Autoencoder, Denoiser, Image, Latent, Mask, Range, Run, Seed, node

from ._fits import require_form, require_media, same_space

Made = TypeVar("Made")
Size = Annotated[int, Range(0, 16384, step=8, unit="px")]
Tile = Annotated[int, Range(0, 4096, step=64, unit="px")]


def _of_model(model: dict[str, Any] | None, **_: Any) -> dict[str, Any]:
    require_form(model, lines=False)
    return {"latent": {"space": (model or {}).get("space"), "for": "paint"}}


def _of_autoencoder(autoencoder: dict[str, Any] | None, **_: Any) -> dict[str, Any]:
    require_media(autoencoder, "image")
    return {"latent": {"space": (autoencoder or {}).get("space"), "for": "paint"}}


def _masked(autoencoder: dict[str, Any] | None, **_: Any) -> dict[str, Any]:
    require_media(autoencoder, "image")
    return {"latent": {"space": (autoencoder or {}).get("space"), "for": "inpaint"}}


def _edited(autoencoder: dict[str, Any] | None, **_: Any) -> dict[str, Any]:
    require_media(autoencoder, "image")
    return {"latent": {"space": (autoencoder or {}).get("space"), "for": "edit"}}


def _enlarged(autoencoder: dict[str, Any] | None, **_: Any) -> dict[str, Any]:
    require_media(autoencoder, "image")
    return {"latent": {"space": (autoencoder or {}).get("space"), "for": "upscale"}}


def _decoded(autoencoder: dict[str, Any] | None, latent: dict[str, Any] | None, **_: Any) -> dict[str, Any]:
    require_media(autoencoder, "image")
    same_space(latent, autoencoder, "decoder")
    return {}


def _with_codec(
    run: Run, autoencoder: Autoencoder, size: tuple[int, int], tile: int, work: Callable[[Any], Made]
) -> Made:
    """What `work` makes of the network between pictures and latents, which is None where latents are the pixels."""
    from nodeflow.diffusion.tiling import sparing

    require_media({"media": autoencoder.media}, "image")
    told = {"tile": tile, "release": run.release, "say": run.log}
    with run.weights(autoencoder) as net:
        codec = None if autoencoder.identity else net
        return sparing(work, codec, autoencoder.space.factor, size, **told)


@node("latent/empty", title="Empty latent", describe=_of_model)
def empty(model: Denoiser, width: Size = 0, height: Size = 0, batch: Annotated[int, Range(1, 256)] = 1) -> Latent:
    """An empty latent, to paint from nothing.

    Args:
        model: Whose latent space it is in.
        width: 0 = the model's own size.
        height: 0 = the model's own size.
        batch: How many pictures at once.
    """
    from nodeflow.diffusion.latents import empty as emptied

    require_form({"kind": model.kind}, lines=False)
    return emptied(model.space, *model.sized(width, height), batch)


@node("latent/fit", title="Fit image to model")
def fit(
    model: Denoiser,
    image: Image,
    width: Size = 0,
    height: Size = 0,
    how: Literal["cover", "contain", "stretch"] = "cover",
) -> Image:
    """Bring a picture to a size that a model can work on.

    Args:
        model: Whose size to take.
        image: The picture.
        width: 0 = the model's own size.
        height: 0 = the model's own size.
        how: "cover" cuts what overhangs, "contain" adds grey borders, "stretch" distorts.
    """
    from nodeflow.diffusion import imaging

    return imaging.fit(image, *model.sized(width, height), how, "#808080")


@node("latent/fit-mask", title="Fit mask to model")
def fit_mask(
    model: Denoiser,
    mask: Mask,
    width: Size = 0,
    height: Size = 0,
    how: Literal["cover", "contain", "stretch"] = "cover",
) -> Mask:
    """Bring a mask to the size that "Fit image to model" brings its picture to.

    Args:
        model: Whose size to take.
        mask: The mask.
        width: 0 = the model's own size.
        height: 0 = the model's own size.
        how: As for the picture; "contain" leaves the borders unchanged.
    """
    from nodeflow.diffusion import imaging

    return imaging.fit_mask(mask, *model.sized(width, height), how)


@node("latent/encode", version=2, title="Encode image", describe=_of_autoencoder)
def encode(
    run: Run,
    autoencoder: Autoencoder,
    image: Image,
    sample: bool = False,
    seed: Annotated[int, Seed()] = 0,
    tile: Tile = 0,
) -> Latent:
    """Turn a picture into a latent.

    Args:
        autoencoder: The model's.
        image: Pictures whose sides are multiples of the autoencoder's factor.
        sample: Draw from the autoencoder's distribution instead of taking its most likely latent.
        seed: For that draw.
        tile: Side of tiles that are encoded one by one, which takes less memory and changes colours a little; 0 = the
            whole at once, and tiles only when memory runs out.
    """
    from nodeflow.diffusion.latents import seeded, to_latent

    def work(codec: Any) -> Latent:
        return to_latent(codec, image, autoencoder.space, seeded(seed) if sample else None)

    return _with_codec(run, autoencoder, image.size, tile, work)


@node("latent/encode-inpaint", version=2, title="Encode image for inpainting", describe=_masked)
def encode_inpaint(run: Run, autoencoder: Autoencoder, image: Image, mask: Mask, tile: Tile = 0) -> Latent:
    """Turn a picture and a mask into a latent of which only the masked part is painted anew.

    Works with ordinary denoisers and with those trained to repaint.

    Args:
        autoencoder: The model's.
        image: The picture.
        mask: Of the picture's size, 1 = paint anew.
        tile: Side of tiles that are encoded one by one, which takes less memory and changes colours a little; 0 = the
            whole at once, and tiles only when memory runs out.
    """
    from nodeflow.diffusion.latents import to_repaint

    def work(codec: Any) -> Latent:
        return to_repaint(codec, image, mask, autoencoder.space)

    return _with_codec(run, autoencoder, image.size, tile, work)


@node("latent/encode-edit", version=2, title="Encode image for editing", describe=_edited)
def encode_edit(run: Run, autoencoder: Autoencoder, image: Image, tile: Tile = 0) -> Latent:
    """An empty latent with a picture beside it, for models that edit pictures as they are told.

    Args:
        autoencoder: The model's.
        image: The picture to edit.
        tile: Side of tiles that are encoded one by one, which takes less memory and changes colours a little; 0 = the
            whole at once, and tiles only when memory runs out.
    """
    from nodeflow.diffusion.latents import to_edit

    return _with_codec(run, autoencoder, image.size, tile, lambda codec: to_edit(codec, image, autoencoder.space))


def _scaled(latent: dict[str, Any] | None, **_: Any) -> dict[str, Any]:
    return {"latent": latent or {}}


@node("latent/scale", title="Scale latent", describe=_scaled)
def scale(
    latent: Latent,
    factor: Annotated[float, Range(0.1, 8, log=True)] = 2.0,
    filter: Literal["bilinear", "nearest", "bicubic"] = "bilinear",
) -> Latent:
    """Enlarge or shrink a latent without its autoencoder; a sampler with a strength of about 0.6 makes it sharp again.

    Args:
        latent: From a sampler.
        factor: 2 doubles both sides.
        filter: How cells between cells are made.
    """
    from nodeflow.diffusion.latents import scaled

    return scaled(latent, factor, filter)


@node("latent/encode-upscale", title="Encode image for upscaling", describe=_enlarged)
def encode_upscale(autoencoder: Autoencoder, image: Image) -> Latent:
    """An empty latent with a small picture beside it, for models that enlarge pictures.

    Args:
        autoencoder: The model's; it says how much larger the result is.
        image: The picture to enlarge; sides that are multiples of 32 suit every model.
    """
    from nodeflow.diffusion.latents import to_upscale

    return to_upscale(image, autoencoder.space, autoencoder.config.get("enlarges", 1))


@node("latent/decode", version=2, title="Decode latent", describe=_decoded)
def decode(run: Run, autoencoder: Autoencoder, latent: Latent, tile: Tile = 0) -> Image:
    """Turn a latent into pictures.

    Args:
        autoencoder: Of the latent's space.
        latent: From a sampler.
        tile: Side of tiles that are decoded one by one, which takes less memory and changes colours a little; 0 = the
            whole at once, and tiles only when memory runs out.
    """
    from nodeflow.diffusion.latents import to_image

    factor = autoencoder.space.factor
    width, height = (factor * side for side in latent.data.shape[:-3:-1])
    return _with_codec(run, autoencoder, (width, height), tile, lambda codec: to_image(codec, latent))


@encode.migrate(1)
@encode_inpaint.migrate(1)
@encode_edit.migrate(1)
@decode.migrate(1)
def _without_tiles(saved: dict[str, Any]) -> dict[str, Any]:
    """Version 1 had no `tile`; what it had means the same."""
    return saved
