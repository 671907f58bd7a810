"""Draw a sheet of what the drums model plays: the spectrogram of each prompt above its wave.

python assets/recipes/drums/sheet.py assets/models/drums assets/models/drums/sheet.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

import nodeflow
from nodeflow import Audio, Image
from nodeflow.diffusion import imaging, sounds

PROMPTS = (
    "a deep kick drum", "snare drum", "clap", "closed hi-hat",
    "open hi-hat", "crash cymbal", "a low tom", "cowbell",
    "bass", "guitar", "high bell", "flute",
)  # fmt: skip
WIDTH, ABOVE, BELOW = 224, 112, 48


def sheet(model: Path) -> Image:
    """What the template graph makes of the prompts, by one seed."""
    flow = nodeflow.load(Path(__file__).parents[3] / "graphs" / "text-to-sound.json")
    drawn = [picture(flow(model=str(model), prompt=prompt, seed=1).audio) for prompt in PROMPTS]
    return imaging.contact_sheet(drawn, columns=4, gap=8, labels=PROMPTS)


def picture(audio: Audio) -> Image:
    """A spectrogram above its wave."""
    halves = [sounds.spectrogram(audio, WIDTH, ABOVE), sounds.waveform(audio, WIDTH, BELOW)]
    return Image(torch.cat([half.data for half in halves], dim=-2))


if __name__ == "__main__":
    sheet(Path(sys.argv[1])).save(sys.argv[2])
