"""Tiny checkpoints of the families on rectified flows: Stable Diffusion 3 and Flux, on pictures of 64×64."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from tiny import TEXT, VAE, WORDS, write_json, write_network, write_tokenizer
from tokenizers import Tokenizer, pre_tokenizers, processors
from tokenizers.models import Unigram

CLIP: dict[str, Any] = TEXT | {"architectures": ["CLIPTextModelWithProjection"], "projection_dim": 20}
CLIP_2: dict[str, Any] = CLIP | {
    "hidden_size": 24, "intermediate_size": 48, "hidden_act": "gelu", "projection_dim": 16
}  # fmt: skip
T5: dict[str, Any] = {
    "architectures": ["T5EncoderModel"], "model_type": "t5", "d_model": 64, "d_kv": 8, "d_ff": 48, "num_layers": 2,
    "num_heads": 4, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "vocab_size": 192,
}  # fmt: skip
SPACE: dict[str, Any] = VAE | {
    "sample_size": 64, "latent_channels": 16, "block_out_channels": [8, 8, 8, 8], "use_quant_conv": False,
    "use_post_quant_conv": False, "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}  # fmt: skip
SD3: dict[str, Any] = {
    "_class_name": "SD3Transformer2DModel", "sample_size": 8, "patch_size": 2, "in_channels": 16, "out_channels": 16,
    "num_layers": 3, "attention_head_dim": 8, "num_attention_heads": 2, "joint_attention_dim": 64,
    "caption_projection_dim": 16, "pooled_projection_dim": 36, "pos_embed_max_size": 12, "qk_norm": "rms_norm",
    "dual_attention_layers": [0],
}  # fmt: skip
FLUX: dict[str, Any] = {
    "_class_name": "FluxTransformer2DModel", "patch_size": 1, "in_channels": 64, "num_layers": 1,
    "num_single_layers": 2, "attention_head_dim": 16, "num_attention_heads": 2, "joint_attention_dim": 64,
    "pooled_projection_dim": 32, "guidance_embeds": True, "axes_dims_rope": [4, 4, 8],
}  # fmt: skip
SCHEDULER: dict[str, Any] = {
    "_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0
}  # fmt: skip
DYNAMIC: dict[str, Any] = SCHEDULER | {
    "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15, "base_image_seq_len": 256,
    "max_image_seq_len": 4096,
}  # fmt: skip


def pieces() -> list[tuple[str, float]]:
    """T5's vocabulary in small: special pieces, letters, words, each with its log probability."""
    signs = [chr(code) for code in range(33, 127)]
    words = [f"▁{word}" for word in WORDS]
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    return [*special, ("▁", -2.0), *((word, -3.0) for word in words), *((sign, -6.0) for sign in signs)]


