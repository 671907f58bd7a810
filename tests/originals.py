"""Published weights as the makers of the models wrote them into single files: the way there, for tests.

Written from the original repositories' modules (latent-diffusion's `UNetModel` and `Encoder`, OpenCLIP's
`Transformer`, Stability's `MMDiT`, Black Forest Labs' `Flux`), the other way round than the tables of nodeflow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

State = dict[str, Tensor]


def unet(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> State:
    """LDM's numbered blocks."""
    levels, layers = len(config["block_out_channels"]), config["layers_per_block"]
    inner = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
             "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}  # fmt: skip
    plain = {"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
             "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
             "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2"}  # fmt: skip

    def place(name: str) -> str:
        module, leaf = name.rsplit(".", 1)
        if module in plain:
            return f"{plain[module]}.{leaf}"
        if match := re.match(r"mid_block\.(resnets|attentions)\.(\d)\.(.*)", name):
            number = 1 if match[1] == "attentions" else 2 * int(match[2])
            return f"middle_block.{number}.{resnet(match[3])}"
        match = re.match(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.*)", name)
        assert match, name
        way, level, kind, layer, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
        if kind == "downsamplers":
            return f"input_blocks.{(level + 1) * (layers + 1)}.0.op.{rest.removeprefix('conv.')}"
        if kind == "upsamplers":
            behind = 2 if any(n.startswith(f"up_blocks.{level}.attentions.") for n in state) else 1
            return f"output_blocks.{level * (layers + 1) + layers}.{behind}.{rest}"
        block = 1 + level * (layers + 1) + layer if way == "down" else level * (layers + 1) + layer
        return f"{'input' if way == 'down' else 'output'}_blocks.{block}.{int(kind == 'attentions')}.{resnet(rest)}"

    def resnet(rest: str) -> str:
        first, dot, others = rest.partition(".")
        return f"{inner.get(first, first)}{dot}{others}"

    del levels
    return {place(name): tensor for name, tensor in state.items()}


