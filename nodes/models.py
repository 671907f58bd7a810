"""Models: their parts, as handles that borrow weights while they are used."""

from typing import Annotated, Any, Literal, NamedTuple

from nodeflow import Autoencoder, Denoiser, Path, SchedulerConfig, TextEncoder, node
from nodeflow.models import open_model

from ._fits import attention_blocks


class Parts(NamedTuple):
    """What a model consists of.

    Args:
        denoiser: The network that predicts noise.
        text_encoder: Reads prompts; none in models without text.
        autoencoder: Between pictures and latents; the identity in models that work on pixels.
        scheduler: As published with the model.
    """

    denoiser: Denoiser
    text_encoder: TextEncoder | None
    autoencoder: Autoencoder
    scheduler: SchedulerConfig


def _content(model: str, variant: str) -> list[str]:
    parts = open_model(model, variant=variant)
    handles = (parts.denoiser, parts.autoencoder, parts.text_encoder)
    return [str(parts.folder), *(handle.digest for handle in handles if handle)]


def _facts(model: str | None, variant: str | None, **_: Any) -> dict[str, Any]:
    if not model:
        return {}
    parts = open_model(model, variant=variant or "", download=False, missing_ok=True)
    if parts is None:
        return {}
    space = {field: getattr(parts.denoiser.space, field) for field in ("name", "channels", "factor")}
    states = parts.denoiser.config.get("cross_attention_dim") if parts.text_encoder else None
    width = parts.text_encoder.config.get("hidden_size") if parts.text_encoder else None
    blocks = attention_blocks({"_class_name": parts.denoiser.kind, **parts.denoiser.config})
    return {
        "denoiser": {"family": parts.family, "space": space, "states": states, "attention": blocks},
        "autoencoder": {"space": space, "media": parts.autoencoder.media},
        "scheduler": dict(parts.scheduler.config),
        "text_encoder": {"width": width} if parts.text_encoder else {"absent": parts.family},
    }


@node("model/load", title="Load model", waits=True, fingerprint=_content, describe=_facts)
def load(
    model: Annotated[str, Path("model")] = "emoji",
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto",
    variant: str = "",
) -> Parts:
    """Open a model: a folder in the diffusers layout, a name on the Hub, or one that came with nodeflow.

    Weights are read when a node first needs them, and shared by every graph that names the same files.

    Args:
        model: A folder, "organisation/name", or "emoji" (pictures) or "drums" (sounds).
        dtype: Number format of the weights; auto chooses by device.
        variant: Preferred files, such as "fp16".
    """
    parts = open_model(model, variant=variant, dtype=dtype)
    return Parts(parts.denoiser, parts.text_encoder, parts.autoencoder, parts.scheduler)
