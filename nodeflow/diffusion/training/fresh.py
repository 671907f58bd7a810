"""Networks from scratch: configurations of a few numbers, and folders of random weights that any loader reads.

A network that was never trained is a model like any other: it has a folder, a handle and a digest. So whatever takes
a model takes it, and training knows no special case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from nodeflow.errors import NodeflowError
from nodeflow.training import Folder
from nodeflow.values import Autoencoder, Denoiser, LatentSpace, SchedulerConfig, TextEncoder

from ..checkpoints.files import STEMS
from ..checkpoints.identity import digest
from ..checkpoints.spaces import PIXELS, latent_space, trained_size, wave_length
from ..checkpoints.tokenizer import read_tokenizer
from ..models import model_class
from . import bpe
from .course import locked
from .folder import scan
from .store import Store

FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 1.0}
PRECONDITIONED = {"_class_name": "EDMEulerScheduler", "sigma_data": 0.5, "sigma_min": 0.002, "sigma_max": 80.0}
ON_PIXELS = {"_class_name": "DDPMScheduler"}
ON_LATENTS = {
    "_class_name": "DDPMScheduler",
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "clip_sample": False,
    "steps_offset": 1,
}
"""Latents have no bounds to be clipped to, and Stable Diffusion's betas."""
ON_WAVES = {"_class_name": "IPNDMScheduler", "num_train_timesteps": 1000}
TIME_CHANNELS = 16
"""Channels beside a wave that tell the time, as Dance Diffusion has them."""


def denoiser_config(
    *,
    size: int,
    space: LatentSpace = PIXELS,
    widths: Sequence[int] = (32, 64, 128),
    layers: int = 1,
    attention: int = 2,
    text_width: int = 0,
    classes: int = 0,
) -> dict[str, Any]:
    """The configuration of a U-net: `UNet2DConditionModel` where it reads texts, else `UNet2DModel`.

    Args:
        size: Side of its pictures, pixels.
        space: The latent space it works in.
        widths: Channels at each resolution, finest first.
        layers: Residual blocks at each resolution.
        attention: At how many of the coarsest resolutions pixels read each other (and the text).
        text_width: Width of the text states; 0 = no text.
        classes: Number of classes; one more, for none, is added. 0 = no classes.

    Raises:
        NodeflowError: NF205, the size cannot be halved so often.
    """
    levels = len(widths)
    if size % (space.factor * 2 ** (levels - 1)):
        multiple = space.factor * 2 ** (levels - 1)
        fix = f"take a multiple of {multiple}, or fewer widths"
        raise NodeflowError("NF205", f"{size} pixels cannot be halved {levels - 1} times", where="size", fix=fix)
    kind, block = ("UNet2DConditionModel", "CrossAttn") if text_width else ("UNet2DModel", "Attn")
    down = ["" if level < levels - attention else block for level in range(levels)]
    config: dict[str, Any] = {
        "_class_name": kind,
        "sample_size": size // space.factor,
        "in_channels": space.channels,
        "out_channels": space.channels,
        "block_out_channels": list(widths),
        "layers_per_block": layers,
        "down_block_types": [f"{name}DownBlock2D" for name in down],
        "up_block_types": [f"{name}UpBlock2D" for name in reversed(down)],
        "norm_num_groups": _groups(widths),
    }
    if text_width:
        return config | {"cross_attention_dim": text_width, "attention_head_dim": 4}
    head = {"attention_head_dim": 8 if all(width % 8 == 0 for width in widths) else None}
    return config | head | ({"num_class_embeds": classes + 1} if classes else {})


def wave_config(*, seconds: float, rate: int, channels: int, widths: Sequence[int], attention: int) -> dict[str, Any]:
    """The configuration of a `UNet1DModel`, which works on waves themselves.

    Args:
        seconds: Length of its waves; made longer until it can be halved as often as need be.
        rate: Samples a second.
        channels: 1 is mono.
        widths: Channels at each resolution, finest first, each a multiple of 32 from 32 on; two or more.
        attention: At how many of the coarsest resolutions samples hear each other; always at the very coarsest.

    Raises:
        NodeflowError: NF205, there is one width only, or one that attention cannot use; NF414, a wave so short cannot
            be halved so often.
    """
    if len(widths) < 2 or any(width < 32 or width % 32 for width in widths):
        what = f"{', '.join(map(str, widths))} are no widths of a denoiser of waves"
        raise NodeflowError("NF205", what, where="widths", fix="give two or more multiples of 32")
    levels = len(widths)
    down = ["DownBlock1DNoSkip"] + [
        "AttnDownBlock1D" if level >= levels - attention else "DownBlock1D" for level in range(1, levels)
    ]
    config: dict[str, Any] = {
        "_class_name": "UNet1DModel",
        "sample_rate": rate,
        "in_channels": channels,
        "out_channels": channels,
        "extra_in_channels": TIME_CHANNELS,
        "time_embedding_type": "fourier",
        "use_timestep_embedding": False,
        "block_out_channels": list(widths),
        "down_block_types": down,
        "mid_block_type": "UNetMidBlock1D",
        "up_block_types": [kind.replace("Down", "Up") for kind in reversed(down)],
    }
    return config | {"sample_size": wave_length(config, seconds)}


