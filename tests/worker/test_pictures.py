"""Values as pictures to look at."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from nodeflow.values import Latent, LatentSpace
from nodeflow.worker.pictures import preview


def test_a_latent_of_waves_is_drawn_channel_under_channel() -> None:
    data = torch.zeros(1, 2, 512)
    data[0, 1] = torch.linspace(0, 300, 512).sin() * 0.9
    found = preview(Latent(data, LatentSpace("waves-8000", 2, 1)))
    assert found is not None
    assert (found.width, found.height) == (256, 128)
    pixels = np.asarray(Image.open(io.BytesIO(found.data)).convert("L")).astype(float)
    silent, loud = np.vsplit(pixels, 2)
    lit = [(half > 100).any(1).sum() for half in (silent, loud)]
    assert lit[0] <= 3 and 50 <= lit[1] <= 62, lit


@pytest.mark.parametrize("space", ["sd1", "unknown"])
def test_a_latent_of_pictures_has_colours_of_its_size(space: str) -> None:
    found = preview(Latent(torch.randn(1, 4, 6, 8), LatentSpace(space, 4, 8)))
    assert found is not None and (found.width, found.height, found.format) == (8, 6, "PNG")
