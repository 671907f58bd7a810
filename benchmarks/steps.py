"""One denoising step and one decode of Stable Diffusion 1.5's shape, against diffusers in the same run.

Both sides hold the very same weights (random, seeded), so the pictures must agree and only the code differs. Calls
alternate and CPU seconds count; the ratio is the median of the ratios of neighbours, so that a busy machine slows both
alike. With --layers, our call is also taken apart: which kind of operation takes how much of the time, and how much of
the machine's best matrix product or convolution, measured just before, it reaches. Needs diffusers (`pip install -e
.[test]`) and about 5 GB of memory.

    python benchmarks/steps.py [--size 256 512] [--runs 3] [--threads 1] [--layers]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from layers import Clock, Peaks, peaks
from sd15 import UNET, VAE
from torch import Tensor

from nodeflow.diffusion.models import model_class


def pair(name: str, config: dict[str, Any]) -> tuple[Any, Any]:
    """Our network and the reference's, on the same weights."""
    import diffusers

    torch.manual_seed(0)
    reference = getattr(diffusers, name).from_config(config).eval().requires_grad_(False)
    with torch.device("meta"):
        ours = model_class(name).from_config(config)
    ours.load_state_dict(reference.state_dict(), assign=True)
    return ours.eval().requires_grad_(False), reference


def compare(
    what: str, ours: Callable[[], Tensor], theirs: Callable[[], Tensor], runs: int, peak: Peaks | None = None
) -> None:
    """Time two calls in turn after one warm-up each, and print their medians and ratio; with a peak, where it goes."""
    difference = float((ours() - theirs()).abs().max())
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(runs):
        for call, found in zip((ours, theirs), seconds, strict=True):
            began = time.process_time()
            call()
            found.append(time.process_time() - began)
    a, b = map(statistics.median, seconds)
    ratio = statistics.median(mine / other for mine, other in zip(*seconds, strict=True))
    print(f"{what:<28} {a:7.2f} CPU s   diffusers {b:7.2f} CPU s   ratio {ratio:.2f}", end="")
    print(f"   largest difference {difference:.1e}")
    if peak is not None:
        with Clock() as clock:
            ours()
        print(clock.table(peak), flush=True)


@torch.no_grad()
def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--size", type=int, nargs="+", default=[256])
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--threads", type=int, default=0)
    options.add_argument("--layers", action="store_true")
    given = options.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    peak = peaks() if given.layers else None
    if peak is not None:
        print(f"{torch.get_num_threads()} threads; at best {peak.product:.0f} GFLOP/s in matrix products, ", end="")
        print(f"{peak.convolution:.0f} in 3×3 convolutions")
    step(given.size, given.runs, peak)
    decode(given.size, given.runs, peak)


def step(sizes: list[int], runs: int, peak: Peaks | None) -> None:
    """One call of the denoiser, batch 2, as guidance makes it."""
    unet, reference = pair("UNet2DConditionModel", UNET)
    for size in sizes:
        x, states = torch.randn(2, 4, size // 8, size // 8), torch.randn(2, 77, 768)
        ours = partial(unet, x, 500, states)
        compare(f"step, {size}², batch 2", ours, lambda x=x, s=states: reference(x, 500, s).sample, runs, peak)  # type: ignore[misc]


def decode(sizes: list[int], runs: int, peak: Peaks | None) -> None:
    """One picture out of a latent."""
    vae, reference = pair("AutoencoderKL", VAE)
    for size in sizes:
        z = torch.randn(1, 4, size // 8, size // 8)
        compare(f"decode, {size}²", partial(vae.decode, z), lambda z=z: reference.decode(z).sample, runs, peak)  # type: ignore[misc]


if __name__ == "__main__":
    main()
