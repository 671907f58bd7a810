"""The configurations of published models, as their repositories have them: every family that we run, at full size."""

from __future__ import annotations

from typing import Any

Options = dict[str, Any]
Parts = dict[str, tuple[str, Options]]
"""The networks of a model by the names of its components: class name and configuration."""

SD15: Options = {
    "act_fn": "silu",
    "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280],
    "center_input_sample": False,
    "cross_attention_dim": 768,
    "down_block_types": [*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"],
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-05,
    "norm_num_groups": 32,
    "out_channels": 4,
    "sample_size": 64,
    "up_block_types": ["UpBlock2D", *["CrossAttnUpBlock2D"] * 3],
}
SD21: Options = {
    **SD15,
    "attention_head_dim": [5, 10, 20, 20],
    "cross_attention_dim": 1024,
    "dual_cross_attention": False,
    "num_class_embeds": None,
    "only_cross_attention": False,
    "sample_size": 96,
    "upcast_attention": True,
    "use_linear_projection": True,
}
SDXL: Options = {
    **SD21,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "attention_head_dim": [5, 10, 20],
    "block_out_channels": [320, 640, 1280],
    "cross_attention_dim": 2048,
    "down_block_types": ["DownBlock2D", *["CrossAttnDownBlock2D"] * 2],
    "projection_class_embeddings_input_dim": 2816,
    "sample_size": 128,
    "transformer_layers_per_block": [1, 2, 10],
    "up_block_types": [*["CrossAttnUpBlock2D"] * 2, "UpBlock2D"],
}
UPSCALER: Options = {
    **SD21,
    "attention_head_dim": 8,
    "block_out_channels": [256, 512, 512, 1024],
    "down_block_types": ["DownBlock2D", *["CrossAttnDownBlock2D"] * 3],
    "in_channels": 7,
    "num_class_embeds": 1000,
    "only_cross_attention": [True, True, True, False],
    "up_block_types": [*["CrossAttnUpBlock2D"] * 3, "UpBlock2D"],
}
DDPM: Options = {
    "act_fn": "silu",
    "attention_head_dim": None,
    "center_input_sample": False,
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "in_channels": 3,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-06,
    "norm_num_groups": 32,
    "out_channels": 3,
    "time_embedding_type": "positional",
}
DANCE: Options = {
    "block_out_channels": [128, 128, 256, 256, *[512] * 9],
    "down_block_types": ["DownBlock1DNoSkip", *["DownBlock1D"] * 8, *["AttnDownBlock1D"] * 4],
    "extra_in_channels": 16,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 2,
    "mid_block_type": "UNetMidBlock1D",
    "out_channels": 2,
    "sample_rate": 16000,
    "sample_size": 65536,
    "time_embedding_type": "fourier",
    "up_block_types": [*["AttnUpBlock1D"] * 4, *["UpBlock1D"] * 8, "UpBlock1DNoSkip"],
    "use_timestep_embedding": False,
}
REFINER: Options = {
    **SD15,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "attention_head_dim": [6, 12, 24, 24],
    "block_out_channels": [384, 768, 1536, 1536],
    "cross_attention_dim": 1280,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "projection_class_embeddings_input_dim": 2560,
    "sample_size": 128,
    "transformer_layers_per_block": 4,
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "use_linear_projection": True,
}
STABLE_AUDIO: Options = {
    "attention_head_dim": 64,
    "cross_attention_dim": 768,
    "cross_attention_input_dim": 768,
    "global_states_input_dim": 1536,
    "in_channels": 64,
    "num_attention_heads": 24,
    "num_key_value_attention_heads": 12,
    "num_layers": 24,
    "out_channels": 64,
    "sample_size": 1024,
    "time_proj_dim": 256,
}
OOBLECK: Options = {
    "audio_channels": 2,
    "channel_multiples": [1, 2, 4, 8, 16],
    "decoder_channels": 128,
    "decoder_input_channels": 64,
    "downsampling_ratios": [2, 4, 4, 8, 8],
    "encoder_hidden_size": 128,
    "sampling_rate": 44100,
}
VAE: Options = {
    "act_fn": "silu",
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "out_channels": 3,
    "sample_size": 512,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
VAE_XL: Options = {**VAE, "sample_size": 1024, "scaling_factor": 0.13025, "force_upcast": True}
CLIP_L: Options = {
    "hidden_act": "quick_gelu",
    "hidden_size": 768,
    "intermediate_size": 3072,
    "max_position_embeddings": 77,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "projection_dim": 768,
    "vocab_size": 49408,
}
OPEN_CLIP_H: Options = {
    **CLIP_L,
    "hidden_act": "gelu",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 23,
    "projection_dim": 512,
}
OPEN_CLIP_BIG_G: Options = {
    **OPEN_CLIP_H,
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_attention_heads": 20,
    "num_hidden_layers": 32,
    "projection_dim": 1280,
}


def stable_diffusion(unet: Options, text: Options = CLIP_L) -> Parts:
    return {
        "unet": ("UNet2DConditionModel", unet),
        "vae": ("AutoencoderKL", VAE),
        "text_encoder": ("CLIPTextModel", text),
    }


def sdxl(unet: Options, *components: str) -> Parts:
    texts: Parts = {
        "text_encoder": ("CLIPTextModel", CLIP_L),
        "text_encoder_2": ("CLIPTextModelWithProjection", OPEN_CLIP_BIG_G),
    }
    chosen = {name: texts[name] for name in components or texts}
    return {"unet": ("UNet2DConditionModel", unet), "vae": ("AutoencoderKL", VAE_XL), **chosen}


MODELS: dict[str, tuple[str, str, Parts]] = {
    "SD 1.5": ("sd1", "paint", stable_diffusion(SD15)),
    "SD 1.5 inpainting": ("sd1", "inpaint", stable_diffusion({**SD15, "in_channels": 9})),
    "InstructPix2Pix": ("sd1", "edit", stable_diffusion({**SD15, "in_channels": 8})),
    "SD 2.1": ("sd2", "paint", stable_diffusion(SD21, OPEN_CLIP_H)),
    "SD 2 inpainting": ("sd2", "inpaint", stable_diffusion({**SD21, "in_channels": 9}, OPEN_CLIP_H)),
    "SDXL": ("sdxl", "paint", sdxl(SDXL)),
    "SDXL inpainting": ("sdxl", "inpaint", sdxl({**SDXL, "in_channels": 9})),
    "SDXL refiner": ("sdxl-refiner", "paint", sdxl(REFINER, "text_encoder_2")),
}
"""Whole models: family, task, networks. A family that is added gets its rows here."""

OTHERS: dict[str, tuple[str, Options]] = {
    "SD 2.1 unclip": (
        "UNet2DConditionModel",
        {**SD21, "class_embed_type": "projection", "projection_class_embeddings_input_dim": 2048},
    ),
    "SD x4 upscaler": ("UNet2DConditionModel", UPSCALER),
    "Stable Audio Open": ("StableAudioDiTModel", STABLE_AUDIO),
    "Stable Audio Open, sounds": ("AutoencoderOobleck", OOBLECK),
    "Stable Audio Open, seconds": (
        "StableAudioProjectionModel",
        {"text_encoder_dim": 768, "conditioning_dim": 768, "min_value": 0, "max_value": 512},
    ),
    "Dance Diffusion": ("UNet1DModel", {**DANCE, "time_embedding_dim": 16}),
    "ddpm-cifar10-32": (
        "UNet2DModel",
        {
            **DDPM,
            "block_out_channels": [128, 256, 256, 256],
            "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
            "sample_size": 32,
            "up_block_types": ["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
        },
    ),
    "ddpm-celebahq-256": (
        "UNet2DModel",
        {
            **DDPM,
            "block_out_channels": [128, 128, 256, 256, 512, 512],
            "down_block_types": [*["DownBlock2D"] * 4, "AttnDownBlock2D", "DownBlock2D"],
            "sample_size": 256,
            "up_block_types": ["UpBlock2D", "AttnUpBlock2D", *["UpBlock2D"] * 4],
        },
    ),
}
"""Networks of models that we run in part, or that consist of one."""

COUNTS = {"SD 1.5": 859_520_964, "SD 1.5 inpainting": 859_535_364, "SD 2.1": 865_910_724, "SDXL": 2_567_463_684}
"""How many parameters the denoisers are known to have."""
