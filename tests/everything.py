"""All small models and all that is put onto models: the two tables that the matrix in `nodes/test_matrix.py` crosses.

A new kind of model is a row of `MODELS`, a new kind of addition a row of `ADDITIONS`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import picturing
import tiny
import tiny_flows
import tiny_glide
import torch
from safetensors.torch import save_file

from nodeflow.graph.graph import Graph, Port
from tests import singles

# -- models that no other file makes -------------------------------------------------------------------------------

DDIM = {key: value for key, value in tiny.SD_SCHEDULER.items() if key != "skip_prk_steps"} | {
    "_class_name": "DDIMScheduler"
}  # fmt: skip
DIT = {
    "_class_name": "DiTTransformer2DModel", "attention_head_dim": 8, "num_attention_heads": 2, "num_layers": 2,
    "sample_size": 8, "in_channels": 4, "out_channels": 8,
}  # fmt: skip
BERT = {
    "architectures": ["LDMBertModel"], "vocab_size": 16, "d_model": 32, "encoder_layers": 2, "encoder_ffn_dim": 48,
    "encoder_attention_heads": 3, "head_dim": 8,
}  # fmt: skip
VQ = tiny.VAE | {"_class_name": "VQModel", "latent_channels": 3, "num_vq_embeddings": 20}


def _write(folder: Path, pipeline: str, scheduler: dict[str, Any], **parts: tuple[str, str, dict[str, Any]]) -> None:
    for seed, (name, (library, kind, config)) in enumerate(parts.items(), 50):
        tiny.write_network(folder / name, "diffusers" if library == "diffusers" else "transformers", kind, config, seed)
    index = {name: [library, kind] for name, (library, kind, _) in parts.items()}
    tiny.write_json(folder / "scheduler" / "scheduler_config.json", scheduler)
    index["scheduler"] = ["diffusers", scheduler["_class_name"]]
    tiny.write_json(folder / "model_index.json", {"_class_name": pipeline, **index})


def dit(folder: Path) -> None:
    """A DiT, which is told a class."""
    coder = ("diffusers", "AutoencoderKL", tiny.VAE)
    _write(folder, "DiTPipeline", DDIM, transformer=("diffusers", "DiTTransformer2DModel", DIT), vae=coder)


def latent_diffusion(folder: Path) -> None:
    """The first latent diffusion from words."""
    unet = ("diffusers", "UNet2DConditionModel", tiny.UNET)
    coder = ("diffusers", "AutoencoderKL", tiny.VAE)
    _write(
        folder, "LDMTextToImagePipeline", DDIM, unet=unet, vqvae=coder, bert=("latent_diffusion", "LDMBertModel", BERT)
    )
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "photo", "of", "red", "heart", "happy", "face", ",",
             "##s", "##d", "sad"]  # fmt: skip
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "vocab.txt").write_text("\n".join(words))
    index = json.loads((folder / "model_index.json").read_text())
    tiny.write_json(folder / "model_index.json", index | {"tokenizer": ["transformers", "BertTokenizer"]})


def upscaler(folder: Path) -> None:
    """Latent diffusion that enlarges."""
    unet = ("diffusers", "UNet2DModel", tiny.PIXEL_UNET | {"in_channels": 6})
    _write(folder, "LDMSuperResolutionPipeline", DDIM, vqvae=("diffusers", "VQModel", VQ), unet=unet)


def stable_audio(folder: Path) -> None:
    """A Stable Audio."""
    singles.write_folder(folder, "stable-audio")


def _single(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        save_file(singles.original(name), folder / "model.safetensors")
        return folder / "model.safetensors"

    return write


MODELS: Mapping[str, Callable[[Path], Path | None]] = {
    **{name: make for name, make in tiny.Tiny.kinds.items() if "control" not in name},
    **{make.__name__: make for make in (*tiny_flows.FLOWS, *tiny_glide.GLIDES)},
    **{make.__name__: make for make in (dit, latent_diffusion, upscaler, stable_audio)},
    **{f"{name} in one file": _single(name) for name in ("sd1", "sdxl-refiner", "sd3-without-t5", "stable-audio")},
}
"""Name -> what writes it into a folder; it returns the model's path, if that is not the folder."""


