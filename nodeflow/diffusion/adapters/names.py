"""What the names in an adapter file mean. No torch.

unet.mid_block.….to_q.lora_A.weight                  PEFT, diffusers today; lora_B is the way up
transformer.transformer_blocks.0.….to_q.lora_A.weight  the same of SD 3 and Flux
unet.mid_block.….to_q.lora.down.weight               diffusers, 2023
unet.mid_block.….processor.to_q_lora.down.weight     diffusers, early 2023
text_encoder.….q_proj.lora_linear_layer.down.weight  diffusers, text encoders; text_encoder_2. the second
base_model.model.mid_block.….to_q.lora_A.weight      PEFT's own folders: the denoiser
lora_unet_mid_block_…_to_q.lora_down.weight          kohya, with .lora_up.weight and .alpha; lora_te_ for texts
lora_unet_input_blocks_4_1_…_to_q.lora_down.weight   the same by the names of original files; lora_te1_, lora_te2_
diffusion_model.double_blocks.0.….lora_down.weight   ComfyUI, by the names of original files
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

Role = str
"""down, up, mid, alpha, dora_scale (lengths of rows or columns by its shape), magnitude (of rows: PEFT), diff, diff_b
(of the bias), and LyCORIS' own names, such as hada_w1_a."""


class Name(NamedTuple):
    """What a tensor in an adapter file is.

    Args:
        part: "unet" (any denoiser), "text_encoder", "text_encoder_2" or "text_encoder_3".
        module: The layer it changes; with dots, or in kohya's form with underscores.
        role: Its place in the update.
    """

    part: str
    module: str
    role: Role


_ROLES: dict[str, Role] = {
    "lora_A.weight": "down",
    "lora_B.weight": "up",
    "lora_A.default.weight": "down",
    "lora_B.default.weight": "up",
    "lora.down.weight": "down",
    "lora.up.weight": "up",
    "lora_linear_layer.down.weight": "down",
    "lora_linear_layer.up.weight": "up",
    "lora_down.weight": "down",
    "lora_up.weight": "up",
    "lora_mid.weight": "mid",
    "lora_magnitude_vector": "magnitude",
    "lora_magnitude_vector.weight": "magnitude",
    "lora_magnitude_vector.default.weight": "magnitude",
    "w_norm": "diff",
    "b_norm": "diff_b",
    **{name: name for name in ("alpha", "dora_scale", "diff", "diff_b", "hada_t1", "hada_t2", "lokr_t1", "lokr_t2")},
    **{f"{kind}_w{i}_{half}": f"{kind}_w{i}_{half}" for kind in ("hada", "lokr") for i in (1, 2) for half in "ab"},
    **{f"lokr_w{i}": f"lokr_w{i}" for i in (1, 2)},
}
_PARTS = {
    "unet.": "unet",
    "transformer.": "unet",
    "diffusion_model.": "unet",
    "base_model.model.": "unet",
    "lora_unet_": "unet",
    "lora_transformer_": "unet",
    "lycoris_": "unet",
    "text_encoder.": "text_encoder",
    "text_encoder_2.": "text_encoder_2",
    "text_encoder_3.": "text_encoder_3",
    "text_encoders.clip_l.transformer.": "text_encoder",
    "text_encoders.clip_g.transformer.": "text_encoder_2",
    "text_encoders.t5xxl.transformer.": "text_encoder_3",
    "lora_te_": "text_encoder",
    "lora_te1_": "text_encoder",
    "lora_te2_": "text_encoder_2",
    "lora_te3_": "text_encoder_3",
}
"""What names begin with -> the part of the model."""
_PROCESSOR = re.compile(r"(?P<at>.+)\.processor\.(?P<layer>to_[qkv]|to_out)_lora\.(?P<role>down|up)\.weight")


def read(key: str) -> Name | None:
    """What a tensor of this name is; None for one that belongs to no update that we know."""
    prefix = next((prefix for prefix in _PARTS if key.startswith(prefix)), None)
    if prefix is None:
        return None
    part, rest = _PARTS[prefix], key.removeprefix(prefix)
    if match := _PROCESSOR.fullmatch(rest):
        layer = "to_out.0" if match["layer"] == "to_out" else match["layer"]
        return Name(part, f"{match['at']}.{layer}", "down" if match["role"] == "down" else "up")
    for ending, role in _ROLES.items():
        if rest.endswith(f".{ending}"):
            return Name(part, rest.removesuffix(f".{ending}"), role)
    return None


def words_in(shapes: Mapping[str, tuple[int, ...]], path: Path) -> dict[str, dict[str, str]]:
    """The words of a file, from its header: part of a model -> word -> the tensor of its vectors.

    Empty for a file of another kind.

    Args:
        shapes: Of the file's tensors, by name.
        path: The file.
    """
    if not shapes or not all(len(shape) in (1, 2) and "." not in name for name, shape in shapes.items()):
        return {}
    if shapes.keys() <= PAIRED.keys():
        return {PAIRED[name]: {path.stem: name} for name in shapes}
    return {"text_encoder": {path.stem if name == "emb_params" else name: name for name in shapes}}


PAIRED = {"clip_l": "text_encoder", "clip_g": "text_encoder_2"}
"""What a word's vectors are called that was learnt by both text encoders of SDXL, and whose they are."""