def write_t5_tokenizer(folder: Path, sentinels: int = 10) -> None:
    """T5's published tokenizer file with a small vocabulary."""
    extra = [(f"<extra_id_{i}>", 0.0) for i in reversed(range(sentinels))]
    tokenizer = Tokenizer(Unigram([*pieces(), *extra], 2, byte_fallback=False))
    spaces = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), spaces])
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", None, [("</s>", 1)])
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    options = {"tokenizer_class": "T5Tokenizer", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    more = {"extra_ids": sentinels, "additional_special_tokens": [name for name, _ in extra], "model_max_length": 512}
    write_json(folder / "tokenizer_config.json", options | more)


def sentencepiece(kinds: tuple[int, ...] = (3, 3, 2)) -> bytes:
    """The same pieces as a `spiece.model`."""

    def part(number: int, data: bytes) -> bytes:
        return bytes([number << 3 | 2]) + _whole(len(data)) + data

    found = b""
    for i, (name, score) in enumerate(pieces()):
        kind = kinds[i] if i < len(kinds) else 1
        found += part(1, part(1, name.encode()) + b"\x15" + struct.pack("<f", score) + b"\x18" + bytes([kind]))
    return found + part(2, b"\x18\x01") + part(3, part(1, b"nmt_nfkc"))


def _whole(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + _whole(value >> 7)


def _clip(folder: Path, number: str, config: dict[str, Any], kind: str, seed: int) -> None:
    vocabulary = write_tokenizer(folder / f"tokenizer{number}")
    ids = {"vocab_size": vocabulary, "bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1}
    write_network(folder / f"text_encoder{number}", "transformers", kind, config | ids, seed)


def _denoiser(folder: Path, kind: str, config: dict[str, Any], seed: int) -> None:
    """A denoiser whose picture depends on all it is told by far more than rounding: its matrices are enlarged."""
    write_network(folder, "diffusers", kind, config, seed)
    path = folder / "diffusion_pytorch_model.safetensors"
    state = {name: tensor * 2.5 if tensor.ndim == 2 else tensor for name, tensor in load_file(path).items()}
    save_file(state, path, {"format": "pt"})


def sd3(folder: Path) -> None:
    """A Stable Diffusion 3.5 medium."""
    kind = "CLIPTextModelWithProjection"
    _clip(folder, "", CLIP, kind, 21)
    _clip(folder, "_2", CLIP_2, kind, 22)
    write_t5_tokenizer(folder / "tokenizer_3")
    write_network(folder / "text_encoder_3", "transformers", "T5EncoderModel", T5, 23)
    _denoiser(folder / "transformer", "SD3Transformer2DModel", SD3, 24)
    space = SPACE | {"scaling_factor": 1.5305, "shift_factor": 0.0609}
    write_network(folder / "vae", "diffusers", "AutoencoderKL", space, 25)
    write_json(folder / "scheduler" / "scheduler_config.json", SCHEDULER)
    index = {
        "_class_name": "StableDiffusion3Pipeline", "_diffusers_version": "0.42.1",
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", kind], "text_encoder_2": ["transformers", kind],
        "text_encoder_3": ["transformers", "T5EncoderModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"], "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "tokenizer_3": ["transformers", "T5TokenizerFast"],
        "transformer": ["diffusers", "SD3Transformer2DModel"], "vae": ["diffusers", "AutoencoderKL"],
    }  # fmt: skip
    write_json(folder / "model_index.json", index)


def sd3_without_t5(folder: Path) -> None:
    """The same as people keep it where memory is short: the third text encoder left out."""
    sd3(folder)
    index = {"text_encoder_3": [None, None], "tokenizer_3": [None, None]}
    for name in index:
        shutil.rmtree(folder / name)
    _reindex(folder, index)


def flux(folder: Path, scheduler: dict[str, Any] = DYNAMIC, kind: str = "FluxPipeline", **transformer: Any) -> None:
    """A Flux.1 dev."""
    _clip(folder, "", TEXT, "CLIPTextModel", 31)
    write_t5_tokenizer(folder / "tokenizer_2")
    write_network(folder / "text_encoder_2", "transformers", "T5EncoderModel", T5, 32)
    _denoiser(folder / "transformer", "FluxTransformer2DModel", FLUX | transformer, 33)
    space = SPACE | {"scaling_factor": 0.3611, "shift_factor": 0.1159}
    write_network(folder / "vae", "diffusers", "AutoencoderKL", space, 34)
    write_json(folder / "scheduler" / "scheduler_config.json", scheduler)
    index = {
        "_class_name": kind, "_diffusers_version": "0.42.1",
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"], "text_encoder_2": ["transformers", "T5EncoderModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"], "tokenizer_2": ["transformers", "T5TokenizerFast"],
        "transformer": ["diffusers", "FluxTransformer2DModel"], "vae": ["diffusers", "AutoencoderKL"],
    }  # fmt: skip
    write_json(folder / "model_index.json", index)


def flux_schnell(folder: Path) -> None:
    """A Flux.1 schnell: not told a guidance, its levels shift with nothing."""
    flux(folder, SCHEDULER | {"shift": 1.0, "use_dynamic_shifting": False}, guidance_embeds=False)


def flux_fill(folder: Path) -> None:
    """A Flux.1 Fill, which sees the blanked picture and the mask of every pixel."""
    flux(folder, kind="FluxFillPipeline", in_channels=384, out_channels=64)


def flux_kontext(folder: Path) -> None:
    """A Flux.1 Kontext, which looks at a picture."""
    flux(folder, kind="FluxKontextPipeline")


def flux_canny(folder: Path) -> None:
    """A Flux.1 Canny, which sees the edges to follow beside the latent."""
    flux(folder, kind="FluxControlPipeline", in_channels=128, out_channels=64)


def _reindex(folder: Path, changes: dict[str, Any]) -> None:
    import json

    path = folder / "model_index.json"
    write_json(path, json.loads(path.read_text()) | changes)


FLOWS = (sd3, sd3_without_t5, flux, flux_schnell, flux_fill, flux_kontext, flux_canny)
