"""Train the U-net and its text encoder together, on latents of sounds and captions."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import clips
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
UNET = {
    "_class_name": "UNet2DConditionModel",
    "sample_size": 8,
    "in_channels": clips.CONFIG["latent_channels"],
    "out_channels": clips.CONFIG["latent_channels"],
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    "block_out_channels": [96, 160],
    "layers_per_block": 1,
    "norm_num_groups": 16,
    "cross_attention_dim": WIDTH,
    "attention_head_dim": 4,
}
TEXT = {
    "architectures": ["CLIPTextModel"],
    "model_type": "clip_text_model",
    "hidden_size": WIDTH,
    "intermediate_size": 4 * WIDTH,
    "projection_dim": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 77,
    "hidden_act": "gelu",
}
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
STEPS = 2400
EMPTY = 0.1
OPTIMISER = Optimiser(1e-3, "cosine", warmup=150, horizon=STEPS, betas=(0.9, 0.99))
SETTINGS = Settings(batch=BATCH, ema=0.998)
OBJECTIVE = Objective(timesteps="log_normal", mean=0.3, std=1.4)


def build(tokenizer: ClipTokenizer) -> nn.ModuleDict:
    """Both networks, fresh."""
    text = CLIPTextModel.from_config(text_config(tokenizer))
    nn.init.normal_(text.text_model.embeddings.token_embedding.weight, std=0.3)
    nn.init.normal_(text.text_model.embeddings.position_embedding.weight, std=0.05)
    unet = UNet2DConditionModel.from_config(UNET).to(memory_format=torch.channels_last)
    return nn.ModuleDict({"unet": unet, "text_encoder": text})


def text_config(tokenizer: ClipTokenizer) -> dict[str, Any]:
    """The text encoder's configuration, with the tokenizer's numbers."""
    numbers = {key: getattr(tokenizer, key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    return {**TEXT, "vocab_size": len(tokenizer), **numbers}


class Task:
    """Draws captioned latents and measures how well the networks undo their noise."""

    def __init__(self, model: nn.ModuleDict, data: clips.Clips, tokenizer: ClipTokenizer) -> None:
        self.model, self.data = model, data
        length, pad = tokenizer.model_max_length, tokenizer.pad_token_id

        def padded(caption: str) -> Tensor:
            own = tokenizer.encode(caption)[:length]
            return torch.tensor(own + [pad] * (length - len(own)))

        self.said = [clips.captions(kind, words) for kind, words in zip(data.kinds, data.words, strict=True)]
        self.ids = {caption: padded(caption) for caption in {"", *(one for said in self.said for one in said)}}
        counts = {kind: data.kinds.count(kind) for kind in set(data.kinds)}
        self.weights = torch.tensor([1 / counts[kind] for kind in data.kinds])
        self.objective = DenoisingLoss.of(from_config(SCHEDULER), OBJECTIVE)

    def caption(self, i: int, generator: torch.Generator) -> str:
        """What is said of a clip this time."""
        said = self.said[i]
        silent = float(torch.rand((), generator=generator)) < EMPTY
        return "" if silent else said[int(torch.randint(len(said), (), generator=generator))]

    def __call__(self, draw: Draw) -> Loss:
        """The loss of one batch."""
        generator = draw.generator
        chosen = torch.multinomial(self.weights, BATCH, replacement=True, generator=generator)
        x0 = self.data.latents[chosen]
        ids = torch.stack([self.ids[self.caption(i, generator)] for i in chosen.tolist()])
        t = self.objective.timesteps(BATCH, generator)
        noise = self.objective.noise(x0, generator)
        unique, where = ids.unique(dim=0, return_inverse=True)
        states = self.model["text_encoder"](unique).last_hidden_state[where]
        x = self.objective.noisy(x0, noise, t).contiguous(memory_format=torch.channels_last)
        return Loss(self.objective.loss(self.model["unet"](x, t, states), x0, noise, t).mean())


def prepare(data: clips.Clips, tokenizer: ClipTokenizer, state: Path) -> Trainer:
    """The training run, resumed from `state` if it is there."""
    torch.manual_seed(SETTINGS.seed)
    model = build(tokenizer)
    run = Trainer(model, Task(model, data, tokenizer), OPTIMISER, SETTINGS)
    if state.exists():
        run.load(state)
    return run


def train(run: Trainer, state: Path, on_save: Callable[[Trainer], None], save_every: float = 180.0) -> None:
    """Train to the end, saving the state every few minutes; `on_save` is called after each."""
    saved, losses = time.monotonic(), []
    for step, value, *_ in run.run(STEPS):
        losses.append(value)
        if time.monotonic() - saved > save_every or step == STEPS:
            run.save(state)
            on_save(run)
            print(f"{step:6d}  loss {sum(losses) / len(losses):.4f}", flush=True)
            saved, losses = time.monotonic(), []
