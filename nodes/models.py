"""Models: their parts, as handles that borrow weights while they are used."""

from pathlib import Path as System
from typing import Annotated, Any, Literal, NamedTuple

from nodeflow import Autoencoder, Denoiser, Path, Range, SchedulerConfig, Text, TextEncoder, node
from nodeflow.diffusion.adapters.blocks import blocks_of
from nodeflow.diffusion.adapters.fits import width_of
from nodeflow.diffusion.checkpoints.families import FAMILIES, known, text_width
from nodeflow.models import adapter_file, open_files, open_model

from ._fits import attention_blocks, fit_adapter, same_names


class Parts(NamedTuple):
    """What a model consists of.

    Args:
        denoiser: The network that predicts noise.
        text_encoder: Reads prompts; none in models without text.
        autoencoder: Between pictures and latents; the identity in models that work on pixels or waves.
        scheduler: As published with the model.
    """

    denoiser: Denoiser
    text_encoder: TextEncoder | None
    autoencoder: Autoencoder
    scheduler: SchedulerConfig


def _content(model: str, variant: str) -> list[str]:
    parts = open_model(model, variant=variant)
    return [str(parts.folder), *(handle.digest for handle in parts.networks)]


def _facts(model: str | None, variant: str | None, **_: Any) -> dict[str, Any]:
    if not model:
        return {}
    parts = open_model(model, variant=variant or "", download=False, missing_ok=True)
    return {} if parts is None else _described(parts)


def _described(parts: Any) -> dict[str, Any]:
    space = {field: getattr(parts.denoiser.space, field) for field in ("name", "channels", "factor")}
    return {
        "denoiser": {
            "family": parts.family,
            "task": parts.denoiser.task,
            "kind": parts.denoiser.kind,
            "space": space,
            "blocks": list(blocks_of(parts.denoiser.kind, parts.denoiser.config)),
            "wide": width_of(parts.denoiser.kind, parts.denoiser.config),
            "attention": attention_blocks({"_class_name": parts.denoiser.kind, **parts.denoiser.config}),
            "levels": list(parts.denoiser.config.get("block_out_channels") or ()),
            **_texts_read(parts.denoiser),
        },
        "autoencoder": {"space": space, "media": parts.autoencoder.media},
        "scheduler": dict(parts.scheduler.config),
        "text_encoder": _texts_written(parts.text_encoder) if parts.text_encoder else {"absent": parts.family},
    }


def _texts_read(denoiser: Denoiser) -> dict[str, Any]:
    """How wide the text states are that a denoiser attends to, and how they are put together."""
    family = known(denoiser.family)
    if family is None or family.texts is None:
        return {}
    width = denoiser.config.get(family.width)
    return {"states": width if isinstance(width, int) else None, "reading": family.texts.reading}


def _texts_written(encoder: TextEncoder) -> dict[str, Any]:
    """How wide the text states are that encoders write together, and how they are put together."""
    family = next(one for one in FAMILIES if one.texts and one.texts.reading == encoder.reading)
    width = text_width(family.texts, [one.config for one in encoder.all]) if family.texts else None
    names = family.texts.components if family.texts else ()
    clips = {
        name: one.config.get("hidden_size")
        for name, one in zip(names, encoder.all, strict=False)
        if one.kind.startswith("CLIPText")
    }
    return {"width": width, "reading": encoder.reading, "clips": clips}


@node("model/load", title="Load model", waits=True, fingerprint=_content, describe=_facts)
def load(
    model: Annotated[str, Path("model")] = "emoji",
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto",
    variant: str = "",
) -> Parts:
    """Open a model: a folder, a single file, a name on the Hub, or one that came with nodeflow.

    Weights are read when a node first needs them, and shared by every graph that names the same files.

    Args:
        model: A folder in the diffusers layout, a .safetensors or .gguf file, "organisation/name", "emoji" (pictures)
            or "drums" (sounds).
        dtype: Number format of the weights; auto chooses by device.
        variant: Preferred files, such as "fp16".
    """
    parts = open_model(model, variant=variant, dtype=dtype)
    return Parts(parts.denoiser, parts.text_encoder, parts.autoencoder, parts.scheduler)


def _chosen(*files: str) -> list[str]:
    return [file for file in files if file]


