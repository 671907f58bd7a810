"""Tiny checkpoints in the layout of the Hub, with seeded weights; the fixture `tiny` makes each once a session.

Treat the folders as read-only; `tiny.copy(kind, folder)` gives one to damage.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers.pre_tokenizers import ByteLevel
from torch import nn

from nodeflow.diffusion.models import model_class

STEM = {"diffusers": "diffusion_pytorch_model", "transformers": "model"}
WORDS = ("a", "an", "red", "blue", "green", "heart", "face", "cat", "dog", "of", "the", "photo", "happy", "sad")

UNET: dict[str, Any] = {
    "_class_name": "UNet2DConditionModel",
    "sample_size": 8, "in_channels": 4, "out_channels": 4, "block_out_channels": [16, 32], "layers_per_block": 1,
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "cross_attention_dim": 32, "attention_head_dim": 2, "norm_num_groups": 8,
}  # fmt: skip
VAE: dict[str, Any] = {
    "_class_name": "AutoencoderKL",
    "sample_size": 16, "in_channels": 3, "out_channels": 3, "latent_channels": 4, "block_out_channels": [8, 16],
    "down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2,
    "layers_per_block": 1, "norm_num_groups": 4, "scaling_factor": 0.18215,
}  # fmt: skip
SOUND_VAE: dict[str, Any] = {
    "_class_name": "SpectrogramAutoencoder",
    "sampling_rate": 8000, "n_fft": 64, "hop_length": 16, "num_mel_bins": 16, "sample_size": 16, "patch_size": 4,
    "latent_channels": 4, "scaling_factor": 0.2,
}  # fmt: skip
TEXT: dict[str, Any] = {
    "architectures": ["CLIPTextModel"], "model_type": "clip_text_model",
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
    "max_position_embeddings": 77, "hidden_act": "quick_gelu", "projection_dim": 32,
}  # fmt: skip
TEXT_2: dict[str, Any] = TEXT | {
    "architectures": ["CLIPTextModelWithProjection"], "hidden_size": 24, "intermediate_size": 48,
    "hidden_act": "gelu", "projection_dim": 16,
}  # fmt: skip
XL_UNET: dict[str, Any] = {
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"], "attention_head_dim": [2, 4],
    "cross_attention_dim": 56, "transformer_layers_per_block": [1, 2], "use_linear_projection": True,
    "addition_embed_type": "text_time", "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 16 + 6 * 8,
}  # fmt: skip
PIXEL_UNET: dict[str, Any] = {
    "_class_name": "UNet2DModel",
    "sample_size": 16, "in_channels": 3, "out_channels": 3, "block_out_channels": [16, 32], "layers_per_block": 1,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
    "norm_num_groups": 8, "attention_head_dim": 8,
}  # fmt: skip
CONTROL: dict[str, Any] = {
    "_class_name": "ControlNetModel",
    "in_channels": 4, "block_out_channels": [16, 32], "layers_per_block": 1,
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "cross_attention_dim": 32, "attention_head_dim": 2, "norm_num_groups": 8,
    "conditioning_embedding_out_channels": [4, 8],
}  # fmt: skip
WAVE_UNET: dict[str, Any] = {
    "_class_name": "UNet1DModel",
    "sample_size": 512, "sample_rate": 8000, "in_channels": 2, "out_channels": 2, "extra_in_channels": 16,
    "block_out_channels": [32, 32, 64], "use_timestep_embedding": False, "time_embedding_type": "fourier",
    "down_block_types": ["DownBlock1DNoSkip", "DownBlock1D", "AttnDownBlock1D"],
    "up_block_types": ["AttnUpBlock1D", "UpBlock1D", "UpBlock1DNoSkip"], "mid_block_type": "UNetMidBlock1D",
}  # fmt: skip
SD_SCHEDULER: dict[str, Any] = {
    "_class_name": "PNDMScheduler", "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
    "beta_schedule": "scaled_linear", "skip_prk_steps": True, "set_alpha_to_one": False, "steps_offset": 1,
    "clip_sample": False, "prediction_type": "epsilon",
}  # fmt: skip
XL_SCHEDULER: dict[str, Any] = SD_SCHEDULER | {
    "_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading", "interpolation_type": "linear",
    "use_karras_sigmas": False, "sample_max_value": 1.0,
}  # fmt: skip
XL_INDEX: dict[str, Any] = {
    "_class_name": "StableDiffusionXLPipeline", "_diffusers_version": "0.42.1", "force_zeros_for_empty_prompt": True,
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
    "tokenizer": ["transformers", "CLIPTokenizer"], "tokenizer_2": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
}  # fmt: skip
DDPM_SCHEDULER: dict[str, Any] = {
    "_class_name": "DDPMScheduler", "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02,
    "beta_schedule": "linear", "clip_sample": True, "variance_type": "fixed_small",
}  # fmt: skip


# -- parts -------------------------------------------------------------------------------------------------------


def seeded(kind: str, config: Mapping[str, Any], seed: int = 0) -> nn.Module:
    """A network with the same random weights each time, large enough to tell two apart by their output."""
    torch.manual_seed(seed)
    return model_class(kind).from_config(config).eval().requires_grad_(False)


def write_network(folder: Path, library: str, kind: str, config: Mapping[str, Any], seed: int = 0) -> None:
    """A component's folder: `config.json` and one weights file."""
    write_json(folder / "config.json", config)
    save_file(seeded(kind, config, seed).state_dict(), folder / f"{STEM[library]}.safetensors", {"format": "pt"})


