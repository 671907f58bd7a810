"""The networks, one a file, under their published names, configuration keys and parameter names.

A repository in the diffusers layout loads with no key conversion. A network's module is imported when its class is
first asked for. May import `nodeflow.errors` and torch; knows nothing of files: `checkpoints` reads those.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nodeflow.errors import NodeflowError

if TYPE_CHECKING:
    from .base import Model

MODELS: dict[str, str] = {
    "AutoencoderKL": "autoencoder_kl",
    "AutoencoderOobleck": "oobleck",
    "CLIPTextModel": "clip_text",
    "CLIPTextModelWithProjection": "clip_text",
    "CLIPVisionModelWithProjection": "clip_vision",
    "ControlNetModel": "controlnet",
    "DiTTransformer2DModel": "dit",
    "FluxControlNetModel": "flux_controlnet",
    "FluxTransformer2DModel": "flux",
    "GlideTextModel": "glide_text",
    "IPAdapter": "ip_adapter",
    "LDMBertModel": "ldm_bert",
    "SD3ControlNetModel": "sd3_controlnet",
    "SD3Transformer2DModel": "sd3",
    "SpectrogramAutoencoder": "autoencoder_spectrogram",
    "StableAudioDiTModel": "stable_audio",
    "StableAudioProjectionModel": "stable_audio_texts",
    "T5EncoderModel": "t5",
    "Text2ImUNet": "glide",
    "Transformer2DModel": "dit",
    "T2IAdapter": "t2i_adapter",
    "UNet1DModel": "unet1d",
    "UNet2DConditionModel": "unet2d_condition",
    "UNet2DModel": "unet2d",
    "VQModel": "vq",
    "Waves": "waves",
}
"""Class name as in `config.json` -> module of this package."""


def model_class(name: str) -> type[Model]:
    """The network of this published class name.

    Raises:
        NodeflowError: NF406, no such network.
    """
    if name not in MODELS:
        raise NodeflowError("NF406", f"there is no network called {name!r}", fix=f"known are {', '.join(MODELS)}")
    return getattr(import_module(f"{__name__}.{MODELS[name]}"), name)


def __getattr__(name: str) -> Any:
    if name in MODELS:
        return model_class(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
