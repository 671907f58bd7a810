"""Small models of every family that people keep in single files: as a folder, and as their makers wrote the files.

Heads are as wide as in the published models, since no header tells it, and vocabularies are whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tiny
import tiny_flows
import torch

from nodeflow.diffusion.checkpoints.single import _TOKENIZERS
from tests import originals

UNET: dict[str, Any] = {
    "_class_name": "UNet2DConditionModel", "sample_size": 64, "in_channels": 4, "out_channels": 4,
    "block_out_channels": [32, 64], "layers_per_block": 1, "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"], "cross_attention_dim": 64, "attention_head_dim": 8,
}  # fmt: skip
UNET_2 = UNET | {
    "use_linear_projection": True, "attention_head_dim": [1, 2], "block_out_channels": [64, 128],
    "cross_attention_dim": 128, "upcast_attention": True, "sample_size": 96,
}  # fmt: skip
XL_UNET = UNET | {
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"], "cross_attention_dim": 192,
    "block_out_channels": [64, 128],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"], "attention_head_dim": [1, 2], "use_linear_projection": True,
    "transformer_layers_per_block": [1, 2], "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 96 + 6 * 256, "sample_size": 128,
}  # fmt: skip
REFINER = XL_UNET | {"cross_attention_dim": 128, "projection_class_embeddings_input_dim": 96 + 5 * 256}
VAE: dict[str, Any] = {
    "_class_name": "AutoencoderKL", "sample_size": 16, "in_channels": 3, "out_channels": 3, "latent_channels": 4,
    "block_out_channels": [32, 64], "down_block_types": ["DownEncoderBlock2D"] * 2, "layers_per_block": 1,
    "up_block_types": ["UpDecoderBlock2D"] * 2, "scaling_factor": 0.18215,
}  # fmt: skip
SPACE = VAE | {"latent_channels": 16, "use_quant_conv": False, "use_post_quant_conv": False}
TEXT: dict[str, Any] = {
    "vocab_size": 49408, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 1, "hidden_act": "quick_gelu", "projection_dim": 64, "eos_token_id": 49407,
}  # fmt: skip
BIG_TEXT = TEXT | {"hidden_size": 128, "num_attention_heads": 2, "hidden_act": "gelu", "projection_dim": 96}
PLAIN_BIG = BIG_TEXT | {"projection_dim": 128}
T5: dict[str, Any] = {
    "vocab_size": 32128, "d_model": 192, "d_kv": 16, "d_ff": 48, "num_layers": 2, "num_heads": 4,
    "feed_forward_proj": "gated-gelu",
}  # fmt: skip
SD3: dict[str, Any] = {
    "_class_name": "SD3Transformer2DModel", "sample_size": 128, "patch_size": 2, "in_channels": 16, "out_channels": 16,
    "num_layers": 2, "attention_head_dim": 64, "num_attention_heads": 1, "joint_attention_dim": 192,
    "caption_projection_dim": 64, "pooled_projection_dim": 160, "pos_embed_max_size": 40, "qk_norm": None,
    "dual_attention_layers": [],
}  # fmt: skip
SD35 = SD3 | {"qk_norm": "rms_norm", "dual_attention_layers": [0]}
FLUX: dict[str, Any] = {
    "_class_name": "FluxTransformer2DModel", "patch_size": 1, "in_channels": 64, "num_layers": 1,
    "num_single_layers": 2, "attention_head_dim": 32, "num_attention_heads": 2, "joint_attention_dim": 192,
    "pooled_projection_dim": 64, "guidance_embeds": True, "axes_dims_rope": [4, 14, 14],
}  # fmt: skip
OOBLECK: dict[str, Any] = {
    "_class_name": "AutoencoderOobleck", "encoder_hidden_size": 8, "downsampling_ratios": [2, 4],
    "channel_multiples": [1, 2], "decoder_channels": 6, "decoder_input_channels": 4, "audio_channels": 2,
    "sampling_rate": 44_100,
}  # fmt: skip
DIT: dict[str, Any] = {
    "_class_name": "StableAudioDiTModel", "sample_size": 1024, "in_channels": 4, "out_channels": 4, "num_layers": 2,
    "attention_head_dim": 64, "num_attention_heads": 2, "num_key_value_attention_heads": 1, "cross_attention_dim": 16,
    "time_proj_dim": 8, "global_states_input_dim": 384, "cross_attention_input_dim": 192,
}  # fmt: skip
SECONDS: dict[str, Any] = {
    "_class_name": "StableAudioProjectionModel", "text_encoder_dim": 192, "conditioning_dim": 192, "min_value": 0,
    "max_value": 512,
}  # fmt: skip

Parts = dict[str, tuple[str, str, dict[str, Any]]]
"""Component -> library, class, configuration."""
L = ("transformers", "CLIPTextModel", TEXT)
G = ("transformers", "CLIPTextModelWithProjection", BIG_TEXT)
T = ("transformers", "T5EncoderModel", T5)


def _unet(config: dict[str, Any], scale: float = 0.18215, **texts: tuple[str, str, dict[str, Any]]) -> Parts:
    coder = ("diffusers", "AutoencoderKL", VAE | {"scaling_factor": scale})
    return {"unet": ("diffusers", "UNet2DConditionModel", config), "vae": coder, **texts}


def _transformer(config: dict[str, Any], scale: tuple[float, float], **texts: Any) -> Parts:
    space = SPACE | {"scaling_factor": scale[0], "shift_factor": scale[1]}
    return {"transformer": ("diffusers", config["_class_name"], config),
            "vae": ("diffusers", "AutoencoderKL", space), **texts}  # fmt: skip


_THREE = {"text_encoder": ("transformers", "CLIPTextModelWithProjection", TEXT), "text_encoder_2": G}
MODELS: dict[str, Parts] = {
    "sd1": _unet(UNET, text_encoder=L),
    "sd2": _unet(UNET_2, text_encoder=("transformers", "CLIPTextModel", PLAIN_BIG)),
    "sdxl": _unet(XL_UNET, 0.13025, text_encoder=L, text_encoder_2=G),
    "sdxl-refiner": _unet(REFINER, 0.13025, text_encoder_2=G),
    "sd3": _transformer(SD3, (1.5305, 0.0609), **_THREE, text_encoder_3=T),
    "sd3-without-t5": _transformer(SD35, (1.5305, 0.0609), **_THREE),
    "flux": _transformer(FLUX, (0.3611, 0.1159), text_encoder=L, text_encoder_2=T),
    "flux-schnell": _transformer(FLUX | {"guidance_embeds": False}, (0.3611, 0.1159), text_encoder=L, text_encoder_2=T),
    "stable-audio": {
        "transformer": ("diffusers", "StableAudioDiTModel", DIT),
        "vae": ("diffusers", "AutoencoderOobleck", OOBLECK),
        "projection_model": ("diffusers", "StableAudioProjectionModel", SECONDS),
        "text_encoder": ("transformers", "T5EncoderModel", T5 | {"feed_forward_proj": "relu"}),
    },
}
SCHEDULERS: Mapping[str, dict[str, Any]] = {
    "sd2": tiny.SD_SCHEDULER | {"prediction_type": "v_prediction"}, "sdxl": tiny.XL_SCHEDULER,
    "sdxl-refiner": tiny.XL_SCHEDULER, "sd3": tiny_flows.SCHEDULER, "sd3-without-t5": tiny_flows.SCHEDULER,
    "flux": tiny_flows.DYNAMIC, "flux-schnell": tiny_flows.SCHEDULER | {"shift": 1.0, "use_dynamic_shifting": False},
    "stable-audio": {"_class_name": "CosineDPMSolverMultistepScheduler", "sigma_min": 0.3, "sigma_max": 500,
                     "sigma_schedule": "exponential"},
}  # fmt: skip
_FORMS = {"quick_gelu": "clip", "gelu": "open-clip", None: "t5"}


def write_folder(folder: Path, name: str) -> Path:
    """A model in the layout of the Hub, with the whole tokenizers."""
    scheduler = SCHEDULERS.get(name, tiny.SD_SCHEDULER)
    index: dict[str, Any] = {"_class_name": "DiffusionPipeline", "scheduler": ["diffusers", scheduler["_class_name"]]}
    index["force_zeros_for_empty_prompt"] = name == "sdxl"
    state = states(name)
    for part, (library, kind, config) in MODELS[name].items():
        own = {"architectures": [kind]} if library == "transformers" else {}
        tiny.write_json(folder / part / "config.json", config | own)
        stem = tiny.STEM[library]
        tiny.save_file(originals.prefixed(state[part], ""), folder / part / f"{stem}.safetensors", {"format": "pt"})
        index[part] = [library, kind]
        if library == "transformers":
            place = folder / part.replace("text_encoder", "tokenizer")
            place.symlink_to(_TOKENIZERS / _FORMS[config.get("hidden_act")])
            index[place.name] = ["transformers", "CLIPTokenizer"]
    tiny.write_json(folder / "scheduler" / "scheduler_config.json", scheduler)
    tiny.write_json(folder / "model_index.json", index)
    return folder


def states(name: str) -> dict[str, originals.State]:
    """Seeded weights by published name; Stable Diffusion 3 has CLIP L's pooled state unprojected."""
    made = {part: dict(tiny.seeded(kind, config, seed).state_dict())
            for seed, (part, (_, kind, config)) in enumerate(MODELS[name].items())}  # fmt: skip
    if name.startswith("sd3"):
        made["text_encoder"]["text_projection.weight"] = torch.eye(TEXT["hidden_size"])
    return made


