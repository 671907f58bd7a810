"""Make the drums model from nothing, in one command.

    python assets/recipes/drums/make.py --work /tmp/drums --model assets/models/drums

Needs npm (to fetch the recordings). Stopped at any time, the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import clips
import torch
from evaluate import evaluate
from sheet import sheet

from nodeflow.diffusion.checkpoints.tokenizer import read_tokenizer
from nodeflow.diffusion.training import bpe
from nodeflow.diffusion.training.loop import Trainer

sys.path.append(str(Path(__file__).parents[1] / "shared"))

import text_denoiser
from export import export_autoencoder, export_denoiser

MERGES = 400
STEPS = 2400
EMPTY = 0.1
"""How often nothing is said, so that guidance knows the sound nobody asked for."""


def make(work: Path, model: Path) -> None:
    """Draw the clips, train, export, draw a sheet of what it plays, and measure.

    Args:
        work: Holds the recordings and training states between runs.
        model: The finished model's folder.
    """
    work.mkdir(parents=True, exist_ok=True)
    net, data = clips.make(work)
    said = [clips.captions(kind, words) for kind, words in zip(data.kinds, data.words, strict=True)]
    every = sorted({"", *(caption for own in said for caption in own)})
    bpe.save(model / "tokenizer", bpe.learn_merges(every, MERGES), text_denoiser.LENGTH)
    tokenizer = read_tokenizer(model / "tokenizer")
    channels = clips.CONFIG["latent_channels"]
    export_autoencoder(model, clips.CONFIG, net.state_dict())

    def export(run: Trainer) -> None:
        unet, text = text_denoiser.unet_config(channels), text_denoiser.text_config(tokenizer)
        export_denoiser(model, run.average(), unet, text, ("nodeflow", "SpectrogramAutoencoder"))

    def caption(i: int, generator: torch.Generator) -> str:
        silent = float(torch.rand((), generator=generator)) < EMPTY
        return "" if silent else said[i][int(torch.randint(len(said[i]), (), generator=generator))]

    torch.manual_seed(text_denoiser.SETTINGS.seed)
    task = text_denoiser.Task(
        text_denoiser.build(tokenizer, channels),
        data.latents,
        torch.tensor([1 / data.kinds.count(kind) for kind in data.kinds]),
        text_denoiser.token_table(tokenizer, every),
        caption,
    )
    text_denoiser.train(task, STEPS, work / "denoiser.safetensors", export)
    sheet(model).save(model / "sheet.png")
    evaluate(work, model)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    make(arguments.work, arguments.model)
