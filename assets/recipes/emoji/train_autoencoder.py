"""Train the autoencoder that turns 64 × 64 pictures into latents [48, 8, 8] and back."""

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
    "latent_channels": 48,
    "act_fn": "silu",
    "sample_size": 64,
    "scaling_factor": 1.0,
    "force_upcast": False,
}
BATCH = 8
KL_WEIGHT = 1e-3
STEPS = 12_500
OPTIMISER = Optimiser(1.2e-3, "cosine", warmup=100, horizon=STEPS, betas=(0.9, 0.99))
SETTINGS = Settings(batch=BATCH, ema=0.998)


def read_images(path: Path) -> Tensor:
    """The pictures of a file as the network wants them, [N, 3, 64, 64], −1..1."""
    return to_network(torch.from_numpy(np.load(path)["images"]))


class Task:
    """Draws pictures by weight, and measures how well they come back from a drawn latent.

    Args:
        net: The autoencoder.
        work: Holds `all.npz`.
    """

    def __init__(self, net: AutoencoderKL, work: Path) -> None:
        self.net, self.images = net, read_images(work / "all.npz")
        self.weights = torch.from_numpy(np.load(work / "all.npz")["weights"])

    def __call__(self, draw: Draw) -> Loss:
        """The loss of one batch: ½ ln MSE of each picture, its PSNR but for the scale, and a little KL."""
        chosen = torch.multinomial(self.weights, BATCH, replacement=True, generator=draw.generator)
        x = vary(self.images[chosen], draw.generator, recolour=0).contiguous(memory_format=torch.channels_last)
        y, posterior = self.net(x, draw.generator)
        error = (y.float() - x).square().flatten(1).mean(1)
        kl = posterior.kl().mean() / x[0].numel()
        return Loss(0.5 * (error + 1e-5).log().mean() + KL_WEIGHT * kl)


def train(work: Path, save_every: float = 240.0) -> AutoencoderKL:
    """Train, resuming `work/autoencoder.safetensors` if it is there.

    Returns:
        The averaged network; no channel of its latents deviates more than 1, those that say little stay small.
    """
    state, held_out = work / "autoencoder.safetensors", read_images(work / "held_out.npz")
    torch.manual_seed(SETTINGS.seed)
    net = AutoencoderKL.from_config(CONFIG).to(memory_format=torch.channels_last)
    trainer = Trainer(net, Task(net, work), OPTIMISER, SETTINGS)
    if state.exists():
        trainer.load(state)
    saved, losses = time.monotonic(), []
    for step, value, *_ in trainer.run(STEPS):
        losses.append(value)
        if time.monotonic() - saved > save_every or step == STEPS:
            trainer.save(state)
            quality = reconstruction(averaged(trainer), held_out)
            print(f"{step:6d}  loss {sum(losses) / len(losses):.4f}  PSNR held out {quality:.2f} dB", flush=True)
            saved, losses = time.monotonic(), []
    net = averaged(trainer)
    standardise(net, read_images(work / "pictures.npz"), least=1.0)
    return net


def averaged(trainer: Trainer) -> AutoencoderKL:
    """A copy of the autoencoder with the averaged weights."""
    net = AutoencoderKL.from_config(CONFIG)
    return net.load({name: tensor.clone() for name, tensor in trainer.average().items()}).requires_grad_(False)


def reconstruction(net: AutoencoderKL, images: Tensor) -> float:
    """PSNR of pictures [B, 3, 64, 64] after a latent and back, dB."""
    return psnr(net.decode(net.encode(images).mode()), images)