def write_tokenizer(folder: Path, pad: str = "<|endoftext|>") -> int:
    """CLIP's published tokenizer files with a small vocabulary; returns its size."""
    alphabet = sorted(ByteLevel.alphabet())
    vocabulary = [*alphabet, *(f"{sign}</w>" for sign in alphabet)]
    merges: dict[tuple[str, str], None] = {}
    for word in WORDS:
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            merges[parts[-2], parts[-1]] = None
            parts[-2:] = ["".join(parts[-2:])]
            vocabulary.append(parts[-1])
    names = [*dict.fromkeys(vocabulary), "<|startoftext|>", "<|endoftext|>"]
    write_json(folder / "vocab.json", {name: i for i, name in enumerate(names)})
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *map(" ".join, merges)]) + "\n", encoding="utf-8")
    special = {"bos_token": names[-2], "eos_token": names[-1], "pad_token": pad, "unk_token": names[-1]}
    write_json(folder / "special_tokens_map.json", special)
    options = {**special, "tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True}
    write_json(folder / "tokenizer_config.json", options)
    return len(names)


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")


# -- whole models ------------------------------------------------------------------------------------------------


def text_to_image(folder: Path, **unet: Any) -> None:
    """A Stable Diffusion of some ten thousand parameters: 16×16 pixels, latents of 8×8."""
    vocabulary = write_tokenizer(folder / "tokenizer")
    text = TEXT | {"vocab_size": vocabulary, "bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1}
    write_network(folder / "text_encoder", "transformers", "CLIPTextModel", text, seed=1)
    write_network(folder / "unet", "diffusers", "UNet2DConditionModel", UNET | unet, seed=2)
    write_network(folder / "vae", "diffusers", "AutoencoderKL", VAE, seed=3)
    write_json(folder / "scheduler" / "scheduler_config.json", SD_SCHEDULER)
    index = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.42.1",
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    write_json(folder / "model_index.json", index)


def sound(folder: Path) -> None:
    """The same on latents of 4×4 of spectrograms of 16 frames at 8 kHz."""
    text_to_image(folder, sample_size=4)
    write_network(folder / "vae", "diffusers", "SpectrogramAutoencoder", SOUND_VAE, seed=5)
    index = json.loads((folder / "model_index.json").read_text())
    write_json(folder / "model_index.json", index | {"vae": ["nodeflow", "SpectrogramAutoencoder"]})


def inpaint(folder: Path) -> None:
    """The same with a denoiser that sees the mask and the masked picture: nine channels."""
    text_to_image(folder, in_channels=9)


def instruct(folder: Path) -> None:
    """The same with a denoiser that sees the picture to edit: eight channels."""
    text_to_image(folder, in_channels=8)
    index = json.loads((folder / "model_index.json").read_text())
    write_json(folder / "model_index.json", index | {"_class_name": "StableDiffusionInstructPix2PixPipeline"})


def stable_diffusion_2(folder: Path) -> None:
    """A Stable Diffusion 2 of 768 pixels: linear projections, heads per level, OpenCLIP's GELU, velocity."""
    text_to_image(folder, use_linear_projection=True, attention_head_dim=[2, 4], upcast_attention=True)
    change = {"hidden_act": "gelu", "num_hidden_layers": 2}
    text = json.loads((folder / "text_encoder" / "config.json").read_text()) | change
    write_network(folder / "text_encoder", "transformers", "CLIPTextModel", text, seed=21)
    write_tokenizer(folder / "tokenizer", pad="!")
    options = {"_class_name": "DDIMScheduler", "prediction_type": "v_prediction"}
    write_json(folder / "scheduler" / "scheduler_config.json", SD_SCHEDULER | options)
    index = json.loads((folder / "model_index.json").read_text()) | {"scheduler": ["diffusers", "DDIMScheduler"]}
    write_json(folder / "model_index.json", index)


def sdxl(folder: Path, **unet: Any) -> None:
    """An SDXL: two text encoders 32 and 24 wide, six sizes beside a pooled text of 16."""
    vocabulary = write_tokenizer(folder / "tokenizer")
    write_tokenizer(folder / "tokenizer_2", pad="!")
    ids = {"vocab_size": vocabulary, "bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1}
    write_network(folder / "text_encoder", "transformers", "CLIPTextModel", TEXT | ids, seed=11)
    second = TEXT_2 | ids | {"pad_token_id": 0}
    write_network(folder / "text_encoder_2", "transformers", "CLIPTextModelWithProjection", second, seed=12)
    write_network(folder / "unet", "diffusers", "UNet2DConditionModel", UNET | XL_UNET | unet, seed=13)
    write_network(folder / "vae", "diffusers", "AutoencoderKL", VAE | {"scaling_factor": 0.13025}, seed=14)
    write_json(folder / "scheduler" / "scheduler_config.json", XL_SCHEDULER)
    write_json(folder / "model_index.json", XL_INDEX)


def sdxl_inpaint(folder: Path) -> None:
    """The same with a denoiser that sees the mask and the masked picture: nine channels."""
    sdxl(folder, in_channels=9)


def sdxl_refiner(folder: Path) -> None:
    """An SDXL refiner: the second text encoder alone, five sizes, one of them the score."""
    sdxl(folder, cross_attention_dim=24, projection_class_embeddings_input_dim=16 + 5 * 8)
    for name in ("text_encoder", "tokenizer"):
        shutil.rmtree(folder / name)
    none = {"text_encoder": [None, None], "tokenizer": [None, None], "requires_aesthetics_score": True}
    index = XL_INDEX | none | {"_class_name": "StableDiffusionXLImg2ImgPipeline", "force_zeros_for_empty_prompt": False}
    write_json(folder / "model_index.json", index)


def unconditional(folder: Path) -> None:
    """A DDPM on 16×16 pixels, each component in its folder."""
    write_network(folder / "unet", "diffusers", "UNet2DModel", PIXEL_UNET, seed=4)
    write_json(folder / "scheduler" / "scheduler_config.json", DDPM_SCHEDULER)
    write_json(folder / "model_index.json", DDPM_INDEX)


def unconditional_at_root(folder: Path) -> None:
    """The same as the oldest repositories had it: all files at the root."""
    write_network(folder, "diffusers", "UNet2DModel", PIXEL_UNET, seed=4)
    write_json(folder / "scheduler_config.json", DDPM_SCHEDULER)
    write_json(folder / "model_index.json", DDPM_INDEX)


DDPM_INDEX = {
    "_class_name": "DDPMPipeline",
    "scheduler": ["diffusers", "DDPMScheduler"],
    "unet": ["diffusers", "UNet2DModel"],
}


def control(folder: Path, seed: int = 7, **options: Any) -> None:
    """A ControlNet for the text-to-image model, none of its weights zero, which sees its picture well."""
    config = CONTROL | options
    net = seeded("ControlNetModel", config, seed)
    for name, parameter in net.named_parameters():
        parameter += (0.5 if "cond_embedding" in name else 0.1) * torch.randn_like(parameter)
    write_json(folder / "config.json", config)
    save_file(net.state_dict(), folder / f"{STEM['diffusers']}.safetensors", {"format": "pt"})


def other_control(folder: Path) -> None:
    """Another one."""
    control(folder, seed=8)


def waves(folder: Path) -> None:
    """A Dance Diffusion on stereo waves of 512 samples at 8 kHz."""
    write_network(folder / "unet", "diffusers", "UNet1DModel", WAVE_UNET, seed=6)
    config = {"_class_name": "IPNDMScheduler", "num_train_timesteps": 1000}
    write_json(folder / "scheduler" / "scheduler_config.json", config)
    index = {
        "_class_name": "DanceDiffusionPipeline",
        "scheduler": ["diffusers", "IPNDMScheduler"],
        "unet": ["diffusers", "UNet1DModel"],
    }
    write_json(folder / "model_index.json", index)


def fp16(folder: Path) -> None:
    """A text-to-image model whose weights are there in half precision only, under the variant's name."""
    text_to_image(folder)
    for path in folder.glob("*/*.safetensors"):
        half = {name: tensor.half() for name, tensor in load_file(path).items()}
        save_file(half, path.with_suffix(".fp16.safetensors"), {"format": "pt"})
        path.unlink()


def sharded(folder: Path) -> None:
    """A text-to-image model whose denoiser comes in three files and an index."""
    text_to_image(folder)
    shard(folder / "unet" / "diffusion_pytorch_model.safetensors", 3)


def shard(path: Path, count: int, variant: str = "") -> None:
    """Split a weights file into shards with an index."""
    state, dot = load_file(path), f".{variant}" if variant else ""
    names = [f"{path.stem}{dot}-{i + 1:05d}-of-{count:05d}.safetensors" for i in range(count)]
    places = {name: names[i % count] for i, name in enumerate(state)}
    for shard_name in names:
        part = {name: tensor for name, tensor in state.items() if places[name] == shard_name}
        save_file(part, path.with_name(shard_name), {"format": "pt"})
    index = {"metadata": {"total_size": path.stat().st_size}, "weight_map": places}
    write_json(path.with_name(f"{path.stem}.safetensors.index{dot}.json"), index)
    path.unlink()


class Tiny:
    """Makes each kind of checkpoint once: `tiny("text_to_image")` is its folder."""

    kinds: Mapping[str, Callable[[Path], None]] = {
        maker.__name__: maker
        for maker in (
            *(text_to_image, sound, inpaint, unconditional, unconditional_at_root, waves, fp16, sharded),
            *(instruct, stable_diffusion_2, sdxl, sdxl_inpaint, sdxl_refiner),
            *(control, other_control),
        )
    }

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, kind: str = "text_to_image") -> Path:
        folder = self.root / kind
        if not folder.exists():
            self.kinds[kind](folder)
        return folder

    def copy(self, kind: str, folder: Path) -> Path:
        """A copy of a checkpoint that a test may damage."""
        return shutil.copytree(self(kind), folder / kind)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return Tiny(tmp_path_factory.mktemp("tiny"))
