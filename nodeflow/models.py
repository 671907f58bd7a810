"""Models by name: those that came with nodeflow, the user's own folder, local folders, the Hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from . import content
from .errors import NodeflowError
from .values import ControlNetwork, ImageEncoder, IPAdapter, Upscaler, Weights

if TYPE_CHECKING:
    from .diffusion.checkpoints.handles import ModelParts

W = TypeVar("W", bound=Weights)


def folders() -> list[Path]:
    """Where models with a plain name are looked for."""
    return [content.folder("assets") / "models", content.user_folder("models")]


def open_files(files: Sequence[str], *, dtype: str = "auto") -> ModelParts:
    """The parts of a model that is in several files; see `nodeflow.diffusion.checkpoints.handles.open_files`."""
    from .diffusion.checkpoints.handles import open_files as opened

    return opened([Path(file).expanduser() for file in files], dtype=dtype)


def adapter_file(path: str) -> str:
    """The file of a LoRA or word: as it is named, or such as "emoji/four-steps.safetensors" in one of `folders()`."""
    if not Path(path).is_absolute() and not Path(path).expanduser().is_file():
        for folder in folders():
            if (folder / path).is_file():
                return str(folder / path)
    return path


def open_model(
    model: str, *, variant: str = "", dtype: str = "auto", download: bool = True, missing_ok: bool = False
) -> ModelParts | None:
    """The parts of a model as handles, without reading weights; see `nodeflow.diffusion.checkpoints`.

    Args:
        model: A folder, a file, a name in `folders()`, or "org/name" on the Hub.
        variant: Preferred variant of the weights.
        dtype: Number format the handles ask for.
        download: Whether to fetch what is not on this machine.
        missing_ok: None instead of an error for a model of the Hub that is not on this machine.

    Raises:
        NodeflowError: NF401 … NF406.
    """
    from .diffusion.checkpoints.handles import open_model as opened

    try:
        return opened(model, variant=variant, dtype=dtype, search_folders=folders(), download=download)
    except NodeflowError as error:
        if missing_ok and _is_missing(error, model):
            return None
        raise


CONTROLS = ("ControlNetModel", "T2IAdapter", "FluxControlNetModel", "SD3ControlNetModel")
"""Class names of networks that steer a denoiser."""


def open_control(
    model: str, *, variant: str = "", dtype: str = "auto", download: bool = True, missing_ok: bool = False
) -> ControlNetwork | None:
    """The handle of a control network, without reading weights; arguments and errors as `open_model`."""
    return _open(ControlNetwork, CONTROLS, model, missing_ok, variant=variant, dtype=dtype, download=download)


def open_ip_adapter(
    model: str, *, dtype: str = "auto", download: bool = True, missing_ok: bool = False
) -> IPAdapter | None:
    """The handle of an IP-Adapter, a single file; arguments and errors as `open_model`."""
    return _open(IPAdapter, ("IPAdapter",), model, missing_ok, dtype=dtype, download=download)


def open_image_encoder(
    model: str, *, variant: str = "", dtype: str = "auto", download: bool = True, missing_ok: bool = False
) -> ImageEncoder | None:
    """The handle of an image encoder, a folder or a single file; arguments and errors as `open_model`."""
    options = {"variant": variant, "dtype": dtype, "download": download}
    return _open(ImageEncoder, ("CLIPVisionModelWithProjection",), model, missing_ok, **options)


def open_upscaler(file: str, *, dtype: str = "float32") -> Upscaler:
    """The handle of an upscaler; see `nodeflow.diffusion.checkpoints.upscalers.open_upscaler`."""
    from .diffusion.checkpoints.upscalers import open_upscaler as opened

    return opened(file, dtype=dtype, search_folders=folders())


def _open(handle: type[W], kinds: Sequence[str], model: str, missing_ok: bool, **options: Any) -> W | None:
    from .diffusion.checkpoints.alone import open_network

    try:
        return open_network(handle, kinds, model, search_folders=folders(), **options)
    except NodeflowError as error:
        if missing_ok and _is_missing(error, model):
            return None
        raise


def _is_missing(error: NodeflowError, model: str) -> bool:
    """Whether a model of the Hub is not on this machine."""
    return error.code == "NF401" and "/" in model and not Path(model).exists()
