"""A small U-net and its text encoder, trained together on cached latents [N, C, 8, 8] and captions, v-prediction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nodeflow.diffusion.checkpoints.tokenizer import ClipTokenizer
from nodeflow.diffusion.models.clip_text import CLIPTextModel
from nodeflow.diffusion.models.unet2d_condition import UNet2DConditionModel
from nodeflow.diffusion.schedulers import from_config
from nodeflow.diffusion.training.draws import Draw
from nodeflow.diffusion.training.loop import Loss, Trainer
from nodeflow.diffusion.training.objectives import DenoisingLoss
from nodeflow.training import Objective, Optimiser, Settings

WIDTH = 128
LENGTH = 24
"""Tokens that the text encoder reads at once: twice the longest caption."""
SCHEDULER = {
    "_class_name": "DDIMScheduler",
    "num_train_timesteps": 1000,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.02,
    "prediction_type": "v_prediction",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "timestep_spacing": "leading",
}
BATCH = 32
SETTINGS = Settings(batch=BATCH, ema=0.998)
OBJECTIVE = Objective(timesteps="log_normal", mean=0.3, std=1.4)


def optimiser(steps: int) -> Optimiser:
    """A rate that warms up and falls to zero at the last step."""
    return Optimiser(1e-3, "cosine", warmup=150, horizon=steps, betas=(0.9, 0.99))


def unet_config(channels: int) -> dict[str, Any]:
    """The U-net's configuration, on latents of so many channels."""
    return {
        "_class_name": "UNet2DConditionModel",
        "sample_size": 8,
        "in_channels": channels,
        "out_channels": channels,
        "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
        "block_out_channels": [96, 160],
        "layers_per_block": 1,
        "norm_num_groups": 16,
        "cross_attention_dim": WIDTH,
        "attention_head_dim": 4,
    }


def text_config(tokenizer: ClipTokenizer) -> dict[str, Any]:
    """The text encoder's configuration, with the tokenizer's numbers."""
    numbers = {key: getattr(tokenizer, key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    return {
        "architectures": ["CLIPTextModel"],
        "model_type": "clip_text_model",
        "hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "projection_dim": WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": tokenizer.model_max_length,
        "hidden_act": "gelu",
        "vocab_size": len(tokenizer),
        **numbers,
    }


def build(tokenizer: ClipTokenizer, channels: int) -> nn.ModuleDict:
    """Both networks, fresh."""
    text = CLIPTextModel.from_config(text_config(tokenizer))
    nn.init.normal_(text.text_model.embeddings.token_embedding.weight, std=0.3)
    nn.init.normal_(text.text_model.embeddings.position_embedding.weight, std=0.05)
    unet = UNet2DConditionModel.from_config(unet_config(channels)).to(memory_format=torch.channels_last)
    return nn.ModuleDict({"unet": unet, "text_encoder": text})


def token_table(tokenizer: ClipTokenizer, said: Iterable[str]) -> dict[str, Tensor]:
    """The token numbers of every caption, padded as Stable Diffusion 1 pads."""
    length, pad = tokenizer.model_max_length, tokenizer.pad_token_id
    ids = {caption: tokenizer.encode(caption)[:length] for caption in said}
    return {caption: torch.tensor(own + [pad] * (length - len(own))) for caption, own in ids.items()}


class Task:
    """Draws captioned latents by weight and measures how well the networks undo their noise.

    Args:
        model: From `build`.
        latents: [N, C, H, W].
        weights: How often each latent is drawn, [N].
        ids: From `token_table`, of every caption.
        caption: (index of a latent, generator) -> one of its captions.
    """

    def __init__(
        self,
        model: nn.ModuleDict,
        latents: Tensor,
        weights: Tensor,
        ids: dict[str, Tensor],
        caption: Callable[[int, torch.Generator], str],
    ) -> None:
        self.model, self.latents, self.weights, self.ids, self.caption = model, latents, weights, ids, caption
        self.objective = DenoisingLoss.of(from_config(SCHEDULER), OBJECTIVE)

    def __call__(self, draw: Draw) -> Loss:
        """The loss of one batch."""
        generator = draw.generator
        chosen = torch.multinomial(self.weights, BATCH, replacement=True, generator=generator)
        x0 = self.latents[chosen]
        ids = torch.stack([self.ids[self.caption(i, generator)] for i in chosen.tolist()])
        t = self.objective.timesteps(BATCH, generator)
        noise = self.objective.noise(x0, generator)
        unique, where = ids.unique(dim=0, return_inverse=True)
        states = self.model["text_encoder"](unique).last_hidden_state[where]
        x = self.objective.noisy(x0, noise, t).contiguous(memory_format=torch.channels_last)
        return Loss(self.objective.loss(self.model["unet"](x, t, states), x0, noise, t).mean())


def train(task: Task, steps: int, state: Path, on_save: Callable[[Trainer], None], save_every: float = 180.0) -> None:
    """Train to the end, from `state` if it is there; it is saved every few minutes, and `on_save` called after."""
    run = Trainer(task.model, task, optimiser(steps), SETTINGS)
    if state.exists():
        run.load(state)
    saved, losses = time.monotonic(), []
    for step, value, *_ in run.run(steps):
        losses.append(value)
        if time.monotonic() - saved > save_every or step == steps:
            run.save(state)
            on_save(run)
            print(f"{step:6d}  loss {sum(losses) / len(losses):.4f}", flush=True)
            saved, losses = time.monotonic(), []
