"""Models into files, with all that was done to their weights."""

from typing import Any, Literal

from nodeflow import Autoencoder, Denoiser, NodeflowError, Run, SchedulerConfig, TextEncoder, node

from ._training import inside


@node("model/save", version=2, title="Save checkpoint", sink=True, waits=True, formerly=("training/save-model",))
def save(
    run: Run,
    denoiser: Denoiser,
    scheduler: SchedulerConfig,
    autoencoder: Autoencoder | None = None,
    text_encoder: TextEncoder | None = None,
    name: str = "model",
    dtype: Literal["float32", "float16", "bfloat16"] = "float32",
    layout: Literal["folder", "one file"] = "folder",
    overwrite: bool = False,
) -> str:
    """Save a model, LoRAs and merges baked in, as this and other programs open it.

    Args:
        denoiser: The denoiser, with all that changes its weights.
        scheduler: How to sample from it.
        autoencoder: None for models on pixels.
        text_encoder: None for models without text.
        name: Of the folder or the file, inside the output folder.
        dtype: Number format of the files.
        layout: A folder in the published layout, or one safetensors file as the model's makers write it.
        overwrite: Whether it may take the place of a model of that name.

    Returns:
        The folder or the file, which carries the graph that made it.
    """
    place = inside(run.folder, name)
    if layout == "folder":
        from nodeflow.diffusion.checkpoints.save import save_model

        options = {"overwrite": overwrite, "graph": run.graph()}
        save_model(place, denoiser, scheduler, autoencoder, text_encoder, dtype, **options)
        return str(place)
    from nodeflow.diffusion.checkpoints.write_single import save_single

    if autoencoder is None or text_encoder is None:
        lacks = "text encoder" if autoencoder is not None else "autoencoder"
        raise NodeflowError("NF406", f"a model in one file has its {lacks} in it", where="layout", fix="wire one")
    file = place.with_name(f"{place.name.removesuffix('.safetensors')}.safetensors")
    told = {"nodeflow": graph} if (graph := run.graph()) else {}
    parts = (denoiser, scheduler, autoencoder, text_encoder)
    save_single(file, *parts, dtype=dtype, metadata=told, overwrite=overwrite)
    return str(file)


@save.migrate(1)
def _replacing(saved: dict[str, Any]) -> dict[str, Any]:
    """Version 1 wrote folders, over what was there."""
    return {**saved, "values": {"overwrite": True, **saved.get("values", {})}}