# -- what is put onto models ---------------------------------------------------------------------------------------


class Addition(NamedTuple):
    """Something that is put onto a model.

    Args:
        make: Writes it into a folder and returns its path.
        put: Puts it into the graph of a prompt, given its path and that of a picture.
    """

    make: Callable[[Path], Path]
    put: Callable[[Graph, Path, Path], None]


def _through(graph: Graph, node: str, denoiser: str, text_encoder: str = "") -> None:
    """Let the sampler take its denoiser, and the prompts their encoder, from a node."""
    graph.nodes["denoise"].wires["model"] = f"{node}.{denoiser}"
    for name in ("positive", "negative") if text_encoder else ():
        graph.nodes[name].wires["text_encoder"] = f"{node}.{text_encoder}"


LOAD, TEXTS = Port("load.denoiser"), Port("load.text_encoder")


def _lora(graph: Graph, path: Path, _: Path) -> None:
    node = graph.add("model/lora", denoiser=LOAD, text_encoder=TEXTS, path=str(path))
    _through(graph, node.name, "denoiser", "text_encoder")


def _control(graph: Graph, path: Path, picture: Path) -> None:
    image = graph.add("image/load", path=str(picture))
    network = graph.add("control/load", network=str(path))
    wires = {"network": network["control_network"], "image": image["image"], "autoencoder": Port("load.autoencoder")}
    node = graph.add("control/apply", model=LOAD, **wires)
    _through(graph, node.name, "denoiser")


def _ip_adapter(graph: Graph, path: Path, picture: Path) -> None:
    image = graph.add("image/load", path=str(picture))
    eye = graph.add("control/load-image-encoder", encoder=str(path.parent / "eye"))
    seen = graph.add("control/see", image_encoder=eye["image_encoder"], image=image["image"])
    adapter = graph.add("control/load-ip-adapter", adapter=str(path))
    node = graph.add(
        "control/apply-ip-adapter", model=LOAD, adapter=adapter["ip_adapter"], picture=seen["image_states"]
    )
    _through(graph, node.name, "denoiser")


def _autoencoder(graph: Graph, path: Path, _: Path) -> None:
    other = graph.add("model/load", model=str(path))
    graph.nodes["decode"].wires["autoencoder"] = other["autoencoder"]


def _texts(graph: Graph, path: Path, _: Path) -> None:
    other = graph.add("model/load", model=str(path))
    _through(graph, "load", "denoiser")
    for name in ("positive", "negative"):
        graph.nodes[name].wires["text_encoder"] = other["text_encoder"]


def _schedule(graph: Graph, path: Path, _: Path) -> None:
    other = graph.add("model/load", model=str(path))
    graph.nodes["schedule"].wires["default"] = other["scheduler"]


def _file(**tensors: tuple[int, ...]) -> Callable[[Path], Path]:
    """Writes a file of these shapes; a name's / stands for a dot."""

    def write(folder: Path) -> Path:
        draw = torch.Generator().manual_seed(3)
        state = {name.replace("/", "."): 0.1 * torch.randn(shape, generator=draw) for name, shape in tensors.items()}
        save_file(state, folder / "added.safetensors")
        return folder / "added.safetensors"

    return write


