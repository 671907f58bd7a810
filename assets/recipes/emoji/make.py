"""Make the emoji model from nothing, in one command.

    python assets/recipes/emoji/make.py --work /tmp/emoji --model assets/models/emoji

Needs npm (to fetch the pictures) and `pip install resvg-py` (to draw them). Stopped at any time, the same command
goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import captions
import few_steps
import torch
import train_autoencoder
from evaluate import evaluate
from render import read_concepts, render, render_all
from sheet import PROMPTS, pictures, sheet

from nodeflow.diffusion.checkpoints.tokenizer import read_tokenizer
from nodeflow.diffusion.training import bpe
from nodeflow.diffusion.training.latents import encode_all
from nodeflow.diffusion.training.loop import Trainer

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "shared"))

import text_denoiser  # noqa: E402
from export import export_autoencoder, export_denoiser  # noqa: E402

MERGES = 1500
STEPS = 5400


def make(work: Path, model: Path) -> None:
    """Fetch, draw, train, export, draw a sheet of samples, and measure; then the same in four steps.

    Args:
        work: Holds packages, pictures and training states between runs.
        model: The finished model's folder.
    """
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "held_out.npz").exists():
        concepts, held_out = (read_concepts(HERE / name) for name in ("concepts.txt", "held_out.txt"))
        render(concepts, work)
        render_all(concepts, held_out, work)
    rows = captions.read_rows(work)
    said = captions.all_captions(rows)
    bpe.save(model / "tokenizer", bpe.learn_merges(said, MERGES), text_denoiser.LENGTH)
    tokenizer = read_tokenizer(model / "tokenizer")

    vae = train_autoencoder.train(work)
    channels = train_autoencoder.CONFIG["latent_channels"]
    export_autoencoder(model, train_autoencoder.CONFIG, vae.state_dict())

    def export(run: Trainer) -> None:
        unet, text = text_denoiser.unet_config(channels), text_denoiser.text_config(tokenizer)
        export_denoiser(model, run.average(), unet, text)

    torch.manual_seed(text_denoiser.SETTINGS.seed)
    task = text_denoiser.Task(
        text_denoiser.build(tokenizer, channels),
        encode_all(vae, train_autoencoder.read_images(work / "pictures.npz")),
        torch.tensor([row["weight"] for row in rows]),
        text_denoiser.token_table(tokenizer, said),
        lambda i, generator: captions.draw(rows[i], generator),
    )
    text_denoiser.train(task, STEPS, work / "denoiser.safetensors", export)
    sheet(pictures(model, PROMPTS), PROMPTS).save(model / "sheet.png", optimize=True)
    evaluate(work, model)
    few = few_steps.train(work, model)
    sheet(pictures(model, PROMPTS, 4, 1.0, few=few), PROMPTS).save(work / "four-steps.png", optimize=True)
    evaluate(work, model, steps=4, guidance=1.0, few=few)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    make(arguments.work, arguments.model)