def _files_content(denoiser: str, autoencoder: str, text_encoder: str, second: str, third: str) -> list[str]:
    parts = open_files(_chosen(denoiser, autoencoder, text_encoder, second, third))
    return [str(parts.folder), *(handle.digest for handle in parts.networks)]


def _files_facts(denoiser: str | None = None, **others: str | None) -> dict[str, Any]:
    if not denoiser:
        return {}
    rest = (others.get(name) or "" for name in ("autoencoder", "text_encoder", "second", "third"))
    return _described(open_files(_chosen(denoiser, *rest)))


_Weights = Annotated[str, Path("file", (".safetensors", ".gguf"))]


@node("model/files", title="Load model from files", waits=True, fingerprint=_files_content, describe=_files_facts)
def from_files(
    denoiser: _Weights,
    autoencoder: _Weights = "",
    text_encoder: _Weights = "",
    second: _Weights = "",
    third: _Weights = "",
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto",
) -> Parts:
    """Open a model whose parts are in files of their own.

    Args:
        denoiser: The file of the denoiser, or of a whole model.
        autoencoder: The file of the autoencoder (VAE).
        text_encoder: The file of a text encoder.
        second: That of a second one: CLIP G of SDXL and Stable Diffusion 3, T5 of Flux.
        third: That of a third one: T5 of Stable Diffusion 3.
        dtype: Number format of the weights; auto chooses by device.
    """
    parts = open_files(_chosen(denoiser, autoencoder, text_encoder, second, third), dtype=dtype)
    return Parts(parts.denoiser, parts.text_encoder, parts.autoencoder, parts.scheduler)


class Changed(NamedTuple):
    """A model with a LoRA.

    Args:
        denoiser: Changed, if the file has something for it.
        text_encoder: Changed, if the file has something for it.
    """

    denoiser: Denoiser
    text_encoder: TextEncoder | None


def _adapter(path: str) -> str:
    from nodeflow.media.files import fingerprint

    return fingerprint(adapter_file(path))


def _kept(
    denoiser: dict[str, Any] | None = None,
    text_encoder: dict[str, Any] | None = None,
    path: str | None = None,
    blocks: str | None = None,
    **_: Any,
) -> dict[str, Any]:
    if path and (file := System(adapter_file(path)).expanduser()).is_file():
        fit_adapter(file, denoiser, text_encoder)
    same_names(blocks, denoiser)
    return {"denoiser": denoiser or {}, "text_encoder": text_encoder or {}}


Blocks = Annotated[str, Text()]


@node("model/lora", version=2, title="Apply LoRA or word", waits=True, fingerprint=_adapter, describe=_kept)
def lora(
    denoiser: Denoiser,
    path: Annotated[str, Path("file", (".safetensors",))],
    text_encoder: TextEncoder | None = None,
    strength: Annotated[float, Range(-10, 10, step=0.05)] = 1.0,
    text_strength: Annotated[float, Range(-10, 10, step=0.05)] = 1.0,
    blocks: Blocks = "",
) -> Changed:
    """Change a model by a LoRA, or teach it a learnt word; several may follow each other.

    Another strength reads no weights again: what the file leaves alone is shared by all forms of a model.

    Args:
        denoiser: The model's.
        path: A LoRA, LoCon, LoHa, LoKr or DoRA as diffusers, PEFT, kohya or ComfyUI name it, or the vectors of a word;
            also one that came with nodeflow, such as "emoji/four-steps.safetensors".
        text_encoder: The model's; none leaves it out.
        strength: How much of the change of the denoiser; below 0 is its opposite.
        text_strength: How much of the change of the text encoder.
        blocks: How much of `strength` each block of the denoiser gets, as in "in: 0.5, mid: 1, up_blocks.1: 0.3,
            rest: 0"; short names are in, mid and out, or double and single; empty = all of it everywhere.
    """
    from nodeflow.diffusion.adapters.patch import parts_in, patched

    path = adapter_file(path)
    parts = parts_in(path)
    changed = patched(denoiser, path, strength, blocks) if "unet" in parts else denoiser
    if text_encoder is not None and any(part.startswith("text_encoder") for part in parts):
        text_encoder = patched(text_encoder, path, text_strength)
    return Changed(changed, text_encoder)


@lora.migrate(1)
def _without_blocks(saved: dict[str, Any]) -> dict[str, Any]:
    """Version 1 had no `blocks`; what it had means the same."""
    return saved
