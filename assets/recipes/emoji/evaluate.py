r"""Measure a model: how sharp its autoencoder is, and how often it paints what was asked for.

    python assets/recipes/emoji/evaluate.py --work /tmp/emoji --model assets/models/emoji
    python assets/recipes/emoji/evaluate.py --work /tmp/emoji --model assets/models/emoji \
        --few assets/models/emoji/four-steps.safetensors --steps 4 --guidance 1

Two questions. Does the autoencoder keep pictures that nothing was trained on (`held_out.txt`)? And of prompts drawn
from all things and styles, painted from noise never seen in training: is the training picture that looks most like the
result (`features.py`) one of the thing that was asked for? The second counts a thing as wrong that was drawn as
another one, or so badly that it resembles another one more. That every picture is near *some* training picture is no
fault: this is a model of these pictures.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import captions
import numpy as np
import torch
from features import Features, nearest
from sheet import pictures
from torch import Tensor
from torch.nn import functional as F

from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.training.pictures import psnr, to_network

SEED = 10_000
"""Noise and choice of prompts; training draws from other generators."""


def read(path: Path) -> Tensor:
    """The pictures of a file, [N, 3, 64, 64], −1..1."""
    return to_network(torch.from_numpy(np.load(path)["images"]))


@torch.no_grad()
def kept(model: Path, images: Tensor) -> Tensor:
    """Pictures [N, 3, 64, 64], −1..1, after the autoencoder of a model."""
    parts = open_model(str(model), download=False)
    assert parts.autoencoder is not None, f"{model} has no autoencoder"
    net = load_weights(parts.autoencoder)
    return torch.cat([net.decode(net.encode(x).mode()) for x in images.split(32)]).clamp(-1, 1)


def disturbed(images: Tensor) -> dict[str, Tensor]:
    """The same pictures [N, 3, 64, 64], 0..1, spoilt in ways that leave the thing recognisable."""
    moved = F.pad(images, (2,) * 4, mode="replicate")[..., :64, 4:]
    soft = F.interpolate(F.interpolate(images, size=12, mode="area"), size=64, mode="bilinear")
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(SEED))
    return {"moved by 2 pixels": moved, "only 12 × 12 pixels": soft, "noise of 0.1": (images + 0.1 * noise).clamp(0, 1)}


def evaluate(
    work: Path, model: Path, count: int = 200, steps: int = 20, guidance: float = 2.0, few: Path | None = None
) -> dict[str, float]:
    """The measurements by name; prints each with what it means."""
    rows = captions.read_rows(work)
    training = read(work / "pictures.npz")
    held_out = read(work / "held_out.npz")
    found = {
        "held-out PSNR": psnr(kept(model, held_out), held_out),
        "training PSNR": psnr(kept(model, training), training),
    }
    print(f"autoencoder: {found['held-out PSNR']:.2f} dB on {len(held_out)} pictures of things never trained on,")
    print(f"             {found['training PSNR']:.2f} dB on the {len(training)} training pictures (mean PSNR)")

    things = np.array([row["names"][0] for row in rows])
    describe = Features(training / 2 + 0.5)
    references = describe(training / 2 + 0.5)
    for name, images in disturbed(training / 2 + 0.5).items():
        share = float((things[nearest(describe(images), references)] == things).mean())
        print(f"the judge:   names {share:.1%} of the training pictures rightly with {name}")

    generator = torch.Generator().manual_seed(SEED)
    asked = torch.randperm(len(rows), generator=generator)[:count].numpy()
    prompts = tuple(f"{things[i]}, {rows[i]['style']}" for i in asked)
    painted = torch.cat(
        [
            pictures(model, prompts[i : i + 50], steps=steps, guidance=guidance, seed=SEED + i, few=few)
            for i in range(0, count, 50)
        ]
    )
    seen = nearest(describe(painted), references).numpy()
    right = things[seen] == things[asked]
    styled = np.array([rows[i]["style"] == rows[j]["style"] for i, j in zip(asked, seen, strict=True)])
    found |= {"right thing": float(right.mean()), "right thing and style": float((right & styled).mean())}
    print(f"prompts:     {right.sum()} of {count} ({right.mean():.1%}) painted as the thing that was asked for,")
    print(f"             {(right & styled).sum()} also in the style ({steps} steps, guidance {guidance})")
    for (wanted, got), _ in Counter(zip(things[asked][~right], things[seen][~right], strict=True)).most_common():
        print(f"             {wanted} looked like {got}")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=2.0)
    parser.add_argument("--few", type=Path, help="the LoRA for few steps; take --steps 4 --guidance 1")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    evaluate(asked.work, asked.model, asked.prompts, asked.steps, asked.guidance, asked.few)