def original(name: str) -> originals.State:
    """The same weights in one file as the makers, or those who put the text encoders in, have them."""
    state, configs = states(name), {part: row[2] for part, row in MODELS[name].items()}
    if name == "stable-audio":
        return originals.stable_audio(state["transformer"], state["projection_model"], state["vae"])
    if "transformer" in state:
        return _all_in_one(name, state, configs)
    made = originals.prefixed(originals.unet(state["unet"], configs["unet"]), "model.diffusion_model.")
    made |= originals.prefixed(originals.autoencoder(state["vae"], configs["vae"]), "first_stage_model.")
    made["model_ema.decay"] = torch.tensor(0.9)
    if name == "sd2":
        tower = originals.open_clip(state["text_encoder"], extra_layer=True)
        return made | originals.prefixed(tower, "cond_stage_model.model.")
    first = "cond_stage_model.transformer." if name == "sd1" else "conditioner.embedders.0.transformer."
    if "text_encoder" in state:
        made |= originals.prefixed(state["text_encoder"], first)
        made[f"{first}text_model.embeddings.position_ids"] = torch.arange(77)[None]
    if "text_encoder_2" in state:
        place = f"conditioner.embedders.{int(name == 'sdxl')}.model."
        made |= originals.prefixed(originals.open_clip(state["text_encoder_2"]), place)
    return made


