"""Which models an adapter fits, told from its header: before anything is loaded, without torch.

Two things tell: what the layers are called (a U-net's blocks, Flux's, Stable Diffusion 3's), and how wide what they
read is. A U-net's cross-attention reads text states; the attention of a multimodal transformer reads its own width.
Every kind of change writes that width in other tensors (`_width`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..checkpoints.families import FAMILIES, read_by
from ..checkpoints.headers import read_header
from . import names

_FORMS: tuple[tuple[str, str], ...] = (
    (r"(double_blocks|single_blocks|single_transformer_blocks)[._]", "flux"),
    (r"joint_blocks[._]|transformer_blocks[._]\d+[._]attn2[._](add|to_add)", "sd3"),
    (r"(down_blocks|up_blocks|mid_block|input_blocks|middle_block|output_blocks)[._]", "unet"),
    (r"transformer_blocks[._]\d+[._](attn[._]|norm1_context|ff_context)", "multimodal"),
)
"""How layers begin, and the form of network that has such."""
_KINDS = {
    "unet": ("UNet2DConditionModel", "UNet2DModel"),
    "flux": ("FluxTransformer2DModel",),
    "sd3": ("SD3Transformer2DModel",),
    "multimodal": ("FluxTransformer2DModel", "SD3Transformer2DModel"),
}
_WORDS = {"unet": "models of U-nets", "flux": "models of flux", "sd3": "models of sd3",
          "multimodal": "models of sd3 or flux"}  # fmt: skip
_READS = re.compile(r".*attn2[._]to_k")
"""The layer of a U-net that reads text states, in both spellings of its name."""
_OWN = re.compile(r".*(attn[._](to_q|qkv)|(img|txt)_attn[._]qkv|single_blocks[._]\d+[._]linear1)")
"""Layers of a multimodal transformer that read its own width."""
_PUBLISHED = {3072: "flux", 1536: "sd3", 2432: "sd3"}
"""Widths of published multimodal transformers."""
Pieces = Mapping[str, tuple[int, ...]]


class Made(NamedTuple):
    """What an adapter was made for.

    Args:
        form: A key of `_KINDS`.
        width: Of text states for a U-net, else the network's own; None = not said.
    """

    form: str
    width: int | None

    @property
    def words(self) -> str:
        """Which models those are."""
        if self.width is None:
            return _WORDS[self.form]
        if self.form == "unet":
            return read_by(self.width, _KINDS[self.form])
        if self.form == "multimodal" and self.width in _PUBLISHED:
            return f"models of {_PUBLISHED[self.width]}"
        return f"{_WORDS[self.form]} that are {self.width} wide"

    def fits(self, kind: str | None, states: int | None, wide: int | None) -> bool:
        """Whether it may fit a denoiser of this class and these widths; what is unknown is not refused."""
        if kind and kind not in _KINDS[self.form]:
            return False
        have = states if self.form == "unet" else wide
        return not (have and self.width and have != self.width)

    def wanted(self, family: str, states: int | None) -> str:
        """What would fit a model, in words."""
        published = next((one.states for one in FAMILIES if one.name == family), ())
        return (
            read_by(states, _KINDS["unet"]) if states and (published or self.form == "unet") else f"models of {family}"
        )


def made_for(path: Path) -> Made | None:
    """What the denoiser of a LoRA, LoHa, LoKr or DoRA is; None = it changes none, or its names do not tell.

    Raises:
        NodeflowError: As `read_header`.
    """
    modules: dict[str, dict[str, tuple[int, ...]]] = {}
    for key, info in read_header(path).tensors.items():
        name = names.read(key)
        if name and name.part == "unet":
            modules.setdefault(name.module, {})[name.role] = info.shape
    found = {form for module in modules for begins, form in _FORMS if re.match(begins, module)}
    form = next((form for form in ("flux", "sd3", "unet", "multimodal") if form in found), None)
    if form is None:
        return None
    tells = _READS if form == "unet" else _OWN
    widths = (_width(pieces) for module, pieces in modules.items() if tells.fullmatch(module))
    return Made(form, next((width for width in widths if width), None))


def width_of(kind: str, config: Mapping[str, Any]) -> int | None:
    """The own width of a multimodal transformer; None for other networks."""
    if kind not in _KINDS["multimodal"]:
        return None
    usual = (24, 128) if kind == "FluxTransformer2DModel" else (18, 64)
    return config.get("num_attention_heads", usual[0]) * config.get("attention_head_dim", usual[1])


def _width(pieces: Pieces) -> int | None:
    """How many numbers a layer reads, told by the shapes of its change; None = they do not tell."""
    if "down" in pieces and "mid" not in pieces:
        return math.prod(pieces["down"][1:])
    if "diff" in pieces:
        return math.prod(pieces["diff"][1:])
    if "hada_w1_b" in pieces:
        return pieces["hada_w1_b"][1]
    sides = [pieces.get(f"lokr_w{i}") or pieces.get(f"lokr_w{i}_b") for i in (1, 2)]
    return math.prod(side[1] for side in sides if side) if all(sides) else None


def word_widths(path: Path) -> dict[str, int]:
    """How wide the vectors of the learnt words in a file are, by the text encoder that learnt them; empty = no words.

    Raises:
        NodeflowError: As `read_header`.
    """
    shapes = {name: tuple(info.shape) for name, info in read_header(path).tensors.items()}
    found = names.words_in(shapes, path)
    return {part: max(shapes[name][-1] for name in of.values()) for part, of in found.items()}
