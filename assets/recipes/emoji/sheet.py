"""Draw a sheet of prompts and what the model makes of them, as any user of the model would."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image

from nodeflow import values
from nodeflow.diffusion import imaging, latents, text
from nodeflow.diffusion.adapters.patch import patched
from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.checkpoints.tokenizer import load_tokenizer
from nodeflow.diffusion.denoising import denoise, plain
from nodeflow.diffusion.scheduling import make_schedule
from nodeflow.diffusion.training.progressive import Progressive

PROMPTS = (
    "red heart", "blue heart, glossy style", "a yellow heart", "broken heart",
    "grinning face", "smiling face with sunglasses", "smiling face with heart-eyes", "crying face, flat style",
    "angry face", "nerd face", "clown face, flat style", "skull",
    "alien", "robot", "jack-o-lantern, glossy style", "snowman",
    "cat face, flat style", "a dog", "panda, glossy style", "fox",
    "frog, flat style", "lion", "unicorn", "koala, glossy style",
    "penguin", "owl", "butterfly", "lady beetle, flat style",
    "octopus, glossy style", "tropical fish", "whale", "zebra",
    "rose", "sunflower", "mushroom", "cactus, flat style",
    "palm tree", "evergreen tree, glossy style", "red apple, glossy style", "strawberry",
    "watermelon", "kiwi fruit", "avocado", "pizza",
    "hamburger, glossy style", "doughnut", "ice cream, flat style", "birthday cake",
    "star", "sun with face", "crescent moon", "rainbow",
    "fire", "ringed planet", "globe", "rocket, flat style",
    "airplane", "car", "locomotive", "house",
    "guitar", "balloon", "soccer ball", "crown",
)  # fmt: skip
COLUMNS, SIZE = 8, 64


@torch.no_grad()
def pictures(
    folder: Path,
    prompts: tuple[str, ...],
    steps: int = 20,
    guidance: float = 2.0,
    seed: int = 0,
    few: Path | None = None,
) -> torch.Tensor:
    """One picture a prompt, [N, 3, 64, 64], 0..1; with the LoRA `few`, sampled as `Progressive` wants it."""
    parts = open_model(str(folder), download=False)
    assert parts.text_encoder is not None
    if few:
        student = Progressive().scheduler(parts.scheduler)
        parts = replace(parts, denoiser=patched(parts.denoiser, few), scheduler=student)
    nets = {name: load_weights(getattr(parts, name)) for name in ("denoiser", "autoencoder", "text_encoder")}
    tokenizer = load_tokenizer(parts.text_encoder)
    positive = text.encode(prompts, tokenizer, nets["text_encoder"])
    negative = text.encode([""], tokenizer, nets["text_encoder"])
    start = latents.empty(parts.denoiser.space, SIZE, SIZE, len(prompts))
    schedule = make_schedule(parts.scheduler, steps=steps)
    prompted = {"positive": positive, "negative": negative, "guidance": plain(guidance)}
    done = denoise(nets["denoiser"], start, schedule, **prompted, seed=seed)
    return latents.to_image(nets["autoencoder"], done.latent).data


def sheet(images: torch.Tensor, prompts: tuple[str, ...]) -> Image.Image:
    """The pictures, each above its prompt."""
    enlarged = imaging.resize(values.Image(images), 2 * SIZE, 2 * SIZE)
    page = imaging.contact_sheet([enlarged], COLUMNS, gap=0, labels=prompts, text=12)
    return Image.fromarray(page.numpy()[0])


if __name__ == "__main__":
    model, target = Path(sys.argv[1]), Path(sys.argv[2])
    sheet(pictures(model, PROMPTS), PROMPTS).save(target, optimize=True)
