"""Make the emoji model from nothing, in one command.

    python assets/recipes/emoji/make.py --work /tmp/emoji --model assets/models/emoji

Needs npm (to fetch the pictures) and `pip install resvg-py` (to draw them). Stopped at any time, the same command
goes on where it was.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import captions
import torch
import train_autoencoder
import train_denoiser
from evaluate import evaluate
from export import export_autoencoder, export_denoiser
from render import read_concepts, render, render_held_out
from sheet import PROMPTS, pictures, sheet

from nodeflow.diffusion.checkpoints.tokenizer import read_tokenizer
from nodeflow.diffusion.training import bpe
from nodeflow.diffusion.training.loop import Trainer

HERE = Path(__file__).parent
MERGES = 1500


def make(work: Path, model: Path) -> None:
    """Fetch, draw, train, export, draw a sheet of samples, and measure.

    Args:
        work: Holds packages, pictures and training states between runs.
        model: The finished model's folder.
    """
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "pictures.npz").exists():
        render(read_concepts(HERE / "concepts.txt"), work)
    if not (work / "held_out.npz").exists():
        render_held_out(read_concepts(HERE / "held_out.txt"), work)
    said = captions.all_captions(captions.read_rows(work))
    bpe.save(model / "tokenizer", bpe.learn_merges(said, MERGES))
    tokenizer = read_tokenizer(model / "tokenizer")

    vae = train_autoencoder.train(work)
    export_autoencoder(model, train_autoencoder.CONFIG, vae.state_dict())

    def export(run: Trainer) -> None:
        export_denoiser(model, run.average(), train_denoiser.text_config(tokenizer))

    state = work / "denoiser.safetensors"
    run = train_denoiser.prepare(work, vae, tokenizer, state)
    train_denoiser.train(run, state, on_save=export)
    sheet(pictures(model, PROMPTS), PROMPTS).save(model / "sheet.png", optimize=True)
    evaluate(work, model)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    make(arguments.work, arguments.model)
