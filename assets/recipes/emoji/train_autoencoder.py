"""Train the autoencoder that turns 64 × 64 pictures into latents [32, 8, 8] and back."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nodeflow.diffusion.models.autoencoder_kl import AutoencoderKL
from nodeflow.diffusion.training.draws import Draw
from nodeflow.diffusion.training.latents import standardise
from nodeflow.diffusion.training.loop import Loss, Trainer
from nodeflow.diffusion.training.pictures import psnr, to_network, vary
from nodeflow.training import Optimiser, Settings

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
STEPS = 2500
OPTIMISER = Optimiser(1.5e-3, "cosine", warmup=100, horizon=STEPS, betas=(0.9, 0.99))
SETTINGS = Settings(batch=BATCH, ema=0.998, precision="bfloat16")


def read_images(work: Path) -> Tensor:
    """All pictures of the set as the network wants them, [N, 3, 64, 64], −1..1."""
    return to_network(torch.from_numpy(np.load(work / "pictures.npz")["images"]))


def train(work: Path, save_every: float = 240.0) -> AutoencoderKL:
    """Train, resuming `work/autoencoder.safetensors` if it is there; the averaged network, its latents standardised."""
    images, state = read_images(work), work / "autoencoder.safetensors"
    torch.manual_seed(SETTINGS.seed)
    net = AutoencoderKL.from_config(CONFIG).to(memory_format=torch.channels_last)

    def task(draw: Draw) -> Loss:
        chosen = torch.randint(len(images), (BATCH,), generator=draw.generator)
        x = vary(images[chosen], draw.generator).contiguous(memory_format=torch.channels_last)
        y, posterior = net(x, draw.generator)
        error = y.float() - x
        kl = posterior.kl().mean() / x[0].numel()
        return Loss(error.abs().mean() + error.square().mean() + KL_WEIGHT * kl)

    trainer = Trainer(net, task, OPTIMISER, SETTINGS)
    if state.exists():
        trainer.load(state)
    saved, losses = time.monotonic(), []
    for step, value, *_ in trainer.run(STEPS):
        losses.append(value)
        if time.monotonic() - saved > save_every or step == STEPS:
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