def controlnet(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> State:
    """ControlNet's copy of LDM's way down, with the layers that lead in and out of it."""
    last = 4 * len(config["conditioning_embedding_out_channels"]) - 2

    def place(name: str) -> str:
        if match := re.match(r"controlnet_cond_embedding\.(conv_in|conv_out|blocks\.(\d+))\.(.*)", name):
            number = {"conv_in": 0, "conv_out": last}.get(match[1], 2 * int(match[2] or 0) + 2)
            return f"input_hint_block.{number}.{match[3]}"
        name = re.sub(r"controlnet_down_blocks\.(\d+)\.", r"zero_convs.\1.0.", name)
        return name.replace("controlnet_mid_block.", "middle_block_out.0.")

    led = {place(name): tensor for name, tensor in state.items() if name.startswith("controlnet_")}
    return led | unet({name: tensor for name, tensor in state.items() if not name.startswith("controlnet_")}, config)


def autoencoder(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> State:
    """LDM's encoder and decoder, whose attention is 1×1 convolutions."""
    levels = len(config["block_out_channels"])
    attention = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
    made: State = {}
    for name, tensor in state.items():
        name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
        if match := re.match(r"(.*)mid_block\.attentions\.0\.(.*)\.(weight|bias)", name):
            name = f"{match[1]}mid.attn_1.{attention[match[2]]}.{match[3]}"
            tensor = tensor[:, :, None, None] if tensor.ndim == 2 else tensor
        name = re.sub(r"down_blocks\.(\d+)\.resnets\.", r"down.\1.block.", name)
        name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", name)
        if match := re.search(r"up_blocks\.(\d+)\.(resnets|upsamplers\.0)", name):
            kind = "block" if match[2] == "resnets" else "upsample"
            name = name.replace(match[0], f"up.{levels - 1 - int(match[1])}.{kind}")
        made[name] = tensor
    return made


def open_clip(state: Mapping[str, Tensor], extra_layer: bool = False) -> State:
    """OpenCLIP's text tower: fused projections, and the last one multiplied from the other side.

    Args:
        extra_layer: Whether it has one layer more, which nobody reads, as in Stable Diffusion 2.
    """
    names = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
             "self_attn.out_proj": "attn.out_proj"}  # fmt: skip
    made: State = {"logit_scale": torch.tensor(4.6)}
    depth = 0
    for name, tensor in state.items():
        if match := re.match(r"text_model\.encoder\.layers\.(\d+)\.(.*)\.(weight|bias)", name):
            depth = max(depth, int(match[1]) + 1)
            block = f"transformer.resblocks.{match[1]}"
            if match[2] in names:
                made[f"{block}.{names[match[2]]}.{match[3]}"] = tensor
            elif match[2] == "self_attn.q_proj":
                fused = [state[name.replace("q_proj", f"{each}_proj")] for each in "qkv"]
                made[f"{block}.attn.in_proj_{match[3]}"] = torch.cat(fused)
    made["token_embedding.weight"] = state["text_model.embeddings.token_embedding.weight"]
    made["positional_embedding"] = state["text_model.embeddings.position_embedding.weight"]
    for leaf in ("weight", "bias"):
        made[f"ln_final.{leaf}"] = state[f"text_model.final_layer_norm.{leaf}"]
    if "text_projection.weight" in state:
        made["text_projection"] = state["text_projection.weight"].T.contiguous()
    if extra_layer:
        last = {n: t for n, t in made.items() if n.startswith(f"transformer.resblocks.{depth - 1}.")}
        made |= {n.replace(f".{depth - 1}.", f".{depth}.", 1): t + 1 for n, t in last.items()}
    return made


def _fused(state: State, targets: list[str], leaf: str) -> Tensor:
    return torch.cat([state.pop(f"{target}.{leaf}") for target in targets])


def _swapped(tensor: Tensor) -> Tensor:
    return torch.cat(tensor.chunk(2)[::-1])


def _renamed(state: State, names: Mapping[str, str]) -> State:
    return {names.get(name.rpartition(".")[0], name.rpartition(".")[0]) + "." + name.rpartition(".")[2]: tensor
            for name, tensor in state.items()}  # fmt: skip


def sd3(published: Mapping[str, Tensor]) -> State:
    """Stability's MMDiT."""
    state = dict(published)
    depth = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("transformer_blocks."))
    made: State = {"pos_embed": state.pop("pos_embed.pos_embed")}
    names = {
        "pos_embed.proj": "x_embedder.proj", "proj_out": "final_layer.linear",
        "norm_out.linear": "final_layer.adaLN_modulation.1",
        "time_text_embed.timestep_embedder.linear_1": "t_embedder.mlp.0",
        "time_text_embed.timestep_embedder.linear_2": "t_embedder.mlp.2",
        "time_text_embed.text_embedder.linear_1": "y_embedder.mlp.0",
        "time_text_embed.text_embedder.linear_2": "y_embedder.mlp.2",
    }  # fmt: skip
    for i in range(depth):
        block, old = f"transformer_blocks.{i}", f"joint_blocks.{i}"
        for leaf in ("weight", "bias"):
            made[f"{old}.x_block.attn.qkv.{leaf}"] = _fused(state, [f"{block}.attn.to_{x}" for x in "qkv"], leaf)
            made[f"{old}.context_block.attn.qkv.{leaf}"] = _fused(
                state, [f"{block}.attn.add_{x}_proj" for x in "qkv"], leaf
            )
            if f"{block}.attn2.to_q.{leaf}" in state:
                made[f"{old}.x_block.attn2.qkv.{leaf}"] = _fused(state, [f"{block}.attn2.to_{x}" for x in "qkv"], leaf)
        names |= {
            f"{block}.attn.to_out.0": f"{old}.x_block.attn.proj",
            f"{block}.attn2.to_out.0": f"{old}.x_block.attn2.proj",
            f"{block}.attn.to_add_out": f"{old}.context_block.attn.proj",
            f"{block}.norm1.linear": f"{old}.x_block.adaLN_modulation.1",
            f"{block}.norm1_context.linear": f"{old}.context_block.adaLN_modulation.1",
            f"{block}.ff.net.0.proj": f"{old}.x_block.mlp.fc1", f"{block}.ff.net.2": f"{old}.x_block.mlp.fc2",
            f"{block}.ff_context.net.0.proj": f"{old}.context_block.mlp.fc1",
            f"{block}.ff_context.net.2": f"{old}.context_block.mlp.fc2",
            **{f"{block}.{a}.norm_{x}": f"{old}.x_block.{a}.ln_{x}" for a in ("attn", "attn2") for x in "qk"},
            **{f"{block}.attn.norm_added_{x}": f"{old}.context_block.attn.ln_{x}" for x in "qk"},
        }  # fmt: skip
    made |= _renamed(state, names)
    for name in ("final_layer.adaLN_modulation.1", f"joint_blocks.{depth - 1}.context_block.adaLN_modulation.1"):
        for leaf in ("weight", "bias"):
            made[f"{name}.{leaf}"] = _swapped(made[f"{name}.{leaf}"])
    return made


