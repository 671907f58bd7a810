"""The model for sounds that comes with nodeflow: it plays what it is asked for, at an even level."""

from __future__ import annotations

import pytest
import torch

import nodeflow
from nodeflow import content
from nodeflow.diffusion.checkpoints import facts
from nodeflow.engine import Engine
from nodeflow.execution import Cache
from nodeflow.flow import Flow

MODEL = content.folder("assets") / "models" / "drums"


@pytest.fixture(scope="module")
def flow() -> Flow:
    graph = content.folder("graphs") / "text-to-sound.json"
    return nodeflow.load(graph, engine=Engine(results=Cache(folder=None)))


def play(flow: Flow, prompt: str, seed: int = 3) -> torch.Tensor:
    audio = flow(prompt=prompt, seed=seed).audio
    assert audio.rate == 22050 and audio.data.shape == (1, 1, 24576)
    return audio.data[0, 0]


def centre(wave: torch.Tensor) -> float:
    """The centre of a sound's spectrum, Hz."""
    power = torch.fft.rfft(wave).abs().square()
    return float((power * torch.fft.rfftfreq(len(wave), 1 / 22050)).sum() / power.sum())


def length(wave: torch.Tensor) -> float:
    """Seconds until 90 % of a sound's energy has been heard."""
    energy = wave.square().cumsum(0)
    return float((energy < 0.9 * energy[-1]).sum()) / 22050


def test_drums_lie_where_drums_lie(flow: Flow) -> None:
    kick, hat, cymbal = (play(flow, prompt) for prompt in ("kick drum", "closed hi-hat", "crash cymbal"))
    assert centre(kick) < 600 < 3000 < centre(hat)
    assert length(hat) < 0.25 < length(cymbal)


def test_every_sound_is_finite_and_at_one_level(flow: Flow) -> None:
    for prompt in ("snare drum", "bell", "bass"):
        wave = play(flow, prompt)
        assert torch.isfinite(wave).all()
        assert float(wave.abs().max()) == pytest.approx(10 ** (-1 / 20), abs=1e-3)
        assert abs(float(wave.mean())) < 0.003


def test_what_the_model_says_of_itself() -> None:
    found = facts(str(MODEL))
    assert found["family"] == "sound" and found["autoencoder"] == "SpectrogramAutoencoder"
    assert found["bytes"] < 20e6
