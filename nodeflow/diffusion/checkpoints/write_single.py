"""A model to one file, as its makers write it: what `single` reads, the other way round.

Changes to the weights, LoRAs and merges, are in the file. A file has no configurations: its readers take them from the
shapes and from what is usual in the family. So the file is opened again before it gets its name, and a model that would
be another one is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors.torch import save_file
from torch import Tensor

from nodeflow.atomic import atomic_path
from nodeflow.errors import NodeflowError
from nodeflow.values import Autoencoder, Denoiser, SchedulerConfig, TextEncoder, Weights

from ..devices import torch_dtype
from ..models import model_class
from .handles import ModelParts, open_model
from .load import load_weights
from .originals.writing import Piece, originals_of
from .save import make_folder

_UNET = ("model.diffusion_model.", "ldm-unet")
_VAE = ("first_stage_model.", "ldm-vae")
_L, _G, _T = (
    ("text_encoders.clip_l.transformer.", "clip"),
    ("text_encoders.clip_g.transformer.", "clip"),
    ("text_encoders.t5xxl.transformer.", "t5"),
)
PLACES: Mapping[str, tuple[tuple[str, str], tuple[str, str], tuple[tuple[str, str], ...]]] = {
    "sd1": (_UNET, _VAE, (("cond_stage_model.transformer.", "clip"),)),
    "sd2": (_UNET, _VAE, (("cond_stage_model.model.", "open-clip"),)),
    "sdxl": (_UNET, _VAE, (("conditioner.embedders.0.transformer.", "clip"),
                           ("conditioner.embedders.1.model.", "open-clip"))),
    "sdxl-refiner": (_UNET, _VAE, (("conditioner.embedders.0.model.", "open-clip"),)),
    "sd3": (("model.diffusion_model.", "sd3"), _VAE, (_L, _G, _T)),
    "flux": (("model.diffusion_model.", "flux"), ("vae.", "ldm-vae"), (_L, _T)),
}  # fmt: skip
"""Family -> where the denoiser, the autoencoder and the text encoders are, and their name maps."""
_FREE = {
    "sample_size", "projection_dim", "eos_token_id", "bos_token_id", "pad_token_id", "force_upcast",
    "transformer_layers_per_block",
}  # fmt: skip
"""Keys of configurations that change nothing of what a network computes, or that names and shapes tell."""


def save_single(
    path: Path,
    denoiser: Denoiser,
    scheduler: SchedulerConfig,
    autoencoder: Autoencoder,
    text_encoder: TextEncoder,
    *,
    dtype: str = "float16",
    metadata: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a whole model into one safetensors file, all of it or nothing.

    Args:
        path: The file.
        denoiser: With its changes.
        scheduler: What it says of the prediction is written down; the rest is what is usual in the family.
        autoencoder: Of the same latent space.
        text_encoder: With those beside it.
        dtype: Number format of the file.
        metadata: Texts for its header.
        overwrite: Whether it may take the place of a file.

    Raises:
        NodeflowError: NF406, such files cannot say what this model is; NF108, the name is taken, or the file cannot be
            written; and as loading the networks raises.
    """
    if denoiser.family not in PLACES:
        known = ", ".join(PLACES)
        what = f"a model of the family {denoiser.family or 'unknown'} has no form in one file that we write"
        raise NodeflowError("NF406", what, fix=f"save it as a folder; one file is for {known}")
    if path.exists() and not overwrite:
        raise NodeflowError("NF108", "there is a file of this name", where=str(path),
                            fix="choose another name, or let it be replaced")  # fmt: skip
    make_folder(path.parent)
    tensors: dict[str, Tensor] = {}
    for handle, (prefix, names) in _seated(denoiser, autoencoder, text_encoder):
        for name, tensor in _original(handle, names, torch_dtype(dtype)):
            tensors[prefix + name] = tensor
    tensors |= _marks(scheduler, denoiser.family)
    about = {"format": "pt", "modelspec.prediction_type": _prediction(scheduler), **(metadata or {})}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, about)
        _require_same(open_model(str(temporary)), denoiser, scheduler, autoencoder, text_encoder)


def _seated(
    denoiser: Denoiser, autoencoder: Autoencoder, text_encoder: TextEncoder
) -> Iterator[tuple[Weights, tuple[str, str]]]:
    """Each network, and its place in the file."""
    unet, vae, texts = PLACES[denoiser.family]
    yield denoiser, unet
    yield autoencoder, vae
    yield from zip(text_encoder.all, texts, strict=False)


