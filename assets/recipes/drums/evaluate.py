"""Does the model play what it is asked for? A classifier that has heard real clips only is asked what it hears.

    python assets/recipes/drums/evaluate.py --work /tmp/drums --model assets/models/drums

The classifier is a small convolutional network on 64 × 64 log-mel spectrograms, trained on clips that the model's
training never saw (another seed; recordings are the same, at other speeds). It is first tested on real clips it has
not heard, then on what the model makes of every kind's name with new seeds. Levels are compared kind by kind.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

import clips
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import nodeflow
from nodeflow import content
from nodeflow.diffusion.spectrogram import Mel
from nodeflow.engine import Engine
from nodeflow.execution import Cache

MEL = Mel(clips.RATE, 768, 384, 64)
EACH, HELD = 120, 30
PROMPTS = 10
"""Clips a kind: to learn from, to be tested on, and made by the model."""


class Ear(nn.Sequential):
    """Names a sound by its spectrogram, [B, 64, 64] -> [B, kinds]."""

    def __init__(self, kinds: int) -> None:
        widths = (1, 24, 48, 96, 128)
        blocks = [
            nn.Sequential(
                nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout2d(0.1)
            )
            for a, b in itertools.pairwise(widths)
        ]
        super().__init__(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], kinds))


def heard(waves: Tensor) -> Tensor:
    """What the classifier gets of waves [B, samples], each at its own loudness, [B, 1, 64, 64]."""
    mel = MEL.of(waves / waves.abs().amax(1, keepdim=True).clamp(min=1e-6))
    return (mel[:, None] + 4) / 3


def train(x: Tensor, y: Tensor, kinds: int, steps: int = 900) -> Ear:
    """Learn from spectrograms, shifted in time and loudness at random."""
    torch.manual_seed(0)
    net = Ear(kinds)
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.02)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, steps)
    for _ in range(steps):
        chosen = torch.randint(len(x), (64,))
        batch = x[chosen] + 0.3 * torch.randn(64, 1, 1, 1)
        loss = F.cross_entropy(net(batch), y[chosen], label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rate.step()
    return net.eval()


def decibels(waves: Tensor) -> Tensor:
    """Root mean square of each wave, [B, samples] -> [B]."""
    return 20 * waves.square().mean(-1).sqrt().clamp(min=1e-6).log10()


def play(model: Path, prompts: Sequence[str], seed: int) -> Tensor:
    """What the model makes of prompts, one seed each, [B, samples]."""
    flow = nodeflow.load(content.folder("graphs") / "text-to-sound.json", engine=Engine(results=Cache(folder=None)))
    sounds = [flow(model=str(model), prompt=prompt, seed=seed + i).audio.data[0, 0] for i, prompt in enumerate(prompts)]
    return torch.stack(sounds)


def evaluate(work: Path, model: Path) -> None:
    """Print how often the classifier agrees, on real and on made clips, and how levels compare."""
    real: dict[str, list[np.ndarray]] = {}
    for kind, (wave, _) in clips.described(work, seed=1001, each=EACH + HELD, variations=8):
        real.setdefault(kind, []).append(wave)
    kinds = sorted(real)
    waves = [torch.from_numpy(np.stack(real[kind])).float() for kind in kinds]
    generator = torch.Generator().manual_seed(0)
    waves = [one[torch.randperm(len(one), generator=generator)] for one in waves]
    y = torch.cat([torch.full((len(one) - HELD,), i) for i, one in enumerate(waves)])
    ear = train(torch.cat([heard(one[HELD:]) for one in waves]), y, len(kinds))
    names: dict[str, list[str]] = {}
    agreed = known = 0
    for i, (kind, own) in enumerate(zip(kinds, waves, strict=True)):
        with torch.no_grad():
            known += int((ear(heard(own[:HELD])).argmax(1) == i).sum())
            made = play(model, [kind] * PROMPTS, 10_000 + 100 * i)
            found = ear(heard(made)).argmax(1).tolist()
        agreed += found.count(i)
        names[kind] = [kinds[j] for j in found if j != i]
        level = float(decibels(made).mean() - decibels(own).mean())
        centre, peak = float(made.mean(1).abs().max()), float(made.abs().max())
        print(
            f"{kind:14}{found.count(i):3}/{PROMPTS}  level {level:+5.1f} dB  peak {peak:.2f}  DC {centre:.4f}  "
            f"{', '.join(names[kind])}",
            flush=True,
        )
    print(f"real clips, unheard: {known / HELD / len(kinds):.1%}; made clips: {agreed / PROMPTS / len(kinds):.1%}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    evaluate(arguments.work, arguments.model)