def _folder(make: Callable[[Path], Any]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        return make(folder) or folder

    return write


def _picture_prompt(fits: tuple[int, tuple[int, ...]], plus: bool = False) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        picturing.write_eye(folder / "eye")
        return picturing.write_adapter(folder / "adapter.safetensors", fits, plus)

    return write


_MID = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k"
_KOHYA, _PEFT = f"lora_unet_{_MID.replace('.', '_')}", f"unet/{_MID.replace('.', '/')}"
_CLIP = "lora_te_text_model_encoder_layers_0_self_attn_q_proj"
_DOUBLE, _JOINT = "lora_unet_double_blocks_0_img_attn_proj", "transformer/transformer_blocks/0/attn/to_q"
T2I = {"_class_name": "T2IAdapter", "channels": [16, 32], "downscale_factor": 2, "num_res_blocks": 1}


FLOW_CONTROLS = {
    "flux": tiny_flows.FLUX | {"_class_name": "FluxControlNetModel", "num_single_layers": 1},
    "sd3": tiny_flows.SD3 | {"_class_name": "SD3ControlNetModel", "num_layers": 2},
}  # fmt: skip


def _network(config: dict[str, Any]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        tiny.write_network(folder, "diffusers", config["_class_name"], config)
        return folder

    return write


ADDITIONS: Mapping[str, Addition] = {
    "LoRA, kohya": Addition(
        _file(**{f"{_KOHYA}/lora_down/weight": (2, 32), f"{_KOHYA}/lora_up/weight": (32, 2), f"{_KOHYA}/alpha": ()}),
        _lora,
    ),
    "LoRA, PEFT, for SDXL": Addition(
        _file(**{f"{_PEFT}/lora_A/weight": (2, 56), f"{_PEFT}/lora_B/weight": (32, 2)}), _lora
    ),
    "LoRA of a text encoder": Addition(
        _file(**{f"{_CLIP}/lora_down/weight": (2, 32), f"{_CLIP}/lora_up/weight": (32, 2)}), _lora
    ),
    "LoHa": Addition(
        _file(**{f"{_KOHYA}/hada_w1_a": (32, 2), f"{_KOHYA}/hada_w1_b": (2, 32), f"{_KOHYA}/hada_w2_a": (32, 2),
                 f"{_KOHYA}/hada_w2_b": (2, 32)}), _lora,
    ),
    "LoKr": Addition(_file(**{f"{_KOHYA}/lokr_w1": (4, 4), f"{_KOHYA}/lokr_w2": (8, 8)}), _lora),
    "DoRA": Addition(
        _file(**{f"{_KOHYA}/lora_down/weight": (2, 32), f"{_KOHYA}/lora_up/weight": (32, 2),
                 f"{_KOHYA}/dora_scale": (1, 32)}), _lora,
    ),
    "LoRA for Flux": Addition(
        _file(**{f"{_DOUBLE}/lora_down/weight": (2, 32), f"{_DOUBLE}/lora_up/weight": (32, 2)}), _lora
    ),
    "LoRA for SD 3": Addition(
        _file(**{f"{_JOINT}/lora_A/weight": (2, 16), f"{_JOINT}/lora_B/weight": (16, 2)}), _lora
    ),
    "word": Addition(_file(emb_params=(2, 32)), _lora),
    "word for SDXL": Addition(_file(clip_l=(1, 32), clip_g=(1, 24)), _lora),
    "no adapter at all": Addition(_file(**{"some/weight": (2, 2)}), _lora),
    "ControlNet": Addition(_folder(tiny.control), _control),
    "T2I-Adapter": Addition(_network(T2I), _control),
    "ControlNet of Flux": Addition(_network(FLOW_CONTROLS["flux"]), _control),
    "ControlNet of SD 3": Addition(_network(FLOW_CONTROLS["sd3"]), _control),
    "IP-Adapter": Addition(_picture_prompt(picturing.SD1), _ip_adapter),
    "IP-Adapter plus, for SDXL": Addition(_picture_prompt(picturing.SDXL, True), _ip_adapter),
    "VAE of SD 1": Addition(_folder(tiny.text_to_image), _autoencoder),
    "VAE of Flux": Addition(_folder(tiny_flows.flux), _autoencoder),
    "VAE of sounds": Addition(_folder(tiny.sound), _autoencoder),
    "texts of SDXL": Addition(_folder(tiny.sdxl), _texts),
    "texts of SD 3": Addition(_folder(tiny_flows.sd3_without_t5), _texts),
    "schedule of Flux": Addition(_folder(tiny_flows.flux), _schedule),
}  # fmt: skip
"""Name -> how it is made and put onto a model."""
