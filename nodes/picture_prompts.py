"""Pictures that a denoiser reads beside its text: IP-Adapters."""

from dataclasses import replace
from typing import Annotated, Any, Literal

from nodeflow import (
    Denoiser,
    Image,
    ImageEncoder,
    ImageStates,
    IPAdapter,
    NodeflowError,
    Path,
    PicturePrompt,
    Range,
    Run,
    node,
)
from nodeflow.models import open_image_encoder, open_ip_adapter

from ._fits import prompts_by_picture, some_steps

Share = Annotated[float, Range(0, 1, step=0.05)]


def _adapter_content(adapter: str) -> list[str]:
    handle = open_ip_adapter(adapter)
    return [handle.folder, handle.digest] if handle else []


def _adapter_facts(adapter: str | None, **_: Any) -> dict[str, Any]:
    handle = open_ip_adapter(adapter, download=False, missing_ok=True) if adapter else None
    if handle is None:
        return {}
    config = handle.config
    return {"ip_adapter": {"states": config["width"], "reads": config["reads"], "image": config["image_width"]}}


@node("control/load-ip-adapter", title="Load IP-Adapter", waits=True, fingerprint=_adapter_content,
      describe=_adapter_facts)  # fmt: skip
def load_adapter(
    adapter: Annotated[str, Path("file", (".safetensors",))],
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto",
) -> IPAdapter:
    """Open an IP-Adapter of Stable Diffusion or SDXL, plain or "plus": a file such as ip-adapter_sd15.safetensors.

    Weights are read when a sampler first needs them.

    Args:
        adapter: The file.
        dtype: Number format of the weights; auto chooses by device.

    Returns:
        The adapter, to be applied to a model.
    """
    handle = open_ip_adapter(adapter, dtype=dtype)
    assert handle is not None
    return handle


def _encoder_content(encoder: str, variant: str) -> list[str]:
    handle = open_image_encoder(encoder, variant=variant)
    return [handle.folder, handle.digest] if handle else []


def _encoder_facts(encoder: str | None, variant: str | None, **_: Any) -> dict[str, Any]:
    handle = open_image_encoder(encoder, variant=variant or "", download=False, missing_ok=True) if encoder else None
    if handle is None:
        return {}
    config = handle.config.get("vision_config") or handle.config
    pooled = handle.config.get("projection_dim", config.get("projection_dim"))
    return {"image_encoder": {"pooled": pooled, "states": config.get("hidden_size")}}


@node("control/load-image-encoder", title="Load image encoder", waits=True, fingerprint=_encoder_content,
      describe=_encoder_facts)  # fmt: skip
def load_encoder(
    encoder: Annotated[str, Path("model")],
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto",
    variant: str = "",
) -> ImageEncoder:
    """Open the image encoder of CLIP that an IP-Adapter was trained with: a folder with config.json, or a file.

    Most adapters want CLIP ViT-H; some for SDXL want CLIP ViT-bigG.

    Args:
        encoder: A folder, a .safetensors file, or "organisation/name" on the Hub.
        dtype: Number format of the weights; auto chooses by device.
        variant: Preferred files, such as "fp16".

    Returns:
        The encoder, to look at pictures with.
    """
    handle = open_image_encoder(encoder, variant=variant, dtype=dtype)
    assert handle is not None
    return handle


def _seen(image_encoder: dict[str, Any] | None, **_: Any) -> dict[str, Any]:
    return {"image_states": image_encoder or {}}


@node("control/see", title="Look at picture", describe=_seen)
def see(run: Run, image_encoder: ImageEncoder, image: Image) -> ImageStates:
    """What an image encoder says of pictures; kept, so that only another picture is looked at again.

    Args:
        image_encoder: CLIP's.
        image: Pictures; of those that are not square, the middle is seen.

    Returns:
        What is seen, for an IP-Adapter.
    """
    from nodeflow.diffusion.seeing import look

    with run.weights(image_encoder) as net:
        return look(net, image)


def _applied(
    model: dict[str, Any] | None,
    adapter: dict[str, Any] | None,
    picture: dict[str, Any] | None,
    start: float | None = None,
    end: float | None = None,
    blocks: str | None = None,
    **_: Any,
) -> dict[str, Any]:
    prompts_by_picture(adapter, model, picture)
    some_steps(start, end)
    _shares(blocks or "")
    return {"denoiser": model or {}}


def _shares(blocks: str) -> dict[str, float]:
    shares: dict[str, float] = {}
    for row in (row.strip() for row in blocks.split(",") if row.strip()):
        name, _, much = row.partition("=")
        try:
            shares[name.strip()] = float(much) if much else 1.0
        except ValueError:
            fix = "write a name, or a name = a number, with commas between, as in up_blocks.0.attentions.1 = 0.8"
            raise NodeflowError("NF205", f"{row!r} says no block and how much", where="blocks", fix=fix) from None
    return shares


@node("control/apply-ip-adapter", title="Apply IP-Adapter", describe=_applied)
def apply(
    model: Denoiser,
    adapter: IPAdapter,
    picture: ImageStates,
    strength: Annotated[float, Range(0, 5, step=0.05)] = 1.0,
    start: Share = 0.0,
    end: Share = 1.0,
    blocks: str = "",
) -> Denoiser:
    """Prompt a model by pictures beside the text; several adapters in a row add up.

    Args:
        model: What reads the pictures.
        adapter: What it reads them through.
        picture: What is seen in the pictures; several are read together, as one prompt.
        strength: How much of them; 0 = nothing. About 0.6 leaves room for the text.
        start: From which share of the steps on.
        end: Up to which share of the steps.
        blocks: Only in these blocks, each with how much: in SDXL "up_blocks.0.attentions.1" is style,
            "down_blocks.2.attentions.1 = 0.5" half of the layout; empty = all.

    Returns:
        The model with the pictures.
    """
    prompt = PicturePrompt(adapter, picture, strength, start, end, _shares(blocks))
    return replace(model, controls=(*model.controls, prompt))