def _original(handle: Weights, names: str, dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    """A network's tensors as its makers have them; computed in float32, one network in memory at a time."""
    state = load_weights(handle).state_dict()
    for name, pieces in originals_of(names, {key: tuple(tensor.shape) for key, tensor in state.items()}).items():
        yield name, _joined(pieces, state).to(dtype).contiguous().clone()
    if names == "open-clip" and handle.kind == "CLIPTextModel":
        yield from _skipped(state, dtype)


def _joined(pieces: Iterable[Piece], state: Mapping[str, Tensor]) -> Tensor:
    parts = [_undone(state[piece.name], piece.change) for piece in pieces]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _undone(tensor: Tensor, change: str) -> Tensor:
    """What reading makes this tensor of."""
    if change == "matrix" and tensor.ndim == 2:
        return tensor[:, :, None, None]
    if change == "transposed":
        return tensor.T
    return torch.cat(tensor.chunk(2)[::-1]) if change == "swapped" else tensor


def _skipped(state: Mapping[str, Tensor], dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    """What readers of Stable Diffusion 2's text encoder skip: a last layer that changes nothing, and a projection."""
    layers = {int(name.split(".")[3]) for name in state if name.startswith("text_model.encoder.layers.")}
    last = {name: state[name] for name in state if name.startswith(f"text_model.encoder.layers.{max(layers)}.")}
    named = originals_of("open-clip", {name: tuple(tensor.shape) for name, tensor in last.items()})
    for name, pieces in named.items():
        beyond = name.replace(f".{max(layers)}.", f".{max(layers) + 1}.")
        yield beyond, torch.zeros_like(_joined(pieces, state), dtype=dtype)
    yield "text_projection", torch.eye(len(state["text_model.final_layer_norm.weight"]), dtype=dtype)


def _prediction(scheduler: SchedulerConfig) -> str:
    said = scheduler.config.get("prediction_type", "epsilon")
    return "v" if said == "v_prediction" else str(said)


def _marks(scheduler: SchedulerConfig, family: str) -> dict[str, Tensor]:
    """Empty tensors by which files of U-nets say that they predict a velocity, down to no signal at all."""
    if family in ("sd3", "flux") or _prediction(scheduler) != "v":
        return {}
    zero = {"ztsnr": torch.zeros(0)} if scheduler.config.get("rescale_betas_zero_snr") else {}
    return {"v_pred": torch.zeros(0), **zero}


def _require_same(
    read: ModelParts,
    denoiser: Denoiser,
    scheduler: SchedulerConfig,
    autoencoder: Autoencoder,
    text_encoder: TextEncoder,
) -> None:
    """Refuse a file that would be opened as another model.

    Raises:
        NodeflowError: NF406, naming what would differ.
    """
    theirs = read.text_encoder.all if read.text_encoder else ()
    pairs = [(denoiser, read.denoiser), (autoencoder, read.autoencoder), *zip(text_encoder.all, theirs, strict=False)]
    differ = [text for one, other in pairs for text in _differences(one, other)]
    if read.denoiser.family != denoiser.family:
        differ.insert(0, f"the family is {denoiser.family}, a reader takes {read.denoiser.family}")
    if len(theirs) != len(text_encoder.all):
        differ.append(f"it has {len(text_encoder.all)} text encoders, a reader finds {len(theirs)}")
    said, taken = (one.config.get("prediction_type", "epsilon") for one in (scheduler, read.scheduler))
    if said != taken and denoiser.family not in ("sd3", "flux"):
        differ.append(f"it predicts {said}, a reader takes {taken}")
    if differ:
        raise NodeflowError("NF406", f"one file cannot say what this model is: {'; '.join(differ[:3])}",
                            fix="save it as a folder")  # fmt: skip


def _differences(one: Weights, other: Weights) -> Iterator[str]:
    if one.kind != other.kind:
        yield f"the {one.kind} would be a {other.kind}"
        return
    for key, value in _meant(one).items():
        if key not in _FREE and not _same(value, _meant(other)[key]):
            yield f"{key} of the {one.kind} is {value}, a reader takes {_meant(other)[key]}"
    for field in ("scale", "shift", "factor", "channels"):
        mine, its = (getattr(getattr(each, "space", None), field, 0) for each in (one, other))
        if isinstance(one, Autoencoder) and not math.isclose(mine, its, rel_tol=1e-6):
            yield f"the {field} of its latents is {mine}, a reader takes {its}"


def _meant(handle: Weights) -> dict[str, Any]:
    """A configuration with its defaults, the keys that its class builds from."""
    return msgspec.structs.asdict(msgspec.convert(dict(handle.config), model_class(handle.kind).Config))


def _same(a: Any, b: Any) -> bool:
    """Whether two values mean the same; one number stands for as many as there are levels."""
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return list(a) == list(b)
    if isinstance(a, list | tuple) or isinstance(b, list | tuple):
        many, single = (a, b) if isinstance(a, list | tuple) else (b, a)
        return all(each == single for each in many) and bool(many)
    return a == b