def flux(published: Mapping[str, Tensor]) -> State:
    """Black Forest Labs' Flux."""
    state, made = dict(published), State()
    count = lambda root: 1 + max((int(n.split(".")[1]) for n in state if n.startswith(root)), default=-1)  # noqa: E731
    doubles, singles = count("transformer_blocks."), count("single_transformer_blocks.")
    names = {"x_embedder": "img_in", "context_embedder": "txt_in", "proj_out": "final_layer.linear",
             "norm_out.linear": "final_layer.adaLN_modulation.1"}  # fmt: skip
    for new, old in (("timestep", "time"), ("text", "vector"), ("guidance", "guidance")):
        names[f"time_text_embed.{new}_embedder.linear_1"] = f"{old}_in.in_layer"
        names[f"time_text_embed.{new}_embedder.linear_2"] = f"{old}_in.out_layer"
    scales: dict[str, str] = {}
    for i in range(doubles):
        block, old = f"transformer_blocks.{i}", f"double_blocks.{i}"
        for leaf in ("weight", "bias"):
            made[f"{old}.img_attn.qkv.{leaf}"] = _fused(state, [f"{block}.attn.to_{x}" for x in "qkv"], leaf)
            made[f"{old}.txt_attn.qkv.{leaf}"] = _fused(state, [f"{block}.attn.add_{x}_proj" for x in "qkv"], leaf)
        names |= {
            f"{block}.norm1.linear": f"{old}.img_mod.lin", f"{block}.norm1_context.linear": f"{old}.txt_mod.lin",
            f"{block}.attn.to_out.0": f"{old}.img_attn.proj", f"{block}.attn.to_add_out": f"{old}.txt_attn.proj",
            f"{block}.ff.net.0.proj": f"{old}.img_mlp.0", f"{block}.ff.net.2": f"{old}.img_mlp.2",
            f"{block}.ff_context.net.0.proj": f"{old}.txt_mlp.0", f"{block}.ff_context.net.2": f"{old}.txt_mlp.2",
        }  # fmt: skip
        for part, added in (("img", ""), ("txt", "added_")):
            scales[f"{block}.attn.norm_{added}q.weight"] = f"{old}.{part}_attn.norm.query_norm.scale"
            scales[f"{block}.attn.norm_{added}k.weight"] = f"{old}.{part}_attn.norm.key_norm.scale"
    for i in range(singles):
        block, old = f"single_transformer_blocks.{i}", f"single_blocks.{i}"
        parts = [*(f"{block}.attn.to_{x}" for x in "qkv"), f"{block}.proj_mlp"]
        for leaf in ("weight", "bias"):
            made[f"{old}.linear1.{leaf}"] = _fused(state, parts, leaf)
        names |= {f"{block}.norm.linear": f"{old}.modulation.lin", f"{block}.proj_out": f"{old}.linear2"}
        scales[f"{block}.attn.norm_q.weight"] = f"{old}.norm.query_norm.scale"
        scales[f"{block}.attn.norm_k.weight"] = f"{old}.norm.key_norm.scale"
    made |= {old: state.pop(new) for new, old in scales.items()}
    made |= _renamed(state, names)
    for leaf in ("weight", "bias"):
        name = f"final_layer.adaLN_modulation.1.{leaf}"
        made[name] = _swapped(made[name])
    return made