def autoencoder_config(*, size: int, widths: Sequence[int], layers: int, channels: int) -> dict[str, Any]:
    """The configuration of an `AutoencoderKL` of these widths, finest first, and so many latent channels."""
    return {
        "_class_name": "AutoencoderKL",
        "sample_size": size,
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": channels,
        "block_out_channels": list(widths),
        "layers_per_block": layers,
        "down_block_types": ["DownEncoderBlock2D"] * len(widths),
        "up_block_types": ["UpDecoderBlock2D"] * len(widths),
        "norm_num_groups": _groups(widths),
        "scaling_factor": 1.0,
        "force_upcast": False,
    }


def text_config(*, width: int, layers: int, heads: int, tokens: int) -> dict[str, Any]:
    """The configuration of a `CLIPTextModel` for a tokenizer of so many tokens, the last two of them start and end."""
    return {
        "architectures": ["CLIPTextModel"],
        "model_type": "clip_text_model",
        "vocab_size": tokens,
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "projection_dim": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "max_position_embeddings": bpe.LENGTH,
        "hidden_act": "gelu",
        "bos_token_id": tokens - 2,
        "eos_token_id": tokens - 1,
        "pad_token_id": tokens - 1,
    }


def new_denoiser(folder: Path, config: Mapping[str, Any], space: LatentSpace, seed: int) -> Denoiser:
    """A denoiser with random weights, written into a folder of its own below `folder` unless it is there.

    Raises:
        NodeflowError: NF406 the configuration cannot be built; NF108.
    """
    parts = written(folder, config, seed)
    return Denoiser(**parts, space=space, size=trained_size(parts["kind"], config, space))


def new_autoencoder(folder: Path, config: Mapping[str, Any], seed: int) -> Autoencoder:
    """An autoencoder with random weights, as `new_denoiser`."""
    parts = written(folder, config, seed)
    return Autoencoder(**parts, space=latent_space(config, parts["digest"]))


def new_text_encoder(
    folder: Path, data: Folder, *, tokens: int, width: int, layers: int, heads: int, seed: int
) -> TextEncoder:
    """A text encoder with random weights, and a tokenizer learnt from the captions of a folder.

    Args:
        folder: Where it is written.
        data: Whose captions are read.
        tokens: The most merges the tokenizer learns.
        width: Of the text states.
        layers: Of the encoder.
        heads: Of its attention.
        seed: Of the weights.

    Raises:
        NodeflowError: NF105, the captions have no words in common; and as scanning raises.
    """
    captions = [item.caption for item in scan(data).items]
    if not (learnt := bpe.learn_merges(captions, tokens)):
        what = "no word of the captions is said twice, so there is nothing to learn a tokenizer from"
        raise NodeflowError("NF105", what, where=data.folder, fix="write captions, or take another kind of captions")
    own = folder / Store.key("tokenizer", tuple(captions), tokens)[:24]
    with locked(own):
        if not (own / "vocab.json").is_file():
            bpe.save(own, learnt)
    config = text_config(width=width, layers=layers, heads=heads, tokens=len(read_tokenizer(own)))
    return TextEncoder(**written(folder, config, seed, _spread), tokenizer=str(own))


def scheduler_for(prediction: str, space: LatentSpace = PIXELS) -> SchedulerConfig:
    """A scheduler whose models predict this in this space; the others of its noise space are as good.

    Args:
        prediction: "epsilon", "sample", "v_prediction", "flow_prediction" or "edm".
        space: What the denoiser works in.
    """
    table = ON_PIXELS if space == PIXELS else ON_LATENTS
    own = {"flow_prediction": FLOW, "edm": PRECONDITIONED}.get(prediction)
    return SchedulerConfig(own or {**table, "prediction_type": prediction})


def _groups(widths: Sequence[int]) -> int:
    """The most groups, up to 32, that divide all widths and leave at least 4 channels a group."""
    fitting = [groups for groups in range(1, 33) if all(width % groups == 0 for width in widths)]
    return max((groups for groups in fitting if min(widths) // groups >= 4), default=1)


def written(
    folder: Path, config: Mapping[str, Any], seed: int, change: Callable[[Any], None] | None = None, source: str = ""
) -> dict[str, Any]:
    """The fields of a handle of a network with random weights; written once for each configuration and seed.

    Args:
        change: Changes the weights after they are drawn.
        source: Identifies what else decides those changes.
    """
    is_text = "architectures" in config
    kind = config["architectures"][0] if is_text else config["_class_name"]
    own = folder / Store.key("new", kind, sorted(config.items()), seed, *([source] if source else []))[:24]
    path = own / f"{STEMS['transformers' if is_text else 'diffusers']}.safetensors"
    with locked(own):
        if not path.is_file():
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                torch.manual_seed(seed)
                net = model_class(kind).from_config(config)
                if change is not None:
                    change(net)
            net.save_pretrained(own)
    return {"folder": str(own), "kind": kind, "config": dict(config), "digest": digest((path,))}


def _spread(net: Any) -> None:
    """Begin a text encoder with tokens that differ more than places, so that words are told apart from the start."""
    embeddings = net.text_model.embeddings
    torch.nn.init.normal_(embeddings.token_embedding.weight, std=0.3)
    torch.nn.init.normal_(embeddings.position_embedding.weight, std=0.05)
