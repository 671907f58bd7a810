"""One denoising step and one decode of Stable Diffusion 1.5's shape, against diffusers in the same run.

Both sides hold the very same weights (random, seeded), so the pictures must agree and only the code differs. Calls
alternate, and the ratio is that of the medians. Needs diffusers (`pip install -e .[test]`) and about 5 GB of memory.

    python benchmarks/steps.py [--size 256] [--runs 3] [--threads 1]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nodeflow.diffusion.models import model_class

UNET = {
    "sample_size": 64,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280],
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
}
VAE = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "sample_size": 512,
}


def pair(name: str, config: dict[str, Any]) -> tuple[Any, Any]:
    """Our network and the reference's, on the same weights."""
    import diffusers

    torch.manual_seed(0)
    reference = getattr(diffusers, name).from_config(config).eval().requires_grad_(False)
    with torch.device("meta"):
        ours = model_class(name).from_config(config)
    ours.load_state_dict(reference.state_dict(), assign=True)
    return ours.eval().requires_grad_(False), reference


def compare(what: str, ours: Callable[[], Tensor], theirs: Callable[[], Tensor], runs: int) -> None:
    """Time two calls in turn after one warm-up each, and print their medians and ratio."""
    difference = float((ours() - theirs()).abs().max())
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(runs):
        for call, found in zip((ours, theirs), seconds, strict=True):
            began = time.perf_counter()
            call()
            found.append(time.perf_counter() - began)
    a, b = map(statistics.median, seconds)
    print(f"{what:<28} {a:7.2f} s   diffusers {b:7.2f} s   ratio {a / b:.2f}   largest difference {difference:.1e}")


@torch.no_grad()
def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--size", type=int, default=256)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--threads", type=int, default=0)
    given = options.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    step(given.size, given.runs)
    decode(given.size, given.runs)


def step(size: int, runs: int) -> None:
    """One call of the denoiser, batch 2, as guidance makes it."""
    unet, reference = pair("UNet2DConditionModel", UNET)
    x, states = torch.randn(2, 4, size // 8, size // 8), torch.randn(2, 77, 768)
    ours, theirs = lambda: unet(x, 500, states), lambda: reference(x, 500, states).sample
    compare(f"step, {size}², batch 2", ours, theirs, runs)


def decode(size: int, runs: int) -> None:
    """One picture out of a latent."""
    vae, reference = pair("AutoencoderKL", VAE)
    z = torch.randn(1, 4, size // 8, size // 8)
    compare(f"decode, {size}²", lambda: vae.decode(z), lambda: reference.decode(z).sample, runs)


if __name__ == "__main__":
    main()
