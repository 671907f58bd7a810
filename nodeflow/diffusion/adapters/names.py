"""What the names in an adapter file mean. No torch.

unet.mid_block.….to_q.lora_A.weight                  PEFT, diffusers today; lora_B is the way up
unet.mid_block.….to_q.lora.down.weight               diffusers, 2023
unet.mid_block.….processor.to_q_lora.down.weight     diffusers, early 2023
text_encoder.….q_proj.lora_linear_layer.down.weight  diffusers, text encoders
base_model.model.mid_block.….to_q.lora_A.weight      PEFT's own folders: the U-net
lora_unet_mid_block_…_to_q.lora_down.weight          kohya, with .lora_up.weight and .alpha; lora_te_ for texts
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

Role = Literal["down", "up", "alpha"]


class Name(NamedTuple):
    """What a tensor in an adapter file is.

    Args:
        part: "unet" or "text_encoder".
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
    "alpha": "alpha",
}
_PARTS = {
    "unet.": "unet",
    "text_encoder.": "text_encoder",
    "base_model.model.": "unet",
    "lora_unet_": "unet",
    "lora_te1_": "text_encoder",
    "lora_te_": "text_encoder",
}
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


def spellings(module: str) -> set[str]:
    """Every way in which adapter files spell the name of a layer of ours.

    Text encoders of transformers have lost their root "text_model." in 5.6.
    """
    bare = {module, module.removeprefix("text_model.")}
    return bare | {name.replace(".", "_") for name in bare}


def words_in(shapes: Mapping[str, tuple[int, ...]], path: Path) -> dict[str, int]:
    """The words of a file and how many vectors each has, from its header; empty for a file of another kind.

    Args:
        shapes: Of the file's tensors, by name.
        path: The file.
    """
    if "emb_params" in shapes:
        return {path.stem: shapes["emb_params"][0]} if len(shapes["emb_params"]) == 2 else {}
    plain = all(len(shape) in (1, 2) and "." not in name for name, shape in shapes.items())
    return {name: 1 if len(shape) == 1 else shape[0] for name, shape in shapes.items()} if plain else {}
