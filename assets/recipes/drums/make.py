"""Make the drums model from nothing, in one command.

    python assets/recipes/drums/make.py --work /tmp/drums --model assets/models/drums

Needs npm (to fetch the recordings) and `pip install soundfile`. Stopped at any time, the same command goes on where
it was.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import clips
import torch
import train

from nodeflow.diffusion.checkpoints.tokenizer import read_tokenizer
from nodeflow.diffusion.training import bpe
from nodeflow.diffusion.training.loop import Trainer

sys.path.append(str(Path(__file__).parents[1] / "emoji"))
from export import write_network, write_pipeline

MERGES = 400


def make(work: Path, model: Path) -> None:
    """Draw the clips, train, export.

    Args:
        work: Holds the recordings and training states between runs.
        model: The finished model's folder.
    """
    work.mkdir(parents=True, exist_ok=True)
    net, data = clips.make(work)
    said = sorted(
        {caption for kind, words in zip(data.kinds, data.words, strict=True) for caption in clips.captions(kind, words)}
    )
    bpe.save(model / "tokenizer", bpe.learn_merges(said, MERGES))
    tokenizer = read_tokenizer(model / "tokenizer")
    write_network(model / "vae", "diffusion_pytorch_model", clips.CONFIG, net.state_dict())

    def export(run: Trainer) -> None:
        write_pipeline(model, run.average(), train.UNET, train.text_config(tokenizer), train.SCHEDULER)

    state = work / "denoiser.safetensors"
    train.train(train.prepare(data, tokenizer, state), state, export)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    make(arguments.work, arguments.model)
