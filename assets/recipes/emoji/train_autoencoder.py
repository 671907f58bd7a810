"""Train the autoencoder that turns 64 × 64 pictures into latents [32, 8, 8] and back."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nodeflow.diffusion.models.autoencoder_kl import AutoencoderKL
from nodeflow.diffusion.training.latents import standardise
from nodeflow.diffusion.training.loop import Settings, Trainer
from nodeflow.diffusion.training.pictures import psnr, to_network, vary

CONFIG = {
    "_class_name": "AutoencoderKL",
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [16, 32, 64, 128],
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "latent_channels": 32,
    "act_fn": "silu",
    "sample_size": 64,
    "scaling_factor": 1.0,
    "force_upcast": False,
}
BATCH = 16
KL_WEIGHT = 1e-3
SETTINGS = Settings(steps=2500, learning_rate=1.5e-3, ema_decay=0.998, autocast=torch.bfloat16)


def read_images(work: Path) -> Tensor:
    """All pictures of the set as the network wants them, [N, 3, 64, 64], −1..1."""
    return to_network(torch.from_numpy(np.load(work / "pictures.npz")["images"]))


def train(work: Path, settings: Settings = SETTINGS, save_every: float = 240.0) -> AutoencoderKL:
    """Train, resuming `work/autoencoder.safetensors` if it is there; the averaged network, its latents standardised."""
    images, state = read_images(work), work / "autoencoder.safetensors"
    torch.manual_seed(settings.seed)
    net = AutoencoderKL.from_config(CONFIG).to(memory_format=torch.channels_last)

    def loss(generator: torch.Generator) -> Tensor:
        chosen = torch.randint(len(images), (BATCH,), generator=generator)
        x = vary(images[chosen], generator).contiguous(memory_format=torch.channels_last)
        y, posterior = net(x, generator)
        error = y.float() - x
        return error.abs().mean() + error.square().mean() + KL_WEIGHT * posterior.kl().mean() / x[0].numel()

    trainer = Trainer(net, loss, settings)
    if state.exists():
        trainer.load(state)
    saved, losses = time.monotonic(), []
    for step, value in trainer.run():
        losses.append(value)
        if time.monotonic() - saved > save_every or step == settings.steps:
            trainer.save(state)
            quality = reconstruction(averaged(trainer), images[:: len(images) // 64])
            print(f"{step:6d}  loss {sum(losses) / len(losses):.4f}  PSNR {quality:.2f} dB", flush=True)
            saved, losses = time.monotonic(), []
    net = averaged(trainer)
    standardise(net, images)
    return net


def averaged(trainer: Trainer) -> AutoencoderKL:
    """A copy of the autoencoder with the averaged weights."""
    net = AutoencoderKL.from_config(CONFIG)
    return net.load({name: tensor.clone() for name, tensor in trainer.average().items()}).requires_grad_(False)


def reconstruction(net: AutoencoderKL, images: Tensor) -> float:
    """PSNR of pictures [B, 3, 64, 64] after a latent and back, dB."""
    return psnr(net.decode(net.encode(images).mode()), images)