def _all_in_one(name: str, state: dict[str, originals.State], configs: dict[str, dict[str, Any]]) -> originals.State:
    is_flux = name.startswith("flux")
    denoiser = (originals.flux if is_flux else originals.sd3)(state["transformer"])
    made = originals.prefixed(denoiser, "model.diffusion_model.")
    coder = originals.autoencoder(state["vae"], configs["vae"])
    made |= originals.prefixed(coder, "vae." if is_flux else "first_stage_model.")
    for part, (_, kind, _) in MODELS[name].items():
        if part.startswith("text_encoder"):
            place = "t5xxl" if kind.startswith("T5") else "clip_g" if part.endswith("_2") else "clip_l"
            made |= originals.prefixed(text_file(name, state, part), f"text_encoders.{place}.transformer.")
    return made


def text_file(name: str, state: dict[str, originals.State], part: str) -> originals.State:
    """A text encoder as it is kept in a file of its own: a T5 names its table twice, CLIP L has its projection."""
    tensors = dict(state[part])
    if MODELS[name][part][1].startswith("T5"):
        tensors["encoder.embed_tokens.weight"] = tensors["shared.weight"]
    elif part == "text_encoder":
        tensors["text_projection.weight"] = torch.randn(64, 64)
        tensors["logit_scale"] = torch.tensor(4.6)
    return tensors