def prefixed(state: Mapping[str, Tensor], prefix: str) -> State:
    return {prefix + name: tensor.contiguous().clone() for name, tensor in state.items()}


def stable_audio(dit: Mapping[str, Tensor], seconds: Mapping[str, Tensor], coder: Mapping[str, Tensor]) -> State:
    """stable-audio-tools' checkpoint: denoiser, the conditioners of seconds, the autoencoder."""
    state, made = dict(dit), State()
    names = {"proj_in": "transformer.project_in", "proj_out": "transformer.project_out"}
    for new, old in (("timestep_proj", "timestep"), ("global_proj", "global"), ("cross_attention_proj", "cond")):
        names |= {f"{new}.{i}": f"to_{old}_embed.{i}" for i in (0, 2)}
    for i in range(1 + max(int(name.split(".")[1]) for name in state if name.startswith("transformer_blocks."))):
        block, old = f"transformer_blocks.{i}", f"transformer.layers.{i}"
        made[f"{old}.self_attn.to_qkv.weight"] = _fused(state, [f"{block}.attn1.to_{x}" for x in "qkv"], "weight")
        made[f"{old}.cross_attn.to_kv.weight"] = _fused(state, [f"{block}.attn2.to_{x}" for x in "kv"], "weight")
        names[f"{block}.attn2.to_q"] = f"{old}.cross_attn.to_q"
        for new, place in (("attn1", "self_attn"), ("attn2", "cross_attn")):
            names[f"{block}.{new}.to_out.0"] = f"{old}.{place}.to_out"
        for number, norm in enumerate(("pre_norm", "cross_attend_norm", "ff_norm"), 1):
            made[f"{old}.{norm}.gamma"] = state.pop(f"{block}.norm{number}.weight")
            made[f"{old}.{norm}.beta"] = state.pop(f"{block}.norm{number}.bias")
        names |= {f"{block}.ff.net.0.proj": f"{old}.ff.ff.0.proj", f"{block}.ff.net.2": f"{old}.ff.ff.2"}
    made["timestep_features.weight"] = state.pop("time_proj.weight")[:, None]
    made["transformer.rotary_pos_emb.inv_freq"] = torch.ones(16)
    whole = prefixed(made | _renamed(state, names), "model.model.")
    for new, old in (("start", "seconds_start"), ("end", "seconds_total")):
        for leaf in ("0.weights", "1.weight", "1.bias"):
            tensor = seconds[f"{new}_number_conditioner.time_positional_embedding.{leaf}"]
            whole[f"conditioner.conditioners.{old}.embedder.embedding.{leaf}"] = tensor.clone()
    return whole | prefixed(oobleck(coder), "pretransform.model.")


def oobleck(published: Mapping[str, Tensor]) -> State:
    """stable-audio-tools' Oobleck: a list of convolution, blocks, activation, convolution each way."""
    made: State = {}
    depth = 1 + max(int(name.split(".")[2]) for name in published if name.startswith("encoder.block."))
    for name, tensor in published.items():
        side, *path, leaf = name.split(".")
        tensor = tensor.flatten() if leaf in ("alpha", "beta") else tensor
        if path[0] != "block":
            place = str({"conv1": 0, "snake1": depth + 1, "conv2": depth + 2}[path[0]])
        else:
            units = {f"res_unit{i}": i - 1 + 2 * (side == "decoder") for i in (1, 2, 3)}
            whole = units | ({"snake1": 3, "conv1": 4} if side == "encoder" else {"snake1": 0, "conv_t1": 1})
            place = f"{int(path[1]) + 1}.layers.{whole[path[2]]}"
            if len(path) == 4:
                place += f".layers.{('snake1', 'conv1', 'snake2', 'conv2').index(path[3])}"
        made[f"{side}.layers.{place}.{leaf}"] = tensor.contiguous()
    return made
