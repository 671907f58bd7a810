"""The U-nets, ControlNets and autoencoders of latent diffusion (CompVis and Stability's repositories).

There the U-net is a row of numbered blocks: `input_blocks.0` is the first convolution, then every level has its
layers and, but for the last, a halving; `output_blocks` go back up with one layer more a level, the doubling behind the
last of them. Published names count levels and layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .rules import Rule, Shapes, Table

_RESNET = {
    ".in_layers.0.": ".norm1.", ".in_layers.2.": ".conv1.", ".emb_layers.1.": ".time_emb_proj.",
    ".out_layers.0.": ".norm2.", ".out_layers.3.": ".conv2.", ".skip_connection.": ".conv_shortcut.",
}  # fmt: skip
_STEM = (
    Rule("time_embed.0.", "time_embedding.linear_1."),
    Rule("time_embed.2.", "time_embedding.linear_2."),
    Rule("label_emb.0.0.", "add_embedding.linear_1."),
    Rule("label_emb.0.2.", "add_embedding.linear_2."),
    Rule("input_blocks.0.0.", "conv_in."),
    Rule("middle_block.0.", "mid_block.resnets.0."),
    Rule("middle_block.1.", "mid_block.attentions.0."),
    Rule("middle_block.2.", "mid_block.resnets.1."),
)
_HEAD = (Rule("out.0.", "conv_norm_out."), Rule("out.2.", "conv_out."))


def layers(shapes: Shapes) -> tuple[int, int]:
    """(levels, layers a level) of a U-net, by where its halvings stand."""
    halvings = sorted(int(name.split(".")[1]) for name in shapes if name.endswith(".0.op.weight"))
    blocks = 1 + max((int(name.split(".")[1]) for name in shapes if name.startswith("input_blocks.")), default=0)
    return len(halvings) + 1, (halvings[0] if halvings else blocks) - 1


def unet(shapes: Shapes) -> Table:
    """`UNet2DConditionModel` from `model.diffusion_model`."""
    levels, count = layers(shapes)
    blocks = [level * (count + 1) + count for level in range(levels)]
    places = [next((place for place in (1, 2) if f"output_blocks.{block}.{place}.conv.weight" in shapes), 0)
              for block in blocks]  # fmt: skip
    return _unet(levels, count, places)


def unet_of(published: Iterable[str]) -> Table:
    """The same table, from the published names of its layers."""
    names = list(published)
    levels = len({name.split(".")[1] for name in names if name.startswith("down_blocks.")})
    count = len({name.split(".")[3] for name in names if name.startswith("down_blocks.0.resnets.")})
    deep = [any(name.startswith(f"up_blocks.{level}.attentions.") for name in names) for level in range(levels)]
    return _unet(levels, count, [2 if attends else 1 for attends in deep])


def _unet(levels: int, count: int, places: Sequence[int]) -> Table:
    marks = (Rule("v_pred", None), Rule("ztsnr", None), Rule("edm_vpred.", None))
    return Table((*_STEM, *_HEAD, *_down(levels, count), *_up(levels, count, places), *marks), _RESNET)


def controlnet(shapes: Shapes) -> Table:
    """`ControlNetModel` from `control_model`: the way down of a U-net, and what leads in and out of it."""
    levels, count = layers(shapes)
    last = max((int(name.split(".")[1]) for name in shapes if name.startswith("input_hint_block.")), default=0)
    hints = (
        Rule(f"input_hint_block.{i}.", f"controlnet_cond_embedding.blocks.{i // 2 - 1}.") for i in range(2, last, 2)
    )
    own = (
        Rule("zero_convs.#.0.", "controlnet_down_blocks.#."),
        Rule("middle_block_out.0.", "controlnet_mid_block."),
        Rule("input_hint_block.0.", "controlnet_cond_embedding.conv_in."),
        Rule(f"input_hint_block.{last}.", "controlnet_cond_embedding.conv_out."),
        *hints,
    )
    return Table((*_STEM, *_down(levels, count), *own), _RESNET)


def _down(levels: int, count: int) -> Iterator[Rule]:
    for level in range(levels):
        for layer in range(count):
            block = 1 + level * (count + 1) + layer
            yield Rule(f"input_blocks.{block}.0.", f"down_blocks.{level}.resnets.{layer}.")
            yield Rule(f"input_blocks.{block}.1.", f"down_blocks.{level}.attentions.{layer}.")
        yield Rule(f"input_blocks.{(level + 1) * (count + 1)}.0.op.", f"down_blocks.{level}.downsamplers.0.conv.")


def _up(levels: int, count: int, places: Sequence[int]) -> Iterator[Rule]:
    """`places`: where a level's doubling stands in its last block, behind the attention if there is one; 0 = none."""
    for level, place in enumerate(places):
        for layer in range(count + 1):
            block = level * (count + 1) + layer
            if place and layer == count and level < levels - 1:
                yield Rule(f"output_blocks.{block}.{place}.conv.", f"up_blocks.{level}.upsamplers.0.conv.")
            yield Rule(f"output_blocks.{block}.0.", f"up_blocks.{level}.resnets.{layer}.")
            yield Rule(f"output_blocks.{block}.1.", f"up_blocks.{level}.attentions.{layer}.")


def autoencoder(shapes: Shapes) -> Table:
    """`AutoencoderKL` from `first_stage_model`.

    There `decoder.up.0` is the finest level, here `up_blocks.0` the coarsest; attention is by 1×1 convolutions there,
    by matrices here.
    """
    levels = 1 + max((int(name.split(".")[2]) for name in shapes if name.startswith("decoder.up.")), default=0)
    ups = []
    for level in range(levels):
        ups.append(Rule(f"decoder.up.{level}.block.#.", f"decoder.up_blocks.{levels - 1 - level}.resnets.#."))
        ups.append(Rule(f"decoder.up.{level}.upsample.", f"decoder.up_blocks.{levels - 1 - level}.upsamplers.0."))
    return Table((*_coder("encoder"), *_coder("decoder"), *_ENCODER_DOWN, *ups, *_TRAINING), _SHORTCUT)


_SHORTCUT = {".nin_shortcut.": ".conv_shortcut."}
_ENCODER_DOWN = (
    Rule("encoder.down.#.block.#.", "encoder.down_blocks.#.resnets.#."),
    Rule("encoder.down.#.downsample.", "encoder.down_blocks.#.downsamplers.0."),
)
_TRAINING = (Rule("loss.", None), Rule("model_ema.", None))
"""What only training needs."""


def _coder(name: str) -> Iterator[Rule]:
    middle = f"{name}.mid_block."
    yield Rule(f"{name}.norm_out.", f"{name}.conv_norm_out.")
    yield Rule(f"{name}.mid.block_1.", f"{middle}resnets.0.")
    yield Rule(f"{name}.mid.block_2.", f"{middle}resnets.1.")
    yield Rule(f"{name}.mid.attn_1.norm.", f"{middle}attentions.0.group_norm.")
    for old, new in (("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("proj_out", "to_out.0")):
        yield Rule(f"{name}.mid.attn_1.{old}.", f"{middle}attentions.0.{new}.", "matrix")
